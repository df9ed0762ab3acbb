//! Reads channels' entries into the view: at sweeps, after events, after settlements, and on request.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use paychan_channel::{Amount, ChannelState, ContractId, Ledger};
use tracing::{info, warn};

use crate::alarm::raise;
use crate::chain::{Chain, ChainError, ChainErrorKind, ChannelRead, KnownChannel};
use crate::view::{ChannelView, View};
use paychan_store::{Held, Store};

/// How many channels one call reads. Three entries for each, and the entries that they share, stay below the 200 keys
/// of one call (stellar-rpc, `methods/get_ledger_entries.go`). What was read is in the view before the next call.
const CHANNELS_AT_ONCE: usize = 50;

/// Reads a channel again on request. This is how a top-up is seen.
///
/// It is a trait so that tests of its callers need no network.
pub trait Reread: Send + Sync {
    /// Reads the channel, unless it was read on request at this ledger already. Waits for a reading that is under way. The
    /// view then holds the result; a failure changes nothing in it.
    fn reread<'a>(&'a self, channel: &'a ContractId) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// Reads watched channels and writes their state to the view. It is cheap to clone.
#[derive(Clone)]
pub struct ChannelReader {
    chain: Arc<dyn Chain>,
    store: Store,
    view: Arc<View>,
    /// One entry for each channel. A caller who reads the channel holds the lock of its entry.
    asked: Arc<Mutex<HashMap<ContractId, LastAsked>>>,
    /// Channels that the store held at the start and that were not read since. Their first read shows whether the store
    /// was rolled back.
    unproven: Arc<Mutex<HashSet<ContractId>>>,
    /// Channels that could not be read the last time.
    unreadable: Arc<Mutex<HashSet<ContractId>>>,
}

/// The head at which a channel was last read on request.
type LastAsked = Arc<tokio::sync::Mutex<Option<Ledger>>>;

/// The result of reading channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSummary {
    /// How many channels were read.
    pub read: usize,
    /// Channels that were not there or could not be understood. Each raises an alarm.
    pub unreadable: Vec<ContractId>,
    /// The lowest ledger at which a state was read.
    pub lowest: Option<Ledger>,
    /// How many channels too few of several endpoints reported.
    unconfirmed: usize,
}

impl ChannelReader {
    /// A reader of this store's channels.
    pub fn new(chain: Arc<dyn Chain>, store: Store, view: Arc<View>) -> Self {
        let unproven = store.all_held().iter().map(Held::channel).collect();
        Self {
            chain,
            store,
            view,
            asked: Arc::default(),
            unproven: Arc::new(Mutex::new(unproven)),
            unreadable: Arc::default(),
        }
    }

    /// Reads those of these channels that are watched.
    ///
    /// # Errors
    /// The endpoint gave no usable answer. What was read before is in the view.
    pub async fn read(&self, channels: &[ContractId]) -> Result<ReadSummary, ChainError> {
        let held: Vec<Held> = channels.iter().filter_map(|channel| self.store.held(channel)).collect();
        self.read_held(&held).await
    }

    /// Reads all watched channels.
    ///
    /// # Errors
    /// Those of [`ChannelReader::read`].
    pub async fn read_all(&self) -> Result<ReadSummary, ChainError> {
        self.read_held(&self.store.all_held()).await
    }

    async fn read_held(&self, held: &[Held]) -> Result<ReadSummary, ChainError> {
        let mut summary = ReadSummary::default();
        let mut failed = None;
        for some in held.chunks(CHANNELS_AT_ONCE) {
            // A failed call must not hide the channels after it, and an answer that can't be decoded must not hide the
            // other channels of the same call.
            let outcome = match self.read_some(some, &mut summary).await {
                Err(error) if error.kind == ChainErrorKind::Undecodable => {
                    self.read_one_by_one(some, &mut summary).await
                }
                other => other,
            };
            failed = failed.or(outcome.err());
        }
        match failed {
            None => Ok(summary),
            Some(error) => Err(error),
        }
    }

