//! One endpoint: HTTP, time limits, and the difference between the ways in which it can fail.

use std::fmt;
use std::time::Duration;

use paychan_channel::{Ledger, NetworkId};
use reqwest::{Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{kind_of_refusal, tame};
use crate::http::{self, HttpLimits};
use crate::{ErrorKind, RpcError};

/// How patient a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// From the first byte sent to the last byte received.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes. `getLatestLedger` carries the whole ledger's metadata, which is several
    /// megabytes on a busy network.
    pub max_answer: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { timeout: Duration::from_secs(10), max_answer: 64 * 1024 * 1024 }
    }
}

/// A Stellar RPC endpoint. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    options: Options,
}

/// Without the URL's path and query, which may hold a provider's API key.
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
    /// A client of the endpoint at `url`. Opens no connection yet.
    ///
    /// # Errors
    /// [`ErrorKind::BadUrl`], and [`ErrorKind::Transport`] when TLS can't be set up.
    pub fn new(url: &str, options: Options) -> Result<Client, RpcError> {
        let set_up = |kind| RpcError { method: "set-up", endpoint: "the endpoint".to_owned(), kind };
        let url: Url = url.parse().map_err(|_| set_up(ErrorKind::BadUrl("it does not parse".to_owned())))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(set_up(ErrorKind::BadUrl(format!("its scheme is {}", tame(url.scheme())))));
        }
        let limits = HttpLimits { connect: options.timeout, total: options.timeout };
        let http = http::client(&url, limits).map_err(|error| set_up(ErrorKind::Transport(reason(&error))))?;
        Ok(Client { http, url, options })
    }

    /// Scheme, host and port: what may be shown. The path and query may hold a provider's API key.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The whole URL, with whatever secret it holds: for connecting, not for showing.
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
            ErrorKind::WrongNetwork { expected: passphrase.to_owned(), found: tame(&network.passphrase) },
        ))
    }

    pub(crate) fn error(&self, method: &'static str, kind: ErrorKind) -> RpcError {
        RpcError { method, endpoint: self.endpoint(), kind }
    }

    pub(crate) fn bad(&self, method: &'static str, what: impl Into<String>) -> RpcError {
        self.error(method, ErrorKind::BadAnswer(tame(&what.into())))
    }

    /// Calls a method that starts at no particular ledger.
    pub(crate) async fn call<P, R>(&self, method: &'static str, params: Option<P>) -> Result<R, RpcError>
    where
        P: Serialize,
        R: DeserializeOwned,
    {
        self.call_from(method, params, None).await
    }

    /// Calls a method; `asked` is the ledger that the question starts from.
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
        let sent = self.http.post(self.url.clone()).json(request).send().await;
        let mut response = sent.map_err(|error| self.broken(&error))?;
        let status = response.status();
        let retry_after = retry_after(&response);
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ) {
            return Err(ErrorKind::Busy { retry_after });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len().saturating_add(chunk.len()) > self.options.max_answer {
                return Err(ErrorKind::BadAnswer(format!("it is longer than {} bytes", self.options.max_answer)));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body);
        }
        // Some servers put a JSON-RPC error under an HTTP error status: its words are better than a number.
        let refusal = serde_json::from_slice::<Answer<serde::de::IgnoredAny>>(&body);
        if refusal.is_ok_and(|answer| answer.error.is_some()) {
            return Ok(body);
        }
        let code = i64::from(status.as_u16());
        Err(match status.is_server_error() {
            true => ErrorKind::Transport(format!("the server answered with HTTP status {status}")),
            false => ErrorKind::Refused { code, message: format!("HTTP status {status}") },
        })
    }

    fn broken(&self, error: &reqwest::Error) -> ErrorKind {
        if error.is_timeout() { ErrorKind::Timeout(self.options.timeout) } else { ErrorKind::Transport(reason(error)) }
    }
}

/// Seconds of a `Retry-After` header; its other form, a date, is not read.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The innermost cause, which says "connection refused" where the outer ones say "error sending request", and which has
/// no URL in it.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if std::ptr::eq(std::ptr::from_ref(cause).cast::<u8>(), std::ptr::from_ref(error).cast::<u8>()) {
        return match () {
            () if error.is_connect() => "could not connect".to_owned(),
            () if error.is_body() || error.is_decode() => "the answer broke off".to_owned(),
            () => "the request could not be sent".to_owned(),
        };
    }
    tame(&cause.to_string())
}
