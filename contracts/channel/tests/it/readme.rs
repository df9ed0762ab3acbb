//! The README's tables name every error and every function. (A test in tests/it checks that the README is the crate's
//! docs.)

use std::path::Path;

use paychan_contract::Error;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn the_readme_lists_every_error_under_its_number() {
    let readme = readme();
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
    let readme = readme();
    for function in crate::wasm::functions() {
        let known = readme.contains(&format!("`{function}(")) || readme.contains(&format!("`{function}`"));
        assert!(known, "the README does not know {function}");
    }
}