    /// Reads these channels one by one. A channel whose answer can't be decoded is unreadable, which is no error of
    /// this function.
    async fn read_one_by_one(&self, held: &[Held], summary: &mut ReadSummary) -> Result<(), ChainError> {
        let mut failed = None;
        for one in held.chunks(1) {
            match self.read_some(one, summary).await {
                Err(error) if error.kind == ChainErrorKind::Undecodable => {
                    for held in one {
                        self.unreadable(&held.channel(), error.to_string(), summary);
                    }
                }
                outcome => failed = failed.or(outcome.err()),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Reads as many channels as one call takes.
    async fn read_some(&self, some: &[Held], summary: &mut ReadSummary) -> Result<(), ChainError> {
        let watched: Vec<KnownChannel> = some.iter().map(|held| self.watched(held)).collect();
        let by_id: HashMap<ContractId, &Held> = some.iter().map(|held| (held.channel(), held)).collect();
        let mut missing: HashSet<ContractId> = by_id.keys().copied().collect();
        for read in self.chain.read_channels(&watched).await? {
            let channel = read.channel();
            let Some(held) = by_id.get(&channel).filter(|_| missing.remove(&channel)) else {
                continue;
            };
            self.take(held, read, summary);
        }
        for channel in missing {
            self.unreadable(&channel, "the endpoint's answer left it out".to_owned(), summary);
        }
        for held in some {
            self.remember_paid_elsewhere(held).await;
        }
        match std::mem::take(&mut summary.unconfirmed) {
            0 => Ok(()),
            channels => Err(ChainError {
                what: "reading channels",
                kind: ChainErrorKind::Behind,
                message: format!("too few endpoints report the state of {channels} channels, so it can't be believed"),
            }),
        }
    }

    fn watched(&self, held: &Held) -> KnownChannel {
        let known = self.view.channel(&held.channel());
        KnownChannel {
            channel: held.channel(),
            wasm_hash: held.admission.wasm_hash,
            token: held.admission.token,
            token_code: known.and_then(|known| known.state.token_kind.code()),
        }
    }

    fn take(&self, held: &Held, read: ChannelRead, summary: &mut ReadSummary) {
        let channel = held.channel();
        let (state, close_agreed) = match read {
            ChannelRead::Read(state) => (state, None),
            ChannelRead::Agreed { state, close_agreed } => (state, Some(close_agreed)),
            ChannelRead::Unconfirmed(state) => return self.unconfirmed(held, state, summary),
            ChannelRead::Missing { at, .. } => {
                let why = format!("ledger {at} has no contract instance at its address");
                return self.unreadable(&channel, why, summary);
            }
            ChannelRead::Undecodable { why, .. } => return self.unreadable(&channel, why, summary),
        };
        match same_channel(held, state) {
            Ok(state) => {
                summary.read += 1;
                summary.lowest = Some(summary.lowest.map_or(state.read_at, |known| known.min(state.read_at)));
                if lock(&self.unreadable).remove(&channel) {
                    info!(%channel, at = %state.read_at, "the channel can be read again");
                    self.view.set_trouble(&channel, None);
                }
                self.prove(held, &state);
                self.report_changes(held, &state);
                let at = state.read_at;
                let taken_back = match close_agreed {
                    None => {
                        self.view.merge_channel(state);
                        false
                    }
                    Some(close_agreed) => self.view.merge_agreed(state, close_agreed),
                };
                if taken_back {
                    info!(%channel, %at, "more than half of the endpoints deny the reported close, so it is taken back");
                }
            }
            Err(why) => self.unreadable(&channel, why, summary),
        }
    }

    /// Handles a state that too few of several endpoints report. Only a close in it is believed, since one endpoint
    /// alone must not make anything look paid or ended.
    fn unconfirmed(&self, held: &Held, state: ChannelState, summary: &mut ReadSummary) {
        summary.unconfirmed += 1;
        let Some(deadline) = same_channel(held, state.clone()).ok().and_then(|state| state.deadline()) else { return };
        let channel = held.channel();
        let known = self.view.channel(&channel);
        let before = known
            .as_ref()
            .map_or_else(|| self.view.unread(&channel).and_then(|unread| unread.deadline), |known| known.deadline);
        if before != Some(deadline) && known.is_none_or(|known| !known.ended) {
            raise!(
                CloseSeen, %channel, %deadline, at = %state.read_at,
                "too few endpoints to be certain report that a close has started; what is unsettled is settled before the deadline"
            );
        }
        self.view.note_unconfirmed_close(&channel, deadline, state.read_at);
    }

    /// Checks at the first read since the start whether the chain has paid more than the store ever held. The view gets
    /// this before it gets the channel's state, so that nothing is acknowledged in between.
    fn prove(&self, held: &Held, state: &ChannelState) {
        let channel = state.channel;
        let first = lock(&self.unproven).remove(&channel);
        if !first || !rolled_back(held, state.withdrawn) {
            return;
        }
        raise!(
            StoreRolledBack, %channel, withdrawn = %state.withdrawn, highest = %held.highest_amount(),
            "the chain has paid more than the highest commitment held: either the store is an old copy, or somebody else \
             settled a commitment while this watcher was down. Nothing is acknowledged on this channel until \
             `paychan-watcher confirm-rollback` was run; settling goes on"
        );
        let mut channels = self.view.rolled_back_channels();
        channels.push(channel);
        self.view.set_rolled_back(channels);
    }

    /// Records that somebody else settled a commitment while this watcher ran, so that the next start does not take it
    /// for a store that was rolled back. If it happens while the watcher is down, the two cases look the same.
    async fn remember_paid_elsewhere(&self, held: &Held) {
        let channel = held.channel();
        let Some(known) = self.view.channel(&channel) else {
            return;
        };
        let Some(held) = self.store.held(&channel) else {
            return;
        };
        let withdrawn = known.state.withdrawn;
        if !rolled_back(&held, withdrawn)
            || self.view.is_rolled_back(&channel)
            || lock(&self.unproven).contains(&channel)
        {
            return;
        }
        if let Err(error) = self.store.confirm_rollback(channel, withdrawn).await {
            warn!(%channel, %error, "somebody else settled this channel, and this could not be recorded");
        }
    }

    /// Reports changes that an operator must know, once, when they are first seen.
    fn report_changes(&self, held: &Held, state: &ChannelState) {
        let before = self.view.channel(&state.channel);
        let unsettled = state.unsettled(held.claim_amount());
        if let Some(deadline) = state.deadline()
            && before.as_ref().is_none_or(|known| known.state.deadline() != Some(deadline))
            && !state.is_final()
        {
            raise!(
                CloseSeen, channel = %state.channel, %deadline, at = %state.read_at, %unsettled,
                "a close has started: what is unsettled must be settled before the deadline"
            );
        }
        let was_ended = before.as_ref().is_some_and(|known| known.ended);
        if state.is_final() && !was_ended {
            if unsettled.is_zero() {
                info!(channel = %state.channel, at = %state.read_at, "the channel has ended, and everything was paid");
            } else {
                raise!(
                    Loss, channel = %state.channel, at = %state.read_at, %unsettled,
                    "the channel has ended with commitments unpaid"
                );
            }
        }
        if !state.is_final() {
            report_balance(held, state, before.as_ref());
        }
        if state.withdrawn > held.highest_amount()
            && before.is_some_and(|known| known.state.withdrawn <= held.highest_amount())
        {
            warn!(
                channel = %state.channel, withdrawn = %state.withdrawn, highest = %held.highest_amount(),
                "the chain has paid more than the highest commitment held here, so somebody else holds a higher one"
            );
        }
    }

    fn unreadable(&self, channel: &ContractId, why: String, summary: &mut ReadSummary) {
        summary.unreadable.push(*channel);
        raise!(
            ChainNotUnderstood, %channel, why,
            "a watched channel can't be read; it takes no commitments until it can"
        );
        lock(&self.unreadable).insert(*channel);
        self.view.mark_unreadable(channel, format!("can't be read: {why}"));
    }
}

impl Reread for ChannelReader {
    fn reread<'a>(&'a self, channel: &'a ContractId) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let Some(head) = self.view.head().map(|head| head.ledger) else { return };
            let entry = lock(&self.asked).entry(*channel).or_default().clone();
            let mut asked = entry.lock().await;
            // Nothing changes within a ledger, and a submitter must not use up the endpoint's rate limit.
            if *asked == Some(head) {
                return;
            }
            if let Err(error) = self.read(&[*channel]).await {
                warn!(%channel, %error, "a channel could not be read on request");
            }
            *asked = Some(head);
        })
    }
}

