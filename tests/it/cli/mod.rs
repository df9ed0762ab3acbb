//! Tests of `paychan` against a network: what each command does on chain, and what it refuses to do.

mod closing;
mod endpoint;
mod env;
pub(crate) mod proxy;
mod restoring;
mod submit;
mod surge;

use paychan_tests::command::{Ran, paychan};
use paychan_tests::files::write_secret;
use paychan_tests::programs::contract_wasm;
use serde_json::{Value, json};

use self::env::{TestEnv, WAITING_PERIOD, assert_refused, path_text, units};

#[tokio::test]
async fn a_channel_is_opened_topped_up_settled_announced_closed_and_refunded() {
    let env = TestEnv::new().await;
    let opened = env.open("12.5", &[]).await.ok();
    let channel = opened["channel"].as_str().unwrap();
    assert_eq!(opened["deposited"], "125000000");
    assert_eq!(opened["already_open"], false);
    assert!(opened["upload"]["hash"].is_string(), "the network had no code: {opened}");
    let fee: u64 = opened["open"]["fee_charged"].as_str().unwrap().parse().unwrap();
    assert!(fee > 0);
    assert_eq!(env.usdc_of(&env.funder).await, units(10_000_000_000 - 125_000_000));

    let seen = env.inspect(channel).await;
    assert_eq!(seen["status"], "open");
    assert_eq!(seen["contract"], "paychan");
    assert_eq!(seen["from"], env.funder.id.to_string());
    assert_eq!(seen["to"], env.recipient.id.to_string());
    assert_eq!(seen["token"], env.usdc.contract.to_string());
    assert_eq!((&seen["token_name"], &seen["token_decimals"]), (&json!("USDC"), &json!(7)));
    assert_eq!(seen["refund_waiting_period"], 20_000);
    for (amount, expected) in
        [("deposited", "125000000"), ("balance", "125000000"), ("coverage", "125000000"), ("withdrawn", "0")]
    {
        assert_eq!(seen[amount], expected, "{amount}");
    }
    let lives = seen["lives"].as_array().unwrap();
    let entries: Vec<_> = lives.iter().map(|life| life["entry"].as_str().unwrap()).collect();
    assert_eq!(entries, ["instance", "code", "token balance", "token instance"]);
    assert!(lives.iter().all(|life| life["live_until"].as_u64() > seen["read_at"].as_u64()), "{lives:?}");

    let topped = env.run_as(&env.funder, &["top-up", channel, "--amount", "75000000", "--base-units"]).await.ok();
    assert_eq!((&topped["amount"], &topped["deposited"]), (&json!("75000000"), &json!("200000000")));

    // Anyone may settle, even the stranger, who has no USDC and no trustline.
    let commitment = env.sign(channel, "60000000").await;
    let settle = ["settle", "--commitment", &commitment];
    let settled = env.run_as(&env.stranger, &settle).await.ok();
    assert_eq!((&settled["paid"], &settled["withdrawn"]), (&json!("60000000"), &json!("60000000")));
    assert_eq!(env.usdc_of(&env.recipient).await, units(60_000_000));
    let again = env.run_as(&env.stranger, &settle).await.ok();
    assert_eq!((&again["paid"], &again["transaction"]), (&json!("0"), &Value::Null));

    let early = env.run_as(&env.funder, &["refund", channel]).await;
    assert_refused(&early, 1, "refused", "close-start");
    let closing = env.run_as(&env.funder, &["close-start", channel]).await.ok();
    let deadline = closing["deadline"].as_u64().unwrap();
    assert_eq!(deadline, closing["transaction"]["ledger"].as_u64().unwrap() + 20_000);
    assert_eq!(closing["last_safe_ledger"].as_u64().unwrap(), deadline - 1);
    let twice = env.run_as(&env.funder, &["close-start", channel]).await;
    assert_refused(&twice, 1, "refused", "--again");
    assert_eq!(env.inspect(channel).await["deadline"].as_u64().unwrap(), deadline);
    let top_up = env.run_as(&env.funder, &["top-up", channel, "--amount", "1"]).await;
    assert_refused(&top_up, 1, "refused", "no more deposits");
    let early = env.run_as(&env.funder, &["refund", channel]).await;
    assert_refused(&early, 1, "refused", &format!("possible from ledger {deadline}"));

    env.network.jump(20_000).await;
    assert_eq!(env.inspect(channel).await["status"], "refundable");
    let refunded = env.run_as(&env.funder, &["refund", channel]).await.ok();
    assert_eq!((&refunded["refunded"], &refunded["withdrawn"]), (&json!("140000000"), &json!("60000000")));
    assert_eq!(env.usdc_of(&env.funder).await, units(10_000_000_000 - 60_000_000));
    assert_eq!(env.inspect(channel).await["status"], "final");
    let empty = env.run_as(&env.funder, &["refund", channel]).await;
    assert_refused(&empty, 1, "refused", "nothing to refund");
}

