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
    /// `None` when nothing was settled before the deadline.
    ledgers_to_spare: Option<u32>,
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
        Self { lane: world.xlm(&world.lane).await, recipient: world.usdc(&world.recipient).await }
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
    tell.say(&format!("from ledger {deadline} on the agent can take back everything that was not cashed in"));
    let ledgers_to_spare =
        settled(stage, payer, acknowledged).await.map(|at| deadline.0.saturating_sub(at.0)).filter(|spare| *spare > 0);
    tell.say(&match ledgers_to_spare {
        Some(spare) => format!("the watcher saw it and settled, {spare} ledgers to spare"),
        None => "the watcher did NOT settle before the deadline".to_owned(),
    });

    tell.say("time passes, the deadline comes");
    let now = world.network.ledger().await;
    world.network.jump(deadline.0.saturating_sub(now)).await;
    let funder_before = world.usdc(&world.funder).await;
    funder_fees += stage.as_funder(tell, "refund", &payer.channel).await;
    let account = Account {
        name,
        deposited: closing.deposited.expect("our contract counts deposits"),
        acknowledged,
        paid: world.usdc(&world.recipient).await.saturating_sub(before.recipient),
        refunded: world.usdc(&world.funder).await.saturating_sub(funder_before),
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
async fn settled(stage: &Stage, payer: &Payer, acknowledged: Amount) -> Option<Ledger> {
    loop {
        let state = stage.world.read(&payer.channel).await;
        if state.withdrawn >= acknowledged {
            return Some(state.read_at);
        }
        if state.deadline().is_some_and(|deadline| state.read_at >= deadline) {
            return None;
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
                self.ledgers_to_spare.map_or("NONE".to_owned(), |spare| spare.to_string()),
            ),
            ("fees of the funder (XLM)", xlm(self.funder_fees)),
            ("fees of the watcher (XLM)", xlm(self.watcher_fees)),
        ]
    }

    /// What is not as it must be.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.ledgers_to_spare.is_none() {
            wrong.push(format!("{}: not settled before the deadline", self.name));
        }
        if self.paid < self.acknowledged {
            wrong.push(format!(
                "{}: {} was acknowledged and only {} was paid",
                self.name,
                usdc(self.acknowledged),
                usdc(self.paid)
            ));
        }
        if self.paid.checked_add(self.refunded) != Some(self.deposited) {
            wrong.push(format!("{}: paid and refunded together are not what was deposited", self.name));
        }
        wrong
    }
}
