//! Tests that every alarm is documented, and that something raises it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use paychan_watcher::alarm::{self, Alarm};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_document_about_alarms_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alarms.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, alarm::document()).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == alarm::document(),
        "docs/alarms.md is not what watcher/src/alarm.rs says; renew it: UPDATE_DOCS=1 cargo test -p paychan-watcher alarms"
    );
}

#[test]
fn every_alarm_has_its_own_name_and_is_raised_in_one_way() {
    let names: BTreeSet<&str> = Alarm::ALL.iter().map(|alarm| alarm.name()).collect();
    assert_eq!(names.len(), Alarm::ALL.len(), "two alarms share a name: {names:?}");
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut raised = String::new();
    for file in files.iter().filter(|file| !file.ends_with("alarm.rs")) {
        let text: String = fs::read_to_string(file).unwrap().split_whitespace().collect();
        assert!(!text.contains("error!(alarm="), "{}: raise alarms with `raise!`", file.display());
        raised.push_str(&text);
    }
    for alarm in Alarm::ALL {
        assert!(raised.contains(&format!("raise!({alarm:?},")), "nothing raises {alarm:?}");
    }
}
