//! Bounds what first vouchers on unknown channels cost.
//!
//! Before a channel is read from the chain, nothing proves who pays: any one can name any channel. So the admissions in
//! flight are bounded, and the addresses that the requests come from take turns. The number of channels is bounded by the watcher,
//! by the funder that the chain names.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use paychan_channel::ContractId;
use tokio::sync::{oneshot, watch};

use super::check::Flaw;
use crate::problem::ProblemType;

/// How many refusals are remembered. The oldest is forgotten first.
const REFUSALS: usize = 1_024;

/// The limits of admissions, which each cost the watcher some calls of its RPC endpoint.
///
/// An admission that has no place waits. A free place goes to the address that has the fewest admissions in flight, and
/// among those to the one that has waited longest. So whoever fills all places from a few addresses makes another payer wait for
/// one look at the chain, and does not lock it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// How many channels are admitted at the same time. 4 by default.
    pub at_a_time: usize,
    /// How many of these for one address, where an IPv6 network of 64 bits counts as one. As many more of it may wait. 2 by
    /// default. It holds for requests whose address is known; see [`Asked::peer`](super::Asked::peer).
    pub at_a_time_per_address: usize,
    /// How many admissions may wait for a place. 64 by default.
    pub waiting: usize,
    /// How long an admission waits for a place, and a request for the admission of its channel that another request has
    /// begun. 10 seconds by default.
    pub longest_wait: Duration,
    /// How long a channel that can't be admitted is refused without another look at the chain. 5 seconds by default,
    /// about one ledger.
    pub refusal_kept: Duration,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            at_a_time: 4,
            at_a_time_per_address: 2,
            waiting: 64,
            longest_wait: Duration::from_secs(10),
            refusal_kept: Duration::from_secs(5),
        }
    }
}

/// The admissions in flight, those that wait, and the newest refusals. Cloning is cheap, and clones are the same.
#[derive(Clone)]
pub(super) struct Admissions {
    limits: AdmissionLimits,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    of_address: HashMap<IpAddr, usize>,
    waiting: VecDeque<Waiting>,
    /// The channels that are being admitted or wait for that, and the end of that.
    channels: HashMap<ContractId, watch::Sender<()>>,
    refused: HashMap<ContractId, (Instant, Flaw)>,
}

/// An admission that waits for a place.
struct Waiting {
    peer: Option<IpAddr>,
    place: oneshot::Sender<Place>,
}

/// How an admission begins.
pub(super) enum Begun {
    /// It has a place until this is dropped.
    Admit(Admitting),
    /// Another request has admitted the channel meanwhile, or has failed to.
    Ended,
}

