//! Opens a channel, buys the time of day five times, and starts to close.

use std::{env::var, error::Error, fs};

use paychan_channel::calls::{self, OpenTerms};
use paychan_channel::{Address, Amount, Commitment, CommitmentSecret, WasmHash};
use paychan_rpc::submit::{Call, SubmitOptions, Submitter};
use paychan_rpc::{Client, Meaning, Options, SecretKey, http};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(&var("RPC_URL")?, Options::default())?;
    let network = client.check_network(&var("PASSPHRASE")?).await?;
    let account = fs::read_to_string(var("SECRET_FILE")?)?.trim().parse::<SecretKey>()?;
    let submitter = Submitter {
        client: &client,
        network: &network,
        source: &account,
        signers: &[],
        options: SubmitOptions::default(),
    };
    // The endpoint is the local network's own. For any other, say with `Meaning` what each call may do.
    let meaning = Meaning::of_trusted_endpoint();
    let call =
        |function| Call { function, operation_source: None, channel: None, token: None, meaning: meaning.clone() };

    // The commitment key signs payments. It is used as salt too, so that its channel's address is unique.
    let key = CommitmentSecret::generate()?;
    let (funder, salt) = (Address::Account(account.account()), key.public().to_bytes());
    let terms = OpenTerms {
        token: var("TOKEN")?.parse()?,
        from: funder,
        commitment_key: key.public(),
        to: var("RECIPIENT")?.parse()?,
        amount: Amount::from(50_000_000_u64),
        refund_waiting_period: var("WAITING_PERIOD")?.parse()?,
    };
    let wasm = fs::read(var("WASM")?)?;
    let hash = WasmHash::of(&wasm);
    submitter.call(&call(calls::upload(wasm)?)).await?;
    submitter.call(&call(calls::create(&funder, salt, &hash, &terms))).await?;
    let channel = calls::channel_id(&network, &funder, salt);
    println!("{channel}");

    let seller: reqwest::Url = var("SELLER_URL")?.parse()?;
    let http = http::client(&seller, http::HttpLimits::default())?;
    for number in 1..=5 {
        // A commitment is a total: the price of everything bought so far.
        let amount = Amount::from(number * 10_000_u64);
        let signature = Commitment { network, channel, amount }.sign(&key);
        let commitment = json!({ "amount": amount, "signature": signature, "request_id": format!("time-{number}") });
        let payment = json!({ "channel": channel, "commitment": commitment });
        println!("{}", http.post(seller.join("time")?).json(&payment).send().await?.error_for_status()?.text().await?);
    }

    // The recipient has the waiting period to settle. After it, `calls::refund` takes back the rest.
    submitter.call(&call(calls::close_start(&channel))).await?;
    Ok(())
}
