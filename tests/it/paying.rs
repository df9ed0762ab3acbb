//! Tests the options of `paychan pay` and `paychan spent`: where the output goes, and what a policy file allows.

use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::programs::program;
use paychan_tests::watcher::{Payer, Watcher};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::examples::{json_of, pay, seller};

/// A buyer with a channel, and the example's seller.
struct Market {
    env: TestEnv,
    payer: Payer,
    watcher: Watcher,
    _seller: Child,
    url: String,
}

impl Market {
    async fn new() -> Self {
        Self::with(false).await
    }

    /// With `may_close`, the watcher has the recipient's key.
    async fn with(may_close: bool) -> Self {
        let env = TestEnv::new(NetworkOptions::default()).await;
        let payer = env.open("5", &env.recipient, 200).await;
        let mut options = env.watcher_options();
        options.may_close = may_close;
        let mut watcher = Watcher::configure(env.path(), &options);
        watcher.start().await;
        let (seller, url) = seller(&env, &watcher, None).await;
        Self { env, payer, watcher, _seller: seller, url }
    }

    /// `paychan pay URL/time` for a person: without `--json`.
    fn pay_as_person(&self) -> Command {
        let mut command = Command::new(program("paychan"));
        command
            .args(["pay", &format!("{}/time", self.url), "--channel", &self.payer.channel.to_string()])
            .args(["--passphrase", &self.env.network.passphrase])
            .arg("--secret-file")
            .arg(self.env.path().join(format!("{}.seed", self.payer.secret.public())))
            .arg("--payments")
            .arg(self.env.path().join("payments"))
            .env_clear();
        command
    }

    /// `paychan pay URL/time --json` with a policy file of this text, and no other option.
    fn pay_with_policy(&self, policy: &str) -> Command {
        let path = self.env.path().join("policy.toml");
        std::fs::write(&path, policy).unwrap();
        let mut command = Command::new(program("paychan"));
        command
            .args(["pay", "--json", &format!("{}/time", self.url), "--policy"])
            .arg(path)
            .arg("--payments")
            .arg(self.env.path().join("payments"))
            .env_clear();
        command
    }

    fn policy(&self, caps: &str, hosts: &str) -> String {
        format!(
            "[caps]\n{caps}\n[[channels]]\nchannel = \"{}\"\npassphrase = {:?}\nsecret_file = \"{}.seed\"\nhosts = {hosts}\n",
            self.payer.channel,
            self.env.network.passphrase,
            self.payer.secret.public()
        )
    }

    fn spent(&self) -> Command {
        let mut command = Command::new(program("paychan"));
        command.args(["spent", "--payments"]).arg(self.env.path().join("payments")).env_clear();
        command
    }
}

/// Standard output and standard error of a command that succeeds.
async fn printed(command: &mut Command) -> (String, String) {
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    (stdout, stderr)
}

