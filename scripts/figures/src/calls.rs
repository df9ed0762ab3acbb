//! What each call of a channel contract costs.

use paychan_channel::{ContractId, WasmHash, calls};
use serde::Serialize;

use crate::env::{Asset, Cost, TestEnv, WAITING_PERIOD, amount};
use crate::protocol_25;
use crate::settings::Settings;

/// The row that adds up the life of one channel, which is opened, settled once and closed.
pub(crate) const LIFE: &str = "open + settle + close";
/// The waits, in ledgers, for which the figures show what `close_start` pays: a day, a week and a month of 5-second
/// ledgers. Each is longer than what is left of a channel's life, or nearly as long.
const LONG_WAITS: [u32; 3] = [17_280, 120_960, 518_400];

/// One contract, measured.
#[derive(Debug, Serialize)]
pub(crate) struct Calls {
    pub(crate) wasm_bytes: usize,
    /// The costs on testnet's settings.
    pub(crate) testnet: Costs,
    /// The costs where entries live for at least 120 days.
    pub(crate) long_lives: Costs,
    /// Waiting periods in ledgers, each with the cost of the `close_start` of a channel that has just been opened.
    pub(crate) long_waits: Vec<(u32, Cost)>,
    /// Instructions on the host of protocol 25.
    pub(crate) on_protocol_25: Vec<(&'static str, u64)>,
}

impl Calls {
    /// The costs on these settings.
    pub(crate) fn on(&self, settings: Settings) -> &Costs {
        match settings {
            Settings::Testnet => &self.testnet,
            Settings::LongLives => &self.long_lives,
        }
    }
}

/// What each call costs on one network.
#[derive(Debug, Serialize)]
pub(crate) struct Costs {
    pub(crate) rows: Vec<(&'static str, Cost)>,
}

impl Costs {
    /// What a call cost.
    pub(crate) fn get(&self, name: &str) -> Option<Cost> {
        let row = self.rows.iter().find(|(row, _)| *row == name)?;
        Some(row.1)
    }
}

/// Measures a contract on both settings.
pub(crate) async fn measure(wasm: &[u8]) -> Calls {
    let testnet = TestEnv::start(Asset::Native, Settings::Testnet).await;
    let long_lives = TestEnv::start(Asset::Native, Settings::LongLives).await;
    Calls {
        wasm_bytes: wasm.len(),
        testnet: costs(&testnet, wasm).await,
        long_lives: costs(&long_lives, wasm).await,
        long_waits: long_waits(&testnet, wasm).await,
        on_protocol_25: protocol_25::measure(wasm),
    }
}

/// Three channels' lives. The first is opened, topped up, settled twice, and refunded after a wait; the second is opened and
/// closed; the third is opened, settled once and closed. `settle` and `close` are called by the recipient, who has to
/// authorize them in the reference contract.
async fn costs(env: &TestEnv, wasm: &[u8]) -> Costs {
    let funder = &env.funder.secret;
    let (code, upload) = env.upload(wasm).await;
    let mut rows = vec![("upload", upload)];

    let (channel, open) = env.open(&code, 1, WAITING_PERIOD).await;
    rows.push(("open", open));
    let top_up = calls::top_up(&channel, amount(100_000_000));
    rows.push(("top_up", env.run(funder, top_up).await));
    rows.push(("settle, first", settle(env, &channel, 100_000_000).await));
    rows.push(("settle", settle(env, &channel, 200_000_000).await));
    let (unsettled, _) = env.open(&code, 2, WAITING_PERIOD).await;
    rows.push(("close", close(env, &unsettled, 300_000_000).await));
    let close_start = calls::close_start(&channel);
    rows.push(("close_start", env.run(funder, close_start).await));
    env.network.jump(WAITING_PERIOD).await;
    rows.push(("refund", env.run(funder, calls::refund(&channel)).await));

    let (settled, open) = env.open(&code, 3, WAITING_PERIOD).await;
    let first = settle(env, &settled, 100_000_000).await;
    let close = close(env, &settled, 300_000_000).await;
    rows.push((LIFE, open.and(first).and(close)));
    Costs { rows }
}

async fn settle(env: &TestEnv, channel: &ContractId, total: i128) -> Cost {
    let (total, signature) = env.sign(channel, total);
    env.run(&env.recipient.secret, calls::settle(channel, total, &signature)).await
}

async fn close(env: &TestEnv, channel: &ContractId, total: i128) -> Cost {
    let (total, signature) = env.sign(channel, total);
    env.run(&env.recipient.secret, calls::close(channel, total, &signature)).await
}

/// The costs of `close_start` for each of the long waits.
async fn long_waits(env: &TestEnv, wasm: &[u8]) -> Vec<(u32, Cost)> {
    let code = WasmHash::of(wasm);
    let mut rows = Vec::new();
    for (number, wait) in (10..).zip(LONG_WAITS) {
        let (channel, _) = env.open(&code, number, wait).await;
        let cost = env.run(&env.funder.secret, calls::close_start(&channel)).await;
        rows.push((wait, cost));
    }
    rows
}
