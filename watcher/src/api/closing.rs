//! `POST /v1/channels/{C}/close` ends a channel, and waits for the end for a limited time.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use paychan_channel::ContractId;
use paychan_watcher_api::{CloseState, ClosingAgreed, LONGEST_CLOSE_WAIT, ProblemKind, SignedAmount};
use tokio::time::{Instant, sleep};

use super::Api;
use super::bodies::{Body, Channel, above_zero, malformed};
use super::error::ApiError;

/// The pause between two looks at whether the close is over. They read memory only.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) async fn close(
    State(api): State<Arc<Api>>,
    Channel(channel): Channel,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Json<ClosingAgreed>, ApiError> {
    let wait = wait(query.as_deref())?;
    let agreed: Option<SignedAmount> = match body.is_empty() {
        true => None,
        false => body.json(r#"nothing, or {"amount": "15000000", "signature": "128 hex digits"}"#)?,
    };
    if let Some(agreed) = &agreed {
        above_zero("amount", agreed.amount)?;
    }
    let closing = api.commitments.close(channel, agreed).await?;
    let (state, transaction) = over(&api, &channel, wait).await?;
    Ok(Json(ClosingAgreed {
        channel,
        state,
        transaction,
        amount: closing.held.claim_amount(),
        signature: closing.held.claim().map(|claim| claim.signature),
        highest: closing.held.highest_amount(),
        spent: closing.held.spent,
        replayed: closing.replayed,
    }))
}

/// Returns the state of the close when it is over, after `wait`, or when the watcher stops.
async fn over(api: &Api, channel: &ContractId, wait: Duration) -> Result<(CloseState, Option<String>), ApiError> {
    let until = Instant::now() + wait;
    loop {
        let gone =
            || ApiError::new(ProblemKind::UnknownChannel, format!("the channel {channel} is not watched any more"));
        let (state, transaction) = api.reporter.closing(channel).ok_or_else(gone)?;
        if state.is_over() || Instant::now() >= until || api.reporter.is_stopping() {
            return Ok((state, transaction));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The wait that the query asks for, at most [`LONGEST_CLOSE_WAIT`]; without a query it is zero.
fn wait(query: Option<&str>) -> Result<Duration, ApiError> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(Duration::ZERO);
    };
    let seconds = query.strip_prefix("wait=").and_then(|seconds| seconds.parse::<u32>().ok());
    let seconds = seconds.ok_or_else(|| malformed(format!("the query is {query:?}; expected wait=SECONDS")))?;
    Ok(Duration::from_secs(seconds.into()).min(LONGEST_CLOSE_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded_and_must_be_valid() {
        let seconds = |query| wait(query).map(|wait| wait.as_secs()).ok();
        assert_eq!([seconds(None), seconds(Some("")), seconds(Some("wait=7"))], [Some(0), Some(0), Some(7)]);
        assert_eq!(seconds(Some("wait=4294967295")), Some(LONGEST_CLOSE_WAIT.as_secs()));
        for wrong in ["wait=", "wait=-1", "wait=7s", "wait=1&wait=2", "weight=7"] {
            assert_eq!(seconds(Some(wrong)), None, "{wrong}");
        }
    }
}
