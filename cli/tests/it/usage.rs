//! Tests of help, networks, errors and exit codes.

use std::net::TcpListener;

use crate::run::{ACCOUNT, CHANNEL, LOCAL, SECRET, SEED, dir, file, paychan, paychan_with};

const COMMANDS: [&str; 13] = [
    "keygen",
    "open",
    "top-up",
    "sign",
    "submit",
    "inspect",
    "settle",
    "restore",
    "close",
    "close-start",
    "refund",
    "pay",
    "spent",
];

#[test]
fn help_teaches_every_command_with_examples() {
    let help = paychan(&["--help"]);
    assert_eq!(help.code, 0);
    for command in COMMANDS {
        assert!(help.stdout.contains(command), "{command}");
        let own = paychan(&[command, "--help"]);
        assert_eq!(own.code, 0);
        assert!(own.stdout.contains(&format!("Examples:\n  paychan {command}")), "{}", own.stdout);
    }
    assert!(help.stdout.contains("Exit codes:"));
}

#[test]
fn help_never_shows_a_secret_of_the_environment() {
    for command in COMMANDS {
        let env = [
            ("PAYCHAN_SECRET", SECRET),
            ("PAYCHAN_FUNDER_SECRET", SECRET),
            ("PAYCHAN_COMMITMENT_SECRET", SEED),
            ("PAYCHAN_WATCHER_TOKEN", "hunter2"),
        ];
        let help = paychan_with(&[command, "--help"], &env, "").everything();
        assert!(!help.contains(SECRET) && !help.contains(SEED) && !help.contains("hunter2"), "{command}");
    }
}

#[test]
fn an_error_is_one_json_document_on_standard_output_when_json_is_asked_for() {
    for args in [vec!["--json", "nonsense"], vec!["sign", "--json"], vec!["inspect", "--json", "--bogus"]] {
        let ran = paychan(&args);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"), "{args:?}");
        assert!(ran.json()["error"]["message"].is_string());
        assert_eq!(ran.stderr, "");
    }
    let plain = paychan(&["nonsense"]);
    assert_eq!((plain.code, plain.stdout.as_str()), (2, ""));
    assert!(plain.stderr.starts_with("error: "), "{}", plain.stderr);
    assert!(!plain.stderr.contains("error: error:"));
}

#[test]
fn an_address_without_a_scheme_is_told_what_is_missing() {
    for address in ["api.example.com/time", "127.0.0.1:8080/time", "localhost:8080/time", "ftp://api.example.com/time"]
    {
        let ran = paychan(&["pay", address, "--json"]);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"), "{address}");
        assert!(ran.stdout.contains("begins with http:// or https://"), "{}", ran.stdout);
    }
}

