//! From what is to be done to what is done: plan → signed → recorded → sent → confirmed.
//!
//! One lane, one transaction in flight. Whatever a step finds, the order is: what is in flight is driven to its end
//! first, then the plan's next item is built. An item that can't be built is left alone for a while and the next one has
//! its turn; it never keeps the lane.

mod attempts;
mod begin;
mod capacity;
mod flights;
mod sign;
pub mod step;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use paychan_channel::{AccountId, ContractId, Ledger, NetworkId, Stroops};
use paychan_rpc::SecretKey;
use tracing::{debug, info, warn};

use crate::alarm::raise;
use crate::chain::{Chain, ChainError};
use crate::clock::Clock;
use crate::config::Config;
use crate::policy::{self, BASE_FEE, Extension, Known, Limits, Payout, Plan};
use crate::reader::ChannelReader;
use crate::reminder::Reminder;
use crate::view::View;
use paychan_store::{Held, Purpose, Store, StoreError};

use attempts::{Patience, Target};
use begin::NotBegun;
use flights::{InFlight, Landed, Progress, Tower, Words};

pub use flights::BadEnvelope;

/// Items in one round whose question the endpoint may leave unanswered before the round ends: one may be too much for
/// it, two in a row are the endpoint's own trouble.
const UNANSWERED_IN_A_ROUND: u32 = 2;

/// What the settler is made of.
pub struct SettlerParts {
    /// The network.
    pub chain: Arc<dyn Chain>,
    /// What must not be lost.
    pub store: Store,
    /// What is known of the chain.
    pub view: Arc<View>,
    /// Reads channels after a settlement.
    pub reader: ChannelReader,
    /// Tells when to remind the operator.
    pub clock: Arc<dyn Clock>,
    /// The operator's settings.
    pub config: Arc<Config>,
    /// The lane's key: pays fees.
    pub lane: SecretKey,
    /// The keys of recipients: authorize closes, and settlements where the channel's code wants it.
    pub recipients: HashMap<AccountId, SecretKey>,
}

/// Settles, closes and extends.
pub struct Settler {
    tower: Tower,
    config: Arc<Config>,
    network: NetworkId,
    lane: SecretKey,
    recipients: HashMap<AccountId, SecretKey>,
    /// Of this lane at most one; of lanes that the configuration no longer names, what the journal still holds.
    flights: Vec<InFlight>,
    patience: Patience,
    /// The inclusion fee to bid at least, per channel, after a bid that was too low.
    asked: HashMap<ContractId, Stroops>,
    /// Channels whose close failed: they are settled instead.
    close_failed: HashSet<ContractId>,
    /// Channels whose bid could not be as high as asked, because more is not at stake: the others come first.
    capped: HashSet<ContractId>,
    /// The sequence number of the lane's last transaction that was decided: an account read from an older copy must not
    /// take the lane back to it.
    last_sequence: i64,
    /// What others paid for inclusion, as last heard.
    market: Stroops,
    clock: Arc<dyn Clock>,
    /// Not all will be settled in time.
    late: Reminder,
}

impl Settler {
    /// A settler that takes over what the journal has in flight: it is asked for before anything new is built.
    ///
    /// # Errors
    /// The journal holds a signed transaction that is none.
    pub fn new(parts: SettlerParts) -> Result<Self, BadEnvelope> {
        let SettlerParts { chain, store, view, reader, clock, config, lane, recipients } = parts;
        let flights = store.in_flight().into_iter().map(InFlight::recovered).collect::<Result<Vec<_>, _>>()?;
        for flying in &flights {
            info!(
                transaction = hex::encode(flying.signed.hash), purpose = %Words(&flying.signed.purpose),
                max_ledger = %flying.signed.max_ledger, "a transaction is in flight since before the start"
            );
        }
        let close_failed = store
            .all_held()
            .iter()
            .map(Held::channel)
            .filter(|channel| policy::close_failed(&store.outcomes(channel, usize::MAX)))
            .collect();
        Ok(Self {
            network: config.network_id(),
            tower: Tower { chain, store, view, reader },
            config,
            lane,
            recipients,
            flights,
            patience: Patience::default(),
            asked: HashMap::new(),
            close_failed,
            capped: HashSet::new(),
            last_sequence: 0,
            market: BASE_FEE,
            clock,
            late: Reminder::default(),
        })
    }

