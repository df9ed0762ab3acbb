//! A tower layer for axum. The service behind it answers only paid requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use paychan_watcher_api::CloseState;
use serde_json::json;
use tower::{Layer, Service, ServiceExt};

use super::asked::Asked;
use super::charges::Charges;
use super::core::Seller;
use super::decision::{Decision, Ended, Refusal, Sold};
use super::memory::{KeptAnswer, LARGEST_KEPT_BODY};
use super::peer;
use super::price::{FinalPrice, Price, Pricing};
use crate::problem::{PROBLEM_CONTENT_TYPE, ProblemBody, ProblemType};
use crate::wire::Receipt;
use crate::wire::headers::{IDEMPOTENCY_KEY, PAYMENT_RECEIPT, WWW_AUTHENTICATE};

/// An extension of a paid request that tells the handler what was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid(pub Arc<Sold>);

impl<C: Charges> Seller<C> {
    /// A layer that asks this price for everything behind it. Use it with `route_layer`, so that a challenge is valid
    /// for a whole route (`/items/{id}`) and not for one path.
    ///
    /// An answer whose body has a known size of at most [`LARGEST_KEPT_BODY`] bytes is kept, so that a retry gets it again.
    /// The body of any other answer, such as a stream, is passed on and not kept.
    pub fn price(&self, price: impl Into<Pricing>) -> PaidLayer<C> {
        PaidLayer { seller: self.clone(), pricing: price.into(), description: None }
    }
}

/// See [`Seller::price`].
pub struct PaidLayer<C> {
    seller: Seller<C>,
    pricing: Pricing,
    description: Option<Arc<str>>,
}

impl<C> PaidLayer<C> {
    /// Sets a description for people, which is part of challenges. Characters that can't be printed are left out.
    #[must_use]
    pub fn describe(mut self, description: &str) -> Self {
        self.description = Some(description.chars().filter(|c| !c.is_control()).collect::<String>().into());
        self
    }
}

impl<C> Clone for PaidLayer<C> {
    fn clone(&self) -> Self {
        Self { seller: self.seller.clone(), pricing: self.pricing.clone(), description: self.description.clone() }
    }
}

impl<S, C> Layer<S> for PaidLayer<C> {
    type Service = PaidService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        PaidService { inner, layer: self.clone() }
    }
}

/// See [`Seller::price`].
pub struct PaidService<S, C> {
    inner: S,
    layer: PaidLayer<C>,
}

impl<S: Clone, C> Clone for PaidService<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, C> Service<Request<Body>> for PaidService<S, C>
where
    C: Charges,
    S: Service<Request<Body>, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // The inner service is polled when the request is paid.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { inner, layer } = self.clone();
        let repeatable = request.method().is_safe() || request.headers().contains_key(IDEMPOTENCY_KEY);
        Box::pin(async move {
            // The answer is made on its own task, so that a client that hangs up does not lose what it has paid for.
            match tokio::spawn(answer(inner, layer, request)).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::error!(%error, "a handler broke off");
                    Ok(broke_off(repeatable))
                }
            }
        })
    }
}

async fn answer<S, C>(inner: S, layer: PaidLayer<C>, request: Request<Body>) -> Result<Response, S::Error>
where
    C: Charges,
    S: Service<Request<Body>, Response = Response> + Clone + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let Some(price) = layer.pricing.of_request(&parts) else {
        return inner.oneshot(Request::from_parts(parts, body)).await;
    };
    let route = parts.extensions.get::<MatchedPath>().map_or(parts.uri.path(), MatchedPath::as_str);
    let peer = peer::of_request(&parts, layer.seller.0.options.trusted_proxies);
    let asked = Asked { peer, ..Asked::of(&parts, route, price, layer.description.as_deref()) };
    let (is_head, repeatable) = (parts.method == http::Method::HEAD, asked.is_repeatable());
    let sold = match layer.seller.decide(&asked).await {
        Decision::Sell(sold) => sold,
        Decision::Again(kept) => return Ok(kept_response(&kept)),
        Decision::Ended(ended) => return Ok(ended_response(&ended)),
        Decision::Refuse(refusal) => return Ok(refusal_response(&refusal, is_head)),
    };
    let mut unanswered = Unanswered { seller: layer.seller.clone(), sold: Some(Arc::clone(&sold)) };
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(Paid(Arc::clone(&sold)));
    let response = inner.oneshot(request).await?;
    let Some(response) = paid_response(&layer.seller, &sold, price, response).await else {
        return Ok(broke_off(repeatable));
    };
    unanswered.sold = None;
    Ok(response)
}

