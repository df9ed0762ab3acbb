//! Channel 2: the network forgets what nobody pays for; the watcher sees to it in time.

use paychan_channel::{Amount, Ledger, Lives};
use paychan_tests::watcher::PATIENCE;
use tokio::time::{Duration, Instant, sleep};

use crate::payments::{Account, read};
use crate::stage::{LIFE_FLOOR, Stage, usdc};
use crate::tell::{Teller, table};

/// Ledgers left to the first entry that would be archived, after the jump.
const LEFT_AFTER_JUMP: u32 = 300;

pub(crate) async fn play(tell: &Teller, stage: &Stage) -> Account {
    let lane_before = stage.xlm(&stage.lane).await;
    let recipient_before = stage.usdc(&stage.recipient).await;

    tell.step("A second channel, paid through once and then left alone");
    let (payer, mut funder_fees) = stage.open(tell, "channel-2", "2").await;
    let mut watcher = stage.watcher();
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!(status, 201, "the watcher refused the channel: {body}");
    let total = 12_500_000;
    let (status, body) = watcher
        .offer(
            &payer.channel,
            &total.to_string(),
            &payer.sign(total),
            "the-only-one",
        )
        .await
        .expect("the watcher answers");
    assert_eq!(status, 200, "the payment was refused: {body}");
    let acknowledged = Amount::new(total).expect("not negative");
    tell.say(&format!("acknowledged: {} USDC", usdc(acknowledged)));

    tell.step("Months pass in a moment: all four ledger entries that the channel lives by near the end of their life");
    let before = read(stage, &payer).await;
    let first_end = before.lives.earliest().expect("live entries");
    let now = stage.network.ledger().await;
    stage
        .network
        .jump(
            first_end
                .0
                .saturating_sub(now)
                .saturating_sub(LEFT_AFTER_JUMP),
        )
        .await;
    let jumped_to = stage.network.ledger().await;
    let give_up = Instant::now() + PATIENCE;
    let after = loop {
        let state = read(stage, &payer).await;
        let extended = pairs(&before.lives, &state.lives)
            .iter()
            .all(|(_, before, after)| after > before);
        if extended {
            break state;
        }
        assert!(
            Instant::now() < give_up,
            "the watcher did not extend all four; it logged:\n{}",
            watcher.logged()
        );
        sleep(Duration::from_millis(50)).await;
    };
    tell.say(&format!(
        "it is ledger {jumped_to}; the watcher extends what has fewer than {LIFE_FLOOR} ledgers left"
    ));
    let rows: Vec<Vec<String>> = pairs(&before.lives, &after.lives)
        .into_iter()
        .map(|(name, before, after)| {
            vec![
                format!("    {name}"),
                before.to_string(),
                before.0.saturating_sub(jumped_to).to_string(),
                after.to_string(),
            ]
        })
        .collect();
    table(
        &[
            "    entry",
            "lived until",
            "ledgers left",
            "lives until now",
        ],
        &rows,
    );

    // The account is settled as in channel 1: the funder leaves, the watcher settles.
    funder_fees += stage.as_funder(tell, "close-start", &payer.channel).await;
    let deadline = read(stage, &payer)
        .await
        .deadline()
        .expect("the close was announced");
    let settled_at = loop {
        let state = read(stage, &payer).await;
        if state.withdrawn >= acknowledged || state.read_at >= deadline {
            break state.read_at;
        }
        sleep(Duration::from_millis(30)).await;
    };
    let now = stage.network.ledger().await;
    stage.network.jump(deadline.0.saturating_sub(now)).await;
    let funder_before = stage.usdc(&stage.funder).await;
    funder_fees += stage.as_funder(tell, "refund", &payer.channel).await;
    let (_, status) = watcher.status(&[]).await;
    tell.say("\n$ paychan-watcher status");
    tell.say(&status);
    watcher.sigkill().await;

    Account {
        name: "channel 2",
        deposited: before.deposited.expect("our contract counts deposits"),
        acknowledged,
        paid: stage
            .usdc(&stage.recipient)
            .await
            .saturating_sub(recipient_before),
        refunded: stage
            .usdc(&stage.funder)
            .await
            .saturating_sub(funder_before),
        ledgers_to_spare: Some(deadline.0.saturating_sub(settled_at.0)),
        funder_fees,
        watcher_fees: lane_before - stage.xlm(&stage.lane).await,
    }
}

/// The four entries by name, with the last ledger of their lives before and after.
fn pairs(before: &Lives, after: &Lives) -> Vec<(&'static str, Ledger, Ledger)> {
    before
        .existing()
        .zip(after.existing())
        .map(|((name, before), (_, after))| (name, before, after))
        .collect()
}
