//! The sixth promise: whatever endangers a promise raises an alarm, and it is the right one.
//!
//! The world knows its dangers. Each has one kind of alarm, and most are about one channel. A danger that the watcher
//! can see must raise its alarm within a bound. The other way round, each alarm needs a danger that explains it.

use std::collections::BTreeMap;

use paychan_channel::{Address, ChannelState, Ledger};
use paychan_watcher::daemon::StoreReports;

use super::World;
use super::kinds::Kind;
use crate::alarms::Raised;
use crate::network::{FIRST, Network};
use crate::setup::{MAX_FEE, SWEEP_INTERVAL, id, recipient_at};

/// How many ledgers later than its interval a sweep may come, because it takes time and a node lags.
pub(super) const DETECTION_SPARE: u32 = 6;
/// The ledgers within which the watcher sees what the channels' entries show. It is less than half of the shortest
/// waiting period, as the promise wants it.
const BY_SWEEP: u32 = SWEEP_INTERVAL + DETECTION_SPARE;
/// The ledgers within which the watcher sees what it looks at in each ledger.
const BY_HEAD: u32 = 6;
/// The ledgers within which a chain that nobody sees is reported: what was seen last stays fresh for 60 seconds, and
/// the watcher waits for 60 more.
const BY_AGE: u32 = 24 + BY_HEAD;
const _: () = assert!(2 * BY_SWEEP < crate::setup::WAITING);
/// How many ledgers after the end of a fault its alarms may still come. An alarm is repeated once in 12 ledgers, and a
/// transaction may be in flight for a few.
const AFTER_FAULT: u32 = 2 * BY_SWEEP;
/// The highest cost of one settlement: the assumed resource fee and the highest bid. Stroops.
const DEAREST: i64 = 50_000 + MAX_FEE;

/// A danger. The number is the channel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Danger {
    /// The funder has announced a close.
    Close(u8),
    /// The deadline is near, and something is unpaid.
    DeadlineNear(u8),
    /// The channel has ended, and something is unpaid.
    Loss(u8),
    /// The issuer has frozen the channel's balance.
    BalanceFrozen(u8),
    /// The channel holds less than what it owes.
    Uncovered(u8),
    /// Something is unpaid, and an entry is archived.
    Archived(u8),
    /// The only endpoint's answer about the channel can't be decoded.
    Unreadable(u8),
    /// The recipient with this number can't be paid what it is owed.
    RecipientCannotBePaid(u8),
    /// The fee account can't pay for one settlement.
    FeesShort,
    /// The store's disk has refused a write.
    StoreBroken,
    /// The only endpoint serves another network, or its newest ledger can't be decoded.
    NotUnderstood,
    /// The only endpoint answers nothing, or always the same ledger.
    NotVisible,
    /// The only endpoint's answer about the network's settings can't be used.
    SettingsUnknown,
}

impl Danger {
    /// The name of the alarm that reports it.
    fn alarm(self) -> &'static str {
        match self {
            Danger::Close(_) => "close_seen",
            Danger::DeadlineNear(_) => "deadline_near",
            Danger::Loss(_) => "loss",
            Danger::BalanceFrozen(_) => "balance_frozen",
            Danger::Uncovered(_) => "coverage_fell",
            Danger::Archived(_) => "entry_archived",
            Danger::RecipientCannotBePaid(_) => "recipient_cannot_be_paid",
            Danger::FeesShort => "fees_low",
            Danger::StoreBroken => "settle_only",
            Danger::NotVisible => "chain_not_visible",
            Danger::Unreadable(_) | Danger::NotUnderstood | Danger::SettingsUnknown => "chain_not_understood",
        }
    }

    /// The channel that the alarm names.
    fn channel(self) -> Option<u8> {
        match self {
            Danger::Close(number)
            | Danger::DeadlineNear(number)
            | Danger::Loss(number)
            | Danger::BalanceFrozen(number)
            | Danger::Uncovered(number)
            | Danger::Archived(number)
            | Danger::Unreadable(number) => Some(number),
            _ => None,
        }
    }

    /// Whether the alarm reports this danger.
    fn is_reported_by(self, raised: &Raised) -> bool {
        let names_recipient = match self {
            Danger::RecipientCannotBePaid(number) => raised.names(&recipient_at(number).account().to_string()),
            _ => true,
        };
        let channel = self.channel().map(|number| id(number).to_string());
        raised.name == self.alarm() && raised.channel == channel && names_recipient
    }

    /// The ledgers within which the alarm must be raised, if nothing hides the danger.
    fn within(self) -> u32 {
        match self {
            Danger::DeadlineNear(_) | Danger::NotUnderstood => BY_HEAD,
            // A lie about the account's ledger may be believed for a few ledgers.
            Danger::FeesShort => 2 * BY_HEAD,
            Danger::NotVisible => BY_AGE,
            Danger::StoreBroken => 1,
            _ => BY_SWEEP,
        }
    }
}

