//! The settler does what the plan says: it prepares a transaction, checks and signs it, records it, sends it, and confirms
//! its effect on chain.
//!
//! There is one lane, with one transaction in flight. A round first follows what is in flight, then it builds the next
//! item of the plan. When an item can't be built, it waits for a while and the next item has its turn, so it never
//! blocks the lane. A round has a budget, so that many failing items never keep the process from its other work.

mod attempts;
mod begin;
mod capacity;
mod flights;
mod meaning;
mod sign;
pub mod step;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use paychan_channel::{AccountId, Amount, ContractId, Ledger, NetworkId, Stroops};
use paychan_rpc::SecretKey;
use tracing::{debug, info, warn};

use crate::alarm::raise;
use crate::caught::{caught, guarded, report};
use crate::chain::{Chain, ChainError};
use crate::clock::Clock;
use crate::config::Config;
use crate::liveness::Liveness;
use crate::policy::{self, BASE_FEE, Extension, Item, Plan, Restoration, SurveySources, Turn, survey};
use crate::promises::Promises;
use crate::reader::ChannelReader;
use crate::reminder::Reminder;
use crate::view::View;
use paychan_store::{Decided, Outcome, Purpose, Store, StoreError};

pub use attempts::Attempts;
use attempts::Target;
use begin::NotBegun;
use flights::{Ended, FlightContext, InFlight, Progress, PurposeText};

/// How many items the endpoint may leave unanswered in one round before the round ends. One item may be too much for
/// it; after two, the endpoint itself is in trouble.
const UNANSWERED_IN_A_ROUND: u32 = 2;

/// The most items that one round tries. Each costs the endpoint a few calls.
const ITEMS_IN_A_ROUND: u32 = 20;

/// The time after which a round tries no further item, since the transaction in flight must be looked at again at the
/// next ledger.
const ROUND_TIME: Duration = Duration::from_secs(20);

/// The parts of which the settler is made.
pub struct SettlerParts {
    /// The network.
    pub chain: Arc<dyn Chain>,
    /// The store, which keeps what must not be lost.
    pub store: Store,
    /// What is known of the chain.
    pub view: Arc<View>,
    /// What was promised. Extensions are paid from what the promises leave over.
    pub promises: Arc<Promises>,
    /// Reads channels after a settlement.
    pub reader: ChannelReader,
    /// Tells the age of commitments, and when to remind the operator.
    pub clock: Arc<dyn Clock>,
    /// The operator's settings.
    pub config: Arc<Config>,
    /// The lane's key, which pays fees.
    pub lane: SecretKey,
    /// The recipients' keys. They authorize closes, and settlements where the channel's code needs that.
    pub recipients: HashMap<AccountId, SecretKey>,
    /// Records progress, so that a hanging round is noticed.
    pub liveness: Arc<Liveness>,
}

/// Settles, closes and extends.
pub struct Settler {
    context: FlightContext,
    config: Arc<Config>,
    network: NetworkId,
    lane: SecretKey,
    recipients: HashMap<AccountId, SecretKey>,
    /// At most one transaction of this lane, and what the journal still holds of lanes that the configuration no longer
    /// names.
    flights: VecDeque<InFlight>,
    attempts: Arc<Attempts>,
    promises: Arc<Promises>,
    /// Whether payouts that failed before come first in this round.
    turn: Turn,
    /// The sequence number of the lane's last included transaction. An account that is read from an older copy must not
    /// lower it.
    last_sequence: i64,
    clock: Arc<dyn Clock>,
    liveness: Arc<Liveness>,
    /// Reminds that not all closing channels will be settled in time.
    late: Reminder,
    /// Reminds that the fee account does not exist.
    no_lane: Reminder,
}

