//! Tests of what is printed from a damaged journal.

use std::fs;
use std::process::Output;

use super::{Folder, commitments_held, said, signature};
use crate::env;

fn rescued(folder: &Folder, number: u8) -> Output {
    folder.command("rescue").arg(env::id(number).to_string()).output().unwrap()
}

#[test]
fn rescue_prints_a_command_from_the_journal_while_the_daemon_is_down() {
    let folder = Folder::new();
    commitments_held(&folder, 1, 7_000_000);
    let output = rescued(&folder, 1);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = format!("settle --amount 7000000 --sig {}", hex::encode(signature(1, 7_000_000).0));
    assert!(text.contains(&expected) && text.contains(&format!("--id {}", env::id(1))), "{text}");
    assert_eq!(rescued(&folder, 9).status.code(), Some(1));
}

#[test]
fn rescue_and_status_read_what_is_left_of_a_damaged_journal_while_the_daemon_runs_and_while_it_is_down() {
    let folder = Folder::new();
    commitments_held(&folder, 3, 7_000_000);
    let journal = fs::read_dir(folder.path("data").join("journal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&journal).unwrap();
    // The first record with the signature is that of the first channel's commitment.
    let signature = signature(1, 7_000_000).0;
    let at = bytes.windows(64).position(|window| window == signature).unwrap();
    bytes[at] ^= 0xff;
    fs::write(&journal, bytes).unwrap();

    let check = || {
        let output = rescued(&folder, 3);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("settle --amount 7000000") && text.contains("damaged"), "{text}");
        assert_eq!(rescued(&folder, 1).status.code(), Some(1), "its commitment is lost");
        let status = folder.command("status").arg("--json").output().unwrap();
        assert_eq!(status.status.code(), Some(0), "{}", said(&status));
        let report: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(report["channels"].as_array().unwrap().len(), 3, "{report}");
        assert!(report["not_ready"].to_string().contains("damaged"), "{report}");
    };
    check();
    let _running = folder.run();
    check();
}