    /// One round at the head that the view knows: what is in flight, then what is to be done next.
    ///
    /// # Errors
    /// The store failed: the process must end.
    pub async fn tick(&mut self) -> Result<(), StoreError> {
        let Some(head) = self.tower.view.head().map(|head| head.ledger) else {
            return Ok(());
        };
        match self.round(head).await {
            Err(error @ StoreError::Busy { .. }) => {
                warn!(%error, "the store is busy; settling goes on at the next ledger");
                Ok(())
            }
            other => other,
        }
    }

    async fn round(&mut self, head: Ledger) -> Result<(), StoreError> {
        self.drive(head).await?;
        if self.lane_is_busy() {
            return Ok(());
        }
        self.begin_next(head).await
    }

    fn lane_is_busy(&self) -> bool {
        let lane = self.lane.account();
        self.flights.iter().any(|flying| flying.signed.lane == lane)
    }

    /// How many transactions are in flight.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    async fn drive(&mut self, head: Ledger) -> Result<(), StoreError> {
        let mut still = Vec::new();
        let mut outcome = Ok(());
        for mut flying in std::mem::take(&mut self.flights) {
            match self.tower.advance(&mut flying, head).await {
                Ok(Progress::Landed(landed)) => self.landed(&flying, landed, head),
                Ok(Progress::Waits) => still.push(flying),
                // The outcome is not written down: it stays in flight, and is asked for again.
                Err(error) => {
                    still.push(flying);
                    outcome = Err(error);
                }
            }
        }
        self.flights = still;
        outcome
    }

    /// Draws the consequences for the next attempts.
    fn landed(&mut self, flying: &InFlight, landed: Landed, head: Ledger) {
        let signed = &flying.signed;
        let included = matches!(landed, Landed::Confirmed | Landed::Failed { included: true, .. });
        if signed.lane == self.lane.account() && included {
            self.last_sequence = self.last_sequence.max(signed.sequence);
        }
        for channel in signed.purpose.channels() {
            let target = match signed.purpose {
                Purpose::Settle { .. } | Purpose::Close { .. } => Target::Pay(*channel),
                Purpose::Extend { .. } | Purpose::Restore { .. } => Target::Extend(*channel),
            };
            match &landed {
                Landed::Confirmed => {
                    self.patience.went_well(target);
                    self.capped.remove(channel);
                    self.asked.remove(channel);
                    self.tower.view.set_trouble(channel, None);
                }
                // Not taken at that price: the next bid is twice as high, as far as the policy's cap lets it.
                Landed::Expired => {
                    let bid = flying.bid();
                    self.give_way_if_capped(*channel, bid);
                    self.ask_at_least(*channel, Stroops(bid.get().saturating_mul(2)));
                    let why = format!("not included before ledger {} with a bid of {bid} stroops", signed.max_ledger);
                    self.tower.view.set_trouble(channel, Some(why));
                }
                Landed::FeeTooLow { needed } => {
                    // An amount that the transaction bid already can only mean the bid alone.
                    let bid = if *needed > signed.fee { flying.bid_of(*needed) } else { *needed };
                    self.give_way_if_capped(*channel, flying.bid());
                    self.ask_at_least(*channel, bid);
                    let why = format!("the network asks for a bid of {bid} stroops");
                    self.tower.view.set_trouble(channel, Some(why));
                }
                Landed::LaneIsShort => {
                    let why = "the fee account can't pay for it; send it XLM".to_owned();
                    self.leave_alone(target, *channel, head, why);
                }
                Landed::Failed { why, .. } => {
                    if matches!(signed.purpose, Purpose::Close { .. }) {
                        self.close_failed.insert(*channel);
                    }
                    self.leave_alone(target, *channel, head, why.clone());
                }
            }
        }
    }

    /// A channel that bid less than was asked of it has bid all that it is worth, or all that the operator allows.
    fn give_way_if_capped(&mut self, channel: ContractId, bid: Stroops) {
        if self.asked.get(&channel).is_some_and(|asked| bid < *asked) {
            self.capped.insert(channel);
        }
    }

    fn ask_at_least(&mut self, channel: ContractId, bid: Stroops) {
        let asked = self.asked.entry(channel).or_insert(bid);
        *asked = (*asked).max(bid);
    }

    fn leave_alone(&mut self, target: Target, channel: ContractId, head: Ledger, why: String) {
        let deadline = self.tower.view.channel(&channel).and_then(|known| known.deadline);
        let again_at = self.patience.failed(target, head, deadline);
        let failures = self.patience.failures(target);
        match (target, deadline) {
            (Target::Pay(_), Some(deadline)) => raise!(
                SettlementFailing, %channel, %deadline, why, failures, %again_at,
                "a channel that is closing can't be settled now"
            ),
            _ => {
                warn!(%channel, ?target, why, failures, %again_at, "failed; left alone for a while")
            }
        }
        self.tower.view.set_trouble(&channel, Some(why));
    }

    /// Builds, records and sends the first item of the plan that can be.
    async fn begin_next(&mut self, head: Ledger) -> Result<(), StoreError> {
        let Some(plan) = self.plan(head).await else {
            return Ok(());
        };
        self.tell_if_late(&plan, head);
        // What can't bid as much as is asked comes last: it would take the lane from what can, again and again.
        let (capped, payouts): (Vec<Payout>, Vec<Payout>) =
            plan.payouts.into_iter().partition(|payout| self.capped.contains(&payout.channel));
        let done = self.begin_payout(payouts, head).await? || self.begin_extension(plan.extensions, head).await?;
        if !done {
            self.begin_payout(capped, head).await?;
        }
        Ok(())
    }

    /// Whether the round is over: one is on its way, or none could be.
    async fn begin_payout(&mut self, payouts: Vec<Payout>, head: Ledger) -> Result<bool, StoreError> {
        let mut unanswered = 0;
        for payout in payouts {
            let target = Target::Pay(payout.channel);
            if !self.patience.allows(target, head) {
                continue;
            }
            match self.pay(&payout, head).await {
                Ok(()) if self.lane_is_busy() => return Ok(true),
                // It was refused at once: the lane is free for the next.
                Ok(()) => {}
                Err(NotBegun::Failed(why)) => self.leave_alone(target, payout.channel, head, why),
                Err(NotBegun::Refused(why)) => {
                    // A funder can make a close fail, and never a settlement: that is tried next.
                    if payout.close {
                        self.close_failed.insert(payout.channel);
                    }
                    self.leave_alone(target, payout.channel, head, why);
                }
                Err(NotBegun::Unanswered(error)) => {
                    self.leave_alone(target, payout.channel, head, error.to_string());
                    unanswered += 1;
                    if unanswered >= UNANSWERED_IN_A_ROUND {
                        stop_for_now(&error);
                        return Ok(true);
                    }
                }
                Err(NotBegun::NoLane) => return Ok(true),
                Err(NotBegun::Chain(error)) => {
                    stop_for_now(&error);
                    return Ok(true);
                }
                Err(NotBegun::Store(error)) => return Err(error),
            }
        }
        Ok(false)
    }

    /// As [`Settler::begin_payout`].
    async fn begin_extension(&mut self, extensions: Vec<Extension>, head: Ledger) -> Result<bool, StoreError> {
        let extensions: Vec<Extension> = extensions.into_iter().flat_map(|joint| self.split(joint)).collect();
        for extension in extensions {
            if !extension.channels.iter().all(|channel| self.patience.allows(Target::Extend(*channel), head)) {
                continue;
            }
            match self.extend(&extension, head).await {
                Ok(()) if self.lane_is_busy() => return Ok(true),
                Ok(()) => {}
                Err(NotBegun::NoLane) => return Ok(true),
                Err(NotBegun::Failed(why) | NotBegun::Refused(why)) => {
                    for channel in &extension.channels {
                        self.leave_alone(Target::Extend(*channel), *channel, head, why.clone());
                    }
                }
                Err(NotBegun::Chain(error) | NotBegun::Unanswered(error)) => {
                    stop_for_now(&error);
                    return Ok(true);
                }
                Err(NotBegun::Store(error)) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Says early when arithmetic says that not all will be settled in time.
    fn tell_if_late(&mut self, plan: &Plan, head: Ledger) {
        let confirm = self.config.reaction.confirm_ledgers;
        match capacity::first_late(&plan.payouts, head, confirm) {
            None => self.late.is_over(),
            Some((channel, done)) if self.late.is_due(self.clock.boot()) => raise!(
                TooManyClosing, %channel, confirmed_at = %done, waiting = plan.payouts.len(),
                "more channels are closing than one fee account can settle before their deadlines"
            ),
            Some(_) => {}
        }
    }

    /// What is to be done at this head, in the order of loss. Prices are asked for only when there is something to buy.
    async fn plan(&mut self, head: Ledger) -> Option<Plan> {
        let plan = self.plan_at(head, self.market)?;
        if plan.payouts.is_empty() && plan.extensions.is_empty() {
            return Some(plan);
        }
        match self.tower.chain.inclusion_fees().await {
            Ok(fees) => self.market = fees.p95.max(BASE_FEE),
            // The last price heard is the best guess; not knowing it must not keep anything from being settled.
            Err(error) => {
                warn!(%error, market = %self.market, "fees can't be asked for; bidding by the last that were")
            }
        }
        self.plan_at(head, self.market)
    }

    fn plan_at(&self, head: Ledger, market: Stroops) -> Option<Plan> {
        let view = &self.tower.view;
        let network = view.network()?;
        let resource_fee = view.settle_resource_fee();
        let limits = Limits::new(&self.config, &network, head, market, resource_fee);
        let channels = view.channels();
        let held: HashMap<ContractId, _> =
            self.tower.store.all_held().into_iter().map(|held| (held.channel(), held)).collect();
        let known: Vec<Known<'_>> = channels
            .iter()
            .filter_map(|channel| {
                let id = channel.state.channel;
                Some(Known {
                    channel,
                    held: held.get(&id)?,
                    token: self.config.token(&channel.state.token),
                    can_close: channel.state.to.account().is_some_and(|to| self.recipients.contains_key(&to)),
                    close_failed: self.close_failed.contains(&id),
                    asked: self.asked.get(&id).copied(),
                })
            })
            .collect();
        let plan = policy::plan(&known, &limits);
        for (channel, report) in &plan.reports {
            debug!(%channel, %report, "nothing that can be done");
        }
        Some(plan)
    }

    /// Entries of channels whose extension failed before go alone, so that one bad entry does not keep the others.
    fn split(&self, extension: Extension) -> Vec<Extension> {
        let failed_before = |channel: &ContractId| self.patience.failures(Target::Extend(*channel)) > 0;
        if extension.channels.len() < 2 || !extension.channels.iter().any(failed_before) {
            return vec![extension];
        }
        let known: Vec<_> = extension
            .channels
            .iter()
            .filter_map(|channel| Some((*channel, self.tower.view.channel(channel)?.state)))
            .collect();
        known
            .into_iter()
            .map(|(channel, state)| Extension {
                keys: sign::keys_of(&state).into_iter().filter(|key| extension.keys.contains(key)).collect(),
                channels: vec![channel],
                ..extension
            })
            .filter(|alone| !alone.keys.is_empty())
            .collect()
    }
}

fn stop_for_now(error: &ChainError) {
    if error.kind.is_alarm() {
        raise!(ChainNotUnderstood, %error, "nothing can be settled through this endpoint");
    } else {
        warn!(%error, "the chain can't be asked now; settling goes on when it can");
    }
}
