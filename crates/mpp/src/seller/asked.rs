//! A request as the seller's core sees it: no web framework's type.

use http::request::Parts;

use super::price::Price;
use crate::wire::headers;

/// A request that costs something.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// What a challenge is bound to: the method and the route, such as `GET /time`.
    pub scope: String,
    /// The path, without the query.
    pub path: &'a str,
    /// The method, path and query: what makes two requests the same.
    pub target: String,
    /// Whether doing it twice does no harm (RFC 9110, section 9.2.1).
    pub safe: bool,
    /// All values of `Authorization` and `Payment-Authorization`.
    pub authorizations: Vec<&'a [u8]>,
    /// `Payment-Session`.
    pub session: Option<&'a [u8]>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<&'a [u8]>,
    /// What it costs.
    pub price: Price,
    /// For people.
    pub description: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// A request by its head. `route` is the pattern that it matched, such as `/items/{id}`, or its path.
    #[must_use]
    pub fn of(parts: &'a Parts, route: &str, price: Price, description: Option<&'a str>) -> Self {
        let all = |name| parts.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        let one = |name| parts.headers.get(name).map(http::HeaderValue::as_bytes);
        Self {
            scope: format!("{} {route}", parts.method),
            path: parts.uri.path(),
            target: format!("{} {}", parts.method, parts.uri),
            safe: parts.method.is_safe(),
            authorizations: all(headers::AUTHORIZATION).chain(all(headers::PAYMENT_AUTHORIZATION)).collect(),
            session: one(headers::PAYMENT_SESSION),
            idempotency_key: one(headers::IDEMPOTENCY_KEY),
            price,
            description,
        }
    }
}
