//! Makes the reports of the running daemon.

use std::sync::Arc;

use paychan_channel::{ContractId, Stroops};

use super::{closing, report};
use crate::caught::{Panicked, report as report_panic};
use crate::clock::Clock;
use crate::commitments::AFTER_PANIC;
use crate::config::Config;
use crate::policy::{Known, Limits, Past, SurveySources, survey};
use crate::promises::Promises;
use crate::settler::Attempts;
use crate::view::{LaneAhead, View};
use paychan_store::{Counts, Health, Held, SignedTransaction, Store};
use paychan_watcher_api::{ChannelReport, CloseState, HeadReport, LaneReport, Problem, ProblemKind, Report};

/// How many outcomes are read for each channel. The store keeps no more.
const OUTCOMES: usize = 8;

/// Makes reports from what the daemon's parts know, without asking the network.
pub struct Reporter {
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
    pub(super) view: Arc<View>,
    pub(super) promises: Arc<Promises>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) attempts: Arc<Attempts>,
}

impl Reporter {
    /// A reporter over these parts. `attempts` are the settler's own.
    pub fn new(
        config: Arc<Config>,
        store: Store,
        view: Arc<View>,
        promises: Arc<Promises>,
        clock: Arc<dyn Clock>,
        attempts: Arc<Attempts>,
    ) -> Self {
        Self { config, store, view, promises, clock, attempts }
    }

    /// What the store's committer has done since the start.
    pub fn counts(&self) -> Counts {
        self.store.counts()
    }

    /// The whole report.
    pub fn report(&self) -> Report {
        Report {
            running: true,
            as_of_unix_ms: Some(self.clock.wall_unix_ms()),
            network: self.config.passphrase().to_owned(),
            head: self
                .view
                .head()
                .map(|head| HeadReport { ledger: head.ledger, closed_at_unix_ms: head.closed_at_unix_ms }),
            target_close_ms: self.view.network().map(|terms| terms.target_close_ms),
            not_ready: self.not_ready().into_iter().map(|reason| reason.detail).collect(),
            channels: self.channels(),
            lanes: self.lanes(),
        }
    }

    /// All channels, in the order of their addresses.
    pub fn channels(&self) -> Vec<ChannelReport> {
        let past = self.attempts.past();
        let in_flight = self.store.in_flight();
        match survey(&self.sources(&past)) {
            Some(survey) => {
                let reported = |known: &Known<'_>| self.of(&known.held, Some((known, &survey.limits)), &in_flight);
                survey.channels.iter().map(reported).collect()
            }
            None => {
                let mut all = self.store.all_held();
                all.sort_by_key(Held::channel);
                all.iter().map(|held| self.of(held, None, &in_flight)).collect()
            }
        }
    }

    /// One channel; `None` when it is not watched.
    pub fn channel(&self, channel: &ContractId) -> Option<ChannelReport> {
        let held = self.store.held(channel)?;
        let past = self.attempts.past();
        let sources = self.sources(&past);
        let known = sources.known(held.clone());
        let limits = sources.limits();
        Some(self.of(&held, limits.as_ref().map(|limits| (&known, limits)), &self.store.in_flight()))
    }

    /// How far the close of a channel is, and the hash of its transaction; `None` when the channel is not watched.
    pub fn closing(&self, channel: &ContractId) -> Option<(CloseState, Option<String>)> {
        let held = self.store.held(channel)?;
        let past = self.attempts.past();
        let known = self.sources(&past).known(held);
        // This is read first, so that a transaction that gets its outcome meanwhile is in both.
        let in_flight = self.store.in_flight();
        let (state, hash) = closing::state(&known, &in_flight, &self.store.outcomes(channel, OUTCOMES));
        Some((state, hash.map(hex::encode)))
    }

    /// Whether the watcher is shutting down.
    pub fn is_stopping(&self) -> bool {
        self.view.is_stopping()
    }

    /// Reports that a call has panicked, and stops the taking of money.
    pub(crate) fn call_panicked(&self, panicked: &Panicked) {
        report_panic("a call of the API", panicked, &self.view);
    }

