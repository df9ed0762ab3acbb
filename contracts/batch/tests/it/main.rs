//! Settling many real channels at once. Each test runs twice: with the batch contract registered natively, which a debugger
//! can step through, and with the Wasm that scripts/build-contracts.sh built, which is what gets deployed.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test that fails should stop where it fails")]
#![allow(unreachable_pub, reason = "soroban-sdk exports a contract's functions only where they are public")]

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
mod failing;
mod settling;
mod strangers;
mod wasm;
