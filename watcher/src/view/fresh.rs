//! Decides whether the view is fresh enough to take money on it.

use std::time::Duration;

use paychan_channel::Ledger;

use super::KnownHead;
use crate::chain::{Agreement, Head};
use crate::config::FreshnessLimits;

/// Why the view is not fresh. Each rule finds a case that the others miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFresh {
    /// No node ever answered.
    #[error("no ledger was seen yet; the watcher has not reached a node of the network")]
    NoHead,
    /// Too few of the endpoints agree on the chain.
    #[error(
        "{agreeing} of the {configured} endpoints agree on the chain, but {needed} are needed; the others give no answer, lag \
         behind or tell another history"
    )]
    NoQuorum {
        /// How many agree.
        agreeing: usize,
        /// How many have to agree.
        needed: usize,
        /// How many are configured.
        configured: usize,
    },
    /// The node does not say when its newest ledger closed, or gives an impossible time.
    #[error(
        "the endpoint does not say when the newest ledger known, {ledger}, closed, so its age can't be judged; use an \
         endpoint that runs stellar-rpc v24 or newer"
    )]
    HeadUndated {
        /// The head.
        ledger: Ledger,
    },
    /// The node answers with old ledgers.
    #[error(
        "the newest ledger known, {ledger}, closed {age_s} s ago by this machine's wall clock, the limit is {limit_s} s; \
         the node lags, or the clock is fast"
    )]
    HeadOld {
        /// The head.
        ledger: Ledger,
        /// Its age in seconds.
        age_s: u64,
        /// The limit in seconds.
        limit_s: u64,
    },
    /// This machine's clock is behind the network's.
    #[error(
        "the newest ledger known, {ledger}, is dated {ahead_s} s ahead of this machine's wall clock, the limit is \
         {limit_s} s; set the clock"
    )]
    HeadAhead {
        /// The head.
        ledger: Ledger,
        /// How far ahead, in seconds.
        ahead_s: u64,
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The node repeats the same ledger. A frozen node would never look old by its own clock.
    #[error(
        "the newest ledger known, {ledger}, has not been followed by another for {still_s} s by the boot clock, the \
         limit is {limit_s} s; the node is frozen or out of reach, or this machine was suspended"
    )]
    HeadStill {
        /// The head.
        ledger: Ledger,
        /// How long it has stayed the same, in seconds.
        still_s: u64,
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The channel's entries were never read by this process.
    #[error("the channel's ledger entries have not been read yet; the first sweep is still under way")]
    Unread,
    /// Its entries could not be understood at the last read.
    #[error("the channel's ledger entries could not be understood when they were last read; the log says why")]
    Unreadable,
    /// Something that happened to the channel may have been missed.
    #[error(
        "the channel's history is known without a gap only up to ledger {gap_free_to}, {behind} ledgers behind the head; the \
         limit is {limit}"
    )]
    Behind {
        /// The ledger up to which it is known without a gap.
        gap_free_to: Ledger,
        /// Ledgers between that and the head.
        behind: u32,
        /// The limit F.
        limit: u32,
    },
    /// The sweep is overdue.
    #[error(
        "the channel's ledger entries were last read at ledger {read_at}, {ago} ledgers ago; they must be read every \
         {limit}, since a missing event proves nothing"
    )]
    Unswept {
        /// The ledger of the last read.
        read_at: Ledger,
        /// The ledgers since then.
        ago: u32,
        /// The limit.
        limit: u32,
    },
}

pub(super) fn chain(
    known: Option<&KnownHead>,
    agreement: Option<Agreement>,
    limits: &FreshnessLimits,
    wall_unix_ms: u64,
    boot: Duration,
) -> Result<Head, NotFresh> {
    let known = known.ok_or(NotFresh::NoHead)?;
    if let Some(Agreement { agreeing, needed, configured }) = agreement.filter(|agreement| !agreement.is_quorum()) {
        return Err(NotFresh::NoQuorum { agreeing, needed, configured });
    }
    let ledger = known.head.ledger;
    let closed = known.head.closed_at_unix_ms.ok_or(NotFresh::HeadUndated { ledger })?;
    let closed = Duration::from_millis(closed);
    let wall = Duration::from_millis(wall_unix_ms);

    let age = wall.saturating_sub(closed);
    if age > limits.age {
        return Err(NotFresh::HeadOld { ledger, age_s: age.as_secs(), limit_s: limits.age.as_secs() });
    }
    let ahead = closed.saturating_sub(wall);
    if ahead > limits.ahead {
        return Err(NotFresh::HeadAhead { ledger, ahead_s: ahead.as_secs(), limit_s: limits.ahead.as_secs() });
    }
    let still = boot.saturating_sub(known.advanced_at);
    if still > limits.age {
        return Err(NotFresh::HeadStill { ledger, still_s: still.as_secs(), limit_s: limits.age.as_secs() });
    }
    Ok(known.head)
}

pub(super) fn channel(
    head: Ledger,
    read_at: Ledger,
    gap_free_to: Ledger,
    limits: &FreshnessLimits,
) -> Result<(), NotFresh> {
    let behind = head.0.saturating_sub(gap_free_to.0);
    if behind > limits.behind_ledgers {
        return Err(NotFresh::Behind { gap_free_to, behind, limit: limits.behind_ledgers });
    }
    let ago = head.0.saturating_sub(read_at.0);
    if ago > limits.unread_ledgers {
        return Err(NotFresh::Unswept { read_at, ago, limit: limits.unread_ledgers });
    }
    Ok(())
}
