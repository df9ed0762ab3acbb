//! What a buyer tells while it pays.

use std::sync::Arc;

use paychan_channel::{Amount, ContractId};

/// A step of a payment. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server asks for this much.
    Asked {
        /// Who.
        host: String,
        /// How much.
        price: Amount,
        /// Through which channel.
        channel: ContractId,
    },
    /// A voucher is written down and signed, and leaves.
    Paying {
        /// The channel.
        channel: ContractId,
        /// The total.
        total: Amount,
        /// By how much it is above all that was signed before.
        raise: Amount,
    },
    /// The same voucher is sent again.
    SendingAgain {
        /// Why.
        why: String,
    },
    /// It was answered.
    Answered {
        /// The status.
        status: u16,
    },
}

/// Called with each [`Event`]. It must be quick.
pub type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;
