//! What to do next about a transaction in flight. Pure: what the network said comes in, the next step goes out.
//!
//! The one rule behind all of it: a lane never has two transactions that could both be pending. So a transaction is
//! given up only when it is certain that the network does not hold it and never will: it was refused the only time it
//! was offered, its bounds have passed and the endpoint would know if it had been included, or its sequence number is
//! used up.

use paychan_channel::{Ledger, Stroops};

use crate::chain::{Found, LaneAccount, Sent};

/// Ledgers that stellar-core keeps a transaction waiting before it drops it and refuses its hash for ten more
/// (stellar-core, `TransactionQueue`, pending depth in `HerderImpl.cpp`).
pub const QUEUE_AGE_LIMIT: u32 = 4;

/// Ledgers from the head at signing to `ledgerBounds.max`, which is exclusive.
///
/// One more than the queue's age limit: so the bounds end a transaction that is not included, and the next one is not
/// refused for a ban. Not more, because each attempt that lies waiting costs its bounds in reaction time (the term b
/// of the admission floor).
pub const BOUNDS_LEDGERS: u32 = 5;
const _: () = assert!(BOUNDS_LEDGERS > QUEUE_AGE_LIMIT);
const _: () = assert!(BOUNDS_LEDGERS <= QUEUE_AGE_LIMIT + 1);

/// What the steps need to know of a transaction whose outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// The lane account's sequence number in it.
    pub sequence: i64,
    /// The head when it was signed: no earlier ledger can hold it.
    pub signed_at: Ledger,
    /// The first ledger that it can't be in any more.
    pub max_ledger: Ledger,
    /// Whether anybody may hold it.
    pub offered: Offered,
    /// The head at which it was last given to the network by this process.
    pub last_sent: Option<Ledger>,
}

/// Whether a transaction may lie in somebody's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// Signed and recorded by this process, and not sent yet: nobody has it.
    Never,
    /// It was sent, or a process before this one may have sent it.
    Maybe,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Give the same bytes to the network.
    Send,
    /// Nothing before the next ledger.
    Wait,
    /// Read the lane's account: its sequence number decides.
    ReadAccount,
    /// It was included and succeeded: see on chain whether it did what it was for.
    Confirm {
        /// The ledger that holds it.
        ledger: Ledger,
        /// What it cost.
        fee_charged: Stroops,
    },
    /// It is decided: nothing of it is in flight any more.
    Over(Unsuccessful),
}

/// How a transaction ended that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsuccessful {
    /// Included and failed: its fee is spent, its sequence number used.
    Failed {
        /// The ledger that holds it.
        ledger: Ledger,
        /// What it cost.
        fee_charged: Stroops,
        /// The result code.
        why: String,
    },
    /// Never included, and can't be any more.
    Expired {
        /// The endpoint's ledger when that was certain.
        at: Ledger,
    },
    /// Refused the only time it was offered: nobody holds it.
    Refused {
        /// The result code, and what to do.
        why: String,
        /// The fee for the whole transaction that would have been enough, when that was the reason.
        needed_fee: Option<Stroops>,
        /// The lane can't pay its fees.
        lane_is_short: bool,
    },
    /// Its sequence number is used up and the endpoint no longer holds the ledgers that could tell by which
    /// transaction. What the channel looks like is the only evidence left.
    Unknowable {
        /// The endpoint's ledger when that was certain.
        at: Ledger,
    },
}

/// The first step about a transaction at a new head, before anything is asked.
///
/// One that nobody has is sent; of any other the network is asked what became of it, for a transaction that was
/// included must not be taken for one that waits.
pub fn at_new_head(flight: &Flight) -> Opening {
    match flight.offered {
        Offered::Never => Opening::Send,
        Offered::Maybe => Opening::AskOutcome,
    }
}

/// The first step about a transaction: see [`at_new_head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Send it.
    Send,
    /// Ask what became of it.
    AskOutcome,
}

