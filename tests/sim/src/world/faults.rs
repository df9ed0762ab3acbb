//! Begins and ends the faults of a world.

use std::time::Duration;

use paychan_channel::{Address, IssuerFlags, Ledger, Payability};
use paychan_watcher::chain::{Head, NetworkTerms};

use super::World;
use super::plan::NoEvents;
use crate::network::{EPOCH_MS, EventsFault, FIRST, Faults, Hang, LEDGER};
use crate::setup::{amount, id, recipient};

/// The faults that are on, with the ledger at which each ends.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    until: Vec<(u32, Kind)>,
    /// Whether fees are high because a deadline is near.
    surges: bool,
    /// The last ledger at which a fault kept the process from reading channels.
    pub(crate) blind_at: u32,
    /// The last ledger at which a fault kept the process from reading any channel at all.
    pub(crate) silent_at: u32,
    /// The last ledger in which the process was stopped.
    pub(crate) crashed_at: u32,
    /// The last ledger of each kind of fault that is over.
    over: Vec<(u32, Kind)>,
}

impl Trouble {
    pub(crate) fn is_on(&self, kind: Kind) -> bool {
        self.until.iter().any(|(_, on)| *on == kind)
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
        !self.until.is_empty() || last + ledgers >= now
    }
}

/// The kinds of faults. Their order is their bit in [`super::Plan::kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Down,
    Lag,
    OldEntries,
    Frozen,
    HideEvents,
    EventsDown,
    EmptyCursor,
    CursorRefused,
    LoseSends,
    TryAgainLater,
    Market,
    Entrance,
    Hang,
    FarHead,
    Undated,
    SettingsGarbled,
    SettingsAbsurd,
    Garbled,
    GarbledOutcomes,
    RecipientsDown,
    LaneDry,
    SequenceUsed,
    ClockJump,
    DiskFull,
    Archived,
    CloseFails,
    CallsLiveArchived,
    FarEntries,
    FarEvents,
    OtherNetwork,
    Busy,
    GarbledHead,
    Slow,
    LostHistory,
    WrongDate,
    FullLedgers,
    ClockBack,
    BalanceFrozen,
    RecipientFrozen,
    ClawedBack,
}

const KINDS: [Kind; 40] = [
    Kind::Down,
    Kind::Lag,
    Kind::OldEntries,
    Kind::Frozen,
    Kind::HideEvents,
    Kind::EventsDown,
    Kind::EmptyCursor,
    Kind::CursorRefused,
    Kind::LoseSends,
    Kind::TryAgainLater,
    Kind::Market,
    Kind::Entrance,
    Kind::Hang,
    Kind::FarHead,
    Kind::Undated,
    Kind::SettingsGarbled,
    Kind::SettingsAbsurd,
    Kind::Garbled,
    Kind::GarbledOutcomes,
    Kind::RecipientsDown,
    Kind::LaneDry,
    Kind::SequenceUsed,
    Kind::ClockJump,
    Kind::DiskFull,
    Kind::Archived,
    Kind::CloseFails,
    Kind::CallsLiveArchived,
    Kind::FarEntries,
    Kind::FarEvents,
    Kind::OtherNetwork,
    Kind::Busy,
    Kind::GarbledHead,
    Kind::Slow,
    Kind::LostHistory,
    Kind::WrongDate,
    Kind::FullLedgers,
    Kind::ClockBack,
    Kind::BalanceFrozen,
    Kind::RecipientFrozen,
    Kind::ClawedBack,
];

impl Kind {
    /// Whether the token's issuer causes it.
    fn is_of_the_issuer(self) -> bool {
        matches!(self, Kind::BalanceFrozen | Kind::RecipientFrozen | Kind::ClawedBack)
    }

    /// Whether only the first endpoint has the fault, so that other endpoints answer rightly.
    fn is_of_the_endpoint(self) -> bool {
        matches!(
            self,
            Kind::Down
                | Kind::Lag
                | Kind::OldEntries
                | Kind::Frozen
                | Kind::HideEvents
                | Kind::EventsDown
                | Kind::EmptyCursor
                | Kind::CursorRefused
                | Kind::LoseSends
                | Kind::TryAgainLater
                | Kind::FarHead
                | Kind::Undated
                | Kind::SettingsGarbled
                | Kind::SettingsAbsurd
                | Kind::Garbled
                | Kind::GarbledOutcomes
                | Kind::RecipientsDown
                | Kind::CallsLiveArchived
                | Kind::FarEntries
                | Kind::FarEvents
                | Kind::OtherNetwork
                | Kind::Busy
                | Kind::GarbledHead
                | Kind::LostHistory
                | Kind::WrongDate
        )
    }

