//! The README is made from the crate's docs.

use std::path::Path;

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
        "contracts/batch/README.md is out of date: run scripts/contract-readmes.sh"
    );
}