/// How long a danger has been there.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// The number of alarms that were raised before it.
    alarms: usize,
    /// The ledger since which nothing has hidden it.
    visible_since: u32,
    /// The ledger since which it is gone and nothing has hidden that, if it is gone.
    gone_since: Option<u32>,
    /// Whether its alarm was raised in time.
    reported: bool,
}

/// The dangers that are there, or were there a short time ago.
#[derive(Debug, Default)]
pub(crate) struct Dangers {
    courses: BTreeMap<Danger, Course>,
    /// The number of alarms that were judged.
    judged: usize,
    /// What the present process has reported about its store.
    store: StoreReports,
}

impl Dangers {
    /// A new process has reported nothing.
    pub(crate) fn process_started(&mut self) {
        self.store = StoreReports::default();
    }

    fn follow(&mut self, danger: Danger, is_there: bool, hidden: bool, now: u32) {
        let alarms = self.judged;
        if is_there {
            let fresh = Course { alarms, visible_since: now, gone_since: None, reported: false };
            let course = self.courses.entry(danger).or_insert(fresh);
            if hidden || course.gone_since.is_some() {
                course.visible_since = if hidden { now + 1 } else { now };
            }
            course.gone_since = None;
        } else if let Some(course) = self.courses.get_mut(&danger) {
            let since = course.gone_since.filter(|_| !hidden).unwrap_or(now);
            course.gone_since = Some(since);
            if now > since + BY_SWEEP {
                self.courses.remove(&danger);
            }
        }
    }

    fn explain(&self, raised: &Raised) -> bool {
        self.courses.keys().any(|danger| danger.is_reported_by(raised))
    }
}

impl World {
    /// Judges the alarms of this ledger. It comes after the rounds of the loops.
    pub(crate) fn judge_alarms(&mut self) {
        self.dangers.store.look(&self.process.watcher().store, self.chain.clock().as_ref());
        self.follow_dangers();
        for raised in self.alarms.since(self.dangers.judged) {
            if !self.dangers.explain(&raised) && !self.is_explained_otherwise(&raised) {
                self.violated(format!("nothing explains the alarm {raised}"));
            }
        }
        self.require_alarms();
        self.dangers.judged = self.alarms.count();
    }