#[tokio::test]
async fn the_recipient_closes_with_a_commitment_and_the_rest_goes_back() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let commitment = env.sign(&channel, "50000000").await;

    let stranger = env.run_as(&env.stranger, &["close", "--commitment", &commitment]).await;
    assert_refused(&stranger, 1, "refused", "recipient");
    let without = env.run_as(&env.recipient, &["close", &channel]).await;
    assert_refused(&without, 2, "usage", "--without-commitment");

    let closed = env.run_as(&env.recipient, &["close", "--commitment", &commitment]).await.ok();
    for (amount, expected) in
        [("paid", "50000000"), ("returned", "75000000"), ("withdrawn", "50000000"), ("balance", "0")]
    {
        assert_eq!(closed[amount], expected, "{amount}");
    }
    assert_eq!(env.usdc_of(&env.recipient).await, units(50_000_000));
    assert_eq!(env.usdc_of(&env.funder).await, units(10_000_000_000 - 50_000_000));
    assert_eq!(env.inspect(&channel).await["status"], "final");

    let higher = env.sign(&channel, "60000000").await;
    let late = env.run_as(&env.stranger, &["settle", "--commitment", &higher]).await;
    assert_refused(&late, 1, "refused", "closed for good");
    let again = env.run_as(&env.recipient, &["close", "--commitment", &commitment]).await;
    assert_refused(&again, 1, "refused", "closed for good already");
    let start = env.run_as(&env.funder, &["close-start", &channel]).await;
    assert_refused(&start, 1, "refused", "closed for good already");
}

#[tokio::test]
async fn an_effect_whose_report_cannot_be_printed_is_reported_as_done() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let secret = path_text(&env.funder.file);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    // This is not tokio's `Command`, whose `output` always replaces standard output.
    let output = std::process::Command::new(paychan_tests::programs::program("paychan"))
        .args(["top-up", &channel, "--amount", "1", "--secret-file", &secret, "--json"])
        .env("PAYCHAN_RPC_URL", &env.network.rpc_url)
        .env("PAYCHAN_PASSPHRASE", &env.network.passphrase)
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("it is done (ledger") && said.contains("Do not repeat the command"), "{said}");
    let hash = said.split("transaction ").last().unwrap().split(')').next().unwrap();
    assert_eq!(hash.len(), 64, "{said}");
    assert_eq!(env.inspect(&channel).await["deposited"], "135000000");
}

#[tokio::test]
async fn an_unused_channel_is_closed_without_a_commitment() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let closed = env.run_as(&env.recipient, &["close", &channel, "--without-commitment"]).await.ok();
    assert_eq!((&closed["paid"], &closed["returned"]), (&json!("0"), &json!("125000000")));
    assert_eq!(env.usdc_of(&env.funder).await, units(10_000_000_000));
}

