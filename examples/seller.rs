//! Sells the time of day for 0.001 USDC over HTTP 402. A watcher takes the payments and settles them.

use std::{env::var, error::Error, fs, net::SocketAddr, time::SystemTime};

use axum::{Router, routing::get};
use paychan_channel::Amount;
use paychan_mpp::seller::{Discovery, FixedChannels, Seller, SellerOptions};
use paychan_mpp::wire::{ChallengeSecret, ChallengeSecrets};
use paychan_watcher_api::{Client, Token};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let token = Token::new(fs::read_to_string(var("TOKEN_FILE")?)?.trim().to_owned().into())?;
    let watcher = Client::new(var("WATCHER_URL")?.parse()?, token)?;
    // A seller whose challenges outlive its process keeps this secret in a file.
    let secrets = ChallengeSecrets::new(ChallengeSecret::random()?);
    // The watcher says which network it watches, and which channels it takes.
    let mut options = SellerOptions::of_watcher(&watcher, "time.example.com", secrets).await?;
    // Clients that can't name their channel pay through this one.
    options.fixed_channels = FixedChannels::everywhere(var("CHANNEL").ok().map(|c| c.parse()).transpose()?);
    let price = Amount::from(10_000_u64);
    let time = get(|| async { format!("{:?}", SystemTime::now()) });
    let openapi = Discovery::new("Time", "1.0.0").paid("GET", "/time", Some(price), "the time of day");
    let time = time.route_layer(Seller::new(watcher, options)?.price(price));
    let app = Router::new().route("/time", time).route("/openapi.json", openapi.route());
    let listener = tokio::net::TcpListener::bind(var("LISTEN").unwrap_or("127.0.0.1:8080".to_owned())).await?;
    println!("http://{}", listener.local_addr()?);
    // The payers' addresses keep one of them from taking all the room for new channels.
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
