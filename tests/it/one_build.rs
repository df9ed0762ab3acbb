//! Tests that the demo and the tests share one build: the tests' build uses what the demo's build has compiled.
//!
//! Cargo compiles a dependency once for each set of features that the selected packages ask for. If the two builds ask
//! for different sets, it is compiled twice. tests/Cargo.toml says how to make the sets equal.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The units that a build compiles. The key is everything that decides whether a unit can be shared, and the value is
/// its name.
fn units(selection: &[&str]) -> BTreeMap<String, String> {
    let output = Command::new(env!("CARGO"))
        .args(selection)
        .args(["--locked", "--unit-graph", "-Zunstable-options"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        // The unit graph is a feature of nightly cargo. It is printed, and nothing is built.
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let graph: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    assert_eq!(graph["version"], 1, "this cargo prints another form of the graph");
    let units = graph["units"].as_array().unwrap();
    let mut identities = vec![None; units.len()];
    (0..units.len()).map(|index| (identity(units, index, &mut identities), described(&units[index]))).collect()
}

fn described(unit: &Value) -> String {
    let (package, mode, kind) = (&unit["pkg_id"], &unit["mode"], &unit["target"]["kind"][0]);
    let package = package.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    format!("{package} {kind} {mode} {} {}", unit["profile"]["opt_level"], unit["features"])
}

/// The identity of a unit. A unit is shared when its own description and those of its dependencies are the same.
fn identity(units: &[Value], index: usize, known: &mut Vec<Option<String>>) -> String {
    if let Some(identity) = &known[index] {
        return identity.clone();
    }
    let unit = &units[index];
    let dependencies: BTreeSet<String> = unit["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dependency| dependency["index"].as_u64().and_then(|index| usize::try_from(index).ok()).unwrap())
        .map(|dependency| identity(units, dependency, known))
        .collect();
    let own = format!("{} {} {}", described(unit), unit["target"]["name"], unit["platform"]);
    let identity = paychan_channel::WasmHash::of(format!("{own} {dependencies:?}").as_bytes()).to_string();
    known[index] = Some(identity.clone());
    identity
}

#[test]
fn the_tests_build_compiles_nothing_again_that_the_demo_has_compiled() {
    let script = include_str!("../../scripts/build-programs.sh");
    let (_, programs) = script.split_once("programs=(").expect("the script lists its programs");
    let (programs, _) = programs.split_once(')').expect("the list ends");
    let mut build = vec!["build"];
    build.extend(programs.split_whitespace().flat_map(|program| ["--package", program]));
    let demo = units(&build);
    let tests = units(&["test", "--no-run", "--workspace"]);
    assert!(demo.len() > 100, "{} units", demo.len());

    // These programs are only started, so the tests' build does not need them as they are in the demo's build.
    let only_started = |unit: &str| unit.starts_with("demo#") || unit.starts_with("examples#");
    let twice: Vec<&String> = demo
        .iter()
        .filter(|(identity, unit)| !tests.contains_key(*identity) && !only_started(unit.as_str()))
        .map(|(_, unit)| unit)
        .collect();
    let of_tests: Vec<&String> = tests.values().collect();
    assert!(
        twice.is_empty(),
        "the demo compiles these, and the tests compile them again: {twice:#?}\nthe tests' are: {:#?}",
        of_tests
            .into_iter()
            .filter(|unit| twice.iter().any(|other| unit.split(' ').next() == other.split(' ').next()))
            .collect::<Vec<_>>()
    );
}
