//! Tests of the buyer against our seller, and against servers that lie.

mod close_price;
mod crashes;
mod ending;
mod hostile;
mod outcomes;
mod paying;
mod proof;
mod side_by_side;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use paychan_channel::{Amount, CommitmentSecret};
use paychan_mpp::buyer::{Buyer, BuyerOptions, Caps, PinnedChannel};
use paychan_mpp::wire::NetworkName;
use reqwest::{Request, Url};
use tempfile::TempDir;

use crate::env::{CHANNEL, TestEnv};

/// Serves until the test ends.
async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

fn get(address: SocketAddr, path: &str) -> Request {
    let url: Url = format!("http://{address}{path}").parse().unwrap();
    Request::new(reqwest::Method::GET, url)
}

fn same_key(key: &CommitmentSecret) -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(&key.seed_hex()).unwrap()
}

fn pinned(key: &CommitmentSecret) -> PinnedChannel {
    PinnedChannel {
        channel: CHANNEL,
        network: NetworkName::testnet(),
        signer: Arc::new(same_key(key)),
        hosts: Vec::new(),
    }
}

fn options(env: &TestEnv) -> BuyerOptions {
    BuyerOptions { channels: vec![pinned(&env.key)], ..BuyerOptions::default() }
}

fn capped(total: u64) -> Caps {
    Caps { total: Some(Amount::from(total)), ..Caps::default() }
}

fn open(folder: &TempDir, options: BuyerOptions) -> Buyer {
    Buyer::open(folder.path(), options).unwrap()
}
