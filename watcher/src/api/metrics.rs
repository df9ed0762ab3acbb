//! `GET /metrics` answers with figures for Prometheus. They are collected at the request, so nothing else waits for
//! them.
//!
//! All figures are integers. A sum of base units above 2^63 - 1 is shown as 2^63 - 1.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use paychan_channel::Amount;
use paychan_store::Counts;
use paychan_watcher_api::{ChannelReport, ChannelStatus, ProblemKind, Report};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Api;
use super::error::ApiError;
use crate::alarm::Alarm;

/// The content type of OpenMetrics text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>, "Overall
/// structure").
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label with its value.
type Labels = [(&'static str, String); 1];

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let text = text(&api.reporter.report(), api.reporter.counts())
        .map_err(|error| ApiError::new(ProblemKind::Internal, format!("the metrics can't be written: {error}")))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// The figures of a report as text.
fn text(report: &Report, counts: Counts) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("paychan");
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("ready", "1 while money may be taken, else 0", i64::from(report.not_ready.is_empty()));
    gauge(
        "head_ledger",
        "The newest ledger that is known; 0 before any is known",
        report.head.map_or(0, |head| head.ledger.0.into()),
    );
    let soonest = report.channels.iter().filter(|channel| is_owed(channel)).filter_map(|channel| channel.ledgers_left);
    if let Some(left) = soonest.min() {
        let help = "Ledgers until the next deadline of a channel with something unsettled; absent when there is none";
        gauge("deadline_ledgers", help, left.into());
    }

    labelled(&mut registry, "channels", "Channels that are watched", "status", by_status(&report.channels));
    let unsettled = by_token(&report.channels, |channel| channel.unsettled);
    labelled(&mut registry, "unsettled_base_units", "What is promised and not paid out yet", "token", unsettled);
    let spent = by_token(&report.channels, |channel| channel.spent);
    labelled(&mut registry, "spent_base_units", "What was sold on the channels that are watched", "token", spent);
    let spendable = report.lanes.iter().map(|lane| (lane.account.to_string(), lane.spendable.get()));
    labelled(&mut registry, "fee_account_stroops", "What a fee account may spend", "account", spendable);
    let send = report.lanes.iter().map(|lane| (lane.account.to_string(), lane.send.get()));
    labelled(&mut registry, "fee_account_missing_stroops", "What should be sent to a fee account", "account", send);

    for (name, help, value) in [
        ("journal_syncs", "Batches that were made durable, with one sync each", counts.syncs),
        ("journal_records", "Records in these batches", counts.records),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let alarms = Family::<Labels, Counter>::default();
    for alarm in Alarm::ALL {
        alarms.get_or_create(&[("alarm", alarm.name().to_owned())]).inc_by(alarm.raised());
    }
    registry.register("alarms", "How many times each alarm was raised since the start", alarms);

    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn labelled(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl IntoIterator<Item = (String, i64)>,
) {
    let family = Family::<Labels, Gauge>::default();
    for (value, figure) in values {
        family.get_or_create(&[(label, value)]).set(figure);
    }
    registry.register(name, help, family);
}

fn is_owed(channel: &ChannelReport) -> bool {
    !channel.unsettled.is_zero()
}

/// How many channels have each status. A status without channels is listed with 0.
fn by_status(channels: &[ChannelReport]) -> Vec<(String, i64)> {
    let count = |status: ChannelStatus| {
        let count = channels.iter().filter(|channel| channel.status == status).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    [
        ("open", ChannelStatus::Open),
        ("closing", ChannelStatus::Closing),
        ("final", ChannelStatus::Final),
        ("unread", ChannelStatus::Unread),
    ]
    .into_iter()
    .map(|(name, status)| (name.to_owned(), count(status)))
    .collect()
}

/// The sum over the channels of each token.
fn by_token(channels: &[ChannelReport], of: fn(&ChannelReport) -> Amount) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for channel in channels {
        let sum = sums.entry(channel.token.to_string()).or_default();
        *sum = sum.saturating_add(i64::try_from(of(channel).get()).unwrap_or(i64::MAX));
    }
    sums
}