/// A sale whose handler has not ended. When this is dropped, the handler broke off.
struct Unanswered<C: Charges> {
    seller: Seller<C>,
    sold: Option<Arc<Sold>>,
}

impl<C: Charges> Drop for Unanswered<C> {
    fn drop(&mut self) {
        if let Some(sold) = self.sold.take() {
            self.seller.abandon(&sold);
        }
    }
}

/// Gives back what was charged too much, adds the receipt to the answer, and keeps the answer. It is `None` when the answer broke
/// off.
async fn paid_response<C: Charges>(
    seller: &Seller<C>,
    sold: &Sold,
    price: Price,
    response: Response,
) -> Option<Response> {
    let (mut parts, body) = response.into_parts();
    let fits = http_body::Body::size_hint(&body).upper().is_some_and(|most| most <= LARGEST_KEPT_BODY as u64);
    // The answer is complete before its price is final, since one that breaks off costs less.
    let body = if fits {
        match body.collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) => {
                tracing::warn!(%error, "an answer broke off");
                return None;
            }
        }
    } else {
        Err(body)
    };
    let final_price = parts.extensions.get::<FinalPrice>().map(|price| price.0);
    let credit = seller.settle_sale(sold, price, parts.status, final_price).await;
    if parts.status.is_success() {
        let mut receipt = sold.receipt.clone();
        receipt.charged = receipt.charged.map(|charged| charged.saturating_sub(credit.amount));
        receipt.spent = receipt.spent.map(|spent| spent.saturating_sub(credit.amount));
        put_receipt(&mut parts.headers, &receipt);
    }
    match body {
        Ok(bytes) => {
            let kept = KeptAnswer { status: parts.status, headers: parts.headers.clone(), body: bytes.to_vec() };
            seller.keep(sold, Some(kept));
            Some(Response::from_parts(parts, Body::from(bytes)))
        }
        Err(body) => {
            seller.keep(sold, None);
            Some(Response::from_parts(parts, body))
        }
    }
}

fn put_receipt(headers: &mut HeaderMap, receipt: &Receipt) {
    match receipt.to_header().map(HeaderValue::try_from) {
        Ok(Ok(value)) => {
            headers.insert(PAYMENT_RECEIPT, value);
        }
        _ => tracing::error!("a receipt can't be written"),
    }
    let cached = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let private = match cached.as_str() {
        "" => "private".to_owned(),
        said if said.to_ascii_lowercase().contains("private") => return,
        said => format!("{said}, private"),
    };
    if let Ok(value) = HeaderValue::try_from(private) {
        headers.insert(CACHE_CONTROL, value);
    }
}

fn kept_response(kept: &KeptAnswer) -> Response {
    let mut response = Response::new(Body::from(kept.body.clone()));
    *response.status_mut() = kept.status;
    *response.headers_mut() = kept.headers.clone();
    response
}

fn ended_response(ended: &Ended) -> Response {
    let body = json!({
        "channel": ended.channel,
        "closed": ended.state == CloseState::Closed,
        "state": ended.state,
        "transaction": ended.transaction,
        "amount": ended.amount,
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = ended.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    put_receipt(response.headers_mut(), &ended.receipt);
    response
}

fn refusal_response(refusal: &Refusal, is_head: bool) -> Response {
    let mut response = problem_response(refusal.status, &refusal.body, is_head);
    let headers = response.headers_mut();
    if let Some(challenge) = &refusal.challenge {
        match challenge.to_header().map(HeaderValue::try_from) {
            Ok(Ok(value)) => {
                headers.append(WWW_AUTHENTICATE, value);
            }
            _ => tracing::error!("a challenge can't be written"),
        }
    }
    if let Some(seconds) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn problem_response(status: StatusCode, body: &ProblemBody, is_head: bool) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    let length = HeaderValue::from(text.len());
    let mut response = Response::new(if is_head { Body::empty() } else { Body::from(text) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if is_head {
        headers.insert(CONTENT_LENGTH, length);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `repeatable`: whether the request may be done again.
fn broke_off(repeatable: bool) -> Response {
    let mut body = ProblemBody::new(ProblemType::Internal, "the answer broke off", serde_json::Map::new());
    let hint = match repeatable {
        true => "if it was paid for, what was charged is given back; pay for it again with a higher voucher",
        false => {
            "if it was paid for, what was charged is given back; find out whether the request had an effect before you send it again"
        }
    };
    body.hint = Some(hint.to_owned());
    problem_response(StatusCode::INTERNAL_SERVER_ERROR, &body, false)
}
