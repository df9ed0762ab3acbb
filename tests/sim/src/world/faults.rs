//! Begins and ends the faults of a world.

use std::time::Duration;

use paychan_channel::{Address, IssuerFlags, Ledger, Payability};
use paychan_watcher::chain::{Head, NetworkTerms};

use super::World;
use super::kinds::{EARLY, KINDS, Kind, LATE};
use super::plan::NoEvents;
use super::trouble::Fault;
use crate::network::{Call, Caller, EPOCH_MS, EventsFault, FIRST, Faults, Hang, LEDGER, Trustline};
use crate::setup::{DEPOSIT, amount, id, recipient_at};

/// The stroops that the lane gets after it was dry.
const LANE_STROOPS: i64 = 1_000_000_000;

impl World {
    /// Ends the faults whose time is over, or all that the network must not have now, and may begin another one.
    pub(crate) fn change_faults(&mut self, must_answer: bool) {
        let now = self.now();
        let near = self.channels_near_their_deadlines();
        let (over, on): (Vec<_>, Vec<_>) = std::mem::take(&mut self.trouble.on)
            .into_iter()
            .partition(|fault| fault.until <= now || (must_answer && !self.lasts(fault, &near)));
        self.trouble.on = on;
        for fault in over {
            self.trouble.over.push((now, fault.kind));
            self.end_fault(fault);
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
            if self.plan.tolerated() == 0 {
                let before = std::mem::take(&mut network.faults);
                let of_others =
                    if self.plan.several { (before.garbled, before.payability) } else { Default::default() };
                let (garbled, payability) = of_others;
                network.faults = Faults { market: self.plan.surge, garbled, payability, ..Faults::default() };
            }
        } else {
            self.may_begin_fault();
        }
        self.keep_lasting_faults();
        let hiding: Vec<Kind> =
            self.trouble.on.iter().map(|fault| fault.kind).filter(|kind| self.hides(*kind)).collect();
        if !hiding.is_empty() {
            self.trouble.blind_at = now;
        }
        // An entry of the only endpoint that can't be decoded hides one channel.
        if hiding.iter().any(|kind| *kind != Kind::Garbled || self.plan.endpoints > 1) {
            self.trouble.silent_at = now;
        }
    }

    /// Whether a fault of this kind keeps the process from reading channels now.
    fn hides(&self, kind: Kind) -> bool {
        !kind.leaves_entries_alone() && !self.is_outvoted(kind)
    }

    /// Whether the endpoints without faults are a quorum that shows the truth.
    pub(super) fn is_outvoted(&self, kind: Kind) -> bool {
        kind.is_of_the_endpoint()
            && self.plan.tolerated() > 0
            && self.trouble.faulty_endpoints() <= self.plan.tolerated() as usize
    }

