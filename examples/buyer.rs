//! Buys the time of day five times for at most 1 USDC in all, through a channel that `paychan open` has opened.

use std::{env::var, error::Error, fs, path::Path};

use paychan_channel::CommitmentSecret;
use paychan_mpp::buyer::{Buyer, BuyerOptions, Caps, PinnedChannel};
use paychan_mpp::wire::NetworkName;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = CommitmentSecret::from_seed_hex(fs::read_to_string(var("SEED_FILE")?)?.trim())?;
    let network = NetworkName::of_passphrase(&var("PASSPHRASE")?);
    let channels = vec![PinnedChannel::new(var("CHANNEL")?.parse()?, network, key)];
    let caps = Caps { total: Some(10_000_000_u64.into()), ..Caps::default() };
    let buyer = Buyer::open(Path::new(&var("PAYMENTS")?), BuyerOptions { channels, caps, ..BuyerOptions::default() })?;
    for _ in 0..5 {
        println!("{}", buyer.get(&format!("{}/time", var("SELLER_URL")?)).await?.response.text().await?);
    }
    Ok(())
}
