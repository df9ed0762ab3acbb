//! The events that a buyer reports while it pays.

use std::sync::Arc;

use paychan_channel::{Amount, ContractId};

/// A step of a payment. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server asks for this much.
    Asked {
        /// The host.
        host: String,
        /// The price.
        price: Amount,
        /// The channel for the payment.
        channel: ContractId,
    },
    /// A voucher is recorded and signed, and is sent now.
    Paying {
        /// The channel.
        channel: ContractId,
        /// The total.
        total: Amount,
        /// How much it is above the highest total that was signed before.
        raise: Amount,
    },
    /// The server has proven, with a signature of the channel's commitment key, that this total was signed before. The store did
    /// not know it, and has recorded it.
    Proven {
        /// The channel.
        channel: ContractId,
        /// The total.
        total: Amount,
    },
    /// The server is asked to close the channel.
    Closing {
        /// The channel.
        channel: ContractId,
        /// What the recipient is to have in total.
        total: Amount,
    },
    /// The same voucher is sent again.
    SendingAgain {
        /// The reason.
        why: String,
    },
    /// The answer came.
    Answered {
        /// The status.
        status: u16,
    },
}

/// A function that is called with each [`Event`]. It must return quickly.
pub type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;
