//! The buyer's side: pays for requests, within caps, through pinned channels.
//!
//! - What is signed is on disk first ([`Store`]), so that a crash can't sign the same credit away twice.
//! - **One answer is paid once.** A server that asks again after a payment gets no second one. The same voucher is sent again only
//!   where that can't cost more.
//! - A server chooses neither channel nor network, and not the price either: caps hold for a request, a host, a channel, a day and
//!   in all.
//! - A payment follows no redirect. A channel that is closing or over is left.

mod caps;
mod error;
mod events;
mod exchange;
mod middleware;
mod offer;
mod order;
mod pay;
mod signer;
mod standing;
mod store;
mod total;
mod wallet;

pub use caps::{CapExceeded, Caps, SignedAway};
pub use error::PayError;
pub use events::{Event, OnEvent};
pub use middleware::PaymentMiddleware;
pub use pay::{Buyer, BuyerOptions, PaidRequest, Payment};
pub use signer::{Signer, SignerError, Signing};
pub use store::{Answered, Left, Opening, Record, Resynced, Signed, Store, StoreError};
pub use wallet::PinnedChannel;

/// Host and port, with the scheme's own port when none is given.
#[must_use]
pub fn host_of(url: &reqwest::Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}
