//! What the store holds for each channel.

use paychan_channel::{Address, Amount, ChannelState, ContractId, Layout, Ledger, Signature, WasmHash};

use crate::RequestId;

/// A channel as it was read from the chain when it was admitted. None of it changes afterwards.
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
    /// The hash of the channel's code.
    pub wasm_hash: WasmHash,
    /// The storage layout of that code.
    pub layout: Layout,
    /// The ledger at which all of this was read.
    pub admitted_at: Ledger,
    /// What the chain had paid out on the channel by then, base units. It counts as spent: otherwise the first
    /// commitment above it would pay a second time for what was bought before.
    pub paid_before: Amount,
    /// Whether the token can be clawed back from the channel. If so, lower commitments are kept beside the highest
    /// ([`Held::ladder`]).
    pub clawback: bool,
}

impl Admission {
    /// The admission of a channel that was just read from the chain and that passed the operator's rules.
    pub fn of(state: &ChannelState) -> Self {
        Self {
            channel: state.channel,
            token: state.token,
            from: state.from,
            to: state.to,
            commitment_key: state.commitment_key,
            refund_waiting_period: state.refund_waiting_period,
            wasm_hash: state.wasm_hash,
            layout: state.layout,
            admitted_at: state.read_at,
            paid_before: state.withdrawn,
            clawback: state.balance_clawback,
        }
    }
}

/// What the chain pays for: a total and the funder's signature over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The total over the channel's life, base units.
    pub amount: Amount,
    /// The funder's signature over it: what `settle` and `close` need.
    pub signature: Signature,
}

/// A commitment that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCommitment {
    /// The total over the channel's life, base units.
    pub amount: Amount,
    /// The funder's signature over it.
    pub signature: Signature,
    /// The id of the request that brought it.
    pub request_id: RequestId,
    /// Wall clock when the committer took it: milliseconds since the Unix epoch.
    pub accepted_at_ms: u64,
}

impl HeldCommitment {
    /// The part of it that the chain needs.
    pub fn claim(&self) -> Claim {
        Claim { amount: self.amount, signature: self.signature }
    }
}

/// A durable refusal of later commitments and charges, made before a close is signed. It is never taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Wall clock when the committer made it: milliseconds since the Unix epoch.
    pub fenced_at_ms: u64,
    /// The commitment that the recipient agreed to end the channel with, when it is below the highest.
    pub agreed: Option<Claim>,
}

/// All that the store holds of one channel. Every field is on disk when a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The channel, as it was admitted.
    pub admission: Admission,
    /// The highest commitment; `None` before the first one. [`Held::claim`] is what may be claimed on chain.
    pub highest: Option<HeldCommitment>,
    /// What was sold: the sum of all charges less their credits, and what the chain had paid before anything was held.
    /// It is at most the highest commitment, once one is held. Base units.
    pub spent: Amount,
    /// How many requests were ever taken, commitments and charges together. It is the number of the last one, counted
    /// from one.
    pub accepted: u64,
    /// When the oldest commitment came that no confirmed settlement of this watcher covers: milliseconds since the Unix
    /// epoch. `None` when all are covered. A settlement by somebody else does not count here; it shows only on chain.
    pub unsettled_since_ms: Option<u64>,
    /// The fence; `None` until the watcher is about to sign a close.
    pub fence: Option<Fence>,
    /// The operator has confirmed that the chain paid this much though no commitment for it is held: the store was
    /// restored from an old copy, and the watcher may go on taking money. Base units.
    pub rollback_confirmed: Option<Amount>,
    /// Commitments below the highest and above what was paid, lowest first, at most [`Held::LADDER_RUNGS`]. Kept only for
    /// a token that can be clawed back ([`Admission::clawback`]): when the channel no longer covers the highest one, one
    /// of these may still be paid.
    pub ladder: Vec<Claim>,
}

impl Held {
    /// The most commitments that are kept below the highest. They leave gaps of about a sixteenth of the way from what
    /// was paid to the highest commitment, and after a clawback at most one gap of the covered amount can't be claimed.
    pub const LADDER_RUNGS: usize = 16;

    /// A channel that was just admitted.
    pub fn new(admission: Admission) -> Self {
        Self {
            admission,
            highest: None,
            spent: admission.paid_before,
            accepted: 0,
            unsettled_since_ms: None,
            fence: None,
            rollback_confirmed: None,
            ladder: Vec::new(),
        }
    }

    /// The channel.
    pub fn channel(&self) -> ContractId {
        self.admission.channel
    }

    /// The highest amount held, zero before the first commitment. Base units.
    pub fn highest_amount(&self) -> Amount {
        self.highest.as_ref().map_or(Amount::ZERO, |commitment| commitment.amount)
    }

    /// What can be charged without a new commitment: the highest commitment less what is spent. Base units.
    pub fn available(&self) -> Amount {
        self.highest_amount().saturating_sub(self.spent)
    }

    /// What is to be claimed on chain: the agreed commitment of a close, otherwise the highest.
    pub fn claim(&self) -> Option<Claim> {
        match self.fence.and_then(|fence| fence.agreed) {
            Some(agreed) => Some(agreed),
            None => self.highest.as_ref().map(HeldCommitment::claim),
        }
    }

    /// The amount of [`Held::claim`], zero when there is nothing to claim. Base units.
    pub fn claim_amount(&self) -> Amount {
        self.claim().map_or(Amount::ZERO, |claim| claim.amount)
    }

    /// Whether a transaction may pay out `amount` in total. Once a lower amount was agreed for a close, nothing above
    /// that may be paid.
    pub fn may_pay(&self, amount: Amount) -> bool {
        self.fence.and_then(|fence| fence.agreed).is_none_or(|agreed| amount <= agreed.amount)
    }

    /// The most that can be claimed while the channel covers no more than `coverage`: [`Held::claim`] if that is
    /// covered, otherwise the highest covered commitment of the ladder.
    pub fn covered_claim(&self, coverage: Amount) -> Option<Claim> {
        let claim = self.claim()?;
        if claim.amount <= coverage {
            return Some(claim);
        }
        self.ladder.iter().rfind(|rung| rung.amount <= coverage.min(claim.amount)).copied()
    }
}

/// A channel, with a part that only the store needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) held: Held,
    /// The payment in flight, if one is.
    pub(crate) paying: Option<Paying>,
}

/// A commitment that a transaction in flight pays out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paying {
    pub(crate) amount: Amount,
    /// When the first commitment above `amount` came. Once this payment is confirmed, that one is the oldest unsettled
    /// commitment.
    pub(crate) next_since_ms: Option<u64>,
}