#[tokio::test]
async fn the_answer_goes_to_standard_output_or_a_file_and_the_payment_to_standard_error() {
    let market = Market::new().await;
    let (body, told) = printed(&mut market.pay_as_person()).await;
    assert!(body.starts_with("SystemTime") && !body.contains("paid"), "{body}");
    assert!(told.contains("200 paid 10000 base units through C"), "{told}");
    assert!(told.contains("warning: no cap is given"), "{told}");
    let (_, told) = printed(market.pay_as_person().args(["--dry-run"])).await;
    assert!(!told.contains("no cap"), "{told}");

    let (with_head, _) = printed(market.pay_as_person().arg("-i")).await;
    let (head, body) = with_head.split_once("\r\n\r\n").expect("a head, an empty line, a body");
    assert!(head.starts_with("HTTP 200\r\n") && head.contains("payment-receipt: "), "{head}");
    assert!(body.starts_with("SystemTime"), "{body}");

    let file = market.env.path().join("answer.txt");
    let (nothing, told) = printed(market.pay_as_person().arg("-o").arg(&file)).await;
    assert_eq!(nothing, "");
    assert!(told.contains("paid 10000 base units"), "{told}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("SystemTime"));
    let (_, document) = json_of(market.pay_as_person().args(["--json", "-o"]).arg(&file)).await;
    assert_eq!((&document["body"], &document["paid"]["total"]), (&Value::Null, &json!("40000")), "{document}");
    assert!(document["headers"]["payment-receipt"].is_string());

    let (summary, _) = printed(market.pay_as_person().args(["--repeat", "6", "--concurrency", "3"])).await;
    for part in ["requests  6, of which 6 succeeded", "paid      60000 base units", "per second", "p50 ", "p99 "] {
        assert!(summary.contains(part), "{part:?} is not in {summary}");
    }
}

#[tokio::test]
async fn a_buyer_ends_its_channel_over_http_with_what_was_spent() {
    let market = Market::with(true).await;
    let before = market.env.usdc(&market.env.funder).await;
    for _ in 0..2 {
        json_of(&mut pay(&market.env, &market.url, &market.payer)).await;
    }
    let (code, ended) = json_of(pay(&market.env, &market.url, &market.payer).arg("--close")).await;
    assert_eq!((code, &ended["state"], &ended["amount"]), (0, &json!("closed"), &json!("20000")), "{ended}");
    assert_eq!(ended["transaction"].as_str().map(str::len), Some(64), "{ended}");
    let state = market.env.read(&market.payer.channel).await;
    assert_eq!((state.withdrawn.get(), state.is_final()), (20_000, true));
    assert_eq!(market.env.usdc(&market.env.funder).await.get(), before.get() + 50_000_000 - 20_000);

    let (code, refused) = json_of(&mut pay(&market.env, &market.url, &market.payer)).await;
    assert_eq!((code, &refused["error"]["may_have_paid"]), (1, &json!(false)), "{refused}");
    let mut nothing_opened = market.pay_as_person();
    nothing_opened.args(["--json", "--close", "--open"]);
    assert_eq!(json_of(&mut nothing_opened).await.0, 2, "a close opens no channel");
}

#[tokio::test]
async fn a_buyer_that_has_lost_its_folder_goes_on_from_its_own_signature() {
    let market = Market::with(true).await;
    for _ in 0..2 {
        json_of(&mut pay(&market.env, &market.url, &market.payer)).await;
    }
    std::fs::remove_dir_all(market.env.path().join("payments")).unwrap();
    let (_, told) = printed(&mut market.pay_as_person()).await;
    assert!(told.contains("20000 base units in total on C") && told.contains("200 paid 10000 base units"), "{told}");
    let (_, channel) = market.watcher.channel(&market.payer.channel).await;
    assert_eq!((&channel["highest"], &channel["spent"]), (&json!("30000"), &json!("30000")));
    let (_, spent) = json_of(market.spent().arg("--json")).await;
    assert_eq!(spent["signed"], "30000", "what was learnt counts: {spent}");
    let (code, next) = json_of(&mut pay(&market.env, &market.url, &market.payer)).await;
    assert_eq!((code, &next["paid"]["total"]), (0, &json!("40000")), "{next}");

    std::fs::remove_dir_all(market.env.path().join("payments")).unwrap();
    let (code, ended) = json_of(pay(&market.env, &market.url, &market.payer).arg("--close")).await;
    assert_eq!((code, &ended["state"], &ended["amount"]), (0, &json!("closed"), &json!("40000")), "{ended}");
    let state = market.env.read(&market.payer.channel).await;
    assert_eq!((state.withdrawn.get(), state.is_final()), (40_000, true));
}

#[tokio::test]
async fn a_policy_file_names_the_channel_the_hosts_and_the_caps() {
    let market = Market::new().await;
    let pay = async |caps: &str, hosts: &str| json_of(&mut market.pay_with_policy(&market.policy(caps, hosts))).await;
    for (cap, said) in [
        ("per_request = \"9999\"", "the price of one request"),
        ("per_host = \"9999\"", "what is paid to 127.0.0.1"),
        ("per_channel = \"9999\"", "what is paid through C"),
        ("per_day = \"9999\"", "what is paid today"),
        ("total = \"9999\"", "what is paid in all"),
    ] {
        let (code, refused) = pay(cap, "[]").await;
        let message = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(code == 1 && message.contains(said) && message.contains("nothing was signed"), "{cap}: {refused}");
        assert_eq!(refused["error"]["may_have_paid"], false);
    }
    let (code, refused) = pay("", "[\"api.example.com\"]").await;
    let problem = refused["error"]["problem"].as_str().unwrap_or_default();
    assert!(
        code == 1 && problem.ends_with("/channel-required"),
        "the buyer does not name its channel to that host: {refused}"
    );
    for wrong in ["[caps]\nper_year = \"1\"", "[caps]\ntotal = 1", "nonsense", "[[channels]]\nchannel = \"C\""] {
        let (code, refused) = json_of(&mut market.pay_with_policy(wrong)).await;
        assert_eq!((code, &refused["error"]["kind"]), (2, &json!("input")), "{wrong}: {refused}");
    }
    let (status, channel) = market.watcher.channel(&market.payer.channel).await;
    assert_eq!(status, 404, "nothing was paid so far: {channel}");

    // The caps count over all runs: the third request of the day would be above this one.
    for expected in [0, 0, 1] {
        let (code, told) = pay("per_day = \"20000\"", "[\"127.0.0.1\"]").await;
        assert_eq!(code, expected, "{told}");
    }
}

#[tokio::test]
async fn spent_prints_a_table_json_or_comma_separated_values() {
    let market = Market::new().await;
    let (nothing, _) = printed(&mut market.spent()).await;
    assert!(nothing.contains("0 payments"), "{nothing}");
    for _ in 0..2 {
        json_of(&mut pay(&market.env, &market.url, &market.payer)).await;
    }
    let (table, _) = printed(&mut market.spent()).await;
    let line = format!("through {}: 2 payments, 20000 base units, 0 without a receipt", market.payer.channel);
    assert!(table.contains(&format!("GET {}/time", market.url)) && table.contains(&line), "{table}");
    assert!(table.ends_with("2 payments, 20000 base units signed away in all\n"), "{table}");

    let (lines, _) = printed(market.spent().arg("--csv")).await;
    let lines: Vec<Vec<&str>> = lines.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0],
        ["at", "host", "method", "url", "channel", "price", "charged", "total", "status", "reference"]
    );
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2][4..9], [&market.payer.channel.to_string(), "10000", "10000", "20000", "200"]);

    let (_, json) = json_of(market.spent().arg("--json")).await;
    assert_eq!((&json["signed"], &json["payments"][1]["charged"]), (&json!("20000"), &json!("10000")), "{json}");
}
