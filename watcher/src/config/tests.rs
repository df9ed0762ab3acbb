#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use paychan_channel::Amount;
use paychan_rpc::SecretKey;
use zeroize::Zeroizing;

use super::*;
use crate::fixtures::{CODE, RECIPIENT, TOKEN, config, config_text, units};

const EXAMPLE: &str = include_str!("../../paychan-watcher.example.toml");

fn refused(text: &str) -> ConfigError {
    Config::parse(text).expect_err("this configuration must be refused")
}

/// The configuration with one piece of text replaced.
fn with(old: &str, new: &str) -> String {
    let text = config_text("");
    assert!(text.contains(old), "the fixture has no {old:?}");
    text.replacen(old, new, 1)
}

#[test]
fn the_example_is_a_valid_configuration() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.passphrase(), "Test SDF Network ; September 2015");
    assert_eq!(config.tokens[0].code, "USDC");
}

/// The keys in the example's comments that have no default.
const WITHOUT_DEFAULT: [&str; 8] =
    ["rpc_url", "rpc_urls", "header", "secret", "settle_above", "webhook_url", "webhook_secret", "heartbeat_url"];

/// Whether a comment is a key with its default, `key = value`, and nothing else.
fn is_default(comment: &str) -> bool {
    let key = comment.split_once(" = ").map_or("", |(key, _)| key);
    let word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    word && !WITHOUT_DEFAULT.contains(&key)
}

#[test]
fn each_default_that_the_example_shows_in_a_comment_is_the_default() {
    let shown: String = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|shown| is_default(shown)).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(shown.contains("\nextend_to_ledgers = "), "the commented keys are missing");
    let (shown, default) = (Config::parse(&shown).unwrap(), Config::parse(EXAMPLE).unwrap());
    assert_eq!(format!("{shown:?}"), format!("{default:?}"));
}

