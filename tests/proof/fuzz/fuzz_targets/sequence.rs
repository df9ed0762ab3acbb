//! A sequence of moves from the fuzzer's bytes, on the model and on the real host: see `paychan_proof`.
//!
//! `scripts/prove.sh fuzz` runs it. The Wasm is the one that scripts/build-contracts.sh built, or `PAYCHAN_PROOF_WASM`.
#![no_main]

use std::{cell::RefCell, path::PathBuf, sync::OnceLock};

use libfuzzer_sys::fuzz_target;
use paychan_proof::{drive::drive, model::Rules, moves::Sequence, network::Network};

static WASM: OnceLock<Vec<u8>> = OnceLock::new();

thread_local! {
    static NETWORK: RefCell<Option<Network>> = const { RefCell::new(None) };
}

fn wasm() -> &'static [u8] {
    WASM.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let ours = root.join("target/contracts/paychan_contract.wasm");
        let path = std::env::var_os("PAYCHAN_PROOF_WASM").map_or(ours, PathBuf::from);
        std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; run scripts/build-contracts.sh", path.display()))
    })
}

fuzz_target!(|bytes: &[u8]| {
    NETWORK.with_borrow_mut(|network| {
        if network.as_ref().is_none_or(Network::is_spent) {
            *network = Some(Network::start(wasm()).expect("a local network starts"));
        }
        let network = network.as_ref().expect("just started");
        if let Err(failure) = drive(network, Rules::Paychan, &Sequence::decode(bytes)) {
            panic!("{failure}");
        }
    });
});
