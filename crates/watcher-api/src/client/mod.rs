//! A client of one watcher.

mod error;
mod retry_after;
#[cfg(test)]
mod tests;
mod together;
mod token;
mod url;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use paychan_channel::{ContractId, RequestId};
use paychan_rpc::http::{self, HttpLimits};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{ClientError, ForeignAnswer};
use together::Together;
pub use token::{Token, TokenError};
pub use url::{WatcherUrl, WatcherUrlError};

use crate::{
    Acknowledged, ChannelBody, ChargeBody, Charged, ClosingAgreed, CommitmentBody, CreditBody, Credited,
    LONGEST_CLOSE_WAIT, Pausing, Problem, ProblemKind, RollbackConfirmed, SignedAmount, Terms,
};

/// The longest time from the first byte of a request to the last byte of its answer. It is long enough for a watcher
/// that first reads the channel again from a slow node, and short enough for a person who waits.
const TIMEOUT: Duration = Duration::from_secs(30);

const _: () = assert!(TIMEOUT.as_secs() > LONGEST_CLOSE_WAIT.as_secs());

/// The longest answer that is read, in bytes. The status of many thousand channels fits.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Calls one watcher. Cloning is cheap, and clones share connections. It has no `Debug`, since it holds the token.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    url: WatcherUrl,
    /// Where several charges go in one call.
    charges_url: Url,
    /// `None` on the operator's socket, which needs none.
    token: Option<Token>,
    together: Together,
}

impl Client {
    /// Makes a client of the watcher at `url`. This opens no connection yet.
    ///
    /// # Errors
    /// [`ClientError::SetUp`] when this machine can't speak HTTP or TLS.
    pub fn new(url: WatcherUrl, token: Token) -> Result<Self, ClientError> {
        let limits = HttpLimits { total: TIMEOUT, ..HttpLimits::default() };
        let http = http::client(url.as_url(), limits).map_err(|error| ClientError::SetUp { why: innermost(&error) })?;
        Ok(Self::with(http, url, Some(token)))
    }

    /// Makes a client of the watcher whose operator's socket is at `path`. This opens no connection yet.
    ///
    /// # Errors
    /// [`ClientError::SetUp`] when this machine can't speak HTTP.
    pub fn of_socket(path: &Path) -> Result<Self, ClientError> {
        let limits = HttpLimits { total: TIMEOUT, ..HttpLimits::default() };
        let http =
            http::client_of_socket(path, limits).map_err(|error| ClientError::SetUp { why: innermost(&error) })?;
        Ok(Self::with(http, WatcherUrl::of_socket(), None))
    }

    fn with(http: reqwest::Client, url: WatcherUrl, token: Option<Token>) -> Self {
        let charges_url = url.call(&["charges"]);
        Self(Arc::new(Inner { http, url, charges_url, token, together: Together::default() }))
    }

    /// The watcher's address.
    pub fn url(&self) -> &WatcherUrl {
        &self.0.url
    }

