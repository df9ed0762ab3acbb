//! The seller's side: asks for payment, takes it, and answers once.
//!
//! The order of checks: challenge, HMAC; realm, method, intent, route, channel and network; expiry; payload; charge at the watcher;
//! handler; receipt. **The watcher's charge is the payment.** After it is durable no 402 is answered to the same credential, since
//! clients answer a 402 with another payment; trouble with the watcher is a 5xx before anything is taken.
//!
//! What is kept, so that a retry gets the same answer: the watcher remembers the last 1,024 sales of a channel on its disk, so that
//! none is charged twice. This process remembers as many, and the answers' bodies up to [`LARGEST_KEPT_BODY`] each and
//! [`KEPT_BODIES`] together. After a restart a paid request whose method is safe (GET, HEAD), or that has an `Idempotency-Key`, is
//! answered anew under the old receipt; another one is told that it was paid and that its answer is not kept.
//!
//! One process sells for a channel at a time: several would have to share what they remember of used vouchers. Route a channel to
//! one of them (by the header `Payment-Session`).

mod asked;
mod charges;
mod check;
mod core;
mod decision;
mod fixed;
mod layer;
mod memory;
mod price;
mod refused;
mod request_id;
mod sale;
mod watcher;

pub use self::core::{BuildError, Seller, SellerOptions};
pub use asked::Asked;
pub use charges::{Charges, ChargesError, Ending, Standing};
pub use decision::{Decision, Ended, Refusal, Sold};
pub use fixed::FixedChannels;
pub use layer::{Paid, PaidLayer};
pub use memory::{KEPT_BODIES, KeptAnswer, LARGEST_KEPT_BODY};
pub use price::{FinalPrice, Price, PriceOf, Pricing};
pub use sale::Credit;
