//! The faults that are on, and when others were.

use super::kinds::Kind;

/// A fault that is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// The ledger at which it ends.
    pub(super) until: u32,
    /// The endpoint that has it, if it is of an endpoint. They are counted from zero.
    pub(super) endpoint: u32,
    /// The channel that it is about, if it is about one. They are counted from one.
    pub(super) channel: u8,
    /// The recipient that it is about, if it is about one. They are counted from zero.
    pub(super) recipient: u8,
}

/// The faults that are on, and when others were.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub(super) on: Vec<Fault>,
    /// Whether fees are high because a deadline is near.
    pub(super) surges: bool,
    /// The last ledger at which a fault kept the process from reading channels.
    pub(crate) blind_at: u32,
    /// The last ledger at which a fault kept the process from reading any channel at all.
    pub(crate) silent_at: u32,
    /// The last ledger in which the process was stopped.
    pub(crate) crashed_at: u32,
    /// The last ledger of each fault that is over.
    pub(super) over: Vec<(u32, Kind)>,
}

impl Trouble {
    pub(crate) fn is_on(&self, kind: Kind) -> bool {
        self.on.iter().any(|fault| fault.kind == kind)
    }

    /// The number of endpoints that have faults of their own.
    pub(super) fn faulty_endpoints(&self) -> usize {
        let of_endpoints = self.on.iter().filter(|fault| fault.kind.is_of_the_endpoint());
        let faulty: std::collections::BTreeSet<u32> = of_endpoints.map(|fault| fault.endpoint).collect();
        faulty.len()
    }

    /// Whether one of these kinds has ended since the ledger before.
    pub(crate) fn has_just_ended(&self, kinds: &[Kind], now: u32) -> bool {
        self.over.iter().any(|(at, kind)| at + 1 >= now && kinds.contains(kind))
    }

    /// Whether a fault of this kind is or was on.
    pub(crate) fn was_on(&self, kind: Kind) -> bool {
        self.is_on(kind) || self.over.iter().any(|(_, over)| *over == kind)
    }

    /// Whether any fault was on, or the process was stopped, in one of the last `ledgers`.
    pub(crate) fn was_any_on(&self, now: u32, ledgers: u32) -> bool {
        let last = self.over.iter().map(|(at, _)| *at).max().unwrap_or(0).max(self.crashed_at);
        !self.on.is_empty() || last + ledgers >= now
    }
}
