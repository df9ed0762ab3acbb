//! The programs under test, as a person starts them: separate processes, found beside this one.

use std::path::{Path, PathBuf};

/// The built program `name` (`paychan`, `paychan-watcher`, `paychan-localnet`).
///
/// Tests run from `target/<profile>/deps`, the demo from `target/<profile>`; the programs are in the latter.
///
/// # Panics
/// When it is not there, saying how to build it.
pub fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a running program has a path");
    here.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("{name} is not built: run `cargo build --workspace --bins`, or scripts/test.sh, which does")
    })
}

/// The channel contract's Wasm, as scripts/build-contracts.sh leaves it.
///
/// # Panics
/// When it is not there, saying how to build it.
pub fn contract_wasm() -> PathBuf {
    built_wasm("paychan_contract.wasm")
}

/// The batch contract's Wasm, as scripts/build-contracts.sh leaves it.
///
/// # Panics
/// When it is not there, saying how to build it.
pub fn batch_wasm() -> PathBuf {
    built_wasm("paychan_batch.wasm")
}

fn built_wasm(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/contracts").join(name);
    path.canonicalize().unwrap_or_else(|_| panic!("{} is missing: run scripts/build-contracts.sh", path.display()))
}