    /// Asks the watcher to watch a channel. It returns the channel as the watcher reports it. This is safe to repeat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn admit<T: DeserializeOwned>(&self, channel: &ContractId) -> Result<T, ClientError> {
        self.post(&["channels"], Some(&ChannelBody { channel: *channel })).await
    }

    /// Reads a channel as the watcher reports it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn channel<T: DeserializeOwned>(&self, channel: &ContractId) -> Result<T, ClientError> {
        self.call(Method::GET, &["channels", &channel.to_string()], None::<&()>).await
    }

    /// Hands a commitment over. When the answer comes, the commitment is on the watcher's disk. This is safe to repeat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn commit(&self, channel: &ContractId, body: &CommitmentBody) -> Result<Acknowledged, ClientError> {
        self.post(&["channels", &channel.to_string(), "commitments"], Some(body)).await
    }

    /// Reads the highest commitment that the watcher holds, with its signature; `None` before the first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn highest(&self, channel: &ContractId) -> Result<Option<SignedAmount>, ClientError> {
        let path = ["channels", &channel.to_string(), "commitments", "highest"];
        match self.call(Method::GET, &path, None::<&()>).await {
            Ok(highest) => Ok(Some(highest)),
            Err(error) if error.problem().is_some_and(|problem| problem.kind == ProblemKind::NoCommitment) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sells something: takes the price once under the request id. This is safe to repeat. Charges that wait at the same
    /// time go in one call, each for itself.
    ///
    /// # Errors
    /// [`ClientError`]; [`ProblemKind::Insufficient`] tells the total to sign.
    pub async fn charge(&self, channel: &ContractId, body: &ChargeBody) -> Result<Charged, ClientError> {
        match self.charge_together(channel, body).await {
            // Alone, the charge makes the watcher read the channel again, which keeps no other charge waiting.
            Err(error) if error.problem().is_some_and(|problem| problem.kind == ProblemKind::ExceedsCoverage) => {
                self.post(&["channels", &channel.to_string(), "charges"], Some(body)).await
            }
            answer => answer,
        }
    }

    /// Gives a part of a charge back. This is safe to repeat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn credit(
        &self,
        channel: &ContractId,
        request_id: &RequestId,
        body: &CreditBody,
    ) -> Result<Credited, ClientError> {
        self.post(&["channels", &channel.to_string(), "charges", request_id.as_str(), "credit"], Some(body)).await
    }

    /// Ends the channel by the recipient's choice: with the highest commitment, or with the one that is given, which
    /// may be lower. The answer comes when the close is over, or after `wait`, at most [`LONGEST_CLOSE_WAIT`]; asking
    /// again with the same amount tells how far it is. This is safe to repeat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn close(
        &self,
        channel: &ContractId,
        agreed: Option<&SignedAmount>,
        wait: Duration,
    ) -> Result<ClosingAgreed, ClientError> {
        let mut url = self.0.url.call(&["channels", &channel.to_string(), "close"]);
        let wait = wait.min(LONGEST_CLOSE_WAIT).as_secs();
        url.query_pairs_mut().append_pair("wait", &wait.to_string());
        self.send(Method::POST, url, agreed).await
    }

    /// Reads what `paychan-watcher status` shows.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        self.call(Method::GET, &["status"], None::<&()>).await
    }

    /// Reads on which terms the watcher takes channels.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn terms(&self) -> Result<Terms, ClientError> {
        self.call(Method::GET, &["terms"], None::<&()>).await
    }

    /// Pauses the taking of money (`true`) or resumes it. Only on the operator's socket.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pause(&self, paused: bool) -> Result<Pausing, ClientError> {
        self.post(&[if paused { "pause" } else { "resume" }], None::<&()>).await
    }

    /// Confirms that the operator knows of every channel on which the chain has paid more than the store held. Only on
    /// the operator's socket.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn confirm_rollback(&self) -> Result<RollbackConfirmed, ClientError> {
        self.post(&["rollback", "confirm"], None::<&()>).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], body: Option<&impl Serialize>) -> Result<T, ClientError> {
        self.call(Method::POST, path, body).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        self.send(method, self.0.url.call(path), body).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let shown = url.to_string();
        let mut request = self.0.http.request(method, url);
        if let Some(token) = &self.0.token {
            request = request.header(AUTHORIZATION, token.authorization());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| match error.is_connect() {
            true => ClientError::Unreachable { url: shown.clone(), why: innermost(&error) },
            false => ClientError::NoAnswer { url: shown.clone(), why: innermost(&error) },
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) <= MAX_ANSWER_BYTES => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return Err(ClientError::not_a_watcher(shown, status, ForeignAnswer::TooLong)),
                Ok(None) => break,
                Err(error) => {
                    let why = format!("the answer broke off: {}", innermost(&error));
                    return Err(ClientError::NoAnswer { url: shown, why });
                }
            }
        }
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| ClientError::not_a_watcher(shown, status, foreign(&headers, &body, Some(&error))));
        }
        Err(refusal(shown, status, &headers, &body, SystemTime::now()))
    }
}

/// The error for an answer whose status is no success.
fn refusal(url: String, status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> ClientError {
    let retry_after = retry_after::read(headers, now);
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return ClientError::Refused { url, status, retry_after, problem: Box::new(problem) };
    }
    let answer = foreign(headers, body, None);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ClientError::Denied { url, status, answer },
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ClientError::WrongPath { url, status, answer },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            ClientError::Overloaded { url, status, retry_after, answer }
        }
        status if status.is_server_error() => ClientError::Gateway { url, status, answer },
        status => ClientError::NotAWatcher { url, status, answer },
    }
}

/// Recognises the kind of an answer that no watcher wrote.
fn foreign(headers: &HeaderMap, body: &[u8], json: Option<&serde_json::Error>) -> ForeignAnswer {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoding = header(CONTENT_ENCODING);
    let start = body.trim_ascii_start();
    let is_html = || {
        let tag = start.get(..start.len().min(14)).unwrap_or_default().to_ascii_lowercase();
        header(CONTENT_TYPE).starts_with("text/html") || tag.starts_with(b"<!doctype html") || tag.starts_with(b"<html")
    };
    // Two bytes that begin every gzip file (RFC 1952, section 2.3.1).
    if !matches!(encoding, "" | "identity") || body.starts_with(&[0x1f, 0x8b]) {
        ForeignAnswer::Compressed
    } else if body.is_empty() {
        ForeignAnswer::Empty
    } else if is_html() {
        ForeignAnswer::Html
    } else {
        match json {
            Some(error) if !error.is_syntax() => ForeignAnswer::OtherJson { why: one_line(&error.to_string(), 200) },
            _ => ForeignAnswer::Text { start: one_line(&String::from_utf8_lossy(start), 100) },
        }
    }
}

/// The first characters of a foreign text without control characters, so that a terminal and one line of a log can show
/// them.
fn one_line(text: &str, characters: usize) -> String {
    text.chars().take(characters).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The innermost cause, which says "connection refused" where the outer ones say "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    one_line(&cause.to_string(), 200)
}
