//! Finds the built programs and contracts.

use std::path::{Path, PathBuf};

/// The path of the built program `name` (`paychan`, `paychan-watcher`, `paychan-localnet`).
///
/// Tests run from `target/<profile>/deps` and the demo from `target/<profile>`. The programs are in the latter.
///
/// # Panics
/// When it is not there. The message says how to build it.
pub fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a running program has a path");
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not built: run scripts/build-programs.sh"))
}

/// The path of the channel contract's Wasm, which scripts/build-contracts.sh builds.
///
/// # Panics
/// When it is not there. The message says how to build it.
pub fn contract_wasm() -> PathBuf {
    built_wasm("paychan_contract.wasm")
}

/// The path of the batch contract's Wasm, which scripts/build-contracts.sh builds.
///
/// # Panics
/// When it is not there. The message says how to build it.
pub fn batch_wasm() -> PathBuf {
    built_wasm("paychan_batch.wasm")
}

fn built_wasm(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/contracts").join(name);
    path.canonicalize().unwrap_or_else(|_| panic!("{} is missing: run scripts/build-contracts.sh", path.display()))
}
