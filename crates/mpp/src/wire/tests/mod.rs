#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod payment_auth;
mod stellar_channel;

use paychan_channel::WasmHash;
use serde_json::Value;
use zeroize::Zeroizing;

use super::*;

fn vectors(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// SHA-256 as hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    WasmHash::of(bytes).to_string()
}

/// A secret of any length, since some vectors have short ones.
fn secret(text: &str) -> ChallengeSecret {
    ChallengeSecret::of_vector(Zeroizing::new(text.to_owned()))
}