    /// Finds out which dangers are there.
    fn follow_dangers(&mut self) {
        let chain = self.chain.clone();
        let network = chain.network();
        let now = network.ledger();
        let alone = self.plan.endpoints == 1;
        // Faults begin and end before the ledger closes.
        let unseen = self.trouble.silent_at + 1 >= now;
        let was_blind = self.trouble.blind_at + 1 + BY_SWEEP >= now;
        // What each recipient is owed.
        let mut owed = vec![0_i128; usize::from(self.plan.recipients)];
        for number in 1..=self.plan.channels {
            let state = &network.channels[&id(number)];
            let held = self.process.watcher().store.held(&id(number));
            let claim = held.as_ref().map_or(0, |held| held.claim_amount().get());
            let open = held.is_some() && !state.refunded;
            let unpaid = claim > state.withdrawn.get();
            let is_near = state
                .close_effective_at
                .is_some_and(|deadline| deadline.since(Ledger(now)) <= state.refund_waiting_period / 3);
            if open && unpaid {
                owed[usize::from(self.plan.recipient_of(number))] += claim - state.withdrawn.get();
            }
            let garbled = alone && network.faults.garbled.contains(&id(number));
            let hidden = unseen || held.is_none();
            let mut follow = |danger, is_there| {
                let hidden = match danger {
                    Danger::Unreadable(_) => hidden,
                    // A lie or an old answer is believed until the next sweep.
                    Danger::DeadlineNear(_) => hidden || was_blind,
                    _ => hidden || garbled,
                };
                self.dangers.follow(danger, is_there, hidden, now);
            };
            follow(Danger::Close(number), !state.refunded && state.close_effective_at.is_some());
            follow(Danger::DeadlineNear(number), open && unpaid && is_near);
            follow(Danger::Loss(number), state.refunded && unpaid);
            follow(Danger::BalanceFrozen(number), open && !state.balance_authorized);
            follow(Danger::Uncovered(number), open && claim > state.coverage().get());
            follow(Danger::Archived(number), open && unpaid && is_archived(state, now));
            follow(Danger::Unreadable(number), garbled);
        }
        let kinds = |kinds: &[Kind]| alone && kinds.iter().any(|kind| self.trouble.is_on(*kind));
        let silent = self.trouble.is_on(Kind::RecipientsDown) && !self.is_outvoted(Kind::RecipientsDown);
        let not_understood = kinds(&[Kind::OtherNetwork, Kind::GarbledHead]);
        let settings = kinds(&[Kind::SettingsGarbled, Kind::SettingsAbsurd]);
        let silenced = kinds(&[Kind::Down, Kind::Busy]);
        let not_visible = not_understood || kinds(&[Kind::Down, Kind::Frozen]);
        // An endpoint that answers again shows a ledger that may be fresh.
        let changed =
            self.trouble.has_just_ended(&[Kind::OtherNetwork, Kind::GarbledHead, Kind::Down, Kind::Frozen], now);
        let crashed = self.trouble.crashed_at >= now;
        let dangers = &mut self.dangers;
        for (number, owed) in (0..).zip(owed) {
            let to = Address::Account(recipient_at(number).account());
            let frozen = network.frozen_recipients.contains(&to);
            let lacks_room = network.rooms.get(&to).is_some_and(|room| owed > room.get());
            let hidden = unseen || silent || owed == 0;
            dangers.follow(Danger::RecipientCannotBePaid(number), frozen || lacks_room, hidden, now);
        }
        dangers.follow(Danger::FeesShort, network.lane_balance < DEAREST, unseen, now);
        dangers.follow(Danger::StoreBroken, self.process.disk.has_refused(), false, now);
        dangers.follow(Danger::NotUnderstood, not_understood, silenced || crashed, now);
        dangers.follow(Danger::NotVisible, not_visible, crashed || changed, now);
        dangers.follow(Danger::SettingsUnknown, settings, unseen || silent, now);
    }

    /// Each danger that was visible for long enough must have raised its alarm.
    fn require_alarms(&mut self) {
        let now = self.now();
        let mut missing = Vec::new();
        for (danger, course) in &mut self.dangers.courses {
            let due = course.gone_since.is_none() && now >= course.visible_since + danger.within();
            if course.reported || !due {
                continue;
            }
            course.reported = true;
            self.totals.dangers += 1;
            if !self.alarms.since(course.alarms).iter().any(|raised| danger.is_reported_by(raised)) {
                missing.push(*danger);
            }
        }
        for danger in missing {
            self.violated(format!("{danger:?} has raised no alarm {} for {} ledgers", danger.alarm(), danger.within()));
        }
    }

