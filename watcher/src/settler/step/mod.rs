//! Decides the next step for a transaction in flight from what the network answered. Pure.
//!
//! All steps follow one rule: a lane never has two transactions that could both be pending. So a transaction is given
//! up only when it is certain that the network will never include it: it was refused the only time it was sent, or its
//! bounds have passed and the endpoint would know if it had been included, or its sequence number is used.

use paychan_channel::{Ledger, Stroops};

use crate::chain::{Found, LaneAccount, Sent};

/// The number of ledgers for which stellar-core keeps a waiting transaction. It then drops it and refuses its hash for
/// ten more (stellar-core, `TransactionQueue`, pending depth in `HerderImpl.cpp`).
pub const QUEUE_AGE_LIMIT: u32 = 4;

/// Ledgers from the head at signing to `ledgerBounds.max`, which is exclusive.
///
/// It is one more than the queue's age limit, so that a transaction that is not included ends by its bounds and not by
/// a ban. It is not more, because each attempt that is not included costs its bounds in reaction time (the term b of
/// the admission floor).
pub const BOUNDS_LEDGERS: u32 = 5;
const _: () = assert!(BOUNDS_LEDGERS > QUEUE_AGE_LIMIT);
const _: () = assert!(BOUNDS_LEDGERS <= QUEUE_AGE_LIMIT + 1);

/// What the steps need to know of a transaction whose outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// The lane account's sequence number in it.
    pub sequence: i64,
    /// The head when it was signed. No earlier ledger can include it.
    pub signed_at: Ledger,
    /// The first ledger that can't include it any more.
    pub max_ledger: Ledger,
    /// Whether it may have been sent.
    pub offered: Offered,
    /// The head at which this process last sent it.
    pub last_sent: Option<Ledger>,
}

/// Whether a transaction may be in some node's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// This process has signed and recorded it, and not sent it yet, so nobody has it.
    Never,
    /// It was sent, or a process before this one may have sent it.
    Maybe,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Send the same bytes to the network.
    Send,
    /// Do nothing before the next ledger.
    Wait,
    /// Read the lane's account, whose sequence number decides.
    ReadAccount,
    /// It was included and succeeded. Check on chain whether it had its effect.
    Confirm {
        /// The ledger that includes it.
        ledger: Ledger,
        /// The fee that it paid.
        fee_charged: Stroops,
    },
    /// It is not in flight any more.
    Over(Unsuccessful),
}

/// How a transaction ended that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsuccessful {
    /// It was included and failed. Its fee is paid and its sequence number used.
    Failed {
        /// The ledger that includes it.
        ledger: Ledger,
        /// The fee that it paid.
        fee_charged: Stroops,
        /// The result code.
        why: String,
    },
    /// It was not included, and can't be included any more.
    Expired {
        /// The endpoint's ledger at which this became certain.
        at: Ledger,
    },
    /// It was refused the only time it was sent, so nobody holds it.
    Refused {
        /// The result code, and what to do.
        why: String,
        /// The fee for the whole transaction that would have been enough, when the fee was the reason.
        needed_fee: Option<Stroops>,
        /// Whether the lane's account can't pay the fee.
        lane_is_short: bool,
    },
    /// Its sequence number is used, and the endpoint no longer has the ledgers that show by which transaction. The
    /// channel's state is the only evidence left.
    Unknowable {
        /// The endpoint's ledger at which this became certain.
        at: Ledger,
    },
}

/// The first step for a transaction at a new head.
///
/// A transaction that nobody has is sent. For any other, the network is first asked for its outcome, since it may be
/// included already.
pub fn at_new_head(flight: &Flight) -> Opening {
    match flight.offered {
        Offered::Never => Opening::Send,
        Offered::Maybe => Opening::AskOutcome,
    }
}

/// The first step for a transaction: see [`at_new_head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Send the transaction.
    Send,
    /// Ask for its outcome.
    AskOutcome,
}

/// The next step after the endpoint said what it knows of the transaction.
///
/// `head` is the newest known ledger. The same bytes are sent at most once per ledger.
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
        // The bounds have passed, but the endpoint has forgotten the ledgers that could include it.
        Found::No { latest, .. } if *latest >= flight.max_ledger => Next::ReadAccount,
        Found::No { .. } if head >= flight.max_ledger => Next::Wait,
        Found::No { .. } if flight.last_sent.is_some_and(|sent| sent >= head) => Next::Wait,
        Found::No { .. } => Next::Send,
    }
}

/// Whether "not found" is final: the endpoint is past the bounds and still has all ledgers since the transaction was
/// signed.
fn is_final(flight: &Flight, oldest: Ledger, latest: Ledger) -> bool {
    latest >= flight.max_ledger && oldest <= flight.signed_at
}

/// The next step after the transaction was sent.
pub fn after_sent(flight: &Flight, sent: &Sent) -> Next {
    let refused = |why: String, needed_fee: Option<Stroops>, lane_is_short: bool| match flight.offered {
        Offered::Never => Next::Over(Unsuccessful::Refused { why, needed_fee, lane_is_short }),
        // Some queue may hold it since an earlier sending, so only its bounds end it.
        Offered::Maybe => Next::Wait,
    };
    match sent {
        // TRY_AGAIN_LATER means that the account has a waiting transaction (perhaps this one), or that the hash is
        // banned for a while.
        Sent::Pending | Sent::Duplicate | Sent::TryAgainLater => Next::Wait,
        Sent::InsufficientFee { needed } => {
            refused(format!("the fee is too low: {} stroops were asked for", needed.0), Some(*needed), false)
        }
        // This transaction itself may have used the sequence number. The account and the hash show it.
        Sent::BadSequence => Next::ReadAccount,
        // The bounds have passed. At the next head, the endpoint is asked whether a ledger includes it.
        Sent::TooLate => refused("its ledger bounds have passed already".to_owned(), None, false),
        Sent::InsufficientBalance => refused("the lane's account can't pay the fee".to_owned(), None, true),
        Sent::Refused { code } => refused(format!("refused with {code}"), None, false),
    }
}

/// The next step after the lane's account was read because the sequence number decides. `found` is the endpoint's
/// answer about the hash, and was asked for **after** the account was read.
pub fn after_account(flight: &Flight, account: &LaneAccount, found: &Found) -> Next {
    let (oldest, latest) = match found {
        Found::Included { .. } => return after_found(flight, found, account.facts.read_at),
        Found::No { oldest, latest } => (*oldest, *latest),
    };
    if account.sequence >= flight.sequence {
        // This transaction or another one has used the number. The answer about the hash counts only if it is from a
        // ledger at which the number was used already, and if the endpoint still has all ledgers since the signing.
        return if latest < account.facts.read_at {
            Next::Wait
        } else if oldest <= flight.signed_at {
            Next::Over(Unsuccessful::Expired { at: latest })
        } else {
            Next::Over(Unsuccessful::Unknowable { at: latest })
        };
    }
    if latest >= flight.max_ledger && account.facts.read_at >= flight.max_ledger {
        // The bounds have passed and the sequence number is unused, so it was never included.
        return Next::Over(Unsuccessful::Expired { at: account.facts.read_at });
    }
    match flight.offered {
        // The account's number is lower than expected: the transaction was built on a wrong number, and nobody holds
        // it.
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
