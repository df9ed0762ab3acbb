//! A request in the form that the seller's core needs, without types of a web framework.

use std::net::IpAddr;

use http::request::Parts;

use super::price::Price;
use crate::wire::headers;

/// A request that costs something.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The scope to which a challenge is bound: the method and the route, such as `GET /time`.
    pub scope: String,
    /// The path, without the query.
    pub path: &'a str,
    /// The method, path and query. Two requests with the same ones count as the same.
    pub target: String,
    /// Whether the request is safe to repeat (RFC 9110, section 9.2.1).
    pub safe: bool,
    /// All values of `Authorization` and `Payment-Authorization`.
    pub authorizations: Vec<&'a [u8]>,
    /// `Payment-Session`.
    pub session: Option<&'a [u8]>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<&'a [u8]>,
    /// The price.
    pub price: Price,
    /// The address that the request comes from, if it is known. It bounds how many new channels one payer may have
    /// admitted at the same time, and nothing else. The layer takes it from axum's `ConnectInfo<SocketAddr>`, so
    /// serve with `into_make_service_with_connect_info::<SocketAddr>()`. Behind a proxy, whose address would count as one
    /// payer, set [`SellerOptions::trusted_proxies`](super::SellerOptions::trusted_proxies).
    pub peer: Option<IpAddr>,
    /// A description for people.
    pub description: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// Makes it from a request's head. `route` is the matched pattern, such as `/items/{id}`, or the path. The caller adds
    /// the [`peer`](Self::peer), which is not in the head.
    #[must_use]
    pub fn of(parts: &'a Parts, route: &str, price: Price, description: Option<&'a str>) -> Self {
        let all = |name| parts.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        let one = |name| parts.headers.get(name).map(http::HeaderValue::as_bytes);
        Self {
            scope: format!("{} {route}", parts.method),
            path: parts.uri.path(),
            // A client may send a whole URL with one version of HTTP and a path with another.
            target: format!("{} {}", parts.method, parts.uri.path_and_query().map_or("", |path| path.as_str())),
            safe: parts.method.is_safe(),
            authorizations: all(headers::AUTHORIZATION).chain(all(headers::PAYMENT_AUTHORIZATION)).collect(),
            session: one(headers::PAYMENT_SESSION),
            idempotency_key: one(headers::IDEMPOTENCY_KEY),
            price,
            peer: None,
            description,
        }
    }

    /// Whether the request may be done again: its method is safe, or the payer has named it with an `Idempotency-Key`.
    pub(super) fn is_repeatable(&self) -> bool {
        self.safe || self.idempotency_key.is_some()
    }
}
