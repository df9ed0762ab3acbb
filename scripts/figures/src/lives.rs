//! What a month of life costs, entry by entry.

use paychan_channel::{keys, xdr::LedgerKey};
use paychan_rpc::operations;
use paychan_rpc::submit::Submitted;
use serde::Serialize;

use crate::stage::Stage;

/// A month of 5-second ledgers.
pub(crate) const MONTH: u32 = 518_400;
const _: () = assert!(MONTH == 30 * 24 * 3600 / 5);

/// Rent for a month, in stroops.
#[derive(Debug, Serialize)]
pub(crate) struct Lives {
    /// The channel's instance.
    pub(crate) instance: i64,
    /// The channel's balance of the token.
    pub(crate) balance: i64,
    /// The code, which all channels share.
    pub(crate) code: i64,
}

/// Extends each entry alone by a month and reads what was charged.
pub(crate) async fn measure(stage: &Stage, wasm: &[u8]) -> Lives {
    let (code, _) = stage.upload(wasm).await;
    let (channel, _) = stage.open(&code, 1).await;
    let address = paychan_channel::Address::Contract(channel);
    Lives {
        instance: month(stage, keys::instance(&channel)).await,
        balance: month(stage, keys::token_balance(&stage.token, &address)).await,
        code: month(stage, keys::code(&code)).await,
    }
}

/// Rent for one month more than the entry has.
async fn month(stage: &Stage, key: LedgerKey) -> i64 {
    // To a known life first, then a month on top of it: the difference is the month.
    extend(stage, &key, 2 * MONTH).await;
    let before = live_until(stage, &key).await;
    let now = stage.network.ledger().await;
    let target = before.saturating_sub(now).saturating_add(MONTH);
    let submitted = extend(stage, &key, target).await;
    let gained = live_until(stage, &key).await.saturating_sub(before);
    let rent = submitted.resource_fees.expect("the local network says what resources cost").rent.0;
    // Ledgers closed between reading and extending make it a little more than a month.
    rent.checked_mul(i64::from(MONTH)).map_or(rent, |scaled| scaled / i64::from(gained.max(1)))
}

async fn extend(stage: &Stage, key: &LedgerKey, ledgers: u32) -> Submitted {
    let footprint = operations::footprint(vec![key.clone()], Vec::new()).expect("one key fits a footprint");
    stage
        .network
        .submitter(&stage.funder.secret, &stage.id)
        .footprint(operations::extend(ledgers), footprint)
        .await
        .expect("an entry's life can be extended")
}

async fn live_until(stage: &Stage, key: &LedgerKey) -> u32 {
    let entries =
        stage.network.client.get_ledger_entries(std::slice::from_ref(key)).await.expect("the local network answers");
    entries.get(key).and_then(|entry| entry.live_until).expect("contract entries have a life").0
}
