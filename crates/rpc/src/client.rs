//! The client of one endpoint: HTTP, time limits, and the kinds of failures.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use paychan_channel::{Ledger, NetworkId};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{kind_of_refusal, printable};
use crate::http::{self, BodyError, EndpointHeader, HttpLimits, not_json, read_body, reason, retry_after};
use crate::{ErrorKind, RpcError};

/// The limits of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The longest time from the first byte sent to the last byte received.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes. `getLatestLedger` returns the whole ledger's metadata, which is
    /// several megabytes on a busy network.
    pub max_answer: usize,
    /// Whether to obey an endpoint that asks to wait (`Retry-After`): until then every call fails with
    /// [`ErrorKind::Busy`] and is not sent. See [`Client::urgent`].
    pub obeys_retry_after: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { timeout: Duration::from_secs(10), max_answer: 64 * 1024 * 1024, obeys_retry_after: true }
    }
}

/// A client of a Stellar RPC endpoint. Cloning is cheap, and clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    headers: Vec<EndpointHeader>,
    options: Options,
    learned: Arc<Learned>,
}

/// What was learned about an endpoint. All clones of its client share it.
#[derive(Default)]
struct Learned {
    /// Whether the endpoint refuses a cursor without a start ledger.
    refuses_cursors: AtomicBool,
    /// The time until which the endpoint asked to wait.
    busy_until: Mutex<Option<Instant>>,
}

/// This leaves out the URL's path and query, which may hold a provider's API key, and the headers' values.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Request<P> {
    jsonrpc: &'static str,
    id: u32,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<P>,
}

#[derive(Deserialize)]
struct Answer<R> {
    result: Option<R>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

impl Client {
    /// Makes a client of the endpoint at `url`. This opens no connection yet.
    ///
    /// # Errors
    /// [`ErrorKind::BadUrl`], and [`ErrorKind::Transport`] when TLS can't be set up.
    pub fn new(url: &str, options: Options) -> Result<Client, RpcError> {
        let set_up = |kind| RpcError { method: "set-up", endpoint: "the endpoint".to_owned(), kind };
        let url: Url = url.parse().map_err(|_| set_up(ErrorKind::BadUrl("it does not parse".to_owned())))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(set_up(ErrorKind::BadUrl(format!("its scheme is {}", printable(url.scheme())))));
        }
        let limits = HttpLimits { connect: options.timeout, total: options.timeout };
        let http = http::client(&url, limits).map_err(|error| set_up(ErrorKind::Transport(reason(&error))))?;
        Ok(Client { http, url, headers: Vec::new(), options, learned: Arc::default() })
    }

    /// Sends this header with every request, such as one with a provider's key. It goes only to this endpoint, since
    /// the client follows no redirect.
    #[must_use]
    pub fn with_header(mut self, header: EndpointHeader) -> Client {
        self.headers.push(header);
        self
    }

    /// Scheme, host and port, which may be shown. The path and query may hold a provider's API key.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The whole URL, which may hold a secret. Use it to connect, and do not show it.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Makes sure that the endpoint serves the network with this passphrase.
    ///
    /// # Errors
    /// [`ErrorKind::WrongNetwork`] names both.
    pub async fn check_network(&self, passphrase: &str) -> Result<NetworkId, RpcError> {
        let network = self.get_network().await?;
        if network.passphrase == passphrase {
            return Ok(NetworkId::of(passphrase));
        }
        Err(self.error(
            "getNetwork",
            ErrorKind::WrongNetwork { expected: passphrase.to_owned(), found: printable(&network.passphrase) },
        ))
    }

    pub(crate) fn takes_cursors(&self) -> bool {
        !self.learned.refuses_cursors.load(Ordering::Relaxed)
    }

    pub(crate) fn stop_using_cursors(&self) {
        self.learned.refuses_cursors.store(true, Ordering::Relaxed);
    }

    /// A client of the same endpoint for calls that can't wait, such as a settlement near its deadline: it sends them
    /// even while the endpoint asks to wait (`Retry-After`).
    #[must_use]
    pub fn urgent(&self) -> Client {
        Client { options: Options { obeys_retry_after: false, ..self.options }, ..self.clone() }
    }