#[tokio::test]
async fn opening_again_with_the_salt_finds_the_channel_and_pays_nothing() {
    let env = TestEnv::new().await;
    let salt = "5a".repeat(32);
    let first = env.open("12.5", &["--salt", &salt]).await.ok();
    assert_eq!(first["salt"], salt);
    let second = env.open("12.5", &["--salt", &salt]).await.ok();
    assert_eq!((&second["channel"], &second["already_open"]), (&first["channel"], &json!(true)));
    assert_eq!((&second["open"], &second["upload"]), (&Value::Null, &Value::Null));
    assert_eq!(env.usdc_of(&env.funder).await, units(10_000_000_000 - 125_000_000));

    let other_terms = env.open("12.5", &["--salt", &salt, "--refund-waiting-period", "30000"]).await;
    assert_refused(&other_terms, 1, "refused", "another waiting period");
    assert_eq!(other_terms.json()["error"]["salt"], salt);

    let another = env.open("12.5", &[]).await.ok();
    assert_ne!(another["channel"], first["channel"]);
    assert_eq!(another["upload"], Value::Null, "the code is there already");
    let by_hash = env.open("1", &["--wasm-hash", first["wasm_hash"].as_str().unwrap()]).await.ok();
    assert_eq!(by_hash["wasm_hash"], first["wasm_hash"]);
}

#[tokio::test]
async fn xlm_itself_can_be_the_token() {
    let env = TestEnv::new().await;
    let opened = env.open("0.5", &["--token", "native"]).await.ok();
    assert_eq!(opened["deposited"], "5000000");
    let seen = env.inspect(opened["channel"].as_str().unwrap()).await;
    assert_eq!((&seen["token_name"], &seen["coverage"]), (&json!("XLM"), &json!("5000000")));
}

#[tokio::test]
async fn an_opening_that_can_not_succeed_is_refused_before_it_costs_anything() {
    let env = TestEnv::new().await;
    let before = env.usdc_of(&env.funder).await;
    let xlm_before = env.xlm(&env.funder).await;
    let stranger = path_text(&env.stranger.file);
    let nobody = paychan_rpc::SecretKey::generate().unwrap();
    let nobody_file = env.folder.path().join("nobody.key");
    write_secret(&nobody_file, &nobody.to_strkey());
    let nobody_file = path_text(&nobody_file);
    let other_asset = format!("EURC:{}", env.usdc.issuer.id);
    let unknown_hash = "ab".repeat(32);
    let not_a_token = env.recipient.id.to_string();

    assert_refused(&env.open("1000.0000001", &[]).await, 1, "refused", "1000 USDC free, 1000.0000001 USDC are needed");
    assert_refused(&env.open("1.23456789", &[]).await, 2, "usage", "7 decimals");
    assert_refused(&env.open("-1", &[]).await, 2, "usage", "negative");
    assert_refused(&env.open("0", &[]).await, 2, "usage", "above zero");
    assert_refused(&env.open("1.5", &["--base-units"]).await, 2, "usage", "fraction");
    assert_refused(&env.open("1", &["--token", &other_asset]).await, 1, "refused", "is not deployed on this network");
    assert_refused(&env.open("1", &["--token", &not_a_token]).await, 2, "usage", "token contract's C... address");
    assert_refused(&env.open("1", &["--max-fee", "1000"]).await, 1, "fee_too_high", "--max-fee 1000");

    let wasm = path_text(&contract_wasm());
    let (token, to, seed) = (env.token(), env.recipient.id.to_string(), env.seed());
    let usual = [
        "open",
        "--deposit",
        "1",
        "--token",
        &token,
        "--to",
        &to,
        "--refund-waiting-period",
        WAITING_PERIOD,
        "--commitment-secret-file",
        &seed,
    ];
    let as_whom = |secret, more: &[&'static str]| -> Vec<String> {
        let args = usual.iter().copied().chain(["--secret-file", secret]).chain(more.iter().copied());
        args.map(str::to_owned).collect()
    };
    let no_trustline = [as_whom(&stranger, &["--wasm"]), vec![wasm.clone()]].concat();
    assert_refused(&paychan(&env.network, no_trustline).await, 1, "refused", "no trustline to the token's asset");
    let no_account = [as_whom(&nobody_file, &["--wasm"]), vec![wasm]].concat();
    assert_refused(&paychan(&env.network, no_account).await, 1, "refused", "the account does not exist");
    let funder = path_text(&env.funder.file);
    let no_code = [as_whom(&funder, &["--wasm-hash"]), vec![unknown_hash]].concat();
    assert_refused(&paychan(&env.network, no_code).await, 1, "refused", "--wasm FILE");

    assert_eq!(env.usdc_of(&env.funder).await, before);
    assert_eq!(env.xlm(&env.funder).await, xlm_before);
}

