//! Channel 2: the network archives what nobody pays for; the watcher sees to it in time.

use paychan_channel::{Amount, ChannelState, Ledger, Lives};
use paychan_tests::table::table;
use paychan_tests::watcher::{PATIENCE, Payer, Watcher};
use tokio::time::{Duration, Instant, sleep};

use crate::account::{Account, Before, funder_runs};
use crate::stage::{LIFE_FLOOR, Stage, usdc};
use crate::tell::Teller;

/// Ledgers left to the first entry that would be archived, after the jump.
const LEFT_AFTER_JUMP: u32 = 300;
/// Base units: 1.25 USDC.
const TOTAL: i128 = 12_500_000;

pub(crate) async fn play(tell: &Teller, stage: &Stage) -> Account {
    let before = Before::read(stage).await;

    tell.step("A second channel: one payment, then nobody touches it for a long time");
    let (payer, funder_fees) = stage.open(tell, "2").await;
    let mut watcher = stage.watcher();
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!(status, 201, "the watcher refused the channel: {body}");
    let (status, body) = watcher
        .offer(&payer.channel, &TOTAL.to_string(), &payer.sign(TOTAL), "the-only-one")
        .await
        .expect("the watcher answers");
    assert_eq!(status, 200, "the payment was refused: {body}");
    let acknowledged = Amount::new(TOTAL).expect("not negative");
    tell.say(&format!("acknowledged: {} USDC", usdc(acknowledged)));

    tell.step("All four ledger entries that the channel lives by near the end of their life");
    near_the_end(tell, stage, &payer, &watcher).await;

    tell.step("Here too the agent runs, and the watcher settles");
    let account = funder_runs(tell, stage, "channel 2", &payer, acknowledged, before, funder_fees).await;

    tell.step("What the operator sees");
    let (_, shown) = watcher.status(&[]).await;
    tell.say("$ paychan-watcher status --config watcher.toml\n");
    tell.say(&shown);
    watcher.sigkill().await;
    account
}

async fn near_the_end(tell: &Teller, stage: &Stage, payer: &Payer, watcher: &Watcher) {
    let network = &stage.world.network;
    let before = stage.world.read(&payer.channel).await;
    let first_end = before.lives.earliest().expect("live entries");
    let now = network.ledger().await;
    network.jump(first_end.0.saturating_sub(now).saturating_sub(LEFT_AFTER_JUMP)).await;
    let jumped_to = network.ledger().await;
    let after = extended(stage, payer, watcher, &before.lives).await;
    tell.say(&format!("it is ledger {jumped_to}; the watcher extends what has fewer than {LIFE_FLOOR} ledgers left\n"));
    let rows: Vec<Vec<String>> = pairs(&before.lives, &after.lives)
        .into_iter()
        .map(|(name, before, after)| {
            let left = before.0.saturating_sub(jumped_to);
            vec![format!("    {name}"), before.to_string(), left.to_string(), after.to_string()]
        })
        .collect();
    table(&["    entry", "lived until", "ledgers left", "lives until now"], &rows);
}

/// Waits until all entries live longer than they did.
async fn extended(stage: &Stage, payer: &Payer, watcher: &Watcher, before: &Lives) -> ChannelState {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let state = stage.world.read(&payer.channel).await;
        if pairs(before, &state.lives).iter().all(|(_, before, after)| after > before) {
            return state;
        }
        assert!(Instant::now() < give_up, "not all four were extended; the watcher logged:\n{}", watcher.logged());
        sleep(Duration::from_millis(50)).await;
    }
}

/// The entries by name, with the last ledger of their lives before and after.
fn pairs(before: &Lives, after: &Lives) -> Vec<(&'static str, Ledger, Ledger)> {
    let both = before.existing().zip(after.existing());
    both.map(|((name, before), (_, after))| (name, before, after)).collect()
}
