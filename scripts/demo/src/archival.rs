//! Channel 2: the network archives entries whose rent nobody pays. The watcher pays the rent in time.

use paychan_channel::{Amount, ChannelState, Ledger, Lives};
use paychan_tests::table::table;
use paychan_tests::watcher::{PATIENCE, Payer, Watcher};
use tokio::time::{Duration, Instant, sleep};

use crate::demo::{Demo, LIFE_FLOOR, usdc};
use crate::outcome::{BalancesBefore, Outcome, funder_leaves};

/// How many ledgers of life the first entry has left after the jump.
const LEFT_AFTER_JUMP: u32 = 300;
/// The only commitment, in base units: 1.25 USDC.
const TOTAL: i128 = 12_500_000;

pub(crate) async fn run(demo: &Demo) -> Outcome {
    let output = &demo.output;
    let before = BalancesBefore::read(demo).await;

    output.step("A second channel: one payment, then nobody touches it for a long time");
    let (payer, funder_fees) = demo.open("2").await;
    let mut watcher = demo.watcher();
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!(status, 201, "the watcher refused the channel: {body}");
    let (status, body) = watcher
        .offer(&payer.channel, &TOTAL.to_string(), &payer.sign(TOTAL), "the-only-one")
        .await
        .expect("the watcher answers");
    assert_eq!(status, 200, "the payment was refused: {body}");
    let acknowledged = Amount::new(TOTAL).expect("not negative");
    output.print(&format!("acknowledged: {} USDC", usdc(acknowledged)));

    output.step("The four ledger entries that the channel needs come near the end of their lives");
    extend_lives(demo, &payer, &watcher).await;

    output.step("This agent also closes its channel, and the watcher settles");
    let outcome = funder_leaves(demo, "channel 2", &payer, acknowledged, before, funder_fees).await;

    output.step("What the operator sees");
    let (_, shown) = watcher.status(&[]).await;
    output.print("$ paychan-watcher status --config watcher.toml\n");
    output.print(&shown);
    watcher.sigkill().await;
    outcome
}

/// Jumps to a ledger shortly before the first entry is archived, and shows how the watcher extends all of them.
async fn extend_lives(demo: &Demo, payer: &Payer, watcher: &Watcher) {
    let network = &demo.env.network;
    let before = demo.env.read(&payer.channel).await;
    let first_end = before.lives.earliest().expect("live entries");
    let now = network.ledger().await;
    network.jump(first_end.0.saturating_sub(now).saturating_sub(LEFT_AFTER_JUMP)).await;
    let jumped_to = network.ledger().await;
    let after = extended(demo, payer, watcher, &before.lives).await;
    demo.output.print(&format!(
        "it is ledger {jumped_to}; the watcher extends entries that have fewer than {LIFE_FLOOR} ledgers left\n"
    ));
    let rows: Vec<Vec<String>> = pairs(&before.lives, &after.lives)
        .into_iter()
        .map(|(name, before, after)| {
            let left = before.0.saturating_sub(jumped_to);
            vec![format!("    {name}"), before.to_string(), left.to_string(), after.to_string()]
        })
        .collect();
    table(&["    entry", "lived until", "ledgers left", "lives until now"], &rows);
}

/// Waits until every entry lives longer than `before`.
async fn extended(demo: &Demo, payer: &Payer, watcher: &Watcher, before: &Lives) -> ChannelState {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let state = demo.env.read(&payer.channel).await;
        if pairs(before, &state.lives).iter().all(|(_, before, after)| after > before) {
            return state;
        }
        assert!(
            Instant::now() < give_up,
            "not all four entries were extended; the watcher logged:\n{}",
            watcher.logged()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// Each entry's name, and the last ledger of its life before and after.
fn pairs(before: &Lives, after: &Lives) -> Vec<(&'static str, Ledger, Ledger)> {
    let both = before.existing().zip(after.existing());
    both.map(|((name, before), (_, after))| (name, before, after)).collect()
}
