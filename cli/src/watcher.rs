//! The watcher's HTTP interface, as far as a payer uses it.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use paychan_channel::{Amount, ContractId, Signature};
use paychan_rpc::http::HttpLimits;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::{Failure, Kind};
use crate::output::Output;

/// Long enough for a watcher that first has to re-read the channel from a slow node, short enough for a person.
const TIMEOUT: Duration = Duration::from_secs(30);

/// More than any answer of a watcher to a commitment is long.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Where a watcher listens: `http://` or `https://`, with or without a path below which it is mounted.
#[derive(Debug, Clone)]
pub(crate) struct WatcherUrl(Url);

impl FromStr for WatcherUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected http://HOST:PORT or https://HOST";
        let url = Url::parse(text).map_err(|e| format!("{e}; {EXPECTED}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(EXPECTED.to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("leave the password out of the URL; the watcher's token comes from --token-file".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self(url))
    }
}

impl WatcherUrl {
    fn commitments(&self, channel: &ContractId) -> String {
        let base = self.0.as_str().trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        format!("{base}/v1/channels/{channel}/commitments")
    }

    /// Plain HTTP to another machine: who listens on the way can read the token.
    fn is_exposed(&self) -> bool {
        let local = self.0.host_str().is_some_and(|host| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        });
        self.0.scheme() == "http" && !local
    }
}

/// A watcher's word for an acknowledged commitment, in base units.
#[derive(Debug, Deserialize)]
pub(crate) struct Acknowledged {
    pub(crate) highest: Amount,
    pub(crate) unsettled: Amount,
    pub(crate) coverage: Amount,
}

/// `application/problem+json` (RFC 9457) with the watcher's stable `kind`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    kind: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    highest: Option<Amount>,
    /// What else it says: `coverage`, `withdrawn`, `deadline`, ...
    #[serde(flatten)]
    more: Map<String, Value>,
}

pub(crate) struct Watcher {
    http: reqwest::Client,
    url: WatcherUrl,
    authorization: HeaderValue,
}

impl Watcher {
    pub(crate) fn new(url: WatcherUrl, token: &str, output: Output) -> Result<Self, Failure> {
        if url.is_exposed() {
            output.warn("the watcher's token goes over plain http to another machine; use https");
        }
        let bearer = Zeroizing::new(format!("Bearer {token}"));
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| {
            Failure::new(
                Kind::Secret,
                "the watcher's token holds characters that no HTTP header can carry; expected one line of printable text",
            )
        })?;
        authorization.set_sensitive(true);
        let http = paychan_rpc::http::client(&url.0, HttpLimits { total: TIMEOUT, ..HttpLimits::default() })
            .map_err(|e| Failure::new(Kind::Network, format!("this machine can't speak HTTP: {e}")))?;
        Ok(Self { http, url, authorization })
    }

    /// Hands a commitment over. What comes back is durable at the watcher.
    pub(crate) async fn submit(
        &self,
        channel: &ContractId,
        amount: Amount,
        signature: &Signature,
        request_id: &str,
    ) -> Result<Acknowledged, Failure> {
        let url = self.url.commitments(channel);
        let sent = self
            .http
            .post(&url)
            .header(AUTHORIZATION, self.authorization.clone())
            .json(&serde_json::json!({
                "amount": amount,
                "signature": signature,
                "request_id": request_id,
            }))
            .send()
            .await;
        let mut answer = sent.map_err(|e| {
            if e.is_connect() {
                Failure::new(
                    Kind::Network,
                    format!(
                        "the watcher at {url} can't be reached: {}; is it running, and is --watcher right?",
                        root_cause(&e)
                    ),
                )
            } else {
                unsure(&format!("no answer from {url}: {}", root_cause(&e)), request_id)
            }
        })?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|e| unsure(&format!("the answer of {url} broke off: {}", root_cause(&e)), request_id))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(unsure(
                    &format!("{url} answers with more than a watcher would say; is it one?"),
                    request_id,
                ));
            }
        }
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|e| {
                unsure(&format!("{url} answered 200, but not as a watcher does ({e}); is it one?"), request_id)
            });
        }
        Err(refused(status, &body, retry_after, amount, &url))
    }
}

fn unsure(what: &str, request_id: &str) -> Failure {
    Failure::new(
        Kind::OutcomeUnknown,
        format!(
            "{what}. Whether the commitment was taken is not known; run the same command with --request-id {request_id}: the \
             answer will be the same as if it had arrived"
        ),
    )
}

