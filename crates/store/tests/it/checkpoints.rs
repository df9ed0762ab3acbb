//! Measures how long callers wait for a checkpoint.

use std::time::{Duration, Instant};

use paychan_channel::{ContractId, Signature};
use paychan_store::{Admission, Charge, Claim, Options, Store};

use super::{Funder, amount, id, open};

fn channel(number: u32) -> ContractId {
    let mut bytes = [9; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ContractId(bytes)
}

/// Asks for a charge on each channel at once.
async fn charge_all(store: &Store, channels: u32, round: u32) {
    let tasks: Vec<_> = (0..channels)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let total = amount(i128::from(round + 1) * 10);
                let commitment = Some(Claim { amount: total, signature: Signature([7; 64]) });
                let request_id = id(&format!("request-{round}"));
                store
                    .charge(Charge { channel: channel(number), price: amount(10), request_id, commitment })
                    .await
                    .unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Measures with `PAYCHAN_CHANNELS` (10,000) channels, each with `PAYCHAN_REQUESTS` (20) remembered requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures: cargo nextest run -p paychan-store --run-ignored only measure_a_checkpoint --no-capture"]
async fn measure_a_checkpoint() {
    let figure = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (channels, requests) = (figure("PAYCHAN_CHANNELS", 10_000), figure("PAYCHAN_REQUESTS", 20));
    let dir = tempfile::tempdir().unwrap();
    let options = |segment_bytes, compact_after_bytes| Options {
        segment_bytes,
        compact_after_bytes,
        give_up_after: Duration::from_secs(600),
        ..Options::default()
    };
    // An open store does not verify signatures, and this one is not opened again, so the signatures may be wrong.
    let store = open(dir.path(), options(1 << 20, 200_u64 * u64::from(channels) * u64::from(requests)));
    let admissions: Vec<_> = (0..channels)
        .map(|number| {
            let admission = Admission { channel: channel(number), ..Funder::number(1).admission() };
            let store = store.clone();
            tokio::spawn(async move { store.admit(admission).await.unwrap() })
        })
        .collect();
    for admission in admissions {
        admission.await.unwrap();
    }
    let mut longest = Duration::ZERO;
    for round in 0..requests + 4 {
        let before = Instant::now();
        charge_all(&store, channels, round).await;
        let took = before.elapsed();
        longest = longest.max(took);
        let start = Instant::now();
        store.ping().await.unwrap();
        eprintln!("round {round}: {took:?} for {channels} charges, then {:?} for a ping", start.elapsed());
    }
    eprintln!("longest: {longest:?}");
}
