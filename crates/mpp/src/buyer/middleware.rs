//! A middleware for `reqwest` that pays each 402 without a change of the program.

use std::sync::Arc;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};

use super::Buyer;
use super::exchange::{Exchange, NotSent, Sending};
use super::options::PaidRequest;

/// Pays for the requests of a `reqwest_middleware` client. Build that client on one of `paychan_rpc::http`, which
/// follows no redirect, since a paid answer from another host is an error.
///
/// The answer has the payment as an extension: [`super::Payment`].
pub struct PaymentMiddleware(pub Arc<Buyer>);

struct Rest<'a> {
    next: Next<'a>,
    extensions: &'a mut Extensions,
}

impl Exchange for Rest<'_> {
    fn send(&mut self, request: Request) -> Sending<'_> {
        let next = self.next.clone();
        Box::pin(async move {
            next.run(request, self.extensions).await.map_err(|error| NotSent {
                unconnected: matches!(&error, Error::Reqwest(error) if error.is_connect()),
                why: error.to_string(),
            })
        })
    }
}

#[async_trait::async_trait]
impl Middleware for PaymentMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let mut rest = Rest { next, extensions };
        let PaidRequest { mut response, paid } =
            self.0.pay_over(&mut rest, request).await.map_err(Error::middleware)?;
        if let Some(paid) = paid {
            response.extensions_mut().insert(paid);
        }
        Ok(response)
    }
}
