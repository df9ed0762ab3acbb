//! Buys the time of day five times, through a channel that `paychan open` has opened.

use std::{env::var, error::Error, fs, path::Path, sync::Arc};

use paychan_channel::CommitmentSecret;
use paychan_mpp::buyer::{Buyer, BuyerOptions, Caps, PinnedChannel};
use paychan_mpp::wire::NetworkName;
use reqwest::{Method, Request, Url};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = CommitmentSecret::from_seed_hex(fs::read_to_string(var("SEED_FILE")?)?.trim())?;
    let network = NetworkName::of_passphrase(&var("PASSPHRASE")?);
    let channel = PinnedChannel { channel: var("CHANNEL")?.parse()?, network, signer: Arc::new(key), hosts: vec![] };
    // The agent pays at most 1 USDC in all. The buyer writes down what it signs before it sends it.
    let caps = Caps { total: Some(10_000_000_u64.into()), ..Caps::default() };
    let options = BuyerOptions { channels: vec![channel], caps, ..BuyerOptions::default() };
    let buyer = Buyer::open(Path::new(&var("PAYMENTS")?), options)?;
    let time: Url = var("SELLER_URL")?.parse::<Url>()?.join("time")?;
    for _ in 0..5 {
        println!("{}", buyer.pay(Request::new(Method::GET, time.clone())).await?.response.text().await?);
    }
    Ok(())
}