    /// How long the endpoint still asks to wait.
    fn busy_for(&self) -> Option<Duration> {
        let until = *self.learned.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn note_busy(&self, wait: Option<Duration>) {
        if let Some(until) = wait.and_then(|wait| Instant::now().checked_add(wait)) {
            let mut known = self.learned.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(known.map_or(until, |known| known.max(until)));
        }
    }

    pub(crate) fn error(&self, method: &'static str, kind: ErrorKind) -> RpcError {
        RpcError { method, endpoint: self.endpoint(), kind }
    }

    pub(crate) fn bad(&self, method: &'static str, what: impl Into<String>) -> RpcError {
        self.error(method, ErrorKind::BadAnswer(printable(&what.into())))
    }

    /// Calls a method that starts at no particular ledger.
    pub(crate) async fn call<P, R>(&self, method: &'static str, params: Option<P>) -> Result<R, RpcError>
    where
        P: Serialize,
        R: DeserializeOwned,
    {
        self.call_from(method, params, None).await
    }

    /// Calls a method; `asked` is the ledger from which the request starts.
    pub(crate) async fn call_from<P, R>(
        &self,
        method: &'static str,
        params: Option<P>,
        asked: Option<Ledger>,
    ) -> Result<R, RpcError>
    where
        P: Serialize,
        R: DeserializeOwned,
    {
        let request = Request { jsonrpc: "2.0", id: 1, method, params };
        let body = self.post(&request).await.map_err(|kind| self.error(method, kind))?;
        let answer: Answer<R> = serde_json::from_slice(&body)
            .map_err(|error| self.bad(method, format!("it is not the JSON expected: {error}")))?;
        match answer {
            Answer { error: Some(Refusal { code, message }), .. } => {
                Err(self.error(method, kind_of_refusal(code, &message, asked)))
            }
            Answer { result: Some(result), .. } => Ok(result),
            Answer { .. } => Err(self.bad(method, "it has neither a result nor an error")),
        }
    }

    async fn post<P: Serialize>(&self, request: &Request<P>) -> Result<Vec<u8>, ErrorKind> {
        if let Some(left) = self.busy_for().filter(|_| self.options.obeys_retry_after) {
            return Err(ErrorKind::Busy { retry_after: Some(left) });
        }
        let mut sending = self.http.post(self.url.clone()).json(request);
        for (name, value) in self.headers.iter().filter_map(EndpointHeader::for_sending) {
            sending = sending.header(name, value);
        }
        let mut response = sending.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ) {
            let retry_after = retry_after(response.headers(), SystemTime::now());
            self.note_busy(retry_after);
            return Err(ErrorKind::Busy { retry_after });
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(ErrorKind::Unauthorized { status: status.as_u16(), path: self.shown_path() });
        }
        let body = match read_body(&mut response, self.options.max_answer).await {
            Ok(body) => body,
            Err(BodyError::Broken(error)) => return Err(self.broken(&error)),
            Err(error @ BodyError::TooLong(_)) => return Err(ErrorKind::BadAnswer(error.to_string())),
        };
        if status.is_success() {
            return match not_json(response.headers(), &body) {
                Some(what) => Err(ErrorKind::BadAnswer(what.to_owned())),
                None => Ok(body),
            };
        }
        // Some servers send a JSON-RPC error with an HTTP error status. Its text says more than the status.
        let refusal = serde_json::from_slice::<Answer<serde::de::IgnoredAny>>(&body);
        if refusal.is_ok_and(|answer| answer.error.is_some()) {
            return Ok(body);
        }
        if status.is_server_error() {
            return Err(ErrorKind::Transport(format!("the server answered with HTTP status {status}")));
        }
        let hint = match status {
            StatusCode::NOT_FOUND => "; is this the path of a Stellar RPC?",
            _ if status.is_redirection() => "; it points elsewhere, and redirects are not followed: give the final URL",
            _ => "",
        };
        let message = format!("HTTP status {status} for the path {}{hint}", self.shown_path());
        Err(ErrorKind::Refused { code: i64::from(status.as_u16()), message })
    }

    /// The URL's path, with `...` for every part that is long enough to be a provider's key.
    fn shown_path(&self) -> String {
        const LONGEST_SHOWN: usize = 10;
        let shown = |part: &str| match part.len() {
            0..=LONGEST_SHOWN => printable(part),
            _ => "...".to_owned(),
        };
        self.url.path().split('/').map(shown).collect::<Vec<_>>().join("/")
    }

    fn broken(&self, error: &reqwest::Error) -> ErrorKind {
        if error.is_timeout() { ErrorKind::Timeout(self.options.timeout) } else { ErrorKind::Transport(reason(error)) }
    }
}
