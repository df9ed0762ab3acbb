//! One function a call.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use paychan_channel::{Amount, ContractId};
use serde::Serialize;
use serde_json::json;

use super::{Api, Problem, bodies};
use crate::status::{ChannelReport, Report};

type Body = Result<Bytes, BytesRejection>;
type Channel = Result<Path<String>, PathRejection>;

#[derive(Serialize)]
pub(super) struct Acknowledgement {
    highest: Amount,
    unsettled: Amount,
    coverage: Amount,
}

#[derive(Serialize)]
pub(super) struct Channels {
    channels: Vec<ChannelReport>,
}

pub(super) async fn admit(
    State(api): State<Arc<Api>>,
    body: Body,
) -> Result<(StatusCode, Json<ChannelReport>), Problem> {
    let channel = bodies::channel(body)?;
    // On a task of its own: a front end that hangs up must not leave a channel half admitted.
    let taking = Arc::clone(&api);
    tokio::spawn(async move { taking.intake.take(channel).await }).await.map_err(|error| {
        let detail = format!("admission broke off ({error}); ask again");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    })??;
    Ok((StatusCode::CREATED, Json(report(&api, &channel)?)))
}

pub(super) async fn channels(State(api): State<Arc<Api>>) -> Json<Channels> {
    Json(Channels { channels: api.reporter.channels() })
}

pub(super) async fn channel(State(api): State<Arc<Api>>, channel: Channel) -> Result<Json<ChannelReport>, Problem> {
    report(&api, &named(channel)?).map(Json)
}

pub(super) async fn offer(
    State(api): State<Arc<Api>>,
    channel: Channel,
    body: Body,
) -> Result<Json<Acknowledgement>, Problem> {
    let channel = named(channel)?;
    let offered = bodies::commitment(body)?;
    let taken = api.acceptance.offer(channel, offered.amount, offered.signature, offered.request_id).await?;
    Ok(Json(Acknowledgement { highest: taken.highest, unsettled: taken.unsettled, coverage: taken.coverage }))
}

pub(super) async fn status(State(api): State<Arc<Api>>) -> Json<Report> {
    Json(api.reporter.report())
}

pub(super) async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "alive": true }))
}

pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    let reasons = api.reporter.not_ready();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

pub(super) async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}; the calls are under /v1/channels", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "no_such_path", detail)
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// The channel that the path names.
fn named(channel: Channel) -> Result<ContractId, Problem> {
    let Path(channel) = channel.map_err(|rejection| Problem::malformed(format!("path: {}", rejection.body_text())))?;
    bodies::channel_id(&channel)
}

fn report(api: &Api, channel: &ContractId) -> Result<ChannelReport, Problem> {
    api.reporter
        .channel(channel)
        .ok_or_else(|| Problem::unknown_channel(format!("the channel {channel} is not admitted; admit it first")))
}
