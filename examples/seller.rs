//! Sells the time of day for 0.001 USDC. A watcher keeps the buyers' commitments and settles them.

use std::{env, error::Error, fs, sync::Arc, time::SystemTime};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use paychan_channel::{Amount, ContractId};
use paychan_watcher_api::{Client, ClientError, CommitmentBody, Token};
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Mutex};

/// The price of one answer in base units of a token with 7 decimals.
const PRICE: u64 = 10_000;

#[derive(Deserialize)]
struct Payment {
    channel: ContractId,
    commitment: CommitmentBody,
}

/// One buyer at a time: comparing with the highest commitment and handing over a higher one belong together.
async fn sell(
    State(watcher): State<Arc<Mutex<Client>>>,
    Json(Payment { channel, commitment }): Json<Payment>,
) -> Result<String, (StatusCode, String)> {
    let refuse = |error: ClientError| (StatusCode::PAYMENT_REQUIRED, error.to_string());
    let watcher = watcher.lock().await;
    let known: Value = watcher.admit(&channel).await.map_err(refuse)?;
    let highest: Amount = known["highest"].as_str().and_then(|text| text.parse().ok()).unwrap_or(Amount::ZERO);
    let needed =
        highest.checked_add(PRICE.into()).ok_or((StatusCode::PAYMENT_REQUIRED, "the channel is full".to_owned()))?;
    if commitment.amount < needed {
        return Err((StatusCode::PAYMENT_REQUIRED, format!("sign a commitment to {needed} base units in total")));
    }
    // What the watcher has acknowledged is safe. Only then the goods go out.
    watcher.commit(&channel, &commitment).await.map_err(refuse)?;
    Ok(format!("{:?}", SystemTime::now()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let token = Token::new(fs::read_to_string(env::var("TOKEN_FILE")?)?.trim().to_owned().into())?;
    let watcher = Client::new(env::var("WATCHER_URL")?.parse()?, token)?;
    let app = Router::new().route("/time", post(sell)).with_state(Arc::new(Mutex::new(watcher)));
    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or("127.0.0.1:8080".to_owned())).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
