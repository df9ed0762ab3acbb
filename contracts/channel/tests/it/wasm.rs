//! What only the built Wasm can show: its size, its memory, and the spec that stellar-cli reads.

use std::collections::BTreeMap;

use soroban_sdk::xdr::{Limited, Limits, ReadXdr, ScMetaEntry, ScSpecEntry};
use wasmparser::{ExternalKind, Parser, Payload};

use crate::env::wasm;

fn custom_section(name: &str) -> Vec<u8> {
    let wasm = wasm();
    Parser::new(0)
        .parse_all(&wasm)
        .find_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == name => Some(section.data().to_vec()),
            _ => None,
        })
        .unwrap_or_else(|| panic!("a section {name}"))
}

/// The entries of the Wasm's spec.
pub(crate) fn spec() -> Vec<ScSpecEntry> {
    let section = custom_section("contractspecv0");
    let mut reader = Limited::new(section.as_slice(), Limits::none());
    ScSpecEntry::read_xdr_iter(&mut reader).collect::<Result<_, _>>().unwrap()
}

/// The names of the functions in the spec.
pub(crate) fn functions() -> Vec<String> {
    spec()
        .iter()
        .filter_map(|entry| match entry {
            ScSpecEntry::FunctionV0(function) => Some(function.name.to_utf8_string().unwrap()),
            _ => None,
        })
        .collect()
}

#[test]
fn every_function_is_in_the_spec_with_its_arguments_and_one_line_of_docs() {
    let functions = spec()
        .into_iter()
        .filter_map(|entry| match entry {
            ScSpecEntry::FunctionV0(function) => Some(function),
            _ => None,
        })
        .map(|function| {
            let arguments =
                function.inputs.iter().map(|input| input.name.to_utf8_string().unwrap()).collect::<Vec<_>>();
            (function.name.to_utf8_string().unwrap(), (arguments.join(" "), function.doc.to_utf8_string().unwrap()))
        })
        .collect::<BTreeMap<_, _>>();

    for (name, (_, doc)) in &functions {
        assert!(!doc.is_empty() && !doc.contains('\n'), "{name}: {doc:?}");
    }
    let arguments = functions.iter().map(|(name, (args, _))| (name.as_str(), args.as_str())).collect::<Vec<_>>();
    assert_eq!(
        arguments,
        [
            ("__constructor", "token from commitment_key to amount refund_waiting_period"),
            ("balance", ""),
            ("close", "amount sig"),
            ("close_effective_at_ledger", ""),
            ("close_start", ""),
            ("commitment_key", ""),
            ("deposited", ""),
            ("extend", ""),
            ("from", ""),
            ("prepare_commitment", "amount"),
            ("refund", ""),
            ("refund_waiting_period", ""),
            ("settle", "amount sig"),
            ("state", ""),
            ("to", ""),
            ("token", ""),
            ("top_up", "amount"),
            ("withdrawn", ""),
        ]
    );
}

#[test]
fn events_errors_and_the_state_are_in_the_spec() {
    let mut names = spec()
        .iter()
        .filter_map(|entry| match entry {
            ScSpecEntry::FunctionV0(_) => None,
            ScSpecEntry::EventV0(event) => Some(event.name.to_utf8_string().unwrap()),
            ScSpecEntry::UdtStructV0(it) => Some(it.name.to_utf8_string().unwrap()),
            ScSpecEntry::UdtErrorEnumV0(it) => {
                assert_eq!(it.cases.len(), 9);
                Some(it.name.to_utf8_string().unwrap())
            }
            other => panic!("this need not be in the spec: {other:?}"),
        })
        .collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["ChannelState", "Close", "Deposit", "Error", "Open", "Refund", "Withdraw"]);
}

/// stellar-cli and explorers read these (SEP-46).
#[test]
fn the_metadata_names_the_package_its_version_and_its_source() {
    let section = custom_section("contractmetav0");
    let mut reader = Limited::new(section.as_slice(), Limits::none());
    let meta = ScMetaEntry::read_xdr_iter(&mut reader)
        .map(|entry| {
            let ScMetaEntry::ScMetaV0(entry) = entry.unwrap();
            (entry.key.to_utf8_string().unwrap(), entry.val.to_utf8_string().unwrap())
        })
        .collect::<BTreeMap<_, _>>();
    assert_eq!(meta["name"], "paychan-contract");
    assert_eq!(meta["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(meta["source_repo"], env!("CARGO_PKG_REPOSITORY"));
    // The form that SEP-55 asks for: github:<owner>/<repo>.
    let repository = meta["source_repo"].strip_prefix("github:").expect("the repository is on GitHub");
    let parts = repository.split('/').collect::<Vec<_>>();
    assert!(matches!(parts[..], [owner, name] if !owner.is_empty() && !name.is_empty()), "{repository}");
    assert!(meta.contains_key("rsver") && meta.contains_key("rssdkver"));
}

/// Every call pays for each page of memory.
#[test]
fn memory_is_one_page() {
    let wasm = wasm();
    let pages = Parser::new(0).parse_all(&wasm).find_map(|payload| match payload.unwrap() {
        Payload::MemorySection(memories) => Some(memories.into_iter().next().unwrap().unwrap().initial),
        _ => None,
    });
    assert_eq!(pages, Some(1));
}

/// Every byte costs money: at upload, as rent, and (on protocol 25) at every call.
#[test]
fn the_wasm_is_at_most_12000_bytes() {
    let size = wasm().len();
    assert!(size <= 12_000, "{size} bytes");
}

#[test]
fn the_functions_of_the_spec_are_the_functions_exported() {
    let wasm = wasm();
    let mut exported = Parser::new(0)
        .parse_all(&wasm)
        .filter_map(|payload| match payload.unwrap() {
            Payload::ExportSection(exports) => Some(exports),
            _ => None,
        })
        .flatten()
        .map(Result::unwrap)
        .filter(|export| export.kind == ExternalKind::Func)
        .map(|export| export.name.to_owned())
        .collect::<Vec<_>>();
    let mut specified = functions();
    exported.sort();
    specified.sort();
    assert_eq!(exported, specified);
}
