//! The gate: the last check before a commitment or a charge is written.

use paychan_channel::{AccountId, Amount, Ledger};

use crate::Held;

/// The committer asks it for every new commitment and every new charge, after the store's own rules and just before it
/// writes the record, because what was true when the request came may not be true any more.
///
/// It runs on the committer's thread, once for each request. So it must answer from memory, and must not call the
/// store. A request that the gate lets through is written, unless the disk fails.
pub trait Gate: Send + Sync {
    /// Checks that the chain, as it is known now, would pay `amount` on this channel, and that `price` may be sold for
    /// it. Both are base units.
    ///
    /// `amount` is the highest commitment after the request. It equals `held.highest_amount()` for a charge that brings
    /// no higher commitment. `price` is zero for a commitment without a charge.
    ///
    /// # Errors
    /// The [`Refusal`] that the caller gets. Nothing is written then.
    fn check(&self, held: &Held, amount: Amount, price: Amount) -> Result<(), Refusal>;
}

/// The gate of a store that is opened for the operator's own commands. It lets nothing through.
pub(crate) struct TakesNothing;

impl Gate for TakesNothing {
    fn check(&self, _: &Held, _: Amount, _: Amount) -> Result<(), Refusal> {
        Err(Refusal::Stopping { why: "its operator has opened the store".to_owned() })
    }
}

/// Why the gate refused a commitment or a charge that the store's own rules allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The watcher's knowledge of the chain is too old, or it has none.
    #[error("what is known of the chain is not fresh: {why}; try again later")]
    NotFresh {
        /// What is missing.
        why: String,
    },
    /// A close has started.
    #[error("the channel is closing{}; it takes no more commitments", deadline_words(*.deadline))]
    Closing {
        /// The ledger at which the funder can take the rest back, when known.
        deadline: Option<Ledger>,
    },
    /// The channel has ended.
    #[error("the channel has ended; it takes no more commitments")]
    Final,
    /// The amount is more than the chain would pay in total.
    #[error("the channel covers {coverage} base units in total, and {offered} were offered; top it up first")]
    ExceedsCoverage {
        /// What was offered.
        offered: Amount,
        /// Balance and withdrawn together.
        coverage: Amount,
    },
    /// The chain has paid that much already.
    #[error(
        "the channel has paid out {withdrawn} base units already, and {offered} were offered; \
         sign a total above what was paid"
    )]
    NotAboveWithdrawn {
        /// What was offered.
        offered: Amount,
        /// What the chain has paid.
        withdrawn: Amount,
    },
    /// The fee accounts can't cover what is already promised.
    #[error("the fee accounts can't cover another promise: {why}; try again later")]
    FeesLow {
        /// Which account lacks how much.
        why: String,
    },
    /// The chain has paid more than the highest commitment held: this store is an old copy.
    #[error(
        "the chain has paid {withdrawn} base units on this channel and the highest commitment held is {highest}: \
         the store was rolled back, and its operator has to confirm that first"
    )]
    RolledBack {
        /// The highest commitment held.
        highest: Amount,
        /// What the chain has paid.
        withdrawn: Amount,
    },
    /// The fee account has used sequence numbers on chain of which this store knows nothing: the store is an old copy,
    /// for all channels.
    #[error(
        "the store was rolled back: the fee account {lane} has used sequence number {used} on chain, and the store knows of \
         none above {known}; its operator has to confirm that first"
    )]
    RolledBackForAll {
        /// The fee account.
        lane: AccountId,
        /// Its sequence number on chain.
        used: i64,
        /// The highest that the store knows.
        known: i64,
    },
    /// A settlement could not reach the recipient now: its trustline, or the issuer, stands in the way.
    #[error("the recipient can't be paid now: {why}; try again later")]
    Unpayable {
        /// What stands in the way.
        why: String,
    },
    /// The operator has paused the taking of money.
    #[error("the operator has paused the watcher: it settles what it holds and takes nothing new; try again later")]
    Paused,
    /// The watcher is shutting down, or takes no commitments for now.
    #[error("the watcher takes no commitments now: {why}; try again later")]
    Stopping {
        /// Why not.
        why: String,
    },
}

impl Refusal {
    /// Which kind of refusal it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::NotFresh { .. } => "not_fresh",
            Refusal::Closing { .. } => "closing",
            Refusal::Final => "final",
            Refusal::ExceedsCoverage { .. } => "exceeds_coverage",
            // The chain has paid this amount, so it is the highest that is known, though no commitment for it is held
            // here.
            Refusal::NotAboveWithdrawn { .. } => "not_higher",
            Refusal::FeesLow { .. } => "fees_low",
            Refusal::RolledBack { .. } | Refusal::RolledBackForAll { .. } => "rolled_back",
            Refusal::Unpayable { .. } => "unpayable",
            Refusal::Paused => "paused",
            Refusal::Stopping { .. } => "stopping",
        }
    }
}

fn deadline_words(deadline: Option<Ledger>) -> String {
    deadline.map_or_else(String::new, |ledger| format!(" and can be refunded from ledger {ledger} on"))
}
