//! The price of a request.

use std::sync::Arc;

use http::request::Parts;
use paychan_channel::Amount;

/// A price, base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Price {
    /// Exactly this amount.
    Exactly(Amount),
    /// At most this amount. It is charged before the request is answered. The handler puts a [`FinalPrice`] into the
    /// answer's extensions, and the rest is given back.
    AtMost(Amount),
}

/// The final price of a request in base units, as an extension of the answer. A price above the maximum counts as the
/// maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinalPrice(pub Amount);

impl Price {
    /// The amount that is charged first.
    #[must_use]
    pub fn charged(self) -> Amount {
        match self {
            Self::Exactly(amount) | Self::AtMost(amount) => amount,
        }
    }
}

/// Finds a request's price.
pub type PriceOf = Arc<dyn Fn(&Parts) -> Option<Price> + Send + Sync>;

/// How a request's price is found.
#[derive(Clone)]
pub enum Pricing {
    /// The same price for all requests.
    Fixed(Price),
    /// A price for each request. `None` makes it free.
    Of(PriceOf),
}

impl Pricing {
    /// A price by a function of the request. The function must be cheap, since it is called for unpaid requests too. A request
    /// with the same method, path and query counts as the same request when it is sent again, so the price should not depend on
    /// anything else of it.
    pub fn of(price: impl Fn(&Parts) -> Option<Price> + Send + Sync + 'static) -> Self {
        Self::Of(Arc::new(price))
    }

    /// The price of this request; `None` when it is free. A price of zero counts as free.
    #[must_use]
    pub fn of_request(&self, request: &Parts) -> Option<Price> {
        let price = match self {
            Self::Fixed(price) => Some(*price),
            Self::Of(price) => price(request),
        };
        price.filter(|price| !price.charged().is_zero())
    }
}

impl From<Amount> for Pricing {
    fn from(amount: Amount) -> Self {
        Self::Fixed(Price::Exactly(amount))
    }
}

impl From<Price> for Pricing {
    fn from(price: Price) -> Self {
        Self::Fixed(price)
    }
}
