//! Every behaviour of the contract, with one file for each. Each test runs twice: with the contract registered natively,
//! which a debugger can step through, and with the Wasm that scripts/build-contracts.sh built, which is what gets deployed.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test that fails should stop where it fails")]

/// Declares, for a function `name(code: Code)`, the tests `name::native` and `name::wasm`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn native() {
                super::$name(crate::env::Code::Native);
            }

            #[test]
            fn wasm() {
                super::$name(crate::env::Code::Wasm);
            }
        }
    )+};
}

mod env;

mod clawback;
mod close;
mod close_start;
mod commitment;
mod deployed_by_others;
mod direct_transfers;
mod errors;
mod events;
mod extend;
mod open;
mod readme;
mod reference_spec;
mod refund;
mod settle;
mod storage;
mod token_failures;
mod top_up;
mod wasm;
mod weak_keys;
