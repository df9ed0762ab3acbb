//! Tests with a buyer without a channel. `paychan pay --open` opens one with the named deposit and terms, and with no
//! others; `--top-up` deposits more when the deposit is used up.

use paychan_channel::Amount;
use paychan_rpc::read_account;
use paychan_tests::env::TestEnv;
use paychan_tests::files::write_secret;
use paychan_tests::network::NetworkOptions;
use paychan_tests::programs::{batch_wasm, contract_wasm, program};
use paychan_tests::watcher::Watcher;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::examples::{json_of, seller};

/// The price of an answer, in base units.
const PRICE: u64 = 10_000;

/// A seller, and a buyer who has an account with money and a commitment key but no channel.
struct Market {
    env: TestEnv,
    watcher: Watcher,
    _seller: Child,
    url: String,
}

impl Market {
    async fn new() -> Self {
        let env = TestEnv::new(NetworkOptions::default()).await;
        let mut watcher = env.watcher();
        watcher.start().await;
        let (seller, url) = seller(&env, &watcher, None).await;
        let seed = paychan_channel::CommitmentSecret::generate().unwrap().seed_hex();
        write_secret(&env.path().join("agent.seed"), &seed);
        Self { env, watcher, _seller: seller, url }
    }

    /// A command that runs `paychan pay URL/time` without a channel.
    fn pay(&self) -> Command {
        let mut command = Command::new(program("paychan"));
        command
            .args(["pay", "--json", &format!("{}/time", self.url), "--payments"])
            .arg(self.env.path().join("payments"))
            .args(["--rpc-url", &self.env.network.rpc_url, "--passphrase", &self.env.network.passphrase])
            .env_clear();
        command
    }

    /// The same command with `--open` and these options in addition to the usual ones. An option replaces the usual one
    /// of the same name.
    fn open(&self, deposit: &str, more: &[(&str, &str)]) -> Command {
        let env = &self.env;
        let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
        let (token, to) = (env.usdc.contract.to_string(), env.recipient.id.to_string());
        let (wasm, seed, funder) =
            (text(contract_wasm()), text(env.path().join("agent.seed")), text(env.funder.file.clone()));
        let usual = [
            ("--deposit", deposit),
            ("--token", &token),
            ("--to", &to),
            ("--refund-waiting-period", "400"),
            ("--wasm", &wasm),
            ("--secret-file", &seed),
            ("--funder-secret-file", &funder),
        ];
        let usual = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        let mut command = self.pay();
        command.arg("--open").args(usual.chain(more).flat_map(|(name, value)| [*name, *value]));
        command
    }

    /// The number of transactions that the funder has sent, by its sequence number.
    async fn sent(&self) -> i64 {
        read_account(&self.env.network.client, &self.env.funder.id).await.unwrap().sequence
    }

    async fn deposited(&self, channel: &Value) -> Amount {
        self.env.read(&channel.as_str().unwrap().parse().unwrap()).await.deposited.unwrap()
    }
}

#[tokio::test]
async fn a_buyer_without_a_channel_opens_one_with_the_named_deposit_and_pays() {
    let market = Market::new().await;
    let before = market.sent().await;
    let (code, refused) = json_of(&mut market.pay()).await;
    let error = &refused["error"];
    assert_eq!((code, error["kind"].as_str()), (1, Some("refused")), "{refused}");
    assert!(error["problem"].as_str().unwrap().ends_with("/session/channel-required"), "{refused}");
    assert!(error["message"].as_str().unwrap().contains("paychan open --to G"), "{refused}");

    let (code, first) = json_of(&mut market.open("1.5", &[])).await;
    assert_eq!((code, &first["status"], &first["paid"]["total"]), (0, &json!(200), &json!("10000")), "{first}");
    let channel = &first["opened"]["channel"];
    assert_eq!((&first["opened"]["already_open"], &first["paid"]["channel"]), (&json!(false), channel), "{first}");
    assert_eq!(market.deposited(channel).await, Amount::from(15_000_000));
    let sent = market.sent().await;
    assert!(sent > before);

    // The same command and many requests find the channel again, so nothing is opened twice.
    let (code, again) = json_of(&mut market.open("1.5", &[])).await;
    assert_eq!((code, &again["paid"]["total"]), (0, &json!("20000")), "{again}");
    assert_eq!((&again["opened"]["already_open"], &again["opened"]["channel"]), (&json!(true), channel));
    let (code, many) = json_of(market.open("1.5", &[]).args(["--repeat", "8", "--concurrency", "4"])).await;
    assert_eq!((code, &many["succeeded"], &many["opened"]), (0, &json!(8), channel), "{many}");
    assert_eq!(market.sent().await, sent);
    let (_, held) = market.watcher.channel(&channel.as_str().unwrap().parse().unwrap()).await;
    assert_eq!((&held["highest"], &held["spent"]), (&json!("100000"), &json!("100000")));
}

