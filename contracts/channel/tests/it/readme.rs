//! The README is made from the crate's docs, and its tables tell what the code does.

use std::path::Path;

use paychan_contract::Error;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_readme_is_the_crates_docs() {
    let docs = read("src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect::<String>();
    assert!(
        read("README.md") == docs,
        "contracts/channel/README.md is out of date: run scripts/contract-readmes.sh"
    );
}

#[test]
fn the_readme_lists_every_error_under_its_number() {
    let readme = read("README.md");
    let mut listed = 0;
    for number in 1..=99 {
        let Ok(error) = Error::try_from(soroban_sdk::Error::from_contract_error(number)) else {
            continue;
        };
        let row = format!("| {number} | `{error:?}` |");
        assert!(readme.contains(&row), "no row {row}");
        listed += 1;
    }
    assert_eq!(listed, 9);
}

#[test]
fn the_readme_names_every_function() {
    let readme = read("README.md");
    for function in crate::wasm::functions() {
        let known =
            readme.contains(&format!("`{function}(")) || readme.contains(&format!("`{function}`"));
        assert!(known, "the README does not know {function}");
    }
}
