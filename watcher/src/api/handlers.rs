//! One function for each call.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use paychan_channel::ContractId;
use paychan_watcher_api::{
    Acknowledged, ChannelBody, ChannelPage, ChannelReport, ChannelStatus, ChargeAnswer, ChargeBody, Charged,
    ChargesAnswered, ChargesBody, CommitmentBody, CreditBody, Credited, MOST_CHARGES, ProblemKind, Readiness, Report,
    SignedAmount, Terms,
};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinError;

use super::bodies::{Body, Channel, ChargeOfChannel, above_zero, malformed};
use super::error::ApiError;
use super::{Api, presented};
use paychan_store::Offer;

/// Channels in a page when the query has no `limit`, and the most that a `limit` may ask for.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1_000;

/// Which channels to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    /// Only channels after this one, in the order of their addresses.
    after: Option<ContractId>,
    /// The most channels in one page.
    limit: Option<usize>,
    /// Only channels with this status.
    status: Option<ChannelStatus>,
    /// Only channels with something unsettled (`true`), or only those without (`false`).
    unsettled: Option<bool>,
}

pub(super) async fn admit(
    State(api): State<Arc<Api>>,
    body: Body,
) -> Result<(StatusCode, Json<ChannelReport>), ApiError> {
    let ChannelBody { channel } = body.json(r#"{"channel": "C..."}"#)?;
    // The admission runs on its own task, so that a front end that hangs up leaves no channel half admitted.
    let taking = Arc::clone(&api);
    joined(tokio::spawn(async move { taking.channels.take(channel).await }).await)??;
    Ok((StatusCode::CREATED, Json(report(&api, &channel)?)))
}

/// The result of a call's own task. A panic of the task becomes a panic of the call.
pub(super) fn joined<T>(ended: Result<T, JoinError>) -> Result<T, ApiError> {
    ended.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => ApiError::new(ProblemKind::Internal, format!("the call broke off ({error}); ask again")),
    })
}

pub(super) async fn channels(
    State(api): State<Arc<Api>>,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Result<Json<ChannelPage>, ApiError> {
    let expected =
        "expected after=C..., limit=1 to 1000, status=open, closing, final or unread, unsettled=true or false";
    let Query(listing) = listing.map_err(|error| malformed(format!("{}; {expected}", error.body_text())))?;
    let limit = listing.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(malformed(format!("limit: it is {limit}; {expected}")));
    }
    let mut channels = api.reporter.channels();
    channels.retain(|channel| {
        listing.after.is_none_or(|after| channel.channel > after)
            && listing.status.is_none_or(|status| channel.status == status)
            && listing.unsettled.is_none_or(|unsettled| channel.unsettled.is_zero() != unsettled)
    });
    let more = channels.len() > limit;
    channels.truncate(limit);
    let next = channels.last().filter(|_| more).map(|channel| channel.channel);
    Ok(Json(ChannelPage { channels, next }))
}

pub(super) async fn channel(
    State(api): State<Arc<Api>>,
    Channel(channel): Channel,
) -> Result<Json<ChannelReport>, ApiError> {
    report(&api, &channel).map(Json)
}

pub(super) async fn offer(
    State(api): State<Arc<Api>>,
    Channel(channel): Channel,
    body: Body,
) -> Result<Json<Acknowledged>, ApiError> {
    let expected = r#"{"amount": "15000000", "signature": "128 hex digits", "request_id": "..."}"#;
    let CommitmentBody { amount, signature, request_id } = body.json(expected)?;
    above_zero("amount", amount)?;
    Ok(Json(api.commitments.offer(Offer { channel, amount, signature, request_id }).await?))
}

pub(super) async fn charge(
    State(api): State<Arc<Api>>,
    Channel(channel): Channel,
    body: Body,
) -> Result<Json<Charged>, ApiError> {
    let expected = r#"{"price": "500000", "request_id": "...", "commitment": {"amount": "...", "signature": "..."}}"#;
    let body: ChargeBody = body.json(expected)?;
    amounts_above_zero(&body)?;
    Ok(Json(api.commitments.charge(channel, body).await?))
}

