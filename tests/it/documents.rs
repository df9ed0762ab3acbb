//! Tests that everything that the documents name exists, and that docs/architecture.md names every member of the
//! workspace.

use std::path::{Path, PathBuf};

/// The documents that are checked. Their paths are relative to the project's root.
const DOCUMENTS: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/glossary.md",
    "docs/reliability.md",
    "examples/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The parts of `text` between each `start` and the next `end`.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split_once(end)).map(|(inside, _)| inside)
}

fn members() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let members = between(&manifest, "members = [", "]").next().expect("the workspace has members");
    members.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The inline `code` of a document, without its blocks of code.
fn inline_code(document: &str) -> Vec<String> {
    let outside: String = document.split("```").step_by(2).collect();
    outside.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_architecture_names_every_member_of_the_workspace() {
    let architecture = read("docs/architecture.md");
    let members = members();
    assert!(members.len() > 10, "read from Cargo.toml: {members:?}");
    for member in members {
        assert!(
            architecture.contains(&format!("[`{member}`](../{member})")),
            "docs/architecture.md does not name {member}"
        );
    }
}

#[test]
fn every_link_in_a_document_leads_somewhere() {
    for document in DOCUMENTS {
        let folder = root().join(document);
        let folder = folder.parent().unwrap();
        let text = read(document);
        for target in between(&text, "](", ")") {
            let target = target.split('#').next().unwrap();
            if !target.is_empty() && !target.contains("://") {
                assert!(folder.join(target).exists(), "{document} links to {target}, which does not exist");
            }
        }
    }
}

#[test]
fn every_path_in_a_document_exists() {
    let top: Vec<String> =
        std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for document in DOCUMENTS {
        for code in inline_code(&read(document)) {
            let path = code.split_whitespace().next().unwrap_or_default();
            let first = path.split('/').next().unwrap_or_default();
            let is_path = path.contains('/') && top.iter().any(|name| name == first) && first != "target";
            assert!(!is_path || root().join(path).exists(), "{document} names {path}, which does not exist");
        }
    }
}

/// A row of the table of promises names a file and, after a colon, the tests in it.
#[test]
fn every_test_that_the_architecture_names_exists() {
    let architecture = read("docs/architecture.md");
    let mut named = 0;
    for row in architecture.lines().filter(|line| line.starts_with('|') && line.contains("tests/")) {
        let Some((file, tests)) = row.split_once("`: `") else { continue };
        let file = read(file.rsplit('`').next().unwrap());
        for test in tests.split('`').step_by(2) {
            assert!(
                file.contains(&format!("fn {test}()")),
                "docs/architecture.md names the test {test}, which does not exist"
            );
            named += 1;
        }
    }
    assert!(named >= 4, "the table of promises was not read");
}
