//! Properties that only the built Wasm has.

use wasmparser::{Parser, Payload};

use crate::env::wasm;

/// Every call pays for each page of memory, and for each page of the channels' memory too.
#[test]
fn memory_is_one_page() {
    let wasm = wasm("paychan_batch.wasm");
    let pages = Parser::new(0).parse_all(&wasm).find_map(|payload| match payload.unwrap() {
        Payload::MemorySection(memories) => Some(memories.into_iter().next().unwrap().unwrap().initial),
        _ => None,
    });
    assert_eq!(pages, Some(1));
}

/// stellar-cli and explorers read these.
#[test]
fn the_metadata_names_the_package_its_version_and_its_source() {
    let wasm = wasm("paychan_batch.wasm");
    let meta = Parser::new(0)
        .parse_all(&wasm)
        .find_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == "contractmetav0" => {
                Some(String::from_utf8_lossy(section.data()).into_owned())
            }
            _ => None,
        })
        .expect("a section contractmetav0");
    for part in ["name", "paychan-batch", "version", "source_repo"] {
        assert!(meta.contains(part), "no {part} in {meta:?}");
    }
}