    /// Why no money is taken on any channel now; empty when money is taken.
    pub fn not_ready(&self) -> Vec<Problem> {
        let mut reasons = Vec::new();
        if self.view.is_stopping() {
            reasons.push(Problem::new(ProblemKind::Stopping, "the watcher is shutting down"));
        }
        if self.view.has_stopped_taking() {
            reasons.push(Problem::new(ProblemKind::Stopping, AFTER_PANIC));
        }
        if self.view.is_paused() {
            let why = "the operator has paused the watcher; `paychan-watcher resume` ends the pause";
            reasons.push(Problem::new(ProblemKind::Paused, why));
        }
        let health = self.store.health();
        let in_the_way = match health {
            Health::Running => None,
            Health::SpaceLow(_) => Some(ProblemKind::DiskLow),
            Health::Stalled { .. } => Some(ProblemKind::StoreStalled),
            Health::SettleOnly { .. } => Some(ProblemKind::SettleOnly),
            Health::Stopped => Some(ProblemKind::Stopping),
        };
        reasons.extend(in_the_way.map(|kind| Problem::new(kind, health.to_string())));
        for ahead in self.view.lanes_ahead() {
            let LaneAhead { lane, used, known } = ahead;
            let why = format!(
                "the store was rolled back: the fee account {lane} has used sequence number {used} on chain, and the store \
                 knows of none above {known}"
            );
            reasons.push(Problem::new(ProblemKind::RolledBack, why));
        }
        for channel in self.view.rolled_back_channels() {
            let why =
                format!("the store was rolled back: channel {channel} was paid more on chain than the store ever held");
            reasons.push(Problem::new(ProblemKind::RolledBack, why));
        }
        let limits = self.config.freshness_limits();
        if let Err(stale) = self.view.chain_freshness(&limits, self.clock.wall_unix_ms(), self.clock.boot()) {
            reasons.push(Problem::new(ProblemKind::NotFresh, stale.to_string()));
        }
        if self.view.network().is_none() {
            reasons.push(Problem::new(ProblemKind::NotFresh, "the network's settings have not been read yet"));
        }
        match self.view.spendable() {
            None => {
                let why = "the fee accounts have not been read yet";
                reasons.push(Problem::new(ProblemKind::NotFresh, why));
            }
            Some(spendable) if spendable < self.needed() => {
                let needed = self.needed();
                let why =
                    format!("the fee accounts can spend {spendable} stroops, and what is promised may cost {needed}");
                reasons.push(Problem::new(ProblemKind::FeesLow, why));
            }
            Some(_) if self.promises.fees().is_none() => {
                let why = "the promises have not been counted yet";
                reasons.push(Problem::new(ProblemKind::NotFresh, why));
            }
            Some(_) => {}
        }
        reasons
    }

    fn of(&self, held: &Held, known: Option<(&Known<'_>, &Limits)>, in_flight: &[SignedTransaction]) -> ChannelReport {
        report::of_channel(&self.config, held, known, in_flight, &self.store.outcomes(&held.channel(), OUTCOMES))
    }

    fn sources<'a>(&'a self, past: &'a Past) -> SurveySources<'a> {
        let now_ms = self.clock.wall_unix_ms();
        SurveySources {
            config: &self.config,
            store: &self.store,
            view: &self.view,
            promised_fees: self.promises.fees().map(|(_, fees)| fees),
            past,
            now_ms,
        }
    }

    /// What all promises may cost in stroops, but at least the cost of one settlement, so that the first promise can be
    /// made.
    fn needed(&self) -> Stroops {
        let promised = self.promises.fees().map_or(Stroops(0), |(_, fees)| fees);
        promised.max(self.promises.dearest_settlement())
    }

    fn lanes(&self) -> Vec<LaneReport> {
        let lanes = self.view.lanes();
        let all = lanes.iter().fold(Stroops(0), |sum, lane| sum.saturating_add(lane.spendable));
        let short = Stroops(self.needed().get().saturating_sub(all.get()).max(0));
        lanes
            .iter()
            .enumerate()
            .map(|(at, lane)| LaneReport {
                account: lane.account,
                balance: lane.balance,
                spendable: lane.spendable,
                // The first account gets the whole amount that all accounts together lack.
                send: if at == 0 { short } else { Stroops(0) },
            })
            .collect()
    }
}
