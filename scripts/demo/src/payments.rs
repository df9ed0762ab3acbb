//! Channel 1: a thousand payments, a crash, a funder who runs.

use paychan_channel::Amount;
use paychan_tests::watcher::{Payer, Watcher};
use paychan_tests::world::text;
use tokio::time::{Duration, sleep};

use crate::account::{Account, Before, funder_runs};
use crate::stage::{Stage, usdc};
use crate::tell::Teller;

const PAYMENTS: u64 = 1_000;
/// The watcher is killed while this payment is on its way.
const KILLED_AT: u64 = 500;
/// From offering that payment to the kill: about as long as a watcher takes to answer.
const KILL_AFTER: Duration = Duration::from_micros(300);
/// A tenth of a cent, in base units of a token with 7 decimals.
const PRICE: u64 = 10_000;

pub(crate) async fn play(tell: &Teller, stage: &Stage) -> Account {
    let before = Before::read(stage).await;

    tell.step("The agent opens a channel with a deposit of 5 USDC");
    let (payer, funder_fees) = stage.open(tell, "5").await;

    tell.step("The API's watcher starts, as a process of its own, and takes the channel under its watch");
    let mut watcher = stage.watcher();
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!(status, 201, "the watcher refused the channel: {body}");
    tell.say(&format!("it listens on {} and holds no key of the recipient", watcher.url));

    tell.step(&format!("The agent pays {PAYMENTS} times 0.001 USDC: no transaction, one signature a payment"));
    let acknowledged = pay(tell, &payer, &mut watcher).await;

    tell.step("The agent runs: it closes the channel to take everything back");
    let account = funder_runs(tell, stage, "channel 1", &payer, acknowledged, before, funder_fees).await;
    watcher.sigkill().await;
    account
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
            // Payment and kill race: whether it was taken is not known until the same payment is offered again.
            let (answer, ()) = tokio::join!(watcher.offer(&payer.channel, &total, &signature, &id), async {
                sleep(KILL_AFTER).await;
                watcher.kill_now();
            });
            watcher.sigkill().await;
            let answered = answer.is_ok_and(|(status, _)| status == 200);
            tell.say(&format!(
                "SIGKILL while payment {number} is on its way; its answer {}",
                if answered { "came just before" } else { "never came" }
            ));
            watcher.start().await;
            let (_, state) = watcher.channel(&payer.channel).await;
            let kept: Amount = text(&state, "highest").parse().expect("an amount");
            tell.say(&format!(
                "started again: it holds {} USDC; {} USDC was acknowledged before payment {number}",
                usdc(kept),
                usdc(acknowledged)
            ));
            assert!(kept >= acknowledged, "an acknowledged commitment was forgotten");
            tell.say(&format!("payment {number} is offered again under the same id, so that it can't count twice"));
        }
        let (status, body) = watcher.offer(&payer.channel, &total, &signature, &id).await.expect("the watcher answers");
        assert_eq!(status, 200, "payment {number} was refused: {body}");
        acknowledged = text(&body, "highest").parse().expect("an amount");
        tell.progress("acknowledged", number, PAYMENTS);
    }
    acknowledged
}
