//! Bounds what first vouchers on unknown channels cost.
//!
//! Before a channel is read from the chain, nothing proves who pays: any one can name any channel. So the admissions in
//! flight are bounded by the address that the request comes from. The number of channels is bounded by the watcher, by
//! the funder that the chain names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use paychan_channel::ContractId;

use super::check::Flaw;
use crate::problem::ProblemType;

/// How many refusals are remembered. The oldest is forgotten first.
const REFUSALS: usize = 1_024;

/// The limits of admissions, which each cost the watcher some calls of its RPC endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// How many channels are admitted at the same time. 4 by default.
    pub at_a_time: usize,
    /// How many of these for one address, where an IPv6 network of 64 bits counts as one. 2 by default. It holds for
    /// requests whose address is known; see [`Asked::peer`](super::Asked::peer).
    pub at_a_time_per_address: usize,
    /// How long a channel that can't be admitted is refused without another look at the chain. 5 seconds by default,
    /// about one ledger.
    pub refusal_kept: Duration,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self { at_a_time: 4, at_a_time_per_address: 2, refusal_kept: Duration::from_secs(5) }
    }
}

/// The admissions in flight, and the newest refusals.
pub(super) struct Admissions {
    limits: AdmissionLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    of_address: HashMap<IpAddr, usize>,
    refused: HashMap<ContractId, (Instant, Flaw)>,
}

impl Admissions {
    pub(super) fn new(limits: AdmissionLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is made in one step, so after a panic the state is used as it is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves an admission until the answer is dropped.
    pub(super) fn begin(&self, channel: &ContractId, peer: Option<IpAddr>) -> Result<Admitting<'_>, Flaw> {
        let peer = peer.map(payer_of);
        let mut state = self.state();
        if let Some((at, flaw)) = state.refused.get(channel)
            && let Some(left) = self.limits.refusal_kept.checked_sub(at.elapsed())
            && !left.is_zero()
        {
            return Err(Flaw { retry_after: Some(whole_seconds(left)), ..flaw.clone() });
        }
        let of_peer = peer.and_then(|peer| state.of_address.get(&peer)).copied().unwrap_or_default();
        if peer.is_some() && of_peer >= self.limits.at_a_time_per_address {
            let why = "too many new channels at a time from this address; nothing was taken";
            return Err(Flaw::new(ProblemType::Unavailable, why));
        }
        if state.in_flight >= self.limits.at_a_time {
            return Err(Flaw::new(ProblemType::Unavailable, "too many new channels at a time; nothing was taken"));
        }
        state.in_flight += 1;
        if let Some(peer) = peer {
            state.of_address.insert(peer, of_peer + 1);
        }
        Ok(Admitting { admissions: self, peer })
    }

    /// Remembers that the channel can't be admitted, if that is because of the channel, and says when to ask again.
    pub(super) fn refused(&self, channel: &ContractId, flaw: Flaw) -> Flaw {
        let of_channel = matches!(
            flaw.problem,
            ProblemType::ChannelRefused
                | ProblemType::ChannelNotFound
                | ProblemType::ChannelClosing
                | ProblemType::ChannelFinalized
        );
        let kept = self.limits.refusal_kept;
        if !of_channel || kept.is_zero() {
            return flaw;
        }
        let mut state = self.state();
        if state.refused.len() >= REFUSALS {
            let oldest = state.refused.iter().min_by_key(|(_, (at, _))| *at).map(|(channel, _)| *channel);
            oldest.and_then(|oldest| state.refused.remove(&oldest));
        }
        state.refused.insert(*channel, (Instant::now(), flaw.clone()));
        Flaw { retry_after: Some(whole_seconds(kept)), ..flaw }
    }
}

/// An admission in flight.
pub(super) struct Admitting<'a> {
    admissions: &'a Admissions,
    peer: Option<IpAddr>,
}

impl Drop for Admitting<'_> {
    fn drop(&mut self) {
        let mut state = self.admissions.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        let Some(peer) = self.peer else { return };
        let left = state.of_address.get(&peer).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            state.of_address.remove(&peer);
        } else {
            state.of_address.insert(peer, left);
        }
    }
}

/// The address that stands for a payer. One customer of a network provider has at least 64 bits of IPv6 addresses.
fn payer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

/// At least as long, in whole seconds.
fn whole_seconds(left: Duration) -> u32 {
    let started = u64::from(left.subsec_nanos() > 0);
    u32::try_from(left.as_secs().saturating_add(started)).unwrap_or(u32::MAX)
}
