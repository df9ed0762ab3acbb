//! Takes a channel: reads it from the chain, checks the rules, and records it.

use std::sync::Arc;

use paychan_channel::{Address, Amount, ChannelState, ContractId, Ledger};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::quota::{Idle, droppable};
use super::{Candidate, Refused, Rules, admit};
use crate::chain::{Chain, ChainError, ChannelRead, NetworkTerms};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::floor::FloorError;
use crate::view::{ChannelView, View};
use paychan_watcher_api::{Terms, TokenTerms};

use paychan_store::{DropError, Held, Store, StoreError};

/// Why a channel was not taken. Nothing was written, except perhaps when the store failed.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The daemon is stopping.
    #[error("the watcher is shutting down; try again later")]
    Stopping,
    /// A part of the watcher panicked.
    #[error("{}", crate::commitments::AFTER_PANIC)]
    Panicked,
    /// The operator has paused the taking of money.
    #[error("the operator has paused the watcher; try again later")]
    Paused,
    /// There is no contract instance at the address.
    #[error("there is no contract {channel} on this network (ledger {at}); deploy it first, or correct the address")]
    NotOnChain {
        /// The address.
        channel: ContractId,
        /// The ledger of the answer.
        at: Ledger,
    },
    /// The contract at the address is no channel.
    #[error("{channel} is not a channel: {why}")]
    NotAChannel {
        /// The address.
        channel: ContractId,
        /// What was found and what was expected.
        why: String,
    },
    /// The channel breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The network's settings were not read yet, so no floor can be computed.
    #[error("the network's settings have not been read yet; try again later")]
    SettingsUnread,
    /// With one more channel no floor can be computed.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// Too few of several endpoints report the channel's state.
    #[error("too few endpoints report the state of {channel}, so it can't be believed; try again later")]
    NoQuorum {
        /// The address.
        channel: ContractId,
    },
    /// The chain could not be asked.
    #[error("the chain could not be asked: {0}; try again later")]
    Chain(#[from] ChainError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes channels one at a time, since each raises the floor for the next.
pub struct Channels {
    config: Arc<Config>,
    chain: Arc<dyn Chain>,
    store: Store,
    view: Arc<View>,
    clock: Arc<dyn Clock>,
    bounds: u32,
    one_at_a_time: Mutex<()>,
}

impl Channels {
    /// `bounds` is b of the reaction time, the settler's constant: the ledgers from building a transaction to the first
    /// ledger that can't include it.
    pub fn new(
        config: Arc<Config>,
        chain: Arc<dyn Chain>,
        store: Store,
        view: Arc<View>,
        clock: Arc<dyn Clock>,
        bounds: u32,
    ) -> Self {
        Self { config, chain, store, view, clock, bounds, one_at_a_time: Mutex::new(()) }
    }

    /// Reads the channel from the chain and takes it if it keeps every rule. If the channel is watched already, nothing
    /// changes, so that repeating the call is harmless.
    ///
    /// # Errors
    /// [`IntakeError`], whose kinds say what the caller must do.
    pub async fn take(&self, channel: ContractId) -> Result<(), IntakeError> {
        if self.view.is_stopping() {
            return Err(IntakeError::Stopping);
        }
        if self.view.has_stopped_taking() && self.store.held(&channel).is_none() {
            return Err(IntakeError::Panicked);
        }
        if self.view.is_paused() && self.store.held(&channel).is_none() {
            return Err(IntakeError::Paused);
        }
        let _turn = self.one_at_a_time.lock().await;
        if self.store.held(&channel).is_some() {
            return Ok(());
        }
        let read_at = self.view.head().map_or(Ledger(0), |head| head.ledger);
        let candidate = self.read(channel).await?;
        let (token, payability) = (candidate.token, candidate.payability);
        let state = candidate.state.clone();
        let withdrawn = self.view.withdrawn_by(&state.token, &state.to);

        let settings = self.view.network().ok_or(IntakeError::SettingsUnread)?;
        let drops = self.room_for_funder(&state, &settings)?;
        let mut watched = self.not_ended();
        watched.retain(|held| drops.as_ref().is_none_or(|known| known.state.channel != held.channel()));
        let channels = u32::try_from(watched.len()).unwrap_or(u32::MAX).saturating_add(1);
        let floor = self.config.floor(settings.target_close_ms, self.bounds, channels)?;
        let rules = Rules {
            config: &self.config,
            floor: &floor,
            shortest_watched: watched.iter().map(|held| held.admission.refund_waiting_period).min(),
            payable_elsewhere: self.payable(&watched, &state),
        };
        let admission = admit(candidate, &rules)?;

        let state = state.expect_layout(admission.layout).map_err(Refused::ForeignLayout)?;
        if let Some(known) = drops {
            self.drop_channel(&known).await?;
        }
        self.store.admit(admission).await?;
        if !state.withdrawn.is_zero() {
            // The chain paid this before the watcher knew the channel, so it does not show that the store was rolled
            // back.
            self.store.confirm_rollback(channel, state.withdrawn).await?;
        }
        self.view.set_token(&state.token, token, read_at);
        self.view.set_payability(&state.token, &state.to, payability, read_at, withdrawn);
        self.view.merge_channel(self.newer(state).await);
        Ok(())
    }

    /// The terms on which one more channel would be taken now.
    pub fn terms(&self) -> Terms {
        let config = &self.config;
        let channels = u32::try_from(self.not_ended().len()).unwrap_or(u32::MAX).saturating_add(1);
        let settings = self.view.network();
        // If no floor can be computed, no channel is taken, whatever its waiting period is.
        let floor = settings.and_then(|known| config.floor(known.target_close_ms, self.bounds, channels).ok());
        let floor = floor.map_or(0, |floor| floor.waiting_period);
        let token = |token: &config::Token| TokenTerms {
            contract: token.contract,
            code: token.code.clone(),
            decimals: token.decimals,
            minimum_deposit: token.minimum_deposit,
        };
        Terms {
            network: config.passphrase().to_owned(),
            recipients: config.recipients.iter().map(|recipient| recipient.address).collect(),
            tokens: config.tokens.iter().map(token).collect(),
            trusted_code: config.trusted_code.iter().map(|code| code.wasm_hash).collect(),
            minimum_refund_waiting_period: config.minimum_refund_waiting_period.max(floor),
        }
    }

    /// Whether the funder may have one more channel. `Some` is the channel that must be dropped for it.
    fn room_for_funder(&self, state: &ChannelState, settings: &NetworkTerms) -> Result<Option<ChannelView>, Refused> {
        let quota = self.config.quotas.channels_per_funder;
        let mut funders = self.store.all_held();
        funders.retain(|held| held.admission.from == state.from);
        if funders.len() < usize::try_from(quota).unwrap_or(usize::MAX) {
            return Ok(None);
        }
        let idle = Idle {
            ledgers: self.config.quotas.idle_ledgers,
            head: self.view.head().map_or(Ledger(0), |head| head.ledger),
            wall_unix_ms: self.clock.wall_unix_ms(),
            target_close_ms: settings.target_close_ms,
        };
        let known = droppable(funders.iter(), |channel| self.view.channel(channel), &idle);
        known.map(Some).ok_or(Refused::TooManyOfFunder { funder: state.from, quota })
    }

    async fn drop_channel(&self, known: &ChannelView) -> Result<(), IntakeError> {
        let channel = known.state.channel;
        match self.store.drop_channel(channel, known.state.withdrawn).await {
            Ok(()) => {
                info!(%channel, "dropped the channel: it owed nothing and was idle, and its funder opened another one");
                self.view.remove_channel(&channel);
                Ok(())
            }
            Err(DropError::Store(error)) => Err(error.into()),
            // The channel was used at this moment.
            Err(error) => {
                let quota = self.config.quotas.channels_per_funder;
                info!(%channel, %error, "the channel was not dropped");
                Err(Refused::TooManyOfFunder { funder: known.state.from, quota }.into())
            }
        }
    }

    /// The watched channels that have not ended. A channel that has ended needs no settlement any more.
    fn not_ended(&self) -> Vec<Held> {
        let mut watched = self.store.all_held();
        watched.retain(|held| self.view.channel(&held.channel()).is_none_or(|known| !known.ended));
        watched
    }

    /// What these channels could still pay to the recipient of `state` in its token. A channel that was not read yet
    /// counts with what is promised on it.
    fn payable(&self, watched: &[Held], state: &ChannelState) -> Amount {
        let same_payee = |held: &&Held| held.admission.token == state.token && held.admission.to == state.to;
        watched.iter().filter(same_payee).fold(Amount::ZERO, |sum, held| {
            let known = self.view.channel(&held.channel());
            sum.saturating_add(known.map_or(held.claim_amount(), |known| known.state.balance))
        })
    }

    /// The follower ignores a `close` event of a channel that is not in the store yet. If it has already seen the
    /// events of a later ledger than the one at which the channel was read, the channel is read again, since its events
    /// are followed only from now on. When that fails, the next sweep reads it.
    async fn newer(&self, state: ChannelState) -> ChannelState {
        let read_at = state.read_at;
        if self.view.events_span().is_none_or(|(_, to)| to <= read_at) {
            return state;
        }
        match self.chain.first_read(&state.channel).await.ok().and_then(ChannelRead::believed) {
            Some(again) if again.read_at > read_at => again.expect_layout(state.layout).unwrap_or(state),
            _ => state,
        }
    }

    /// Whether a simulated call shows that no entry is archived although the endpoint says that some are.
    async fn is_proved_live(&self, state: &ChannelState) -> Result<bool, ChainError> {
        let archived: Vec<&'static str> = state.lives.archived(state.read_at).collect();
        if archived.is_empty() || self.chain.meets_archived(&state.channel).await? != Some(false) {
            return Ok(false);
        }
        warn!(
            channel = %state.channel, entries = archived.join(", "),
            "the endpoint says that entries are archived, but its simulation shows that they are not, so their lives are not known"
        );
        Ok(true)
    }

    async fn read(&self, channel: ContractId) -> Result<Candidate, IntakeError> {
        let state = match self.chain.first_read(&channel).await? {
            ChannelRead::Read(state) | ChannelRead::Agreed { state, .. } => state,
            ChannelRead::Unconfirmed(_) => return Err(IntakeError::NoQuorum { channel }),
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
        let told_balance = match asset {
            Some(_) => None,
            None => Some(self.chain.token_balance(&state.token, &Address::Contract(channel)).await?),
        };
        let proved_live = self.is_proved_live(&state).await?;
        Ok(Candidate { state, token, payability, told_balance, proved_live })
    }
}
