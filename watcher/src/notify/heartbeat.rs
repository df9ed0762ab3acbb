//! Sends a heartbeat. Its receiver has to raise an alarm when it stops.

use std::sync::Arc;
use std::time::Duration;

use paychan_rpc::http::{self, HttpLimits};
use reqwest::Url;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::liveness::Liveness;

/// A loop that made no progress for this long does not count as alive. The watchdog has the same limit.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

const LIMITS: HttpLimits = HttpLimits { connect: Duration::from_secs(5), total: Duration::from_secs(10) };

/// Posts an empty message after each period `every` in which all loops make progress.
pub async fn beat(url: Url, every: Duration, loops: Vec<Arc<Liveness>>, clock: Arc<dyn Clock>) {
    let client = match http::client(&url, LIMITS) {
        Ok(client) => client,
        Err(error) => {
            warn!(%error, "no heartbeat can be sent, since no HTTP client can be made");
            return;
        }
    };
    loop {
        if loops.iter().all(|liveness| liveness.silence(clock.boot()) <= LONGEST_SILENCE) {
            match client.post(url.clone()).send().await {
                Ok(answer) if answer.status().is_success() => debug!("the heartbeat was received"),
                Ok(answer) => warn!(status = %answer.status(), "the heartbeat's receiver answered with an error"),
                Err(error) => warn!(error = %error.without_url(), "the heartbeat could not be sent"),
            }
        }
        sleep(every).await;
    }
}
