#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use super::*;

fn channel(index: usize, token: u8) -> KnownChannel {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&index.to_le_bytes());
    KnownChannel {
        channel: ContractId(id),
        wasm_hash: WasmHash([1; 32]),
        token: ContractId([token; 32]),
        token_code: None,
    }
}

fn different_keys(batch: &[KnownChannel]) -> usize {
    let keys: HashSet<LedgerKey> =
        batch.iter().flat_map(|known| known.keys().iter().cloned().collect::<Vec<_>>()).collect();
    keys.len()
}

#[test]
fn channels_that_share_code_and_token_fit_ninety_nine_into_a_call() {
    let channels: Vec<_> = (0..250).map(|index| channel(index, 7)).collect();
    let batches = batches(&channels);
    assert_eq!(batches.iter().map(|batch| batch.len()).collect::<Vec<_>>(), [99, 99, 52]);
    assert_eq!(different_keys(batches[0]), MAX_KEYS);
    assert_eq!(batches.concat(), channels);
}

#[test]
fn no_call_asks_for_more_keys_than_the_server_takes() {
    let channels: Vec<_> = (0..300).map(|index| channel(index, u8::try_from(index % 256).unwrap())).collect();
    let batches = batches(&channels);
    assert!(batches.iter().all(|batch| different_keys(batch) <= MAX_KEYS && !batch.is_empty()));
    assert_eq!(batches.concat(), channels);
}

#[test]
fn no_channels_need_no_call() {
    assert!(batches(&[]).is_empty());
}
