//! What goes wrong, for how long.

use paychan_channel::Ledger;
use paychan_watcher::chain::{Head, NetworkTerms};

use super::World;
use crate::network::{EPOCH_MS, EventsFault, FIRST, Faults, Hang, LEDGER};
use crate::setup::id;

/// The faults that are on, with the ledger at which each ends.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    until: Vec<(u32, Kind)>,
}

/// The kinds of faults. Their order is their bit in [`super::Plan::kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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
}

const KINDS: [Kind; 27] = [
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
];

/// What the lane holds again when it was dry.
const LANE_STROOPS: i64 = 1_000_000_000;

impl World {
    /// Ends faults whose time is over, all of them if the network must answer now, and may begin another.
    pub(crate) fn change_faults(&mut self, must_answer: bool) {
        let now = self.now();
        let (over, on): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.trouble.until).into_iter().partition(|(until, _)| must_answer || *until <= now);
        self.trouble.until = on;
        for (_, kind) in over {
            self.end_fault(kind);
        }
        if must_answer {
            self.chain.network().faults = Faults::default();
            return;
        }
        if self.random.u32(..1_000) < self.plan.faults {
            let at = self.random.usize(..KINDS.len());
            let longest = [3, 10, 60][self.random.usize(..3)];
            let lasts = self.random.u32(1..=longest);
            if self.plan.kinds & (1 << at) != 0 && !self.trouble.until.iter().any(|(_, on)| *on == KINDS[at]) {
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
        let mut network = self.chain.network();
        let now = network.ledger();
        let clock = network.clock.clone();
        let faults = &mut network.faults;
        let lie = matches!(
            kind,
            Kind::FarHead | Kind::OldEntries | Kind::HideEvents | Kind::SettingsAbsurd | Kind::CallsLiveArchived
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
                self.process.disk.fill(true);
            }
            Kind::Archived => {
                if let Some(state) = network.channels.get_mut(&some_channel) {
                    state.lives.instance = Some(Ledger(now.saturating_sub(1)));
                }
            }
            Kind::CloseFails => faults.close_fails = true,
            Kind::CallsLiveArchived => faults.calls_live_archived = true,
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
                self.process.disk.fill(false);
            }
            Kind::CloseFails => faults.close_fails = false,
            Kind::CallsLiveArchived => faults.calls_live_archived = false,
            Kind::ClockJump => {
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
