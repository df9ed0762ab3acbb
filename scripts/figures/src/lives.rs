//! The rent for a month of life, for each entry.

use paychan_channel::{ledger_keys, xdr::LedgerKey};
use paychan_rpc::submit::Submitted;
use paychan_rpc::{ResourceFeeCaps, operations};
use serde::Serialize;

use crate::env::{TestEnv, WAITING_PERIOD};

/// A month of 5-second ledgers.
pub(crate) const MONTH: u32 = 518_400;
const _: () = assert!(MONTH == 30 * 24 * 3600 / 5);

/// The rent for a month, in stroops.
#[derive(Debug, Serialize)]
pub(crate) struct Lives {
    /// The rent of the channel's instance.
    pub(crate) instance: i64,
    /// The rent of the channel's balance in the token.
    pub(crate) balance: i64,
    /// The rent of the code, which all channels share.
    pub(crate) code: i64,
}

/// Extends each entry by a month in a transaction of its own, and reads the charge.
pub(crate) async fn measure(env: &TestEnv, wasm: &[u8]) -> Lives {
    let (code, _) = env.upload(wasm).await;
    let (channel, _) = env.open(&code, 1, WAITING_PERIOD).await;
    let address = paychan_channel::Address::Contract(channel);
    Lives {
        instance: month(env, ledger_keys::instance(&channel)).await,
        balance: month(env, ledger_keys::token_balance(&env.token, &address)).await,
        code: month(env, ledger_keys::code(&code)).await,
    }
}

/// The rent for a month on top of the life that the entry has.
async fn month(env: &TestEnv, key: LedgerKey) -> i64 {
    // The first extension gives the entry a known life, and the second one a month more. Only the second one is
    // measured.
    extend(env, &key, 2 * MONTH).await;
    let before = live_until(env, &key).await;
    let now = env.network.ledger().await;
    let target = before.saturating_sub(now).saturating_add(MONTH);
    let submitted = extend(env, &key, target).await;
    let gained = live_until(env, &key).await.saturating_sub(before);
    let rent = submitted.resource_fees.expect("the local network says what resources cost").rent.0;
    // Some ledgers close between the reading and the extension, so the gain is a little more than a month.
    rent.checked_mul(i64::from(MONTH)).map_or(rent, |scaled| scaled / i64::from(gained.max(1)))
}

async fn extend(env: &TestEnv, key: &LedgerKey, ledgers: u32) -> Submitted {
    let footprint = operations::footprint(vec![key.clone()], Vec::new()).expect("one key fits a footprint");
    env.network
        .submitter(&env.funder.secret, &env.id)
        .footprint(operations::extend(ledgers), footprint, ResourceFeeCaps::USUAL.extend)
        .await
        .expect("an entry's life can be extended")
}

async fn live_until(env: &TestEnv, key: &LedgerKey) -> u32 {
    let entries =
        env.network.client.get_ledger_entries(std::slice::from_ref(key)).await.expect("the local network answers");
    entries.live_until(key).expect("contract entries have a life").0
}
