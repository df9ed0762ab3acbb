//! The corpora of the fuzzer, replayed, and valid inputs that each target has to understand.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests say what they check by their names")]

mod mpp;
mod valid;

use std::path::PathBuf;

use paychan_fuzz::TARGETS;

fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// What the fuzzer found, and what people put there: no decoder panics on it.
#[test]
fn each_corpus_is_taken_without_a_panic_and_understood_in_part() {
    for target in TARGETS {
        let folder = corpus(target.name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let (mut files_seen, mut understood) = (0, 0);
        for file in files {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            // Told before, so that a panic names its input.
            eprintln!("{}: {}", target.name, path.display());
            understood += u32::from((target.run)(&bytes));
            files_seen += 1;
        }
        assert!(files_seen >= 2, "{}: {files_seen} files", target.name);
        assert!(understood >= 1, "{}: none of {files_seen} files is understood", target.name);
    }
}