/// After the endpoint said what it knows of the transaction.
///
/// `head` is the newest ledger known: the same bytes are sent once a ledger, not more.
pub fn after_found(flight: &Flight, found: &Found, head: Ledger) -> Next {
    match found {
        Found::Included { ledger, fee_charged, failed: None } => {
            Next::Confirm { ledger: *ledger, fee_charged: *fee_charged }
        }
        Found::Included { ledger, fee_charged, failed: Some(why) } => {
            Next::Over(Unsuccessful::Failed { ledger: *ledger, fee_charged: *fee_charged, why: why.clone() })
        }
        Found::No { oldest, latest } if is_final(flight, *oldest, *latest) => {
            Next::Over(Unsuccessful::Expired { at: *latest })
        }
        // Past its bounds, but the endpoint has forgotten the ledgers that could hold it.
        Found::No { latest, .. } if *latest >= flight.max_ledger => Next::ReadAccount,
        Found::No { .. } if head >= flight.max_ledger => Next::Wait,
        Found::No { .. } if flight.last_sent.is_some_and(|sent| sent >= head) => Next::Wait,
        Found::No { .. } => Next::Send,
    }
}

/// Whether "not found" is final: the endpoint is past the bounds, and would know had the transaction been included in
/// any ledger since it was signed.
fn is_final(flight: &Flight, oldest: Ledger, latest: Ledger) -> bool {
    latest >= flight.max_ledger && oldest <= flight.signed_at
}

/// After the transaction was given to the network.
pub fn after_sent(flight: &Flight, sent: &Sent) -> Next {
    let refused = |why: String, needed_fee: Option<Stroops>, lane_is_short: bool| match flight.offered {
        Offered::Never => Next::Over(Unsuccessful::Refused { why, needed_fee, lane_is_short }),
        // Some queue may hold it from an earlier sending: only its bounds end it.
        Offered::Maybe => Next::Wait,
    };
    match sent {
        // TRY_AGAIN_LATER: the account has a transaction waiting (this one, perhaps) or the hash is banned for a while.
        Sent::Pending | Sent::Duplicate | Sent::TryAgainLater => Next::Wait,
        Sent::InsufficientFee { needed } => {
            refused(format!("the fee is too low: {} stroops were asked for", needed.0), Some(*needed), false)
        }
        // It may be this transaction itself that used the sequence number: the account and the hash tell.
        Sent::BadSequence => Next::ReadAccount,
        // Its bounds have passed; whether a ledger holds it is asked for at the next head.
        Sent::TooLate => refused("its ledger bounds have passed already".to_owned(), None, false),
        Sent::InsufficientBalance => refused("the lane's account can't pay the fee".to_owned(), None, true),
        Sent::Refused { code } => refused(format!("refused with {code}"), None, false),
    }
}

/// After the lane's account was read because the sequence number decides; `found` is what the endpoint knew of the
/// hash, asked **after** the account was read.
pub fn after_account(flight: &Flight, account: &LaneAccount, found: &Found) -> Next {
    let (oldest, latest) = match found {
        Found::Included { .. } => return after_found(flight, found, account.facts.read_at),
        Found::No { oldest, latest } => (*oldest, *latest),
    };
    if account.sequence >= flight.sequence {
        // Used up, by this transaction or by another. The answer about the hash counts only from a ledger at which the
        // account's sequence number was used already, and only if the endpoint remembers far enough back.
        return if latest < account.facts.read_at {
            Next::Wait
        } else if oldest <= flight.signed_at {
            Next::Over(Unsuccessful::Expired { at: latest })
        } else {
            Next::Over(Unsuccessful::Unknowable { at: latest })
        };
    }
    if latest >= flight.max_ledger && account.facts.read_at >= flight.max_ledger {
        // Past its bounds with its sequence number unused: it never was included.
        return Next::Over(Unsuccessful::Expired { at: account.facts.read_at });
    }
    match flight.offered {
        // The account is further back than thought; built on a wrong number, and nobody holds it.
        Offered::Never => Next::Over(Unsuccessful::Refused {
            why: format!("sequence number {} refused while the account is at {}", flight.sequence, account.sequence),
            needed_fee: None,
            lane_is_short: false,
        }),
        Offered::Maybe => Next::Wait,
    }
}

#[cfg(test)]
mod tests;
