//! Tests that nothing is acknowledged before it is synced, by the system calls of the real program that `strace`
//! records.

use std::fs;
use std::process::{Command, Stdio};

use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;

const REQUESTS: i128 = 20;

/// A step that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Bytes were appended to a segment of the journal.
    Appended,
    /// A sync of a segment has succeeded.
    Synced,
    /// A commitment was acknowledged.
    Answered,
}

/// The steps in a trace of `strace -f -y`, in their order. A call that another thread interrupts has two lines. A call
/// counts where it ends, but an answer counts where it begins.
fn steps(trace: &str) -> Vec<Step> {
    let mut syncing = Vec::new();
    let mut steps = Vec::new();
    for line in trace.lines() {
        let thread = line.split_whitespace().next().unwrap_or_default();
        let in_journal = line.contains("/data/journal/");
        let writes = ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|call| line.contains(call));
        let syncs = line.contains("fdatasync(") || line.contains("fsync(");
        if syncs && in_journal && line.contains("<unfinished") {
            syncing.push(thread);
        } else if syncs && in_journal && line.ends_with("= 0") {
            steps.push(Step::Synced);
        } else if line.contains("sync resumed>") && line.ends_with("= 0") && syncing.contains(&thread) {
            syncing.retain(|other| *other != thread);
            steps.push(Step::Synced);
        } else if writes && in_journal {
            steps.push(Step::Appended);
        } else if writes && line.contains("HTTP/1.1 200") && line.contains("previous") {
            steps.push(Step::Answered);
        }
    }
    steps
}

/// Checks that each acknowledgement came after an append and a sync, and returns how many there were.
fn acknowledged_after_a_sync(steps: &[Step]) -> Result<usize, String> {
    let (mut appended, mut synced, mut answered) = (false, false, 0);
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Appended => (appended, synced) = (true, false),
            Step::Synced => synced = appended,
            Step::Answered if synced => (appended, synced, answered) = (false, false, answered + 1),
            Step::Answered => return Err(format!("answer {answered} came before a sync, step {at} of {steps:?}")),
        }
    }
    Ok(answered)
}

fn strace_works() -> bool {
    let trial = Command::new("strace").args(["-D", "-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    trial.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn every_commitment_is_synced_before_it_is_acknowledged() {
    if !strace_works() {
        eprintln!("SKIPPED: strace is not installed, or tracing is not allowed here, so that the order is not shown");
        return;
    }
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, 200).await;
    let mut watcher = env.watcher();
    let trace = env.path().join("trace");
    watcher.trace = Some(trace.clone());
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    for units in (1..=REQUESTS).map(|number| 10_000 * number) {
        let answer = watcher.offer(&payer.channel, &units.to_string(), &payer.sign(units), &units.to_string()).await;
        assert_eq!(answer.unwrap().0, 200);
    }
    watcher.sigterm();
    watcher.ended().await;
    let steps = steps(&fs::read_to_string(trace).unwrap());
    assert_eq!(acknowledged_after_a_sync(&steps), Ok(usize::try_from(REQUESTS).unwrap()), "{steps:?}");
}

#[test]
fn an_answer_before_the_sync_is_seen_in_a_trace() {
    let append = "7 write(9</x/data/journal/0001.journal>, \"..\", 2) = 2";
    let begun = "7 fdatasync(9</x/data/journal/0001.journal> <unfinished ...>";
    let ended = "7 <... fdatasync resumed>) = 0";
    let answer = "8 writev(12<socket:[5]>, [{iov_base=\"HTTP/1.1 200 OK\\r\\n{\\\"previous\\\":\\\"0\\\"}\"}], 1) = 30";
    let of = |lines: &[&str]| acknowledged_after_a_sync(&steps(&lines.join("\n")));
    assert_eq!(of(&[append, begun, ended, answer]), Ok(1));
    assert!(of(&[append, begun, answer, ended]).is_err());
    assert!(of(&[append, begun, ended, append, answer]).is_err());
    assert!(of(&[begun, ended, answer]).is_err(), "the sync came before the append");
}
