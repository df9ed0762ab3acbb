//! The buyer's side pays for requests within caps, through pinned channels.
//!
//! - Each payment is on disk before it is signed ([`Store`]), so that a crash can't make the buyer sign the same credit
//!   twice.
//! - **One answer is paid once.** A server that asks again after a payment gets no second payment. The same voucher is
//!   sent again only when that can't cost more.
//! - A server chooses neither the channel nor the network. There are caps for a request, a host, a channel, a day and
//!   in total.
//! - A payment follows no redirect. A channel that is closing or has ended is no longer used.
//! - A channel is ended with what was spent ([`Buyer::end`]), and never with more than was signed before, unless the user allows
//!   a close to cost something ([`BuyerOptions::close_may_cost`]).

mod caps;
mod close_offer;
mod ending;
mod error;
mod events;
mod exchange;
mod middleware;
mod offer;
mod options;
mod order;
mod pay;
mod proof;
mod receipts;
mod sending;
mod sent;
mod signer;
mod standing;
mod store;
mod total;
mod turns;
mod voucher;
mod wallet;

pub use caps::{CapExceeded, Caps, SignedAway};
pub use ending::Ended;
pub use error::{PayError, PayFailure};
pub use events::{Event, OnEvent};
pub use middleware::PaymentMiddleware;
pub use options::{BuyerOptions, PaidRequest, Payment};
pub use pay::Buyer;
pub use signer::{Signer, SignerError, Signing};
pub use store::{Answered, Left, Opening, Record, Resynced, Signed, Store, StoreError};
pub use wallet::PinnedChannel;

/// Host and port, with the scheme's own port when none is given.
#[must_use]
pub fn host_of(url: &reqwest::Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// An address without what may be secret in it: its query, its fragment and its user.
fn without_query(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string()
}