/// What a refusal means, in words, and what to do.
fn refused(status: StatusCode, body: &[u8], retry_after: Option<String>, offered: Amount, url: &str) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let kind = problem.kind.as_deref().unwrap_or("");
    let highest = problem.highest.map_or_else(|| "unknown".to_owned(), |highest| highest.to_string());
    let advice = match kind {
        "not_higher" => format!(
            "{offered} is not above the highest known commitment, {highest}: sign a cumulative total, earlier payments included"
        ),
        "already_held" => format!(
            "a commitment for {offered} was taken before, under another request id: one commitment buys once. Sign a higher \
             total (highest: {highest})"
        ),
        "request_id_reused" => {
            "this request id was used for another commitment; every payment has its own --request-id".to_owned()
        }
        "rolled_back" => {
            "the watcher lost a part of its memory and takes nothing until its operator has looked".to_owned()
        }
        "closing" => "a close of the channel has started; it takes no more commitments. Open a new channel".to_owned(),
        "final" => "the channel is closed for good; open a new one".to_owned(),
        "bad_signature" => {
            "the signature is not the channel's commitment key's over this channel, network and amount; check \
                            --network, the channel and the seed that signed"
                .to_owned()
        }
        "exceeds_coverage" => {
            format!("{offered} is more than the channel can pay; top it up (paychan top-up) or sign less")
        }
        "not_fresh" => "the watcher does not see the chain at the moment; try again".to_owned(),
        "fees_low" => "the watcher's fee account runs low; its operator must fund it. Try again later".to_owned(),
        "unpayable" => {
            "a payment could not reach the recipient now; the recipient has to see to its trustline or issuer"
                .to_owned()
        }
        "stopping" => "the watcher is stopping; try again when it is back".to_owned(),
        _ if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN => {
            "the watcher does not know this bearer token; check --token-file".to_owned()
        }
        _ if status == StatusCode::NOT_FOUND => {
            "the watcher does not know this channel; the recipient must register it first (POST /v1/channels)"
                .to_owned()
        }
        _ if status == StatusCode::BAD_REQUEST => "the watcher can't read the request".to_owned(),
        _ => "unexpected; is this a watcher?".to_owned(),
    };
    let said = match (&problem.detail, &problem.title) {
        (Some(text), _) | (None, Some(text)) => format!(" (it says: {})", one_line(text)),
        (None, None) => String::new(),
    };
    let later = retry_after.map(|after| format!(", after {after} s")).unwrap_or_default();
    // 503, and what a proxy in between answers for a watcher that is down.
    let not_ready = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let failure = Failure::new(
        if not_ready { Kind::WatcherNotReady } else { Kind::WatcherRefused },
        format!("the watcher at {url} answered {}: {advice}{later}{said}", status.as_u16()),
    );
    let mut failure = failure.with("status", status.as_u16()).with("watcher_kind", problem.kind.clone());
    if let Some(highest) = problem.highest {
        failure = failure.with("highest", highest.to_string());
    }
    // What a script can use; a stranger's words don't replace ours.
    for name in ["coverage", "withdrawn", "deadline", "accepted"] {
        if let Some(value) = problem.more.get(name) {
            failure = failure.with(name, value.clone());
        }
    }
    failure
}

/// A stranger's words, fit for a terminal.
fn one_line(text: &str) -> String {
    const SHOWN: usize = 600;
    text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The innermost reason: reqwest's own text says little.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn answer(status: u16, body: &str) -> Failure {
        refused(StatusCode::from_u16(status).unwrap(), body.as_bytes(), None, Amount::from(7), "http://w")
    }

    #[test]
    fn not_higher_tells_the_highest_and_what_cumulative_means() {
        let failure = answer(409, r#"{"kind":"not_higher","highest":"9","detail":"x"}"#);
        assert_eq!(failure.kind, Kind::WatcherRefused);
        assert_eq!(failure.details["highest"], "9");
        assert_eq!(failure.details["watcher_kind"], "not_higher");
        assert!(failure.message.contains("7 is not above the highest known commitment, 9"), "{failure}");
    }

    #[test]
    fn each_kind_of_the_interface_is_explained_in_its_own_words() {
        let kinds = [
            (409, "not_higher"),
            (409, "already_held"),
            (409, "request_id_reused"),
            (503, "rolled_back"),
            (410, "closing"),
            (410, "final"),
            (422, "bad_signature"),
            (422, "exceeds_coverage"),
            (503, "not_fresh"),
            (503, "fees_low"),
            (503, "stopping"),
        ];
        let mut said: Vec<_> =
            kinds.iter().map(|(status, kind)| answer(*status, &format!(r#"{{"kind":"{kind}"}}"#)).message).collect();
        assert!(said.iter().all(|text| !text.contains("unexpected")), "{said:?}");
        said.sort();
        said.dedup();
        assert_eq!(said.len(), kinds.len());
    }

    #[test]
    fn a_watcher_that_is_not_ready_is_no_refusal() {
        assert_eq!(answer(503, r#"{"kind":"not_fresh"}"#).kind, Kind::WatcherNotReady);
        assert_eq!(answer(502, "<html>").kind, Kind::WatcherNotReady);
    }

    #[test]
    fn an_answer_that_is_no_problem_document_still_says_what_happened() {
        assert!(answer(401, "").message.contains("bearer token"));
        assert!(answer(404, "not found").message.contains("does not know this channel"));
        assert!(answer(418, "[]").message.contains("is this a watcher?"));
    }

    #[test]
    fn the_address_may_end_in_a_slash_or_in_v1() {
        let channel = ContractId([0; 32]);
        for text in ["http://w:1", "http://w:1/", "http://w:1/v1", "http://w:1/v1/"] {
            let url: WatcherUrl = text.parse().unwrap();
            assert_eq!(url.commitments(&channel), format!("http://w:1/v1/channels/{channel}/commitments"));
        }
        let below: WatcherUrl = "https://w/pay/".parse().unwrap();
        assert!(below.commitments(&channel).starts_with("https://w/pay/v1/channels/"));
    }

    #[test]
    fn addresses_that_are_no_watchers_are_refused() {
        for text in ["w:1", "ftp://w", "http://user:pass@w", "http://w?x=1", "/path"] {
            assert!(text.parse::<WatcherUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_exposed_only_beyond_this_machine() {
        for (text, exposed) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1", false),
            ("http://localhost", false),
            ("https://pay.example.com", false),
            ("http://10.0.0.2", true),
        ] {
            assert_eq!(text.parse::<WatcherUrl>().unwrap().is_exposed(), exposed, "{text}");
        }
    }
}
