//! Runs the watcher in 300 hostile worlds, and checks the simulator itself.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests say what they check by their names")]

mod contract;
mod dying;

use paychan_sim::report::Totals;
use paychan_sim::world::{Limits, run};

/// Runs the worlds of these seeds, and fails if a promise is broken.
fn worlds(seeds: std::ops::RangeInclusive<u64>) {
    let mut totals = Totals::default();
    for seed in seeds {
        let lived = run(seed, Limits::default());
        totals += lived.totals;
        assert!(
            lived.violations.is_empty(),
            "seed {seed}: {}\nAgain: scripts/simulate.sh --seed {seed} --seeds 1",
            lived.violations[0]
        );
    }
    // Worlds in which nothing happens would break no promise.
    assert!(totals.acknowledged > 1_000 && totals.charges > 1_000 && totals.deadlines > 50, "{totals}");
    assert!(totals.crashes > 50 && totals.faults > 200 && totals.lies > 20 && totals.alarms > 50, "{totals}");
    assert!(totals.raced > 5 && totals.overlapping > 20 && totals.dangers > 100, "{totals}");
    assert!(totals.without_trustline > 0, "{totals}");
}

#[test]
fn promises_hold_in_hostile_worlds_first_third() {
    worlds(1..=100);
}

#[test]
fn promises_hold_in_hostile_worlds_second_third() {
    worlds(101..=200);
}

#[test]
fn promises_hold_in_hostile_worlds_last_third() {
    worlds(201..=300);
}

/// Worlds that showed a fault of the watcher or of the simulator once. In the first ones nothing overlapped then, and only the last
/// two had several recipients or endpoints.
#[test]
fn worlds_that_once_failed_hold_their_promises() {
    for (seed, overlaps, several) in [
        (117, false, false),
        (171, false, false),
        (442, false, false),
        (642, false, false),
        (1088, false, false),
        (1251, false, false),
        (82, true, false),
        (313, true, false),
        (572, true, false),
        (2513, true, false),
        (2112, true, false),
        (2773, true, false),
        (1012, true, true),
        (4418, false, true),
        (2378, false, true),
    ] {
        let lived = run(seed, Limits { overlaps, several, ..Limits::default() });
        assert_eq!(lived.violations, [], "seed {seed}");
        assert_eq!(lived.plan.overlaps, overlaps, "seed {seed}");
    }
}

#[test]
fn a_seed_gives_the_same_world_each_time() {
    let mut overlapping = 0;
    for seed in [3, 17, 42, 82, 171, 2167, 2513] {
        let (once, again) = (run(seed, Limits::default()), run(seed, Limits::default()));
        assert!(once.diary.len() > 3);
        assert_eq!(once.diary, again.diary, "seed {seed}");
        assert_eq!(once.totals, again.totals, "seed {seed}");
        overlapping += once.totals.overlapping;
    }
    assert!((3..7).contains(&overlapping), "{overlapping} of these worlds overlap");
}

/// A patch that no longer applies proves nothing. `scripts/prove.sh watcher` checks that a world shows each planted
/// fault.
#[test]
fn every_planted_fault_can_still_be_planted() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut patches = 0;
    for entry in std::fs::read_dir(root.join("tests/sim/planted")).unwrap() {
        let path = entry.unwrap().path();
        let patch = std::fs::read_to_string(&path).unwrap();
        let applies = std::process::Command::new("git")
            .args(["apply", "--check"])
            .arg(&path)
            .current_dir(&root)
            .output()
            .expect("git is there: this is a checkout");
        let said = String::from_utf8_lossy(&applies.stderr);
        assert!(applies.status.success(), "{} does not apply; make it again: {said}", path.display());
        assert!(patch.contains("\n+") || patch.contains("\n-"), "{} changes nothing", path.display());
        patches += 1;
    }
    assert!(patches >= 20, "{patches} planted faults");
}