#[tokio::test]
async fn a_server_that_wants_another_channel_than_was_allowed_gets_none() {
    let market = Market::new().await;
    let before = market.sent().await;
    let (stranger, issuer) = (market.env.lane.id.to_string(), market.env.usdc.issuer.id.to_string());
    let batch = batch_wasm();
    let other_token = format!("EURC:{issuer}");
    for (option, value, said) in [
        ("--to", stranger.as_str(), "--to says"),
        ("--token", "native", "--token"),
        ("--deposit", "0.0999999", "--deposit says"),
        ("--wasm", batch.to_str().unwrap(), "--wasm"),
        ("--refund-waiting-period", "199", "--refund-waiting-period says"),
        ("--token", &other_token, "not deployed"),
    ] {
        let deposit = if option == "--deposit" { value } else { "1" };
        let (code, refused) = json_of(&mut market.open(deposit, &[(option, value)])).await;
        let message = refused["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(code, 1, "{option}: {refused}");
        assert!(message.contains(said), "{option}: {message}");
    }
    let mut spent = Command::new(program("paychan"));
    spent.args(["spent", "--json", "--payments"]).arg(market.env.path().join("payments"));
    let (_, spent) = json_of(&mut spent).await;
    assert_eq!((&spent["signed"], market.sent().await), (&json!("0"), before), "nothing was signed and nothing sent");
}

#[tokio::test]
async fn a_deposit_that_is_used_up_is_topped_up_only_with_the_option() {
    let market = Market::new().await;
    // Ten answers, and a rest that is too small for another one.
    let enough_for = 10 * PRICE + PRICE / 2;
    let deposit = |units: u64| format!("0.{units:07}");
    let (code, first) = json_of(&mut market.open(&deposit(1_000_000 + PRICE / 2), &[])).await;
    assert_eq!(code, 0, "{first}");
    let channel = &first["opened"]["channel"];
    let (code, refused) = json_of(market.open("1", &[]).args(["--repeat", "200"])).await;
    assert_eq!((code, &refused["error"]["requests"]), (1, &json!(99)), "{refused}");
    assert!(refused["error"]["problem"].as_str().unwrap().ends_with("amount-exceeds-deposit"), "{refused}");

    let (code, one) = json_of(&mut market.open("1", &[("--top-up", &deposit(enough_for))])).await;
    assert_eq!((code, &one["paid"]["total"]), (0, &json!("1010000")), "the total that was refused is paid: {one}");
    assert_eq!(market.deposited(channel).await, Amount::from(1_000_000 + PRICE / 2 + enough_for));
    // 100 more requests cost more than what is left, so the deposit is topped up once in between.
    let (code, many) =
        json_of(market.open("1", &[("--top-up", "0.2")]).args(["--repeat", "100", "--concurrency", "4"])).await;
    assert_eq!((code, &many["succeeded"], &many["paid"]), (0, &json!(100), &json!("1000000")), "{many}");
    assert_eq!(market.deposited(channel).await, Amount::from(3_000_000 + PRICE / 2 + enough_for));
}
