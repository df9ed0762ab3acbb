//! Channel 1: a thousand payments, a crash in the middle, and a funder who leaves.

use paychan_channel::Amount;
use paychan_tests::env::text;
use paychan_tests::watcher::{Payer, Watcher};
use tokio::time::{Duration, sleep};

use crate::demo::{Demo, usdc};
use crate::outcome::{BalancesBefore, Outcome, funder_leaves};
use crate::output::Output;

const PAYMENTS: u64 = 1_000;
/// The watcher is killed while this payment is on its way.
const KILLED_AT: u64 = 500;
/// The time from the offer of that payment to the kill. A watcher takes about as long to answer.
const KILL_AFTER: Duration = Duration::from_micros(300);
/// A tenth of a cent, in base units of a token with 7 decimals.
const PRICE: u64 = 10_000;

pub(crate) async fn run(demo: &Demo) -> Outcome {
    let output = &demo.output;
    let before = BalancesBefore::read(demo).await;

    output.step("The agent opens a channel with a deposit of 5 USDC");
    let (payer, funder_fees) = demo.open("5").await;

    output.step("The API's watcher starts as a process of its own, and begins to watch the channel");
    let mut watcher = demo.watcher();
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!(status, 201, "the watcher refused the channel: {body}");
    output.print(&format!("it listens on {} and holds no key of the recipient", watcher.url));

    output.step(&format!("The agent pays {PAYMENTS} times 0.001 USDC: one signature for each, and no transaction"));
    let acknowledged = pay(output, &payer, &mut watcher).await;

    output.step("The agent starts to close the channel, to take everything back");
    let outcome = funder_leaves(demo, "channel 1", &payer, acknowledged, before, funder_fees).await;
    watcher.sigkill().await;
    outcome
}

/// Pays, with a SIGKILL in the middle. Returns the highest total that the watcher acknowledged.
async fn pay(output: &Output, payer: &Payer, watcher: &mut Watcher) -> Amount {
    let mut acknowledged = Amount::ZERO;
    for number in 1..=PAYMENTS {
        let total = i128::from(number * PRICE);
        let signature = payer.sign(total);
        let id = format!("payment-{number}");
        let total = total.to_string();
        if number == KILLED_AT {
            // The payment and the kill race. Only a second offer of the payment tells whether the watcher took it.
            let (answer, ()) = tokio::join!(watcher.offer(&payer.channel, &total, &signature, &id), async {
                sleep(KILL_AFTER).await;
                watcher.kill_now();
            });
            watcher.sigkill().await;
            let answered = answer.is_ok_and(|(status, _)| status == 200);
            output.print(&format!(
                "SIGKILL while payment {number} is on its way; its answer {}",
                if answered { "came just before" } else { "never came" }
            ));
            watcher.start().await;
            let (_, state) = watcher.channel(&payer.channel).await;
            let kept: Amount = text(&state, "highest").parse().expect("an amount");
            output.print(&format!(
                "after its restart it holds {} USDC; {} USDC was acknowledged before payment {number}",
                usdc(kept),
                usdc(acknowledged)
            ));
            assert!(kept >= acknowledged, "an acknowledged commitment was forgotten");
            output
                .print(&format!("payment {number} is offered again under the same id, so that it cannot count twice"));
        }
        let (status, body) = watcher.offer(&payer.channel, &total, &signature, &id).await.expect("the watcher answers");
        assert_eq!(status, 200, "payment {number} was refused: {body}");
        acknowledged = text(&body, "highest").parse().expect("an amount");
        output.progress("acknowledged", number, PAYMENTS);
    }
    acknowledged
}