/// Raises an alarm when it is first seen that the issuer has frozen the channel's balance or taken some of it.
fn report_balance(held: &Held, state: &ChannelState, before: Option<&ChannelView>) {
    if !state.balance_authorized && before.is_none_or(|known| known.state.balance_authorized) {
        raise!(
            BalanceFrozen, channel = %state.channel, at = %state.read_at,
            unsettled = %state.unsettled(held.claim_amount()),
            "the token's issuer has frozen the channel's balance: nothing can be settled until it lifts that"
        );
    }
    let uncovered = |state: &ChannelState| held.claim_amount() > state.coverage();
    if uncovered(state) && before.is_none_or(|known| !uncovered(&known.state)) {
        raise!(
            CoverageFell, channel = %state.channel, at = %state.read_at, highest = %held.claim_amount(),
            coverage = %state.coverage(),
            "the channel covers less than the highest commitment held: the token's issuer has taken some of its balance"
        );
    }
}

/// Whether the store was rolled back, by what it holds of a channel and what the chain has paid on it. Base units.
///
/// This holds at the start. While the watcher runs, a higher `withdrawn` means that somebody else settled a commitment
/// that this watcher never got.
pub fn rolled_back(held: &Held, withdrawn: Amount) -> bool {
    let known = held.highest_amount().max(held.rollback_confirmed.unwrap_or(Amount::ZERO));
    withdrawn > known
}

