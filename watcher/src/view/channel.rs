//! One channel in the view: its entries as they were last read, and every sign of a close or an end that was ever seen.

use std::cmp::Reverse;

use paychan_channel::{Amount, ChannelState, Ledger};

/// One channel as the view knows it. It is a copy.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelView {
    /// The state at the newest ledger at which the entries were read.
    pub state: ChannelState,
    /// The deadline, if a close was ever seen in the entries or in an event.
    pub deadline: Option<Ledger>,
    /// Whether enough endpoints have reported the close, so that the channel may be ended because of it. One of several
    /// endpoints alone can make the watcher settle early, but not end the channel.
    pub close_agreed: bool,
    /// Whether any read ever showed the channel as final. It takes no commitment from then on.
    pub ended: bool,
    /// Up to this ledger, nothing that happened to the channel can have been missed.
    pub gap_free_to: Ledger,
    /// The last error of the channel, as text for the operator; `None` after a success.
    pub trouble: Option<String>,
}

impl ChannelView {
    /// Whether a close was ever seen. If so, no commitment is taken.
    pub fn is_closing(&self) -> bool {
        self.deadline.is_some()
    }

    /// The most that the chain would pay in total, base units.
    pub fn coverage(&self) -> Amount {
        self.state.coverage()
    }
}

/// A channel whose entries this process could not read yet. What the store holds of it must still be settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnreadChannel {
    /// The deadline, if a close was reported.
    pub deadline: Option<Ledger>,
    /// The same as [`ChannelView::close_agreed`].
    pub close_agreed: bool,
    /// Why its entries could not be read, as text for the operator.
    pub trouble: Option<String>,
}

/// What the view keeps of a channel.
#[derive(Debug)]
pub(super) struct TrackedChannel {
    pub(super) state: ChannelState,
    /// Events up to this ledger were read before the channel was known here, so its own events among them were ignored.
    pub(super) unmatched_to: Ledger,
    pub(super) danger: Danger,
    pub(super) trouble: Option<String>,
    /// Whether the last read found something that the watcher does not understand.
    pub(super) unreadable: bool,
}

/// What is kept of a channel before its first read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pub(super) danger: Danger,
    pub(super) trouble: Option<String>,
}

/// Facts that stay true once they were seen, unless more than half of several endpoints deny them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Danger {
    pub(super) deadline: Option<Deadline>,
    pub(super) ended: bool,
}

/// A deadline, and the ledger at which it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub(super) ledger: Ledger,
    pub(super) seen_at: Ledger,
    /// Whether enough endpoints reported it.
    pub(super) agreed: bool,
}

impl Danger {
    /// Records a deadline that was seen at a ledger. A newer one replaces it, since a funder may announce a close
    /// again, which starts the waiting period again. Of two at one ledger, the earlier deadline is believed. An older
    /// one counts only when none was seen yet.
    ///
    /// `agreed` says whether enough endpoints report it. Once they have reported a close, it stays agreed.
    pub(super) fn note_deadline(&mut self, ledger: Ledger, seen_at: Ledger, agreed: bool) {
        let agreed = agreed || self.deadline.is_some_and(|known| known.agreed);
        let known = self.deadline.map(|known| Deadline { agreed, ..known });
        let both = known.into_iter().chain([Deadline { ledger, seen_at, agreed }]);
        self.deadline = both.min_by_key(|deadline| (Reverse(deadline.seen_at), deadline.ledger));
    }

    /// Handles that enough endpoints, asked at ledger `at`, report that the channel is not closing. Returns whether
    /// that takes back a close that too few of them had reported.
    fn take_back_close(&mut self, at: Ledger) -> bool {
        let is_denied = self.deadline.is_some_and(|known| !known.agreed && known.seen_at <= at);
        if is_denied {
            self.deadline = None;
        }
        is_denied
    }
}

impl TrackedChannel {
    /// A channel at its first read, with the danger that was known before.
    pub(super) fn first(state: ChannelState, unmatched_to: Ledger, danger: Danger, agreed: bool) -> Self {
        let mut known = Self { state: state.clone(), unmatched_to, danger, trouble: None, unreadable: false };
        known.note_danger(&state, agreed);
        known
    }

    /// Merges another read: see [`View::merge_channel`](super::View::merge_channel).
    pub(super) fn merge(&mut self, read: ChannelState, agreed: bool) {
        self.note_danger(&read, agreed);
        let newer = read.read_at > self.state.read_at;
        self.unreadable &= read.read_at < self.state.read_at;
        let lower = read.read_at == self.state.read_at && read.coverage() <= self.state.coverage();
        if newer || lower {
            self.state = read;
        }
    }

    /// Handles that ledgers after `newest` never existed: what was read at them must not stop true reads.
    pub(super) fn take_back_after(&mut self, newest: Ledger) {
        if self.state.read_at > newest {
            self.state.read_at = Ledger(0);
        }
        if let Some(deadline) = self.danger.deadline.as_mut().filter(|deadline| deadline.seen_at > newest) {
            deadline.seen_at = Ledger(0);
        }
        self.unmatched_to = self.unmatched_to.min(newest);
    }

    /// See [`Danger::take_back_close`].
    pub(super) fn take_back_close(&mut self, at: Ledger) -> bool {
        self.danger.take_back_close(at)
    }

    fn note_danger(&mut self, read: &ChannelState, agreed: bool) {
        if let Some(deadline) = read.deadline() {
            self.danger.note_deadline(deadline, read.read_at, agreed);
        }
        self.danger.ended |= read.is_final();
    }
}
