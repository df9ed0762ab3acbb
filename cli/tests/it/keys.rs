//! Tests of `keygen`, and of what the program does with secrets that it is given.

use std::os::unix::fs::PermissionsExt;

use paychan_channel::CommitmentSecret;
use paychan_rpc::SecretKey;

use crate::run::{ACCOUNT, CHANNEL, LOCAL, SECRET, SEED, dir, file, paychan, paychan_with};

fn sign<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["sign", CHANNEL, "--amount", "5", "--json"], &LOCAL[..], rest].concat()
}

#[test]
fn a_new_commitment_key_goes_to_a_file_that_only_its_owner_can_read() {
    let dir = dir();
    let path = dir.path().join("agent.seed");
    let ran = paychan(&["keygen", "--out", path.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.everything());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let seed = std::fs::read_to_string(&path).unwrap();
    let secret = CommitmentSecret::from_seed_hex(seed.trim()).unwrap();
    let made = ran.json();
    assert_eq!(made["kind"], "commitment");
    assert_eq!(made["public"], secret.public().to_string());
    assert_eq!(made["file"], path.to_str().unwrap());
    assert!(made.get("secret").is_none());
    assert!(!ran.everything().contains(seed.trim()));
}

#[test]
fn a_new_account_key_is_one_that_stellar_tools_read() {
    let dir = dir();
    let path = dir.path().join("funder.key");
    let ran = paychan(&["keygen", "--account", "--out", path.to_str().unwrap(), "--json"]);
    let secret: SecretKey = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
    assert_eq!(ran.json()["public"], secret.account().to_string());
    assert_eq!(ran.json()["kind"], "account");
}

#[test]
fn a_key_is_never_overwritten() {
    let dir = dir();
    let path = file(dir.path(), "agent.seed", 0o600, "precious");
    let ran = paychan(&["keygen", "--out", path.to_str().unwrap(), "--json"]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "secret"));
    assert!(ran.stdout.contains("never overwritten"), "{}", ran.stdout);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_key_that_the_disk_has_no_room_for_leaves_nothing_behind() {
    let dir = dir();
    let path = dir.path().join("agent.seed");
    // A limit on the size of files acts like a full disk: the file is created, and the write fails.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let args = ["-c", script, env!("CARGO_BIN_EXE_paychan"), "keygen", "--json", "--out", path.to_str().unwrap()];
    let ran = std::process::Command::new("sh").args(args).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stdout).contains("can't be written"), "{ran:?}");
    assert!(!path.exists());
}

#[test]
fn a_new_key_that_could_not_be_printed_is_still_reported_as_made() {
    let dir = dir();
    let path = dir.path().join("agent.seed");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_paychan"))
        .args(["keygen", "--out", path.to_str().unwrap()])
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(4), "{said}");
    assert!(said.contains(path.to_str().unwrap()) && said.contains("Do not repeat"), "{said}");
    assert!(path.exists());
}

#[test]
fn a_secret_is_printed_only_when_asked_and_then_alone() {
    let ran = paychan(&["keygen", "--stdout"]);
    let secret = CommitmentSecret::from_seed_hex(ran.stdout.trim()).unwrap();
    assert!(ran.stderr.contains(&secret.public().to_string()));
    assert!(!ran.stderr.contains(ran.stdout.trim()));

    let ran = paychan(&["keygen"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--out"), "{}", ran.stderr);
}

#[test]
fn two_keys_are_never_the_same() {
    assert_ne!(paychan(&["keygen", "--stdout"]).stdout, paychan(&["keygen", "--stdout"]).stdout);
}

#[test]
fn a_secret_that_others_can_read_is_refused_with_the_command_that_repairs_it() {
    let dir = dir();
    for mode in [0o640, 0o604, 0o620, 0o660, 0o666, 0o644] {
        let path = file(dir.path(), &format!("seed-{mode:o}"), mode, SEED);
        let path = path.to_str().unwrap();
        let ran = paychan(&sign(&["--secret-file", path]));
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "secret"), "{mode:o}");
        assert!(ran.stdout.contains(&format!("chmod 600 {path}")), "{}", ran.stdout);
        assert!(!ran.everything().contains(SEED));
    }
}