#[test]
fn networks_by_name_have_the_passphrases_that_the_rpc_client_knows() {
    use paychan_rpc::Network;
    for (name, known) in [(NetworkName::Testnet, Network::testnet()), (NetworkName::Mainnet, Network::mainnet())] {
        assert_eq!(name.passphrase(), known.passphrase);
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_name_and_line_in_every_table() {
    let tables = [
        ("data_dir = ", "datadir = \"x\"\ndata_dir = "),
        ("rpc_url = ", "rcp_url = \"x\"\nrpc_url = "),
        ("address = ", "adress = \"x\"\naddress = "),
        ("wasm_hash = ", "wasmhash = \"x\"\nwasm_hash = "),
        ("decimals = ", "decimal = 7\ndecimals = "),
        ("secret = { file = \"/nowhere/lane\" }", "secret = { file = \"/x\" }\nsecrets = 1"),
    ];
    for (old, new) in tables {
        let text = with(old, new);
        let key = new.lines().find(|line| !text.contains(&format!("\n{old}{line}"))).unwrap();
        let error = refused(&text);
        assert_eq!(error.kind, ConfigErrorKind::Syntax, "{error}");
        assert!(error.to_string().contains("unknown field"), "{error} ({key})");
        let line = error.line().expect("a line");
        assert!(text.lines().nth(line - 1).is_some_and(|line| new.contains(line)), "line {line}: {error}");
    }
    for (table, key) in [("fees", "maximum"), ("reaction", "sweeps"), ("fresh", "minutes"), ("life", "ceiling")] {
        let error = refused(&config_text(&format!("[{table}]\n{key} = 1\n")));
        assert!(error.to_string().contains(&format!("unknown field `{key}`")), "{error}");
    }
}

#[test]
fn a_missing_key_a_wrong_type_and_an_amount_as_a_number_are_refused_with_what_was_expected() {
    let missing = refused(&with("decimals = 7\n", ""));
    assert!(missing.to_string().contains("missing field `decimals`"), "{missing}");
    let wrong = refused(&with("decimals = 7", "decimals = \"seven\""));
    assert!(wrong.to_string().contains("expected u32"), "{wrong}");
    let number = refused(&with("dust = \"100000\"", "dust = 100000"));
    assert!(number.to_string().contains("string"), "{number}");
    let fraction = refused(&with("dust = \"100000\"", "dust = \"0.01\""));
    assert!(fraction.to_string().contains("whole base units"), "{fraction}");
    let torn = refused("data_dir = ");
    assert_eq!((torn.kind, torn.line()), (ConfigErrorKind::Syntax, Some(1)));
}

#[test]
fn a_secret_key_in_a_place_where_it_does_not_belong_is_not_repeated() {
    let secret = SecretKey::from_seed(&[9; 32]).to_strkey();
    let quoted = format!("\"{}\"", secret.as_str());
    for text in [
        with(&format!("\"{RECIPIENT}\""), &quoted),
        with("secret = { file = \"/nowhere/lane\" }", &format!("secret = {quoted}")),
        with("decimals = 7", &format!("decimals = {quoted}")),
        with("layout = \"paychan\"", &format!("layout = {quoted}")),
        with("data_dir", secret.as_str()),
    ] {
        let error = refused(&text).to_string();
        assert!(!error.contains(secret.as_str()), "the secret is in the message");
    }
}

#[test]
fn listening_beyond_loopback_needs_to_be_asked_for() {
    let open = format!("listen = \"0.0.0.0:8790\"\n{}", config_text(""));
    let error = refused(&open);
    assert_eq!(error.kind, ConfigErrorKind::Contradiction);
    assert!(error.to_string().contains("listen_beyond_loopback = true"), "{error}");
    Config::parse(&format!("listen_beyond_loopback = true\n{open}")).unwrap();
    Config::parse(&format!("listen = \"[::1]:0\"\n{}", config_text(""))).unwrap();
}

const ONE_URL: &str = "rpc_url = \"http://127.0.0.1:8000\"";

#[test]
fn several_endpoints_are_taken_in_their_order() {
    let one = Config::parse(&config_text("")).unwrap();
    assert_eq!(one.network.endpoints(), ["http://127.0.0.1:8000"]);
    let several = with(ONE_URL, "rpc_urls = [\"http://a\", \"https://b\"]");
    assert_eq!(Config::parse(&several).unwrap().network.endpoints(), ["http://a", "https://b"]);
}

#[test]
fn contradictions_are_refused_with_the_keys_that_make_them() {
    let passphrase = "passphrase = \"Standalone Network ; February 2017\"";
    let cases = [
        (with(passphrase, &format!("name = \"testnet\"\n{passphrase}")), "both `name` and `passphrase`"),
        (with(passphrase, ""), "neither `name`"),
        (with(passphrase, "passphrase = \" \""), "network.passphrase is empty"),
        (with("http://127", "ftp://127"), "network.rpc_url must start with http"),
        (with(ONE_URL, ""), "network has no endpoint"),
        (with(ONE_URL, &format!("{ONE_URL}\nrpc_urls = [\"http://a\"]")), "both `rpc_url` and `rpc_urls`"),
        (with(ONE_URL, "rpc_urls = [\"http://a\", \"b\"]"), "network.rpc_urls must start with http"),
        (with(ONE_URL, "rpc_urls = [\"http://a\", \"http://a/\"]"), "names one endpoint twice"),
        (
            with(
                ONE_URL,
                &format!("{ONE_URL}\nheaders = [{{ rpc_url = \"http://a\", header = {{ file = \"/h\" }} }}]"),
            ),
            "the file /h is no endpoint",
        ),
        (with("minimum_deposit = \"10000000\"", "minimum_deposit = \"99999\""), "minimum_deposit is 99999"),
        (with("dust = \"100000\"", "dust = \"5000\""), "dust of 5000 base units is worth 20000 stroops"),
        (with("decimals = 7", "decimals = 39"), "at most 38"),
        (config_text("[fees]\nmax_inclusion_fee = \"99\"\n"), "below 100"),
        (config_text("[fresh]\nledgers = 0\n"), "fresh.ledgers is 0"),
        (config_text("[reaction]\nattempts = 0\n"), "reaction.attempts is 0"),
        (config_text("[life]\nextend_to_ledgers = 51840\n"), "life.extend_to_ledgers is 51840"),
        (config_text(&format!("[[recipients]]\naddress = \"{RECIPIENT}\"\n")), "recipients names"),
        (
            config_text(&format!("[[recipients]]\naddress = \"{TOKEN}\"\nsecret = {{ file = \"/x\" }}\n")),
            "only an account (G...) has a secret key",
        ),
    ];
    for (text, part) in cases {
        let error = refused(&text);
        assert_eq!(error.kind, ConfigErrorKind::Contradiction, "{error}");
        assert!(error.to_string().contains(part), "{error}\nshould contain {part:?}");
    }
    let none = config_text("").replace("[[recipients]]", "[[nobody]]");
    assert!(refused(&none).to_string().contains("unknown field `nobody`"));
    let empty = format!("recipients = []\n{}", config_text("")).replace("[[recipients]]\n", "");
    let empty = empty.replace(&format!("address = \"{RECIPIENT}\"\n"), "");
    assert!(refused(&empty).to_string().contains("recipients is empty"));
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() {
    let error = Config::load(Path::new("/nowhere/at-all.toml")).unwrap_err();
    assert_eq!(error.kind, ConfigErrorKind::Unreadable);
    assert!(error.to_string().contains("/nowhere/at-all.toml"), "{error}");
}

#[test]
fn a_floor_above_the_configured_minimum_is_refused_at_start() {
    let config = config();
    let few = config.floor(5_000, 5, 1).unwrap();
    assert_eq!(config.check_floor(&few), Ok(()));
    let many = config.floor(5_000, 5, 4_000).unwrap();
    assert!(matches!(config.check_floor(&many), Err(FloorError::MinimumTooLow { configured: 17_280, .. })));
}

#[test]
fn an_amount_is_worth_its_part_of_a_token() {
    let token = config().token(&TOKEN).unwrap().clone();
    assert_eq!(token.value(units(10_000_000)), Stroops(40_000_000));
    assert_eq!(token.value(units(1)), Stroops(4));
    assert_eq!(token.value(Amount::ZERO), Stroops(0));
    assert_eq!(token.value(Amount::MAX), Stroops(i64::MAX), "no overflow");
    assert_eq!(config().code(&CODE).unwrap().layout, Layout::Paychan);
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> SecretSource {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretSource::File(path)
    }
}

const TOKEN_TEXT: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_token_is_read_without_its_line_end_and_compared_whole() {
    let token = ApiToken::read(&Files::new().write("token", &format!("{TOKEN_TEXT}\n"), 0o600));
    // The directory is gone by now; the token is in memory.
    let token = token.unwrap();
    assert!(token.is(TOKEN_TEXT));
    assert!(!token.is(&TOKEN_TEXT[1..]));
    assert!(!token.is(""));
    assert!(!token.is(&format!("{TOKEN_TEXT}0")));
}

#[test]
fn a_secret_file_that_others_can_read_is_refused() {
    let files = Files::new();
    for mode in [0o640, 0o604, 0o660, 0o644, 0o601] {
        let error = ApiToken::read(&files.write("token", TOKEN_TEXT, mode)).err().expect("refused");
        assert_eq!(error.kind, ConfigErrorKind::Secret);
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert!(!error.to_string().contains(TOKEN_TEXT));
    }
    for mode in [0o600, 0o400] {
        assert!(ApiToken::read(&files.write(&format!("fine{mode}"), TOKEN_TEXT, mode)).is_ok(), "{mode:o}");
    }
}

#[test]
fn a_short_token_and_a_missing_file_are_refused() {
    let files = Files::new();
    let short = ApiToken::read(&files.write("token", "secret", 0o600)).err().expect("refused").to_string();
    assert!(short.contains("32 or more"), "{short}");
    let missing = ApiToken::read(&SecretSource::File("/nowhere/token".into())).err().expect("refused").to_string();
    assert!(missing.contains("/nowhere/token") && missing.contains("cannot be read"), "{missing}");
}

#[test]
fn a_credential_is_a_name_and_not_a_path() {
    for name in ["", "../token", "a/b"] {
        let error = ApiToken::read(&SecretSource::Credential(name.to_owned())).err().expect("refused");
        assert!(error.to_string().contains("expected the file name of a systemd credential"), "{error}");
    }
}

fn with_secrets(files: &Files, recipient: &SecretKey, given: &str) -> Result<Secrets, ConfigError> {
    let lane = SecretKey::from_seed(&[1; 32]).to_strkey();
    let text = |name: &str, content: &str| match files.write(name, content, 0o600) {
        SecretSource::File(path) => path.display().to_string(),
        SecretSource::Mounted(_) | SecretSource::Credential(_) => unreachable!("a file was written"),
    };
    let (token, lane, key) = (text("token", TOKEN_TEXT), text("lane", &lane), text("recipient", given));
    let config = config_text("").replace("/nowhere/token", &token).replace("/nowhere/lane", &lane).replace(
        &format!("address = \"{RECIPIENT}\""),
        &format!("address = \"{}\"\nsecret = {{ file = \"{key}\" }}", recipient.account()),
    );
    Secrets::read(&Config::parse(&config).unwrap())
}

#[test]
fn all_secrets_are_read_and_a_recipients_must_be_the_recipients() {
    let files = Files::new();
    let (recipient, other) = (SecretKey::from_seed(&[2; 32]), SecretKey::from_seed(&[3; 32]));
    let secrets = with_secrets(&files, &recipient, &recipient.to_strkey()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(secrets.lane.account(), SecretKey::from_seed(&[1; 32]).account());
    assert!(secrets.recipients.contains_key(&recipient.account()));

    let given: Zeroizing<String> = other.to_strkey();
    let error = with_secrets(&files, &recipient, &given).err().expect("refused").to_string();
    assert!(error.contains("the key of another account"), "{error}");
    assert!(!error.contains(given.as_str()), "the secret is in the message");

    let error = with_secrets(&files, &recipient, &recipient.account().to_string()).err().expect("refused").to_string();
    assert!(error.contains("is not a secret key"), "{error}");
}
