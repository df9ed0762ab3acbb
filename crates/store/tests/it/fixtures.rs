//! Journals that earlier formats wrote.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use paychan_channel::{Ledger, Stroops};
use paychan_store::{Options, Outcome, Purpose, SignedTransaction, WallClock};

use super::{Funder, accept, amount, copy_journal, open, settlement, small};

struct Ticking(AtomicU64);

impl WallClock for Ticking {
    fn wall_unix_ms(&self) -> u64 {
        self.0.fetch_add(1_000, Relaxed)
    }
}

#[tokio::test]
async fn write_format_1() {
    let Some(to) = std::env::var_os("PAYCHAN_WRITE_FIXTURE") else { return };
    let dir = tempfile::tempdir().unwrap();
    let options = Options { clock: Arc::new(Ticking(AtomicU64::new(1_795_000_000_000))), ..small() };
    let store = open(dir.path(), options);
    let funders: Vec<Funder> = (1..=4).map(Funder::number).collect();
    for funder in &funders {
        store.admit(funder.admission()).await.unwrap();
    }
    let [one, two, three, _four] = &funders[..] else { unreachable!() };
    for units in 1..=9 {
        accept(&store, one, units * 10, &format!("r{units}")).await;
    }
    accept(&store, two, 500, "two-1").await;
    store.record_signed(settlement(1, one.channel, 90)).await.unwrap();
    store
        .record_outcome([1; 32], Outcome::Confirmed { ledger: Ledger(2_003), fee_charged: Stroops(40_000) })
        .await
        .unwrap();
    store.record_signed(settlement(2, two.channel, 500)).await.unwrap();
    accept(&store, three, 7, "three-1").await;
    store.fence(three.channel).await.unwrap();
    store.confirm_rollback(three.channel, amount(6)).await.unwrap();
    for units in 10..=16 {
        accept(&store, one, units * 10, &format!("r{units}")).await;
    }
    let extend = SignedTransaction {
        purpose: Purpose::Extend { channels: vec![one.channel, two.channel] },
        ..settlement(3, one.channel, 1)
    };
    store.record_signed(extend).await.unwrap();
    let failed = Outcome::Failed { ledger: Ledger(2_010), fee_charged: Stroops(3), why: "txFAILED".to_owned() };
    store.record_outcome([3; 32], failed).await.unwrap();
    accept(&store, two, 600, "two-2").await;
    store.shutdown().await.unwrap();
    copy_journal(dir.path(), Path::new(&to));
}