/// Several charges, each for itself. One that is refused does not hinder the others.
pub(super) async fn charges(State(api): State<Arc<Api>>, body: Body) -> Result<Json<ChargesAnswered>, ApiError> {
    let expected = r#"{"charges": [{"channel": "C...", "price": "500000", "request_id": "...", "commitment": {"amount": "...", "signature": "..."}}]}"#;
    let ChargesBody { charges } = body.json(expected)?;
    if charges.len() > MOST_CHARGES {
        return Err(malformed(format!("charges: they are {}; expected at most {MOST_CHARGES}", charges.len())));
    }
    let mut good = Vec::with_capacity(charges.len());
    let flaws: Vec<Option<ApiError>> = charges
        .into_iter()
        .map(|charge| {
            let (channel, body) = charge.into_parts();
            let flaw = amounts_above_zero(&body).err();
            if flaw.is_none() {
                good.push((channel, body));
            }
            flaw
        })
        .collect();
    let mut taken = api.commitments.charge_all(good).await.into_iter();
    let answer = |flaw: Option<ApiError>| {
        let taken = match flaw {
            Some(flaw) => Err(flaw),
            None => taken.next().expect("every good charge has an answer").map_err(ApiError::from),
        };
        taken.map_or_else(|error| ChargeAnswer::Refused(error.into()), ChargeAnswer::Charged)
    };
    Ok(Json(ChargesAnswered { answers: flaws.into_iter().map(answer).collect() }))
}

fn amounts_above_zero(body: &ChargeBody) -> Result<(), ApiError> {
    above_zero("price", body.price)?;
    if let Some(commitment) = &body.commitment {
        above_zero("commitment.amount", commitment.amount)?;
    }
    Ok(())
}

pub(super) async fn credit(
    State(api): State<Arc<Api>>,
    ChargeOfChannel(channel, request_id): ChargeOfChannel,
    body: Body,
) -> Result<Json<Credited>, ApiError> {
    let CreditBody { amount } = body.json(r#"{"amount": "200000"}"#)?;
    above_zero("amount", amount)?;
    Ok(Json(api.commitments.credit(channel, request_id, amount).await?))
}

/// The highest commitment with its signature. Anyone who has it can settle without this watcher.
pub(super) async fn highest(
    State(api): State<Arc<Api>>,
    Channel(channel): Channel,
) -> Result<Json<SignedAmount>, ApiError> {
    let none =
        || ApiError::new(ProblemKind::NoCommitment, format!("the watcher has no commitment of the channel {channel}"));
    api.commitments.highest(&channel)?.map(Json).ok_or_else(none)
}

pub(super) async fn status(State(api): State<Arc<Api>>) -> Json<Report> {
    Json(api.reporter.report())
}

pub(super) async fn terms(State(api): State<Arc<Api>>) -> Json<Terms> {
    Json(api.channels.terms())
}

pub(super) async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "alive": true }))
}

/// Whether money may be taken. Without the token, the caller learns the kinds of the obstacles and no figures.
pub(super) async fn readyz(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let may_know = presented(&headers).is_some_and(|token| api.token.is(token));
    readiness(&api, may_know)
}

pub(super) async fn readyz_with_reasons(State(api): State<Arc<Api>>) -> Response {
    readiness(&api, true)
}

fn readiness(api: &Api, with_reasons: bool) -> Response {
    let in_the_way = api.reporter.not_ready();
    let ready = in_the_way.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut kinds: Vec<_> = in_the_way.iter().map(|reason| reason.kind.clone()).collect();
    kinds.dedup();
    let reasons = in_the_way.into_iter().map(|reason| reason.detail).filter(|_| with_reasons).collect();
    (status, Json(Readiness { ready, kinds, reasons })).into_response()
}

pub(super) async fn no_such_path(uri: Uri) -> ApiError {
    let detail = format!("there is nothing at {}; the calls are under /v1/channels", uri.path());
    ApiError::new(ProblemKind::NoSuchPath, detail)
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(ProblemKind::MethodNotAllowed, format!("{} does not take {method}", uri.path()))
}

fn report(api: &Api, channel: &ContractId) -> Result<ChannelReport, ApiError> {
    let unknown = || format!("the channel {channel} is not admitted; admit it first");
    api.reporter.channel(channel).ok_or_else(|| ApiError::new(ProblemKind::UnknownChannel, unknown()))
}
