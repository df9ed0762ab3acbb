//! How a buyer pays, and what it says about a payment.

use paychan_channel::{Amount, ContractId};
use paychan_rpc::http::HttpLimits;
use reqwest::Response;

use super::caps::Caps;
use super::events::OnEvent;
use super::wallet::PinnedChannel;
use crate::wire::Receipt;

/// How a buyer pays.
#[derive(Default)]
pub struct BuyerOptions {
    /// The channels through which the buyer may pay. For a host with several channels, it names the first one to that
    /// host.
    pub channels: Vec<PinnedChannel>,
    /// How much may be signed.
    pub caps: Caps,
    /// If a server claims a higher total than the store knows, the buyer believes it up to this total. Base units.
    pub resync_up_to: Option<Amount>,
    /// What a close may cost beside what was spent, base units. Servers that are built with Stellar's TypeScript SDK close a channel
    /// only for one more price. The caps hold for it too.
    pub close_may_cost: Option<Amount>,
    /// Whether each request needs a new challenge.
    pub new_challenge_each_time: bool,
    /// Whether plain HTTP to other machines is allowed.
    pub allow_plain_http: bool,
    /// Time limits.
    pub limits: HttpLimits,
    /// A function that gets the events.
    pub on_event: Option<OnEvent>,
}

/// A payment that was made for an answer. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The channel.
    pub channel: ContractId,
    /// The price of the request.
    pub price: Amount,
    /// The total that was signed.
    pub total: Amount,
    /// The receipt. A server that failed sends none.
    pub receipt: Option<Receipt>,
}

impl Payment {
    /// What was charged, as far as the receipt says it, in base units: the price where it says nothing else. `None` without a receipt.
    #[must_use]
    pub fn charged(&self) -> Option<Amount> {
        self.receipt.as_ref().map(|receipt| receipt.charged.unwrap_or(self.price))
    }
}

/// An answer, and what was paid for it.
#[derive(Debug)]
pub struct PaidRequest {
    /// The answer.
    pub response: Response,
    /// `None` when the server asked for no payment.
    pub paid: Option<Payment>,
}