#[test]
fn a_folder_without_payments_is_named() {
    let ran = paychan(&["spent", "--payments", "/nonexistent/payments"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0 payments, 0 base units signed away in all\n"));
    assert!(ran.stderr.contains("no payments are in /nonexistent/payments"), "{}", ran.stderr);
    let folder = dir();
    let folder = folder.path().to_str().unwrap();
    let args = ["pay", "https://api.example.com/time", "--close", "--passphrase", "mine", "--payments", folder];
    let ran = paychan_with(&args, &[("PAYCHAN_COMMITMENT_SECRET", SEED)], "");
    assert!(ran.code == 2 && ran.stderr.contains("name one with --channel"), "{}", ran.stderr);
}

#[test]
fn the_public_network_has_no_endpoint_by_default() {
    let ran = paychan(&["inspect", CHANNEL, "--network", "mainnet", "--json"]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"));
    assert!(ran.stdout.contains("--rpc-url URL"), "{}", ran.stdout);
}

#[test]
fn a_passphrase_without_an_endpoint_is_not_enough() {
    let ran = paychan(&["inspect", CHANNEL, "--passphrase", "mine", "--json"]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"));
    assert!(ran.stdout.contains("--rpc-url"), "{}", ran.stdout);
}

#[test]
fn an_endpoint_that_is_down_is_network_trouble_and_is_named() {
    // This port was free a moment ago, so nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let ran = paychan(&["inspect", CHANNEL, "--network", "local", "--rpc-url", &url, "--json"]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (3, "network"), "{}", ran.everything());
    assert!(ran.stdout.contains(&url), "{}", ran.stdout);
}

#[test]
fn an_endpoint_that_is_no_url_is_refused() {
    let ran = paychan(&["inspect", CHANNEL, "--network", "local", "--rpc-url", "nonsense", "--json"]);
    assert_eq!(ran.code, 2, "{}", ran.everything());
}

fn open(change: &[(&'static str, Option<&str>)]) -> crate::run::Ran {
    let mut options = vec![
        ("--token", Some("native")),
        ("--to", Some(ACCOUNT)),
        ("--deposit", Some("1")),
        ("--refund-waiting-period", Some("20000")),
        ("--commitment-key", Some(KEY)),
        ("--wasm-hash", Some(SEED)),
    ];
    for (name, value) in change {
        match options.iter_mut().find(|(option, _)| option == name) {
            Some(option) => option.1 = *value,
            None => options.push((name, *value)),
        }
    }
    let given = options.iter().filter_map(|(name, value)| value.map(|value| [*name, value])).flatten();
    let args: Vec<_> = ["open", "--json"].into_iter().chain(LOCAL).chain(given).collect();
    paychan_with(&args, &[("PAYCHAN_SECRET", SECRET)], "")
}

/// The public part of [`SEED`].
const KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

#[test]
fn terms_that_no_channel_can_have_are_refused_before_any_network_is_asked() {
    let weak = "00".repeat(32);
    let off_curve = format!("02{}", "00".repeat(31));
    for (option, value, said) in [
        ("--token", "XLM", "expected native, CODE:ISSUER"),
        ("--to", "nobody", "an account address G... or a contract address C..."),
        ("--commitment-key", "abcd", "64 hexadecimal digits"),
        ("--commitment-key", &weak, "weak"),
        ("--commitment-key", &off_curve, "no point of the ed25519 curve"),
        ("--refund-waiting-period", "0", "1..=6307200"),
        ("--refund-waiting-period", "6307201", "1..=6307200"),
        ("--refund-waiting-period", "a day", "invalid"),
        ("--wasm-hash", "12", "64 hexadecimal digits"),
        ("--salt", "12", "64 hex digits"),
        ("--max-fee", "0", "1.."),
    ] {
        let ran = open(&[(option, Some(value))]);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"), "{option} {value}: {}", ran.stdout);
        assert!(ran.stdout.contains(said), "{option} {value}: {}", ran.stdout);
    }
}

#[test]
fn a_channel_to_oneself_is_refused() {
    let secret: paychan_rpc::SecretKey = SECRET.parse().unwrap();
    let ran = open(&[("--to", Some(&secret.account().to_string()))]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"));
    assert!(ran.stdout.contains("the funder itself"), "{}", ran.stdout);
}

#[test]
fn the_contract_must_be_named_and_be_wasm() {
    let ran = open(&[("--wasm-hash", None)]);
    assert!(ran.stdout.contains("--wasm FILE"), "{}", ran.stdout);

    let dir = dir();
    let text = file(dir.path(), "readme.wasm", 0o644, "not a module");
    let ran = open(&[("--wasm-hash", None), ("--wasm", text.to_str())]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "input"));
    assert!(ran.stdout.contains("not a Wasm module"), "{}", ran.stdout);

    let wasm = file(dir.path(), "other.wasm", 0o644, "\0asm\u{1}\0\0\0");
    let ran = open(&[("--wasm", wasm.to_str())]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "input"), "{}", ran.stdout);
    assert!(ran.stdout.contains("has the hash"), "{}", ran.stdout);
}

/// Answers one request with this status, and returns the request.
fn endpoint(status: u16) -> (String, std::thread::JoinHandle<String>) {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/soroban/rpc", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 8_192];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (url, thread)
}

fn inspect_at(url: &str, more: &[&str]) -> crate::run::Ran {
    paychan(&[&["inspect", CHANNEL, "--network", "local", "--rpc-url", url, "--json"], more].concat())
}

#[test]
fn the_headers_that_an_endpoint_wants_are_read_from_a_file() {
    for status in [401, 403] {
        let (url, asked) = endpoint(status);
        let ran = inspect_at(&url, &[]);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "endpoint"), "{}", ran.everything());
        assert!(ran.stdout.contains("--rpc-header-file"), "{}", ran.stdout);
        asked.join().unwrap();
    }
    let dir = dir();
    let headers = file(dir.path(), "headers", 0o600, "# of the provider\nX-Api-Key: hunter2\n");
    let (url, asked) = endpoint(401);
    let ran = inspect_at(&url, &["--rpc-header-file", headers.to_str().unwrap()]);
    assert!(ran.stdout.contains("does not take the headers"), "{}", ran.stdout);
    assert!(asked.join().unwrap().to_ascii_lowercase().contains("x-api-key: hunter2"));
    assert!(!ran.everything().contains("hunter2"));
}

#[test]
fn headers_that_others_can_read_or_that_are_invalid_are_refused_without_being_repeated() {
    let dir = dir();
    for (name, mode, text, said) in [
        ("open", 0o644, "X-Api-Key: hunter2", "chmod 600"),
        ("colon", 0o600, "hunter2", "no colon"),
        ("name", 0o600, "X Api Key: hunter2", "letters, digits and dashes"),
        ("value", 0o600, "X-Api-Key: hunter2\u{1}", "no HTTP header can carry"),
    ] {
        let headers = file(dir.path(), name, mode, text);
        let ran = inspect_at("http://127.0.0.1:1", &["--rpc-header-file", headers.to_str().unwrap()]);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "secret"), "{name}: {}", ran.everything());
        assert!(ran.stdout.contains(said) && !ran.everything().contains("hunter2"), "{name}: {}", ran.everything());
    }
}

#[test]
fn an_error_names_the_path_at_which_there_is_no_rpc() {
    let (url, asked) = endpoint(404);
    let ran = inspect_at(&url, &[]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "endpoint"), "{}", ran.everything());
    assert!(ran.stdout.contains("/soroban/rpc"), "{}", ran.stdout);
    asked.join().unwrap();
}