#[tokio::test]
async fn a_recipient_who_can_not_be_paid_yet_is_warned_about() {
    let env = TestEnv::new().await;
    let to = env.stranger.id.to_string();
    let ran = env.open("1", &["--to", &to]).await;
    assert!(ran.stderr.contains("no trustline to the token's asset"), "{}", ran.stderr);
    assert_eq!(ran.ok()["to"], to);
}

#[tokio::test]
async fn a_commitment_that_the_chain_would_not_pay_is_refused_before_it_costs_a_fee() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let other = env.open("1", &[]).await.ok();
    let other = other["channel"].as_str().unwrap();
    let xlm_before = env.xlm(&env.stranger).await;
    let settle = async |args: &[&str]| env.run_as(&env.stranger, &[&["settle"], args].concat()).await;

    let beyond = env.sign(&channel, "125000001").await;
    assert_refused(&settle(&["--commitment", &beyond]).await, 1, "refused", "covers 125000000");

    let good: Value = serde_json::from_str(&std::fs::read_to_string(env.sign(&channel, "7").await).unwrap()).unwrap();
    let signature = good["signature"].as_str().unwrap();
    let other_amount = settle(&[&channel, "--amount", "8", "--signature", signature]).await;
    assert_refused(&other_amount, 1, "refused", "not one of the channel's commitment key");
    let other_channel = settle(&[other, "--amount", "7", "--signature", signature]).await;
    assert_refused(&other_channel, 1, "refused", "not one of the channel's commitment key");

    let seed = env.seed();
    let elsewhere = ["sign", &channel, "--amount", "7", "--secret-file", &seed, "--network", "testnet", "--json"];
    let elsewhere = tokio::process::Command::new(paychan_tests::programs::program("paychan"))
        .args(elsewhere)
        .env_remove("PAYCHAN_PASSPHRASE")
        .output()
        .await
        .unwrap();
    let path = env.folder.path().join("elsewhere.json");
    std::fs::write(&path, &elsewhere.stdout).unwrap();
    let wrong_network = settle(&["--commitment", &path_text(&path)]).await;
    assert_refused(&wrong_network, 3, "wrong_network", "signed for the network");

    assert_eq!(env.xlm(&env.stranger).await, xlm_before);
    assert_eq!(env.inspect(&channel).await["withdrawn"], "0");
}

#[tokio::test]
async fn commands_of_the_funder_are_refused_to_others() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    for command in [vec!["top-up", &channel, "--amount", "1"], vec!["close-start", &channel], vec!["refund", &channel]]
    {
        let ran = env.run_as(&env.recipient, &command).await;
        assert_refused(&ran, 1, "refused", &format!("the channel's funder, {}", env.funder.id));
    }
    assert_eq!(env.inspect(&channel).await["deadline"], Value::Null);
}

#[tokio::test]
async fn a_contract_that_is_no_channel_is_refused() {
    let env = TestEnv::new().await;
    let token = env.run(&["inspect", &env.usdc.contract.to_string()]).await;
    assert_refused(&token, 1, "not_a_channel", "a token");
    let nothing = "CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ";
    let nowhere = env.run(&["inspect", nothing]).await;
    assert_refused(&nowhere, 1, "not_a_channel", "no contract has the address");
}

#[tokio::test]
async fn an_endpoint_of_another_network_is_refused_with_both_names() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let secret = path_text(&env.funder.file);
    let output = tokio::process::Command::new(paychan_tests::programs::program("paychan"))
        .args(["close-start", &channel, "--network", "testnet", "--secret-file", &secret, "--json"])
        .env("PAYCHAN_RPC_URL", &env.network.rpc_url)
        .env_remove("PAYCHAN_PASSPHRASE")
        .output()
        .await
        .unwrap();
    let ran = Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_refused(&ran, 3, "wrong_network", "Test SDF Network");
    assert!(ran.stdout.contains(&env.network.passphrase), "{}", ran.stdout);
    assert_eq!(env.inspect(&channel).await["status"], "open");
}
