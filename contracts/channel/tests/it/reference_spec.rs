//! The Wasm's spec beside the reference contract's. Clients that are generated from a spec, or driven by one, take from it
//! what a function is called, what it takes and what it answers: what they do with the reference, they do with this.

use soroban_sdk::xdr::{ScSpecEntry, ScSpecFunctionV0, ScSpecTypeDef, ScSpecTypeResult};

use crate::wasm::spec;

/// The functions of stellar-experimental/one-way-channel at 4b2fce5, as the spec of its Wasm has them: name, inputs,
/// output.
///
/// Only `close_start` and `refund` answer with a result; the errors of the others end the call.
const REFERENCE: [(&str, &str, &str); 14] = [
    (
        "__constructor",
        "token: Address, from: Address, commitment_key: BytesN<32>, to: Address, amount: i128, refund_waiting_period: u32",
        "",
    ),
    ("balance", "", "i128"),
    ("close", "amount: i128, sig: BytesN<64>", ""),
    ("close_start", "", "Result<(), Error>"),
    ("deposited", "", "i128"),
    ("from", "", "Address"),
    ("prepare_commitment", "amount: i128", "Bytes"),
    ("refund", "", "Result<(), Error>"),
    ("refund_waiting_period", "", "u32"),
    ("settle", "amount: i128, sig: BytesN<64>", ""),
    ("to", "", "Address"),
    ("token", "", "Address"),
    ("top_up", "amount: i128", ""),
    ("withdrawn", "", "i128"),
];

/// A type as it is written in Rust. Only the types that these functions use are known.
fn type_name(spec_type: &ScSpecTypeDef) -> String {
    match spec_type {
        ScSpecTypeDef::Address => "Address".to_owned(),
        ScSpecTypeDef::Bytes => "Bytes".to_owned(),
        ScSpecTypeDef::BytesN(bytes) => format!("BytesN<{}>", bytes.n),
        ScSpecTypeDef::Error => "Error".to_owned(),
        ScSpecTypeDef::I128 => "i128".to_owned(),
        ScSpecTypeDef::U32 => "u32".to_owned(),
        ScSpecTypeDef::Void => "()".to_owned(),
        ScSpecTypeDef::Result(result) => {
            let ScSpecTypeResult { ok_type, error_type } = result.as_ref();
            format!("Result<{}, {}>", type_name(ok_type), type_name(error_type))
        }
        other => format!("{other:?}"),
    }
}

fn signature(function: &ScSpecFunctionV0) -> (String, String) {
    let inputs = function
        .inputs
        .iter()
        .map(|input| format!("{}: {}", input.name.to_utf8_string_lossy(), type_name(&input.type_)));
    let outputs = function.outputs.iter().map(type_name);
    (inputs.collect::<Vec<_>>().join(", "), outputs.collect::<Vec<_>>().join(", "))
}

/// Name, inputs and output of each function in the spec, sorted by name.
fn functions() -> Vec<(String, String, String)> {
    let mut functions = spec()
        .into_iter()
        .filter_map(|entry| match entry {
            ScSpecEntry::FunctionV0(function) => {
                let (inputs, output) = signature(&function);
                Some((function.name.to_utf8_string_lossy(), inputs, output))
            }
            _ => None,
        })
        .collect::<Vec<_>>();
    functions.sort();
    functions
}

#[test]
fn wasm_spec_has_each_function_of_the_reference_as_the_reference_has_it() {
    let ours = functions();
    let shared = ours
        .iter()
        .map(|(name, inputs, output)| (name.as_str(), inputs.as_str(), output.as_str()))
        .filter(|(name, ..)| REFERENCE.iter().any(|(theirs, ..)| theirs == name))
        .collect::<Vec<_>>();
    assert_eq!(shared, REFERENCE);
}

#[test]
fn wasm_spec_has_four_functions_that_the_reference_does_not_have() {
    let ours = functions();
    let added =
        ours.iter().map(|(name, ..)| name.as_str()).filter(|name| REFERENCE.iter().all(|(theirs, ..)| theirs != name));
    assert_eq!(added.collect::<Vec<_>>(), ["close_effective_at_ledger", "commitment_key", "extend", "state"]);
}
