//! How a channel ends when its funder closes it, and how much money each side has then.

use std::time::Duration;

use paychan_channel::{Amount, Ledger};
use paychan_tests::watcher::Payer;
use tokio::time::sleep;

use crate::demo::{Demo, Fee, usdc, xlm};

/// A column of the table at the end.
pub(crate) struct Outcome {
    /// The column's title.
    pub(crate) channel: &'static str,
    deposited: Amount,
    acknowledged: Amount,
    paid: Amount,
    refunded: Amount,
    /// `None` when nothing was settled before the deadline.
    ledgers_to_spare: Option<u32>,
    funder_fees: Fee,
    watcher_fees: Fee,
}

/// The balances of the recipient and of the watcher's fee account before a channel is opened.
pub(crate) struct BalancesBefore {
    lane: Fee,
    recipient: Amount,
}

impl BalancesBefore {
    /// Reads the balances from the network.
    pub(crate) async fn read(demo: &Demo) -> Self {
        let env = &demo.env;
        Self { lane: env.xlm(&env.lane).await, recipient: env.usdc(&env.recipient).await }
    }
}

/// The funder announces the close, and takes back what is left at the deadline. The watcher settles in between.
pub(crate) async fn funder_leaves(
    demo: &Demo,
    channel: &'static str,
    payer: &Payer,
    acknowledged: Amount,
    before: BalancesBefore,
    mut funder_fees: Fee,
) -> Outcome {
    let Demo { env, output } = demo;
    funder_fees += demo.as_funder("close-start", &payer.channel).await;
    let closing = env.read(&payer.channel).await;
    let deadline = closing.deadline().expect("the close was announced");
    output.print(&format!("from ledger {deadline} on the agent can take back everything that was not cashed in"));
    let ledgers_to_spare =
        settled(demo, payer, acknowledged).await.map(|at| deadline.0.saturating_sub(at.0)).filter(|spare| *spare > 0);
    output.print(&match ledgers_to_spare {
        Some(spare) => format!("the watcher saw it and settled, {spare} ledgers before the deadline"),
        None => "the watcher did NOT settle before the deadline".to_owned(),
    });

    output.print("time passes until the deadline");
    let now = env.network.ledger().await;
    env.network.jump(deadline.0.saturating_sub(now)).await;
    let funder_before = env.usdc(&env.funder).await;
    funder_fees += demo.as_funder("refund", &payer.channel).await;
    let outcome = Outcome {
        channel,
        deposited: closing.deposited.expect("our contract counts deposits"),
        acknowledged,
        paid: env.usdc(&env.recipient).await.saturating_sub(before.recipient),
        refunded: env.usdc(&env.funder).await.saturating_sub(funder_before),
        ledgers_to_spare,
        funder_fees,
        watcher_fees: before.lane - env.xlm(&env.lane).await,
    };
    output.print(&format!(
        "the recipient was paid {} USDC, the agent got {} USDC back",
        usdc(outcome.paid),
        usdc(outcome.refunded)
    ));
    outcome
}

/// Waits for the settlement, at most until the deadline. Returns the ledger at which it was seen.
async fn settled(demo: &Demo, payer: &Payer, acknowledged: Amount) -> Option<Ledger> {
    loop {
        let state = demo.env.read(&payer.channel).await;
        if state.withdrawn >= acknowledged {
            return Some(state.read_at);
        }
        if state.deadline().is_some_and(|deadline| state.read_at >= deadline) {
            return None;
        }
        sleep(Duration::from_millis(30)).await;
    }
}

impl Outcome {
    /// The table's rows: the name and the value of each.
    pub(crate) fn rows(&self) -> [(&'static str, String); 7] {
        [
            ("deposited by the funder", usdc(self.deposited)),
            ("highest commitment acknowledged", usdc(self.acknowledged)),
            ("paid to the recipient", usdc(self.paid)),
            ("refunded to the funder", usdc(self.refunded)),
            (
                "ledgers left before the deadline",
                self.ledgers_to_spare.map_or("NONE".to_owned(), |spare| spare.to_string()),
            ),
            ("fees of the funder (XLM)", xlm(self.funder_fees)),
            ("fees of the watcher (XLM)", xlm(self.watcher_fees)),
        ]
    }

    /// The faults that the demo found, one sentence for each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.ledgers_to_spare.is_none() {
            faults.push(format!("{}: the watcher did not settle it before the deadline", self.channel));
        }
        if self.paid < self.acknowledged {
            faults.push(format!(
                "{}: {} was acknowledged and only {} was paid",
                self.channel,
                usdc(self.acknowledged),
                usdc(self.paid)
            ));
        }
        if self.paid.checked_add(self.refunded) != Some(self.deposited) {
            faults.push(format!("{}: paid and refunded together are not what was deposited", self.channel));
        }
        faults
    }
}