impl Admissions {
    pub(super) fn new(limits: AdmissionLimits) -> Self {
        Self { limits, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is made in one step, so after a panic the state is used as it is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a channel that was refused a moment ago.
    pub(super) fn check_refusal(&self, channel: &ContractId) -> Result<(), Flaw> {
        self.state().check_refusal(channel, self.limits.refusal_kept)
    }

    /// Begins an admission, or waits for the one of the same channel that another request has begun.
    pub(super) async fn begin(&self, channel: &ContractId, peer: Option<IpAddr>) -> Result<Begun, Flaw> {
        let longest = self.limits.longest_wait;
        let waits = {
            let mut state = self.state();
            state.check_refusal(channel, self.limits.refusal_kept)?;
            match state.channels.get(channel) {
                Some(end) => Waits::ForTheOther(end.subscribe()),
                None => {
                    let place = self.place(&mut state, peer.map(payer_of))?;
                    let (end, _) = watch::channel(());
                    state.channels.insert(*channel, end);
                    Waits::ForAPlace(place, OfChannel { admissions: self.clone(), channel: *channel })
                }
            }
        };
        match waits {
            Waits::ForTheOther(mut end) => {
                // It ends with an error, since nothing is ever sent.
                match tokio::time::timeout(longest, end.changed()).await {
                    Ok(_) => Ok(Begun::Ended),
                    Err(_) => Err(busy("this channel is being read from the chain; nothing was taken")),
                }
            }
            Waits::ForAPlace(place, of_channel) => match tokio::time::timeout(longest, place).await {
                Ok(Ok(place)) => Ok(Begun::Admit(Admitting { _place: place, _of_channel: of_channel })),
                _ => Err(busy("too many new channels at a time; nothing was taken")),
            },
        }
    }

    /// A place, which may come later.
    fn place(&self, state: &mut State, peer: Option<IpAddr>) -> Result<oneshot::Receiver<Place>, Flaw> {
        let (place, taken) = oneshot::channel();
        // Those who no longer wait make room.
        state.waiting.retain(|waiting| !waiting.place.is_closed());
        let of_peer = state.waiting.iter().filter(|waiting| peer.is_some() && waiting.peer == peer).count();
        if state.has_place_for(peer, &self.limits) {
            // Whoever waits has no place because of its address.
            let _ = place.send(self.take(state, peer));
        } else if of_peer >= self.limits.at_a_time_per_address {
            return Err(busy("too many new channels at a time from this address; nothing was taken"));
        } else if state.waiting.len() >= self.limits.waiting || self.limits.longest_wait.is_zero() {
            return Err(busy("too many new channels at a time; nothing was taken"));
        } else {
            state.waiting.push_back(Waiting { peer, place });
        }
        Ok(taken)
    }

    fn take(&self, state: &mut State, peer: Option<IpAddr>) -> Place {
        state.in_flight += 1;
        if let Some(peer) = peer {
            *state.of_address.entry(peer).or_default() += 1;
        }
        Place { admissions: self.clone(), peer }
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

enum Waits {
    ForTheOther(watch::Receiver<()>),
    ForAPlace(oneshot::Receiver<Place>, OfChannel),
}

impl State {
    fn check_refusal(&self, channel: &ContractId, kept: Duration) -> Result<(), Flaw> {
        if let Some((at, flaw)) = self.refused.get(channel)
            && let Some(left) = kept.checked_sub(at.elapsed())
            && !left.is_zero()
        {
            return Err(Flaw { retry_after: Some(whole_seconds(left)), ..flaw.clone() });
        }
        Ok(())
    }

    fn in_flight_of(&self, peer: Option<IpAddr>) -> usize {
        peer.and_then(|peer| self.of_address.get(&peer)).copied().unwrap_or_default()
    }

    fn has_place_for(&self, peer: Option<IpAddr>, limits: &AdmissionLimits) -> bool {
        self.in_flight < limits.at_a_time && (peer.is_none() || self.in_flight_of(peer) < limits.at_a_time_per_address)
    }

    /// Who gets a free place: of those who may have it, the address with the fewest admissions in flight, and then the one that
    /// has waited longest.
    fn next(&mut self, limits: &AdmissionLimits) -> Option<Waiting> {
        let may = |waiting: &Waiting| self.has_place_for(waiting.peer, limits) && !waiting.place.is_closed();
        let next = self.waiting.iter().enumerate().filter(|(_, waiting)| may(waiting));
        let (at, _) = next.min_by_key(|(at, waiting)| (self.in_flight_of(waiting.peer), *at))?;
        self.waiting.remove(at)
    }
}

/// An admission in flight.
pub(super) struct Admitting {
    _place: Place,
    _of_channel: OfChannel,
}

/// When it is dropped, whoever waits for the channel's admission goes on.
struct OfChannel {
    admissions: Admissions,
    channel: ContractId,
}

impl Drop for OfChannel {
    fn drop(&mut self) {
        self.admissions.state().channels.remove(&self.channel);
    }
}

/// One of the places. When it is dropped, the next one gets it.
struct Place {
    admissions: Admissions,
    peer: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admissions.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        if let Some(peer) = self.peer {
            let left = state.in_flight_of(Some(peer)).saturating_sub(1);
            if left == 0 {
                state.of_address.remove(&peer);
            } else {
                state.of_address.insert(peer, left);
            }
        }
        let next = state.next(&self.admissions.limits);
        let next = next.map(|waiting| (self.admissions.take(&mut state, waiting.peer), waiting.place));
        drop(state);
        if let Some((place, waiting)) = next {
            // If it has just stopped waiting, the place comes back and is dropped here, so that it goes on to the next.
            drop(waiting.send(place));
        }
    }
}

fn busy(why: &str) -> Flaw {
    Flaw::new(ProblemType::Unavailable, why)
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