#[test]
fn a_secret_is_taken_from_a_private_file_standard_input_or_the_environment() {
    let dir = dir();
    let private = file(dir.path(), "seed", 0o400, &format!("{SEED}\n"));
    let from_file = paychan(&sign(&["--secret-file", private.to_str().unwrap()]));
    let from_stdin = paychan_with(&sign(&["--secret-file", "-"]), &[], SEED);
    let from_env = paychan_with(&sign(&[]), &[("PAYCHAN_SECRET", SEED)], "");
    let both = [("PAYCHAN_SECRET", SECRET), ("PAYCHAN_COMMITMENT_SECRET", SEED)];
    let from_its_own_variable = paychan_with(&sign(&[]), &both, "");
    let public = CommitmentSecret::from_seed_hex(SEED).unwrap().public().to_string();
    for ran in [from_file, from_stdin, from_env, from_its_own_variable] {
        assert_eq!(ran.code, 0, "{}", ran.everything());
        assert_eq!(ran.json()["commitment_key"], public);
        assert!(!ran.everything().contains(SEED));
    }
}

#[test]
fn a_missing_secret_is_asked_for_with_all_ways_to_give_it() {
    let ran = paychan(&sign(&[]));
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "secret"));
    for way in ["--secret-file FILE", "--secret-file -", "PAYCHAN_SECRET"] {
        assert!(ran.stdout.contains(way), "{way}: {}", ran.stdout);
    }
}

#[test]
fn a_malformed_seed_is_refused_without_being_repeated() {
    for wrong in ["abc", &SEED[1..], "zz01010101010101010101010101010101010101010101010101010101010101", "\u{fffd}"] {
        let ran = paychan_with(&sign(&["--secret-file", "-"]), &[], wrong);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "secret"), "{wrong}");
        assert!(!ran.everything().contains(&wrong[..wrong.len().min(30)]), "{}", ran.everything());
    }
    assert_eq!(paychan_with(&sign(&["--secret-file", "-"]), &[], " \n").code, 2);
    let endless = "0".repeat(10_000);
    let ran = paychan_with(&sign(&["--secret-file", "-"]), &[], &endless);
    assert!(ran.stdout.contains("more than 4096 bytes"), "{}", ran.stdout);
}

#[test]
fn a_secret_of_the_other_kind_is_refused() {
    let ran = paychan_with(&sign(&["--secret-file", "-"]), &[], SECRET);
    assert!(ran.stdout.contains("expected a commitment seed"), "{}", ran.stdout);
    assert!(!ran.everything().contains(SECRET));

    let refund = [&["refund", CHANNEL, "--secret-file", "-", "--json"], &LOCAL[..]].concat();
    let ran = paychan_with(&refund, &[], SEED);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "secret"));
    assert!(ran.stdout.contains("a commitment seed?"), "{}", ran.stdout);
    assert!(!ran.everything().contains(SEED));
}

#[test]
fn a_secret_key_among_the_arguments_stops_everything_and_is_not_repeated() {
    let equals = format!("--secret-file={SECRET}");
    for args in [
        vec!["refund", CHANNEL, "--secret", SECRET],
        vec!["refund", CHANNEL, "--secret-file", SECRET],
        vec!["refund", CHANNEL, &equals],
        vec![SECRET],
    ] {
        let ran = paychan(&args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.stderr.contains("PAYCHAN_SECRET"), "{}", ran.stderr);
        assert!(!ran.everything().contains(SECRET), "{args:?}");
    }
}

#[test]
fn a_seed_in_place_of_a_file_name_is_not_repeated() {
    let ran = paychan(&sign(&["--secret-file", SEED]));
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "secret"));
    assert!(!ran.everything().contains(SEED));
}

#[test]
fn two_options_cannot_both_read_standard_input() {
    let open = [
        "open",
        "--token",
        "native",
        "--to",
        ACCOUNT,
        "--deposit",
        "1",
        "--refund-waiting-period",
        "20000",
        "--network",
        "local",
        "--secret-file",
        "-",
        "--commitment-secret-file",
        "-",
        "--wasm-hash",
        SEED,
        "--json",
    ];
    let ran = paychan_with(&open, &[], SECRET);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"));
    assert!(
        ran.stdout.contains("--secret-file and --commitment-secret-file both read standard input"),
        "{}",
        ran.stdout
    );
}
