//! Sends requests with our own client, or with the rest of a middleware's chain.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use paychan_rpc::http::{self, HttpLimits};
use reqwest::{Request, Response};

/// Why no answer came.
#[derive(Debug, Clone)]
pub(super) struct NotSent {
    /// Whether there was no connection, so that nothing was sent.
    pub(super) unconnected: bool,
    pub(super) why: String,
}

pub(super) type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response, NotSent>> + Send + 'a>>;

/// Sends requests, and follows no redirect.
pub(super) trait Exchange: Send {
    fn send(&mut self, request: Request) -> Sending<'_>;
}

/// One client for each host, since the use of a proxy depends on the host.
pub(super) struct Clients {
    limits: HttpLimits,
    by_host: Mutex<HashMap<String, reqwest::Client>>,
}

/// The most hosts whose clients are kept.
const CLIENTS: usize = 256;

impl Clients {
    pub(super) fn new(limits: HttpLimits) -> Self {
        Self { limits, by_host: Mutex::default() }
    }

    fn client(&self, host: &str, request: &Request) -> Result<reqwest::Client, NotSent> {
        let mut by_host = self.by_host.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = by_host.get(host) {
            return Ok(client.clone());
        }
        let made = http::client(request.url(), self.limits);
        let client = made.map_err(|error| NotSent { unconnected: true, why: http::reason(&error) })?;
        if by_host.len() >= CLIENTS {
            by_host.clear();
        }
        by_host.insert(host.to_owned(), client.clone());
        Ok(client)
    }
}

impl Exchange for &Clients {
    fn send(&mut self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            let host = format!("{}://{}", request.url().scheme(), super::host_of(request.url()).unwrap_or_default());
            let client = self.client(&host, &request)?;
            client
                .execute(request)
                .await
                .map_err(|error| NotSent { unconnected: error.is_connect(), why: http::reason(&error) })
        })
    }
}