impl Settler {
    /// A settler that takes over what the journal has in flight. It asks the network about it before it builds anything
    /// new.
    pub fn new(parts: SettlerParts) -> Self {
        let SettlerParts { chain, store, view, promises, reader, clock, config, lane, recipients, liveness } = parts;
        let flights: VecDeque<InFlight> = store.in_flight().into_iter().map(InFlight::recovered).collect();
        for flying in &flights {
            info!(
                transaction = hex::encode(flying.signed.hash), purpose = %PurposeText(&flying.signed.purpose),
                max_ledger = %flying.signed.max_ledger, "a transaction is in flight since before the start"
            );
        }
        let attempts = Attempts::new(recipients.keys().copied().collect());
        for held in store.all_held() {
            let outcomes = store.outcomes(&held.channel(), usize::MAX);
            if policy::close_failed(&outcomes) {
                attempts.close_failed(held.channel());
            }
            attempts.failed_before(held.channel(), failures(&outcomes));
        }
        let freed_after = config.reaction.node_lag_ledgers;
        Self {
            network: config.network_id(),
            context: FlightContext { chain, store, view, reader, freed_after },
            config,
            lane,
            recipients,
            flights,
            attempts: Arc::new(attempts),
            promises,
            turn: Turn::default(),
            last_sequence: 0,
            clock,
            liveness,
            late: Reminder::default(),
            no_lane: Reminder::default(),
        }
    }

    /// What is remembered of earlier attempts. `status` uses it to decide as the settler does.
    pub fn attempts(&self) -> Arc<Attempts> {
        self.attempts.clone()
    }

