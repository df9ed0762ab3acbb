//! Taking a channel: from its address to its record on disk.

use std::sync::Arc;

use paychan_channel::{ChannelState, ContractId, Ledger};
use tokio::sync::Mutex;

use super::{Facts, Refused, Rules, admit};
use crate::chain::{Chain, ChainError, ChannelRead};
use crate::config::Config;
use crate::floor::FloorError;
use crate::view::View;
use paychan_store::{Store, StoreError};

/// Why a channel was not taken. Nothing was written, but for a store that failed: then it is unknown.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The daemon is stopping.
    #[error("the watcher is shutting down; try again later")]
    Stopping,
    /// No contract instance lies at the address.
    #[error("there is no contract {channel} on this network (ledger {at}); deploy it first, or correct the address")]
    NotOnChain {
        /// The address.
        channel: ContractId,
        /// The ledger of the answer.
        at: Ledger,
    },
    /// A contract lies there that is no channel.
    #[error("{channel} is not a channel: {why}")]
    NotAChannel {
        /// The address.
        channel: ContractId,
        /// What was found and what was expected.
        why: String,
    },
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The network's settings were not read yet: no floor can be given.
    #[error("the network's settings have not been read yet; try again later")]
    SettingsUnread,
    /// With one channel more no floor can be given.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// The chain could not be asked.
    #[error("the chain could not be asked: {0}; try again later")]
    Chain(#[from] ChainError),
    /// The store could not say.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes channels, one at a time: each makes the floor higher for the next.
pub struct Intake {
    config: Arc<Config>,
    chain: Arc<dyn Chain>,
    store: Store,
    view: Arc<View>,
    bounds: u32,
    one_at_a_time: Mutex<()>,
}

impl Intake {
    /// `bounds` is b of the reaction time, the settler's constant: ledgers from building a transaction to the first that
    /// it cannot be in.
    pub fn new(config: Arc<Config>, chain: Arc<dyn Chain>, store: Store, view: Arc<View>, bounds: u32) -> Self {
        Self { config, chain, store, view, bounds, one_at_a_time: Mutex::new(()) }
    }

    /// Reads the channel from the chain and takes it if it keeps every rule. A channel that is watched already is taken
    /// as it is: asking again is harmless.
    ///
    /// # Errors
    /// [`IntakeError`], whose kinds tell apart what the asker must do.
    pub async fn take(&self, channel: ContractId) -> Result<(), IntakeError> {
        if self.view.is_stopping() {
            return Err(IntakeError::Stopping);
        }
        let _turn = self.one_at_a_time.lock().await;
        if self.store.held(&channel).is_some() {
            return Ok(());
        }
        let facts = self.read(channel).await?;
        let state = facts.state.clone();
        let payability = facts.payability;

        // A channel that has ended needs no turn any more.
        let mut watched = self.store.all_held();
        watched.retain(|held| {
            let known = self.view.channel(&held.channel());
            known.is_none_or(|known| !known.ended)
        });
        let settings = self.view.network().ok_or(IntakeError::SettingsUnread)?;
        let channels = u32::try_from(watched.len()).unwrap_or(u32::MAX).saturating_add(1);
        let floor = self.config.floor(settings.target_close_ms, self.bounds, channels)?;
        let shortest_watched = watched.iter().map(|held| held.admission.refund_waiting_period).min();
        let admission = admit(facts, &Rules { config: &self.config, floor: &floor, shortest_watched })?;

        let state = state.expect_layout(admission.layout).map_err(Refused::ForeignLayout)?;
        self.store.admit(admission).await?;
        if !state.withdrawn.is_zero() {
            // Paid before this watcher knew the channel: no sign of a store that was rolled back.
            self.store.confirm_rollback(channel, state.withdrawn).await?;
        }
        self.view.saw_payability(&state.token, &state.to, payability);
        self.view.saw_channel(self.newer(state).await);
        Ok(())
    }

    /// The follower passes over a `close` of a channel that is not in the store yet. If it got further than the channel
    /// was read, the channel is read again, now that its events are looked for; when that fails, the next sweep does it.
    async fn newer(&self, state: ChannelState) -> ChannelState {
        let read_at = state.read_at;
        if self.view.events_span().is_none_or(|(_, to)| to <= read_at) {
            return state;
        }
        match self.chain.first_read(&state.channel).await {
            Ok(ChannelRead::Read(again)) if again.read_at > read_at => {
                again.expect_layout(state.layout).unwrap_or(state)
            }
            _ => state,
        }
    }

    async fn read(&self, channel: ContractId) -> Result<Facts, IntakeError> {
        let state = match self.chain.first_read(&channel).await? {
            ChannelRead::Read(state) => state,
            ChannelRead::Missing { channel, at } => {
                return Err(IntakeError::NotOnChain { channel, at });
            }
            ChannelRead::Undecodable { channel, why } => {
                return Err(IntakeError::NotAChannel { channel, why });
            }
        };
        let asset = state.token_kind.asset();
        let token = self.chain.token_facts(asset).await?;
        let payability = self.chain.payability(&state.token, asset, &token, &state.to).await?;
        Ok(Facts { state, token, payability })
    }
}
