//! The seller's side asks for payment, takes it, and answers once.
//!
//! The order is: the challenge's HMAC; realm, method, intent, route, channel and network; expiry; payload; charge at
//! the watcher; handler; receipt. **The watcher's charge is the payment.** When it is durable, the same credential
//! never gets a 402, since clients answer a 402 with another payment. Trouble with the watcher is a 5xx before anything
//! is taken.
//!
//! A retry gets the same answer. The watcher remembers the last 1,024 sales of a channel on its disk, so that none is
//! charged twice. This process remembers as many, and the answers' bodies up to [`LARGEST_KEPT_BODY`] each and
//! [`KEPT_BODIES`] together. After a restart, a paid request with a safe method (GET, HEAD) or an `Idempotency-Key` is
//! answered again with the old receipt. For any other request, the answer says that it was paid, and that it is not known whether
//! it was answered.
//!
//! A payer is served for what it paid. If the watcher's answer to a charge is lost, the charge is asked for again, and if it
//! stays lost, the payer's retry is served: this process knows which vouchers can't have bought anything. A retry with the same
//! `Idempotency-Key` and another voucher is served for the first one, if that was taken or can still be. If a handler fails (5xx) or
//! breaks off, the charge is given back. That goes on until the watcher has answered, or the process ends.
//!
//! A first voucher on a channel that the watcher does not know makes the watcher admit it. That is bounded, by
//! [`AdmissionLimits`] in this process: four admissions at a time, two of them for one address (if it is known, see
//! [`Asked::peer`]). Others wait, and the addresses take turns. For five seconds there is no second look at the chain for a
//! channel that was refused. An address is no proof of who pays, so the number of channels is limited by the watcher, which reads
//! the funder from the chain (`quotas.channels_per_funder`, 100 by default). It limits all channels by what its fee accounts can
//! settle in time.
//!
//! Only one process at a time may sell for a channel, since several would have to share their memory of used vouchers. That
//! holds for a restart too: let the old process end before the new one begins. With several processes, route each channel to one of them (by the header `Payment-Session`).

mod admissions;
mod asked;
mod charges;
mod charging;
mod check;
mod core;
mod decision;
mod discovery;
mod fixed;
mod giving_back;
mod layer;
mod memory;
mod peer;
mod price;
mod proof;
mod refused;
mod request_id;
mod reservation;
mod sale;
mod verdict;
mod watcher;

pub use self::core::{BuildError, Seller, SellerOptions};
pub use admissions::AdmissionLimits;
pub use asked::Asked;
pub use charges::{Charges, ChargesError, Ending, Standing};
pub use decision::{Decision, Ended, Refusal, Sold};
pub use discovery::Discovery;
pub use fixed::FixedChannels;
pub use layer::{Paid, PaidLayer};
pub use memory::{KEPT_BODIES, KeptAnswer, LARGEST_KEPT_BODY};
pub use price::{FinalPrice, Price, PriceOf, Pricing};
pub use sale::Credit;