    /// Whether a fault explains an alarm that reports no danger of its own.
    fn is_explained_otherwise(&self, raised: &Raised) -> bool {
        let network = self.chain.network();
        let was_ever_on = |kinds: &[Kind]| kinds.iter().any(|kind| self.trouble.was_on(*kind));
        let closing = self.memory.channels.iter().filter(|(_, promised)| promised.close_announced.is_some());
        let names_closing = || {
            let mut closing = closing.clone();
            closing.any(|(number, _)| raised.channel.as_ref().is_none_or(|named| *named == id(*number).to_string()))
        };
        // The event of a recipient's close has a deadline, too.
        let names_ended = || {
            let mut ended = network.channels.values().filter(|state| state.refunded);
            ended.any(|state| raised.channel.as_ref() == Some(&state.channel.to_string()))
        };
        match raised.name.as_str() {
            // Below a quorum, a channel that has ended looks as if it were closing.
            "close_seen" => self.plan.endpoints > 1 && (names_closing() || names_ended()),
            // Several endpoints may fail to tell about one channel, which is no danger while enough others do.
            "chain_not_understood"
                if self.plan.endpoints > 1 && raised.channel.is_some() && was_ever_on(&[Kind::Garbled]) =>
            {
                true
            }
            // The watcher counts what was paid a short time ago as owed until it sees the payment.
            "recipient_cannot_be_paid" => was_ever_on(&[Kind::LittleRoom]),
            // What the endpoint or the clock did may be seen as one or the other.
            "chain_not_visible" | "chain_not_understood" => {
                let ever = self.plan.undated_from.is_some() || self.plan.without_events_from.is_some();
                // An old copy of the entries has no channel that was opened after it.
                let was_unopened = raised.name == "chain_not_understood" && network.ledger() <= FIRST + BY_HEAD;
                (raised.channel.is_none() || was_unopened)
                    && (ever || self.trouble.was_any_on(network.ledger(), AFTER_FAULT))
            }
            "settlement_failing" => {
                let lasting = |danger: &Danger| {
                    matches!(danger, Danger::Uncovered(_) | Danger::BalanceFrozen(_) | Danger::Loss(_))
                };
                let names =
                    |danger: &Danger| danger.channel().is_some_and(|number| raised.names(&id(number).to_string()));
                let of_the_channel = self.dangers.courses.keys().any(|danger| lasting(danger) && names(danger));
                of_the_channel || self.trouble.was_any_on(network.ledger(), AFTER_FAULT)
            }
            // Somebody else used what the watcher uses, or the watcher could not record what it did, before the process
            // was stopped.
            "store_rolled_back" => match &raised.channel {
                Some(named) => was_ever_on(&[Kind::FarEntries]) || self.is_paid_above_what_is_held(named, &network),
                None => was_ever_on(&[Kind::SequenceUsed, Kind::DiskFull]),
            },
            // What is paid may look unpaid until the next answer that can be decoded.
            "deadline_near" => {
                names_closing() || (names_ended() && self.trouble.was_any_on(network.ledger(), AFTER_FAULT))
            }
            // A channel that can't be read may be closing. After a restart, it may be closing since its admission.
            "too_many_closing" => {
                let is_blind = self.trouble.blind_at + BY_HEAD >= network.ledger();
                names_closing() || is_blind || was_ever_on(&[Kind::Garbled])
            }
            // An old answer may show an archived entry and what was unpaid, after somebody has paid and restored it.
            "entry_archived" => {
                let is_old =
                    || was_ever_on(&[Kind::Archived]) && self.trouble.was_any_on(network.ledger(), AFTER_FAULT);
                was_ever_on(&[Kind::CallsLiveArchived]) || is_old()
            }
            // A restored entry lives for a short time at first.
            "life_short" => was_ever_on(&[Kind::Archived]),
            // A process that starts anew may first see an old answer, from before a deposit. Or a close with less was agreed
            // just after the alarm.
            "coverage_fell" => {
                let starts_anew = self.trouble.crashed_at + BY_SWEEP >= network.ledger();
                (starts_anew && was_ever_on(&[Kind::Lag])) || self.highest_is_uncovered(raised, &network)
            }
            // A freeze may begin and end while the process starts anew.
            "balance_frozen" => {
                let starts_anew = self.trouble.crashed_at + BY_HEAD >= network.ledger();
                starts_anew && was_ever_on(&[Kind::Lag, Kind::BalanceFrozen])
            }
            _ => false,
        }
    }
}

impl World {
    /// Whether the channel that this alarm names covers less than the highest commitment held.
    fn highest_is_uncovered(&self, raised: &Raised, network: &Network) -> bool {
        let state = network.channels.values().find(|state| raised.channel == Some(state.channel.to_string()));
        state.is_some_and(|state| {
            let held = self.process.watcher().store.held(&state.channel);
            held.is_some_and(|held| held.highest_amount() > state.coverage())
        })
    }

    /// Whether the chain has paid more on the channel of this name than the watcher holds.
    fn is_paid_above_what_is_held(&self, named: &str, network: &Network) -> bool {
        let state = network.channels.values().find(|state| state.channel.to_string() == named);
        state.is_some_and(|state| {
            let held = self.process.watcher().store.held(&state.channel);
            held.is_some_and(|held| state.withdrawn > held.highest_amount())
        })
    }
}

fn is_archived(state: &ChannelState, now: u32) -> bool {
    state.lives.archived(Ledger(now)).next().is_some()
}
