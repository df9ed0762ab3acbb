//! Tests `kill -9`: this test starts itself again as another process, which serves submitters, prints what it
//! acknowledged, and is killed in the middle. Everything that it printed must be held afterwards.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::{Funder, accept, amount, open, small};

const DIR: &str = "PAYCHAN_STORE_CRASH_DIR";
const SUBMITTERS: u8 = 6;

#[test]
fn everything_acknowledged_before_kill_9_is_held_afterwards() {
    if let Some(dir) = std::env::var_os(DIR) {
        serve_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..25_usize {
        // The kill comes after a number of answers and not after a time, so it comes at different points of the
        // committer's work.
        let answers = 1 + (round * 37) % 160;
        for (number, units) in killed_after(answers, dir.path()) {
            let known = acknowledged.entry(number).or_insert(0);
            assert!(units > *known, "amounts only rise");
            *known = units;
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = open(dir.path(), small());
            for (number, units) in &acknowledged {
                let funder = Funder::number(*number);
                let highest = store.held(&funder.channel).unwrap().highest_amount();
                assert!(
                    highest >= amount(*units),
                    "round {round}: {units} was acknowledged on channel {number}, and {highest} is held"
                );
                let again = store.accept(funder.offer(*units, &format!("r{units}"))).await;
                assert!(again.unwrap().replayed, "round {round}");
            }
            store.shutdown().await.unwrap();
        });
    }
    assert_eq!(acknowledged.len(), usize::from(SUBMITTERS));
}

/// Runs the other process and kills it after so many answers. Returns every answer that it printed, in order.
fn killed_after(answers: usize, dir: &Path) -> Vec<(u8, i128)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "crash::everything_acknowledged_before_kill_9_is_held_afterwards"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let mut words = line.split(' ');
        // The kill may cut a line, so a whole line ends in `!`.
        if let (Some("acknowledged"), Some(number), Some(units), Some("!")) =
            (words.next(), words.next(), words.next(), words.next())
        {
            told.push((number.parse().unwrap(), units.parse().unwrap()));
        }
        if told.len() == answers {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(told.len() >= answers, "the process ended by itself after {} answers: {status}", told.len());
    told
}

fn serve_until_killed(dir: &Path) -> ! {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(dir, small());
        let tasks: Vec<_> = (1..=SUBMITTERS)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let funder = Arc::new(Funder::number(number));
                    store.admit(funder.admission()).await.unwrap();
                    let held = store.held(&funder.channel).unwrap().highest_amount().get();
                    for units in held + 1.. {
                        accept(&store, &funder, units, &format!("r{units}")).await;
                        let line = format!("acknowledged {number} {units} !\n");
                        let mut out = std::io::stdout().lock();
                        out.write_all(line.as_bytes()).unwrap();
                        out.flush().unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    unreachable!("the submitters never end")
}
