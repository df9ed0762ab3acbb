//! What became of one channel's money.

use std::time::Duration;

use paychan_channel::{Amount, Ledger};
use paychan_tests::watcher::Payer;
use tokio::time::sleep;

use crate::stage::{Fee, Stage, usdc, xlm};
use crate::tell::Teller;

/// A column of the closing table.
pub(crate) struct Account {
    pub(crate) name: &'static str,
    deposited: Amount,
    acknowledged: Amount,
    paid: Amount,
    refunded: Amount,
    ledgers_to_spare: u32,
    funder_fees: Fee,
    watcher_fees: Fee,
}

/// Balances before a channel's story.
pub(crate) struct Before {
    lane: Fee,
    recipient: Amount,
}

impl Before {
    pub(crate) async fn read(stage: &Stage) -> Self {
        let world = &stage.world;
        Self {
            lane: world.xlm(&world.lane).await,
            recipient: world.usdc(&world.recipient).await,
        }
    }
}

/// The funder runs: announces the close, and takes back what is left at the deadline. Between the two, the watcher's
/// time.
pub(crate) async fn funder_runs(
    tell: &Teller,
    stage: &Stage,
    name: &'static str,
    payer: &Payer,
    acknowledged: Amount,
    before: Before,
    mut funder_fees: Fee,
) -> Account {
    let world = &stage.world;
    funder_fees += stage.as_funder(tell, "close-start", &payer.channel).await;
    let closing = world.read(&payer.channel).await;
    let deadline = closing.deadline().expect("the close was announced");
    tell.say(&format!(
        "from ledger {deadline} on the agent can take back everything that was not cashed in"
    ));
    let settled_at = settled(stage, payer, acknowledged, deadline).await;
    let ledgers_to_spare = deadline.0.saturating_sub(settled_at.0);
    tell.say(&format!(
        "the watcher saw it and settled by ledger {settled_at}, {ledgers_to_spare} ledgers to spare"
    ));

    tell.say("time passes, the deadline comes");
    let now = world.network.ledger().await;
    world.network.jump(deadline.0.saturating_sub(now)).await;
    let funder_before = world.usdc(&world.funder).await;
    funder_fees += stage.as_funder(tell, "refund", &payer.channel).await;
    let account = Account {
        name,
        deposited: closing.deposited.expect("our contract counts deposits"),
        acknowledged,
        paid: world
            .usdc(&world.recipient)
            .await
            .saturating_sub(before.recipient),
        refunded: world
            .usdc(&world.funder)
            .await
            .saturating_sub(funder_before),
        ledgers_to_spare,
        funder_fees,
        watcher_fees: before.lane - world.xlm(&world.lane).await,
    };
    tell.say(&format!(
        "the recipient was paid {} USDC, the agent got {} USDC back",
        usdc(account.paid),
        usdc(account.refunded)
    ));
    account
}

/// Waits for the settlement, at most until the deadline: the ledger at which it was seen.
async fn settled(stage: &Stage, payer: &Payer, acknowledged: Amount, deadline: Ledger) -> Ledger {
    loop {
        let state = stage.world.read(&payer.channel).await;
        if state.withdrawn >= acknowledged || state.read_at >= deadline {
            return state.read_at;
        }
        sleep(Duration::from_millis(30)).await;
    }
}

impl Account {
    /// The table's rows: what each is called, and its value.
    pub(crate) fn rows(&self) -> [(&'static str, String); 7] {
        [
            ("deposited by the funder", usdc(self.deposited)),
            ("highest commitment acknowledged", usdc(self.acknowledged)),
            ("paid to the recipient", usdc(self.paid)),
            ("refunded to the funder", usdc(self.refunded)),
            (
                "ledgers to spare before the deadline",
                self.ledgers_to_spare.to_string(),
            ),
            ("fees of the funder (XLM)", xlm(self.funder_fees)),
            ("fees of the watcher (XLM)", xlm(self.watcher_fees)),
        ]
    }

    /// What is not as it must be.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.paid < self.acknowledged {
            wrong.push(format!(
                "{}: {} was acknowledged and only {} was paid",
                self.name,
                usdc(self.acknowledged),
                usdc(self.paid)
            ));
        }
        if self.paid.checked_add(self.refunded) != Some(self.deposited) {
            wrong.push(format!(
                "{}: paid and refunded together are not what was deposited",
                self.name
            ));
        }
        wrong
    }
}