    /// Whether a fault may last while some channels are near their deadlines: the promise asks for answers of a quorum, and
    /// not of every endpoint; the troubles of one channel or recipient are no excuse for another; and the funder's are none at all.
    fn lasts(&self, fault: &Fault, near: &[u8]) -> bool {
        let is_no_excuse = |kind| match kind {
            Kind::BalanceFrozen => !near.contains(&fault.channel),
            Kind::Garbled => self.plan.endpoints == 1 && !near.contains(&fault.channel),
            Kind::RecipientFrozen | Kind::LittleRoom => {
                near.iter().all(|number| self.plan.recipient_of(*number) != fault.recipient)
            }
            Kind::FunderWithoutTrustline => true,
            _ => false,
        };
        (self.plan.tolerated() > fault.endpoint && fault.kind.is_of_the_endpoint())
            || (self.plan.several && is_no_excuse(fault.kind))
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
            let at = self.random.usize(..EARLY);
            let longest = [3, 10, 60][self.random.usize(..3)];
            let lasts = self.random.u32(1..=longest);
            let is_late = self.plan.several && self.later.u32(..5) == 0;
            // Some of these last for longer than a waiting period.
            let (at, lasts) = if is_late { (self.later.usize(LATE), self.later.u32(1..=200)) } else { (at, lasts) };
            let kind = KINDS[at];
            let endpoint = if kind.is_of_the_endpoint() { self.later.u32(..self.plan.faulty) } else { 0 };
            let by_nobody = kind.is_of_the_issuer() && !self.plan.issuer_acts;
            let is_on = self.trouble.on.iter().any(|on| (on.kind, on.endpoint) == (kind, endpoint));
            if !by_nobody && self.plan.kinds & (1 << at) != 0 && !is_on {
                self.note(format_args!("{kind:?} for {lasts} ledgers{}", of_endpoint(endpoint)));
                self.totals.faults += 1;
                self.begin_fault(kind, now + lasts, endpoint);
            }
        }
    }

    /// After a restart, the network may be full, and a load balancer may send transactions to a node that does not know those
    /// of the process before.
    pub(crate) fn change_nodes(&mut self) {
        if !self.plan.several || self.must_answer() || self.later.u32(..3) > 0 {
            return;
        }
        let until = self.now() + self.later.u32(2..=6);
        for kind in [Kind::OtherNode, Kind::FullLedgers] {
            if !self.trouble.is_on(kind) {
                self.note(format_args!("{kind:?} until {until}"));
                self.begin_fault(kind, until, 0);
            }
        }
    }

    fn begin_fault(&mut self, kind: Kind, until: u32, endpoint: u32) {
        let channel = self.random.u8(1..=self.plan.channels);
        let few = self.random.u32(1..=4);
        let price = self.random.i64(0..=200_000);
        let hang = [Hang::Prepare, Hang::BeforeSend, Hang::AfterSend, Hang::Outcome][self.random.usize(..4)];
        let far = self.random.u32(1_000..1_000_000_000);
        let (later, torn, days) = (self.random.u32(..8), self.random.u8(..), self.random.u64(1..=3));
        let part = self.random.i128(1..=100);
        let recipient_number = self.later.u8(..self.plan.recipients);
        let most_room = [0, 1_000, 10_000_000, DEPOSIT][self.later.usize(..4)];
        let room = self.later.i128(0..=most_room);
        self.trouble.on.push(Fault { kind, until, endpoint, channel, recipient: recipient_number });
        self.totals.lies += u64::from(kind.is_a_lie());
        let to = Address::Account(recipient_at(recipient_number).account());
        let some_channel = id(channel);
        let mut network = self.chain.network();
        let now = network.ledger();
        let clock = network.clock.clone();
        let faults = network.faults_of(endpoint);
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
                network.call(some_channel, Caller::Issuer, Call::Authorize(false)).unwrap();
            }
            Kind::RecipientFrozen => {
                faults.payability.insert(to, Payability::NotAuthorized);
                network.frozen_recipients.insert(to);
            }
            Kind::LittleRoom => {
                network.rooms.insert(to, amount(room));
            }
            Kind::OtherNode => faults.other_node = Some(price),
            Kind::FunderWithoutTrustline => {
                let from = network.channels[&some_channel].from;
                network.change_trustline(from, Trustline::Remove);
            }
            Kind::ClawedBack => {
                let state = &network.channels[&some_channel];
                let (balance, withdrawn) = (state.balance.get(), state.withdrawn.get());
                let left = balance - balance * part / 100;
                let promised = self.memory.channel(channel);
                // In some worlds the issuer leaves less than what is owed.
                let unpaid = (promised.owed() - withdrawn).max(0);
                let left = if self.plan.several { left.min(self.later.i128(0..=unpaid)) } else { left };
                network.call(some_channel, Caller::Issuer, Call::Clawback(balance - left)).unwrap();
                promised.clawed_back_at = Some(now);
            }
        }
    }

    fn end_fault(&mut self, fault: Fault) {
        let to = Address::Account(recipient_at(fault.recipient).account());
        let channel = id(fault.channel);
        let mut network = self.chain.network();
        let faults = network.faults_of(fault.endpoint);
        match fault.kind {
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
            Kind::Garbled => {
                faults.garbled.remove(&channel);
            }
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
                network.call(channel, Caller::Issuer, Call::Authorize(true)).unwrap();
            }
            Kind::RecipientFrozen => {
                faults.payability.remove(&to);
                network.frozen_recipients.remove(&to);
            }
            Kind::LittleRoom => {
                network.rooms.remove(&to);
            }
            Kind::OtherNode => faults.other_node = None,
            Kind::FunderWithoutTrustline => {
                let from = network.channels[&channel].from;
                network.change_trustline(from, Trustline::Create);
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

/// The words of the diary for an endpoint that is not the first one.
fn of_endpoint(endpoint: u32) -> String {
    if endpoint == 0 { String::new() } else { format!(" at endpoint {}", endpoint + 1) }
}

fn clock_ms(clock: &paychan_watcher::clock::ManualClock) -> u64 {
    paychan_store::WallClock::wall_unix_ms(clock)
}
