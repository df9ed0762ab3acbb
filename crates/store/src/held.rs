//! What the store holds of a channel.

use paychan_channel::{Address, Amount, ContractId, Layout, Ledger, Signature, WasmHash};

use crate::RequestId;

/// A channel as it was read from the chain when it was admitted. None of it can change on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The channel.
    pub channel: ContractId,
    /// The token that it pays in.
    pub token: ContractId,
    /// The funder.
    pub from: Address,
    /// The recipient.
    pub to: Address,
    /// The funder's ed25519 public key for commitments.
    pub commitment_key: [u8; 32],
    /// Ledgers between `close_start` and the deadline.
    pub refund_waiting_period: u32,
    /// The channel's code.
    pub wasm_hash: WasmHash,
    /// The storage layout of that code.
    pub layout: Layout,
    /// The ledger at which all of this was read.
    pub admitted_at: Ledger,
}

/// A commitment that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCommitment {
    /// The total over the channel's life, base units.
    pub amount: Amount,
    /// The funder's signature over it: what `settle` needs.
    pub signature: Signature,
    /// Under which id it was submitted.
    pub request_id: RequestId,
    /// Wall clock when the committer took it: milliseconds since the Unix epoch.
    pub accepted_at_ms: u64,
}

/// A durable refusal of later commitments, made before a close is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Wall clock when the committer took it: milliseconds since the Unix epoch.
    pub fenced_at_ms: u64,
}

/// All that the store holds of one channel. Every field is on disk when a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What the channel is.
    pub admission: Admission,
    /// The highest commitment; `None` before the first one.
    pub highest: Option<HeldCommitment>,
    /// How many commitments were ever accepted: the number of the highest, counted from one.
    pub accepted: u64,
    /// When the oldest commitment came that no confirmed settlement of this watcher has covered: milliseconds since the
    /// Unix epoch. `None` when all are covered. A settlement made by somebody else is not seen here, only on chain.
    pub unsettled_since_ms: Option<u64>,
    /// Set once a close was about to be signed. Never taken back.
    pub fence: Option<Fence>,
    /// The operator knows that the chain paid this much though no commitment for it is held: the store was rolled back
    /// (restored from a copy), and money may go on being taken. Base units.
    pub rollback_confirmed: Option<Amount>,
}

impl Held {
    /// A channel that was just admitted.
    pub fn new(admission: Admission) -> Self {
        Self { admission, highest: None, accepted: 0, unsettled_since_ms: None, fence: None, rollback_confirmed: None }
    }

    /// The channel.
    pub fn channel(&self) -> ContractId {
        self.admission.channel
    }

    /// The highest amount held, zero before the first commitment. Base units.
    pub fn highest_amount(&self) -> Amount {
        self.highest.as_ref().map_or(Amount::ZERO, |commitment| commitment.amount)
    }
}
