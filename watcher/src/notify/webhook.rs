//! Sends alarms to a webhook. They are signed, repeated until the webhook accepts them, and not sent twice for the same
//! trouble.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use paychan_rpc::http::{self, HttpLimits};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::warn;

use super::Notice;
use crate::clock::Clock;
use crate::config::WebhookSecret;

/// The header of the signature, `t=TIME,v1=MAC`: the time in seconds since the Unix epoch, and in hex digits the
/// HMAC-SHA256 with the configured secret over the time, a dot and the body. With the time, a receiver can refuse a
/// replayed old message.
pub const SIGNATURE_HEADER: &str = "paychan-signature";

/// How many times one message is sent at most. With the pauses, that takes about ten minutes.
const ATTEMPTS: u32 = 8;

/// The first pause. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// How many messages are sent at the same time. A receiver that hangs on one message delays it for all its attempts,
/// about twelve minutes, but not the others.
const IN_FLIGHT: usize = 32;

/// The shortest time between two alarms about the same trouble.
const SAME_AGAIN_AFTER: Duration = Duration::from_secs(600);

const LIMITS: HttpLimits = HttpLimits { connect: Duration::from_secs(5), total: Duration::from_secs(10) };

/// Sends every alarm until the sender is gone. Alarms don't wait for each other: up to 32 are sent at the same time.
pub async fn send_all(
    url: Url,
    secret: Arc<WebhookSecret>,
    network: String,
    clock: Arc<dyn Clock>,
    alarms: &mut Receiver<Notice>,
) {
    let client = match http::client(&url, LIMITS) {
        Ok(client) => client,
        Err(error) => {
            warn!(%error, "alarms can't be sent to the webhook, since no HTTP client can be made");
            return;
        }
    };
    let receiver = Arc::new(WebhookReceiver { client, url, secret, clock: clock.clone() });
    let (mut recent, mut sending) = (Recent::default(), JoinSet::new());
    while let Some(notice) = alarms.recv().await {
        if !recent.is_new(&notice, clock.boot()) {
            continue;
        }
        let body = body(&notice, &network, clock.wall_unix_ms());
        while sending.try_join_next().is_some() {}
        if sending.len() >= IN_FLIGHT {
            let _ = sending.join_next().await;
        }
        let receiver = receiver.clone();
        sending.spawn(async move { receiver.send(&body).await });
    }
    while sending.join_next().await.is_some() {}
}

/// The receiver of the alarms.
struct WebhookReceiver {
    client: Client,
    url: Url,
    secret: Arc<WebhookSecret>,
    clock: Arc<dyn Clock>,
}

impl WebhookReceiver {
    /// Sends one message, several times if necessary.
    async fn send(&self, body: &str) {
        let Self { client, url, secret, clock } = self;
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let signature = signature(secret, clock.wall_unix_ms() / 1_000, body);
            let request = client
                .post(url.clone())
                .header("content-type", "application/json")
                .header(SIGNATURE_HEADER, signature)
                .body(body.to_owned());
            let why = match request.send().await {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) => format!("it answers with {}", answer.status()),
                Err(error) => error.without_url().to_string(),
            };
            if attempt == ATTEMPTS {
                warn!(why, attempt, "an alarm could not be sent to the webhook, and is dropped; the log has it");
                return;
            }
            warn!(why, attempt, "an alarm could not be sent to the webhook; it is sent again");
            sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }
}

fn body(notice: &Notice, network: &str, now_ms: u64) -> String {
    json!({
        "alarm": notice.alarm,
        "message": notice.message,
        "fields": notice.fields,
        "network": network,
        "raised_at_unix_ms": now_ms,
    })
    .to_string()
}

fn signature(secret: &WebhookSecret, time: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// The alarms that were sent lately.
#[derive(Default)]
struct Recent(HashMap<(String, Option<String>), Duration>);

impl Recent {
    /// Whether no alarm of this name about the same channel, account or recipient was sent lately.
    fn is_new(&mut self, notice: &Notice, now: Duration) -> bool {
        self.0.retain(|_, sent| now.saturating_sub(*sent) < SAME_AGAIN_AFTER);
        let about = ["channel", "account", "recipient", "transaction"].iter().find_map(|name| notice.fields.get(*name));
        let about = about.map(Value::to_string);
        self.0.insert((notice.alarm.clone(), about), now).is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

    use serde_json::Map;
    use zeroize::Zeroizing;

    use super::*;

    fn notice(alarm: &str, channel: &str) -> Notice {
        let mut fields = Map::new();
        fields.insert("channel".to_owned(), channel.into());
        Notice { alarm: alarm.to_owned(), message: "m".to_owned(), fields }
    }

    #[test]
    fn the_signature_is_hmac_sha256_over_time_and_body() {
        let secret = WebhookSecret::new(Zeroizing::new("key".to_owned()));
        // This is RFC 2104's algorithm, computed with `printf '1.{}' | openssl dgst -sha256 -hmac key`.
        let expected = "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(signature(&secret, 1, "{}"), expected);
    }

    #[test]
    fn the_same_trouble_is_sent_once_in_ten_minutes() {
        let mut recent = Recent::default();
        let at = Duration::from_secs;
        assert!(recent.is_new(&notice("close_seen", "C1"), at(100)));
        assert!(!recent.is_new(&notice("close_seen", "C1"), at(101)));
        assert!(recent.is_new(&notice("close_seen", "C2"), at(101)));
        assert!(recent.is_new(&notice("loss", "C1"), at(101)));
        assert!(recent.is_new(&notice("close_seen", "C1"), at(701)));
    }
}