/// Each change under these locks is one call, so a thread that panicked left nothing half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checks that the constant parts of a channel have not changed. If one has, it is not the channel that was admitted.
fn same_channel(held: &Held, state: ChannelState) -> Result<ChannelState, String> {
    let admitted = &held.admission;
    let state = state.expect_layout(admitted.layout).map_err(|error| error.to_string())?;
    let changed = if state.wasm_hash != admitted.wasm_hash {
        Some(("code", admitted.wasm_hash.to_string(), state.wasm_hash.to_string()))
    } else if state.to != admitted.to {
        Some(("recipient", admitted.to.to_string(), state.to.to_string()))
    } else if state.token != admitted.token {
        Some(("token", admitted.token.to_string(), state.token.to_string()))
    } else if state.commitment_key != admitted.commitment_key {
        Some(("commitment key", hex::encode(admitted.commitment_key), hex::encode(state.commitment_key)))
    } else if state.refund_waiting_period != admitted.refund_waiting_period {
        let (then, now) = (admitted.refund_waiting_period, state.refund_waiting_period);
        Some(("waiting period", then.to_string(), now.to_string()))
    } else {
        None
    };
    match changed {
        Some((what, then, now)) => Err(format!("its {what} was {then} when it was admitted and is {now} now")),
        None => Ok(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{held, units};

    #[test]
    fn a_store_was_rolled_back_when_the_chain_paid_more_than_it_holds_and_nobody_confirmed_it() {
        assert!(!rolled_back(&held(100), units(100)));
        assert!(rolled_back(&held(100), units(101)));
        assert!(!rolled_back(&held(0), Amount::ZERO));
        let mut confirmed = held(100);
        confirmed.rollback_confirmed = Some(units(101));
        assert!(!rolled_back(&confirmed, units(101)));
        assert!(rolled_back(&confirmed, units(102)));
    }
}
