//! What a request costs.

use std::sync::Arc;

use http::request::Parts;
use paychan_channel::Amount;

/// A price, base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Price {
    /// This much.
    Exactly(Amount),
    /// At most this much. It is charged before the request is answered; the handler puts a [`FinalPrice`] into the answer's
    /// extensions, and the rest is given back.
    AtMost(Amount),
}

/// What a request turned out to cost, base units: an extension of the answer. More than the maximum counts as the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinalPrice(pub Amount);

impl Price {
    /// What is charged first.
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
    /// The same for all.
    Fixed(Price),
    /// By the request. `None` sells for nothing.
    Of(PriceOf),
}

impl Pricing {
    /// By a function of the request. It must be cheap: it is asked for unpaid requests too.
    pub fn of(price: impl Fn(&Parts) -> Option<Price> + Send + Sync + 'static) -> Self {
        Self::Of(Arc::new(price))
    }

    /// The price of this request; `None` when it is free. A price of zero is none.
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
