//! Tests that each contract's README is the documentation at the top of its src/lib.rs.

use std::path::Path;

#[test]
fn every_contracts_readme_is_its_crates_docs() {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts");
    let mut checked = 0;
    for folder in std::fs::read_dir(contracts).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(lib) = std::fs::read_to_string(folder.join("src/lib.rs")) else {
            continue;
        };
        let docs = lib
            .lines()
            .filter_map(|line| line.strip_prefix("//!"))
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect::<String>();
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(readme == docs, "{}/README.md is out of date: run scripts/contract-readmes.sh", folder.display());
        checked += 1;
    }
    assert_eq!(checked, 2, "channel and batch");
}
