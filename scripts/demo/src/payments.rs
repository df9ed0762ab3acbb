//! Channel 1: a thousand payments, a crash, a funder who runs.

use paychan_channel::{Amount, ChannelState};
use paychan_rpc::read_channel;
use paychan_tests::watcher::{Payer, Watcher};
use tokio::time::{Duration, sleep};

use crate::stage::{Fee, Stage, WAITING_PERIOD, text, usdc, xlm};
use crate::tell::Teller;

const PAYMENTS: u64 = 1_000;
/// The watcher is killed while this payment is on its way.
const KILLED_AT: u64 = 500;
/// A tenth of a cent, in base units of a token with 7 decimals.
const PRICE: u64 = 10_000;

/// A line of the closing table for one channel.
pub(crate) struct Account {
    pub(crate) name: &'static str,
    pub(crate) deposited: Amount,
    pub(crate) acknowledged: Amount,
    pub(crate) paid: Amount,
    pub(crate) refunded: Amount,
    pub(crate) ledgers_to_spare: Option<u32>,
    pub(crate) funder_fees: Fee,
    pub(crate) watcher_fees: Fee,
}

impl Account {
    /// The table's rows: what each is called, and its value.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("deposited by the funder", usdc(self.deposited)),
            ("highest commitment acknowledged", usdc(self.acknowledged)),
            ("paid to the recipient", usdc(self.paid)),
            ("refunded to the funder", usdc(self.refunded)),
            (
                "ledgers to spare before the deadline",
                self.ledgers_to_spare
                    .map_or("-".to_owned(), |n| n.to_string()),
            ),
            ("fees of the funder", xlm(self.funder_fees)),
            ("fees of the watcher", xlm(self.watcher_fees)),
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
                "{}: paid and refunded are not together what was deposited",
                self.name
            ));
        }
        wrong
    }
}

pub(crate) async fn play(tell: &Teller, stage: &Stage) -> Account {
    let lane_before = stage.xlm(&stage.lane).await;

    tell.step("The agent opens a channel with a deposit of 5 USDC");
    let (payer, mut funder_fees) = stage.open(tell, "channel-1", "5").await;

    tell.step(
        "The API's watcher starts, as a process of its own, and takes the channel under its watch",
    );
    let mut watcher = stage.watcher();
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!(status, 201, "the watcher refused the channel: {body}");
    tell.say(&format!(
        "it listens on {} and has no key of the recipient",
        watcher.url
    ));

    tell.step(&format!(
        "The agent pays {PAYMENTS} times, 0.001 USDC each: no transaction, one signature a payment"
    ));
    let acknowledged = pay(tell, &payer, &mut watcher).await;

    tell.step("The agent runs: it announces the close, and may take everything back after the waiting period");
    funder_fees += stage.as_funder(tell, "close-start", &payer.channel).await;
    let closing = read(stage, &payer).await;
    let deadline = closing.deadline().expect("the close was announced");
    tell.say(&format!(
        "deadline: ledger {deadline}, {WAITING_PERIOD} ledgers after the announcement"
    ));
    let settled_at = loop {
        let state = read(stage, &payer).await;
        if state.withdrawn >= acknowledged || state.read_at >= deadline {
            break state.read_at;
        }
        sleep(Duration::from_millis(30)).await;
    };
    let spare = deadline.0.saturating_sub(settled_at.0);
    tell.say(&format!(
        "the watcher saw it and settled by ledger {settled_at}: {} USDC, {spare} ledgers to spare",
        usdc(read(stage, &payer).await.withdrawn)
    ));

    tell.step("The deadline comes, and the agent takes back what is left");
    let now = stage.network.ledger().await;
    stage.network.jump(deadline.0.saturating_sub(now)).await;
    let before = stage.usdc(&stage.funder).await;
    funder_fees += stage.as_funder(tell, "refund", &payer.channel).await;
    let refunded = stage.usdc(&stage.funder).await.saturating_sub(before);
    let paid = stage.usdc(&stage.recipient).await;
    tell.say(&format!(
        "the recipient has {} USDC, the funder got {} USDC back",
        usdc(paid),
        usdc(refunded)
    ));
    watcher.sigkill().await;

    Account {
        name: "channel 1",
        deposited: closing.deposited.expect("our contract counts deposits"),
        acknowledged,
        paid,
        refunded,
        ledgers_to_spare: Some(spare),
        funder_fees,
        watcher_fees: lane_before - stage.xlm(&stage.lane).await,
    }
}

/// Pays, with a SIGKILL in the middle: the highest total that the watcher acknowledged.
async fn pay(tell: &Teller, payer: &Payer, watcher: &mut Watcher) -> Amount {
    let mut acknowledged = Amount::ZERO;
    for number in 1..=PAYMENTS {
        let total = i128::from(number * PRICE);
        let signature = payer.sign(total);
        let id = format!("payment-{number}");
        let total = total.to_string();
        if number == KILLED_AT {
            // The payment and the kill race: whether it was taken is not known until the same payment is offered again.
            let (answer, ()) = tokio::join!(
                watcher.offer(&payer.channel, &total, &signature, &id),
                async {
                    sleep(Duration::from_micros(500)).await;
                    watcher.kill_now();
                }
            );
            watcher.sigkill().await;
            let answered = answer.is_ok_and(|(status, _)| status == 200);
            tell.say(&format!(
                "SIGKILL while payment {number} is on its way; its answer {}",
                if answered { "had come" } else { "never came" }
            ));
            watcher.start().await;
            let (_, state) = watcher.channel(&payer.channel).await;
            let kept: Amount = text(&state, "highest").parse().expect("an amount");
            tell.say(&format!(
                "started again: it holds {} USDC, {} USDC was acknowledged",
                usdc(kept),
                usdc(acknowledged)
            ));
            assert!(
                kept >= acknowledged,
                "an acknowledged commitment was forgotten"
            );
            tell.say(&format!(
                "payment {number} is offered again under the same id, which never counts twice"
            ));
        }
        let (status, body) = watcher
            .offer(&payer.channel, &total, &signature, &id)
            .await
            .expect("the watcher answers");
        assert_eq!(status, 200, "payment {number} was refused: {body}");
        acknowledged = text(&body, "highest").parse().expect("an amount");
        tell.progress("acknowledged", number, PAYMENTS);
    }
    acknowledged
}

/// The channel as it is on chain now.
pub(crate) async fn read(stage: &Stage, payer: &Payer) -> ChannelState {
    read_channel(&stage.network.client, &payer.channel)
        .await
        .expect("the channel can be read")
}