    /// Whether the process can still read channels, because the fault is about events, dates, fees or its own
    /// transactions alone.
    fn leaves_entries_alone(self) -> bool {
        matches!(
            self,
            Kind::HideEvents
                | Kind::EventsDown
                | Kind::EmptyCursor
                | Kind::CursorRefused
                | Kind::LoseSends
                | Kind::TryAgainLater
                | Kind::Market
                | Kind::Entrance
                | Kind::FullLedgers
                | Kind::Undated
                | Kind::SettingsGarbled
                | Kind::SettingsAbsurd
                | Kind::GarbledOutcomes
                | Kind::RecipientsDown
                | Kind::LaneDry
                | Kind::SequenceUsed
                | Kind::CloseFails
                | Kind::LostHistory
                | Kind::DiskFull
                | Kind::Archived
                | Kind::CallsLiveArchived
                | Kind::BalanceFrozen
                | Kind::RecipientFrozen
                | Kind::ClawedBack
        )
    }
}

/// The stroops that the lane gets after it was dry.
const LANE_STROOPS: i64 = 1_000_000_000;

impl World {
    /// Ends the faults whose time is over, or all of them if the network must answer now, and may begin another one.
    pub(crate) fn change_faults(&mut self, must_answer: bool) {
        let now = self.now();
        let (over, on): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.trouble.until).into_iter().partition(|(until, kind)| {
                // The promise asks for answers of a quorum, and not of every endpoint.
                let lasts = self.plan.endpoints > 1 && kind.is_of_the_endpoint();
                *until <= now || (must_answer && !lasts)
            });
        self.trouble.until = on;
        for (_, kind) in over {
            self.trouble.over.push((now, kind));
            self.end_fault(kind);
        }
        if self.trouble.surges {
            self.chain.network().faults.market = 0;
        }
        self.trouble.surges = must_answer;
        if must_answer {
            self.process.disk.die_after(None, 0);
            let mut network = self.chain.network();
            network.death.after = None;
            network.faults.market = self.plan.surge;
            network.faults.hang = None;
            if self.plan.endpoints == 1 {
                network.faults = Faults { market: self.plan.surge, ..Faults::default() };
            }
        } else {
            self.may_begin_fault();
        }
        self.keep_lasting_faults();
        let others_know = |kind: &Kind| self.plan.endpoints > 1 && kind.is_of_the_endpoint();
        if !self.trouble.until.iter().all(|(_, kind)| kind.leaves_entries_alone() || others_know(kind)) {
            self.trouble.blind_at = now;
        }
        let silent = |kind: &Kind| !kind.leaves_entries_alone() && *kind != Kind::Garbled && !others_know(kind);
        if self.trouble.until.iter().any(|(_, kind)| silent(kind)) {
            self.trouble.silent_at = now;
        }
    }

    /// Renews the faults that last to the end of a world, even near a deadline. No promise depends on them.
    fn keep_lasting_faults(&mut self) {
        let mut network = self.chain.network();
        let gone_by = 100 * (network.ledger() - FIRST) / self.plan.ledgers.max(1);
        let faults = &mut network.faults;
        if self.plan.undated_from.is_some_and(|from| gone_by >= from) {
            faults.undated = true;
        }
        match self.plan.without_events_from.filter(|(from, _)| gone_by >= *from) {
            None => {}
            Some((_, NoEvents::Hidden)) => faults.hides_events = true,
            Some((_, NoEvents::Down)) => faults.events = Some(EventsFault::Down),
            Some((_, NoEvents::EmptyCursor)) => faults.events = Some(EventsFault::EmptyCursor),
        }
        if self.plan.issuer_acts {
            faults.issuer = Some(IssuerFlags { requires_authorization: true, may_revoke: true, may_claw_back: true });
        }
    }

    fn may_begin_fault(&mut self) {
        let now = self.now();
        if self.random.u32(..1_000) < self.plan.faults {
            let at = self.random.usize(..KINDS.len());
            let longest = [3, 10, 60][self.random.usize(..3)];
            let lasts = self.random.u32(1..=longest);
            let by_nobody = KINDS[at].is_of_the_issuer() && !self.plan.issuer_acts;
            if !by_nobody
                && self.plan.kinds & (1 << at) != 0
                && !self.trouble.until.iter().any(|(_, on)| *on == KINDS[at])
            {
                self.note(format_args!("{:?} for {lasts} ledgers", KINDS[at]));
                self.totals.faults += 1;
                self.begin_fault(KINDS[at]);
                self.trouble.until.push((now + lasts, KINDS[at]));
            }
        }
    }

    fn begin_fault(&mut self, kind: Kind) {
        let some_channel = id(self.random.u8(1..=self.plan.channels));
        let few = self.random.u32(1..=4);
        let price = self.random.i64(0..=200_000);
        let hang = [Hang::Prepare, Hang::BeforeSend, Hang::AfterSend, Hang::Outcome][self.random.usize(..4)];
        let far = self.random.u32(1_000..1_000_000_000);
        let (later, torn, days) = (self.random.u32(..8), self.random.u8(..), self.random.u64(1..=3));
        let part = self.random.i128(1..=100);
        let mut network = self.chain.network();
        let now = network.ledger();
        let clock = network.clock.clone();
        let faults = &mut network.faults;
        let lie = matches!(
            kind,
            Kind::FarHead
                | Kind::OldEntries
                | Kind::HideEvents
                | Kind::SettingsAbsurd
                | Kind::CallsLiveArchived
                | Kind::FarEntries
                | Kind::FarEvents
                | Kind::WrongDate
                | Kind::OtherNetwork
        );
        if lie {
            self.totals.lies += 1;
        }
        match kind {
            Kind::Down => faults.down = true,
            Kind::Lag => faults.lag = few,
            Kind::OldEntries => faults.old_entries = few,
            Kind::Frozen => faults.frozen_at = Some(now),
            Kind::HideEvents => faults.hides_events = true,
            Kind::EventsDown => faults.events = Some(EventsFault::Down),
            Kind::EmptyCursor => faults.events = Some(EventsFault::EmptyCursor),
            Kind::CursorRefused => faults.events = Some(EventsFault::CursorRefused),
            Kind::LoseSends => faults.lose_sends = few,
            Kind::TryAgainLater => faults.try_again_later = few,
            Kind::Market => faults.market = price,
            Kind::Entrance => faults.entrance = price / 2,
            Kind::Hang => faults.hang = Some(hang),
            Kind::FarHead => {
                let closed_at_unix_ms = Some(clock_ms(&clock));
                faults.heads.push_back(Head { ledger: Ledger(now.saturating_add(far)), closed_at_unix_ms });
            }
            Kind::Undated => faults.undated = true,
            Kind::SettingsGarbled => faults.settings = Some(Err(())),
            Kind::SettingsAbsurd => {
                faults.settings = Some(Ok(NetworkTerms { target_close_ms: u32::MAX, max_entry_ttl: 1 }));
            }
            Kind::Garbled => {
                faults.garbled.insert(some_channel);
            }
            Kind::GarbledOutcomes => faults.garbled_outcomes = true,
            Kind::RecipientsDown => faults.recipients_down = true,
            Kind::LaneDry => network.lane_balance = 1_000,
            Kind::SequenceUsed => network.lane_sequence += 1,
            Kind::ClockJump => clock.set_wall_unix_ms(clock_ms(&clock).saturating_add(120_000 * u64::from(few))),
            Kind::DiskFull => {
                drop(network);
                self.process.disk.fill_after(later, torn);
            }
            Kind::Archived => {
                if let Some(state) = network.channels.get_mut(&some_channel) {
                    state.lives.instance = Some(Ledger(now.saturating_sub(1)));
                }
            }
            Kind::CloseFails => faults.close_fails = true,
            Kind::CallsLiveArchived => faults.calls_live_archived = true,
            Kind::FarEntries => faults.far_entries = few,
            Kind::FarEvents => faults.far_events = few,
            Kind::OtherNetwork => faults.other_network = true,
            Kind::Busy => faults.busy = 10 * few,
            Kind::GarbledHead => faults.garbled_head = true,
            Kind::Slow => faults.slow = Duration::from_millis(u64::from(few) * 900),
            Kind::LostHistory => faults.oldest = Some(now),
            Kind::WrongDate => {
                let away = days * 86_400_000;
                let dated = clock_ms(&clock);
                let dated = if torn % 2 == 0 { dated.saturating_add(away) } else { dated.saturating_sub(away) };
                faults.heads.push_back(Head { ledger: Ledger(now), closed_at_unix_ms: Some(dated) });
            }
            Kind::FullLedgers => faults.market = i64::MAX,
            Kind::ClockBack => clock.set_wall_unix_ms(clock_ms(&clock).saturating_sub(120_000 * u64::from(few))),
            Kind::BalanceFrozen => {
                if let Some(state) = network.channels.get_mut(&some_channel) {
                    state.balance_authorized = false;
                }
            }
            Kind::RecipientFrozen => {
                let to = Address::Account(recipient().account());
                faults.payability.insert(to, Payability::NotAuthorized);
                network.frozen_recipients.insert(to);
            }
            Kind::ClawedBack => {
                if let Some(state) = network.channels.get_mut(&some_channel) {
                    let taken = state.balance.get() * part / 100;
                    state.balance = amount(state.balance.get() - taken);
                    drop(network);
                    self.memory.channel(some_channel.0[0]).clawed_back_at = Some(now);
                }
            }
        }
    }

    fn end_fault(&mut self, kind: Kind) {
        let mut network = self.chain.network();
        let faults = &mut network.faults;
        match kind {
            Kind::Down => faults.down = false,
            Kind::Lag => faults.lag = 0,
            Kind::OldEntries => faults.old_entries = 0,
            Kind::Frozen => faults.frozen_at = None,
            Kind::HideEvents => faults.hides_events = false,
            Kind::EventsDown | Kind::EmptyCursor | Kind::CursorRefused => faults.events = None,
            Kind::LoseSends => faults.lose_sends = 0,
            Kind::TryAgainLater => faults.try_again_later = 0,
            Kind::Market => faults.market = 0,
            Kind::Entrance => faults.entrance = 0,
            Kind::Hang => faults.hang = None,
            Kind::FarHead => faults.heads.clear(),
            Kind::Undated => faults.undated = false,
            Kind::SettingsGarbled | Kind::SettingsAbsurd => faults.settings = None,
            Kind::Garbled => faults.garbled.clear(),
            Kind::GarbledOutcomes => faults.garbled_outcomes = false,
            Kind::RecipientsDown => faults.recipients_down = false,
            Kind::LaneDry => network.lane_balance = network.lane_balance.max(LANE_STROOPS),
            Kind::DiskFull => {
                drop(network);
                self.process.disk.empty();
            }
            Kind::CloseFails => faults.close_fails = false,
            Kind::CallsLiveArchived => faults.calls_live_archived = false,
            Kind::FarEntries => faults.far_entries = 0,
            Kind::FarEvents => faults.far_events = 0,
            Kind::OtherNetwork => faults.other_network = false,
            Kind::Busy => faults.busy = 0,
            Kind::GarbledHead => faults.garbled_head = false,
            Kind::LostHistory => faults.oldest = None,
            Kind::WrongDate => faults.heads.clear(),
            Kind::FullLedgers => faults.market = 0,
            Kind::BalanceFrozen => {
                network.channels.values_mut().for_each(|state| state.balance_authorized = true);
            }
            Kind::RecipientFrozen => {
                faults.payability.clear();
                network.frozen_recipients.clear();
            }
            Kind::ClawedBack => {}
            Kind::Slow | Kind::ClockJump | Kind::ClockBack => {
                faults.slow = Duration::ZERO;
                let since = LEDGER.saturating_mul(network.ledger() - FIRST);
                network.clock.set_wall_unix_ms(EPOCH_MS + u64::try_from(since.as_millis()).unwrap());
            }
            Kind::SequenceUsed | Kind::Archived => {}
        }
    }
}

fn clock_ms(clock: &paychan_watcher::clock::ManualClock) -> u64 {
    paychan_store::WallClock::wall_unix_ms(clock)
}