    /// Runs one round at the head that the view knows: first what is in flight, then the next item of the plan. What
    /// fails is tried again at a later ledger.
    pub async fn tick(&mut self) {
        let Some(head) = self.context.view.head().map(|head| head.ledger) else {
            return;
        };
        self.attempts.saw_head(head);
        match caught(self.round(head)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the store is busy; settling goes on at the next ledger"),
            Err(panicked) => report("a round of the settler", &panicked, &self.context.view),
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
        let mut outcome = Ok(());
        // Each is taken out by itself, so that a panic about one leaves the others known.
        for _ in 0..self.flights.len() {
            let Some(mut flying) = self.flights.pop_front() else { break };
            self.liveness.beat(self.clock.boot());
            match self.context.advance(&mut flying, head).await {
                Ok(Progress::Ended(ended)) => self.ended(&flying, ended, head),
                Ok(Progress::Waits) => self.flights.push_back(flying),
                // The outcome could not be recorded, so the transaction stays in flight and its outcome is asked for
                // again.
                Err(error) => {
                    self.flights.push_back(flying);
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    /// Remembers the outcome for the next attempts.
    fn ended(&mut self, flying: &InFlight, ended: Ended, head: Ledger) {
        let signed = &flying.signed;
        let included = matches!(ended, Ended::Confirmed | Ended::Failed { included: true, .. });
        if signed.lane == self.lane.account() && included {
            self.last_sequence = self.last_sequence.max(signed.sequence);
        }
        for channel in signed.purpose.channels() {
            let target = match signed.purpose {
                Purpose::Settle { .. } | Purpose::Close { .. } => Target::Pay(*channel),
                Purpose::Extend { .. } | Purpose::Restore { .. } => Target::Extend(*channel),
            };
            match &ended {
                Ended::Confirmed => {
                    self.attempts.went_well(target);
                    self.show_trouble(channel, None);
                }
                // Nobody included it at that price. The next bid is twice as high, within the policy's cap.
                Ended::Expired => {
                    let bid = flying.bid();
                    let why = format!("not included before ledger {} with a bid of {bid} stroops", signed.max_ledger);
                    self.bid_at_least(*channel, Stroops(bid.get().saturating_mul(2)), bid, why);
                }
                Ended::FeeTooLow { needed } => {
                    // An amount that is not above the whole fee of the transaction can only mean the bid alone.
                    let bid = if *needed > signed.fee { flying.bid_of(*needed) } else { *needed };
                    let not_enough = Stroops(bid.get().saturating_sub(1));
                    self.bid_at_least(
                        *channel,
                        bid,
                        not_enough,
                        format!("the network asks for a bid of {bid} stroops"),
                    );
                }
                Ended::LaneIsShort => {
                    self.leave_alone(target, *channel, head, "the fee account can't pay for it; send it XLM");
                }
                Ended::Failed { why, .. } => {
                    if matches!(signed.purpose, Purpose::Close { .. }) {
                        self.attempts.close_failed(*channel);
                    }
                    self.leave_alone(target, *channel, head, why);
                }
            }
        }
    }

    fn bid_at_least(&self, channel: ContractId, bid: Stroops, not_enough: Stroops, why: String) {
        self.show_trouble(&channel, Some(why.clone()));
        self.attempts.bid_at_least(channel, bid, not_enough, why);
    }

    fn leave_alone(&self, target: Target, channel: ContractId, head: Ledger, why: &str) {
        let deadline = self.context.view.channel(&channel).and_then(|known| known.deadline);
        let retry = self.attempts.failed(target, head, deadline, why);
        match (target, deadline) {
            (Target::Pay(_), Some(deadline)) => raise!(
                SettlementFailing, %channel, %deadline, why, failures = retry.failures, again_at = %retry.not_before,
                "a channel that is closing can't be settled now"
            ),
            _ => {
                warn!(
                    %channel, ?target, why, failures = retry.failures, again_at = %retry.not_before,
                    "an attempt failed; it is repeated later"
                );
            }
        }
        self.show_trouble(&channel, Some(why.to_owned()));
    }

    /// Shows the trouble, unless the channel can't be read, which is the greater trouble.
    fn show_trouble(&self, channel: &ContractId, trouble: Option<String>) {
        if !self.context.view.is_unreadable(channel) {
            self.context.view.set_trouble(channel, trouble);
        }
    }

    /// Builds, records and sends the first item of the plan that can be built, within the round's budget.
    async fn begin_next(&mut self, head: Ledger) -> Result<(), StoreError> {
        let Some(plan) = self.plan().await else {
            return Ok(());
        };
        self.warn_if_late(&plan, head);
        self.drop_unused(&plan).await;
        let (began, mut tried, mut unanswered) = (self.clock.boot(), 0, 0);
        for item in &plan.items {
            if item.not_before() > head {
                continue;
            }
            if tried >= ITEMS_IN_A_ROUND || self.clock.boot().saturating_sub(began) > ROUND_TIME {
                debug!(tried, items = plan.items.len(), "this round's budget is spent; the rest comes with the next");
                break;
            }
            tried += 1;
            self.liveness.beat(self.clock.boot());
            let begun = caught(async {
                match item {
                    Item::Pay(payout) => self.pay(payout, head).await,
                    Item::Restore(restoration) => self.restore(restoration, head).await,
                    Item::Extend(extension) => self.extend(extension, head).await,
                }
            });
            let begun = match begun.await {
                Ok(begun) => begun,
                Err(panicked) => {
                    report("settling", &panicked, &self.context.view);
                    Err(NotBegun::Failed(panicked.to_string()))
                }
            };
            match begun {
                Ok(()) if self.lane_is_busy() => break,
                // The network refused it at once, so the lane is free for the next item.
                Ok(()) => {}
                Err(NotBegun::Overtaken(why)) => debug!(why, "the item is planned anew"),
                Err(NotBegun::Failed(why)) => self.failed(item, head, &why),
                Err(NotBegun::Refused(why)) => {
                    // A funder can make a close fail, but never a settlement, so a settlement is tried next.
                    if let Item::Pay(payout) = item
                        && payout.close
                    {
                        self.attempts.close_failed(payout.channel);
                    }
                    self.failed(item, head, &why);
                }
                Err(NotBegun::Unanswered(error)) => {
                    self.failed(item, head, &error.to_string());
                    unanswered += 1;
                    if unanswered >= UNANSWERED_IN_A_ROUND {
                        stop_for_now(&error);
                        break;
                    }
                }
                Err(NotBegun::NoLane) => break,
                Err(NotBegun::Chain(error)) => {
                    stop_for_now(&error);
                    break;
                }
                Err(NotBegun::Store(error)) => return Err(error),
            }
        }
        if tried > 0 {
            self.turn = self.turn.next();
        }
        Ok(())
    }

    /// Stops watching the channels that the plan drops. The store checks again that nothing is owed. Nothing is dropped
    /// while the chain shows that the store was rolled back, since it may have forgotten commitments.
    async fn drop_unused(&self, plan: &Plan) {
        let view = &self.context.view;
        if !view.rolled_back_channels().is_empty() || !view.lanes_ahead().is_empty() {
            return;
        }
        for channel in &plan.drops {
            match self.context.store.drop_channel(*channel, Amount::ZERO).await {
                Ok(()) => {
                    info!(%channel, "dropped the channel: it owes nothing, was never paid through, and is idle");
                    self.context.view.remove_channel(channel);
                    self.attempts.forget(channel);
                }
                Err(error) => debug!(%channel, %error, "an unused channel can't be dropped now"),
            }
        }
    }

    fn failed(&self, item: &Item, head: Ledger, why: &str) {
        match item {
            Item::Pay(payout) => self.leave_alone(Target::Pay(payout.channel), payout.channel, head, why),
            Item::Extend(Extension { channels, .. }) | Item::Restore(Restoration { channels, .. }) => {
                for channel in channels {
                    self.leave_alone(Target::Extend(*channel), *channel, head, why);
                }
            }
        }
    }

    /// Raises an alarm early when not all closing channels can be settled in time.
    fn warn_if_late(&mut self, plan: &Plan, head: Ledger) {
        let confirm = self.config.reaction.confirm_ledgers;
        match capacity::first_late(plan.payouts(), head, confirm) {
            None => self.late.reset(),
            Some((channel, done)) if self.late.is_due(self.clock.boot()) => raise!(
                TooManyClosing, %channel, confirmed_at = %done, waiting = plan.payouts().count(),
                "more channels are closing than one fee account can settle before their deadlines"
            ),
            Some(_) => {}
        }
    }

    /// What is to be done now, in the order of loss. The network's prices are asked for only when there is something to
    /// send.
    async fn plan(&self) -> Option<Plan> {
        let (store, view, config) = (&self.context.store, &self.context.view, &self.config);
        let past = self.attempts.past();
        let now_ms = self.clock.wall_unix_ms();
        let survey = survey(&SurveySources {
            config,
            store,
            view,
            promised_fees: self.promises.fees().map(|(_, fees)| fees),
            past: &past,
            now_ms,
        })?;
        let plan = survey.plan(self.turn);
        for (channel, report) in &plan.reports {
            debug!(%channel, %report, "nothing can be done");
        }
        if plan.items.is_empty() {
            return Some(plan);
        }
        match guarded("asking for fees", &self.context.view, self.context.chain.inclusion_fees()).await {
            Ok(fees) => {
                let market = fees.p95.max(BASE_FEE);
                self.attempts.saw_market(market);
                Some(survey.at_market(market).plan(self.turn))
            }
            // The last known price is the best guess. An unknown price must not stop settling.
            Err(error) => {
                warn!(%error, market = %survey.limits.market, "fees can't be asked for; the last known price is bid");
                Some(plan)
            }
        }
    }
}

/// How many payouts have failed since the last success, by a channel's outcomes, newest first.
fn failures(outcomes: &[Decided]) -> u32 {
    let payouts = outcomes.iter().filter(|decided| decided.purpose.pays().is_some());
    let failed = payouts.take_while(|decided| !matches!(decided.outcome, Outcome::Confirmed { .. })).count();
    u32::try_from(failed).unwrap_or(u32::MAX)
}

fn stop_for_now(error: &ChainError) {
    if error.kind.is_alarm() {
        raise!(ChainNotUnderstood, %error, "nothing can be settled through this endpoint");
    } else {
        warn!(%error, "the chain can't be asked now; settling goes on when it can");
    }
}
