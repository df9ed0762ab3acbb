//! Chooses the channel that is dropped to make room for another. Pure.

use paychan_channel::{ContractId, Ledger};

use crate::view::ChannelView;
use paychan_store::Held;

/// When a channel counts as idle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Idle {
    /// Ledgers after which a channel that was not used counts as idle.
    pub(super) ledgers: u32,
    /// The newest ledger.
    pub(super) head: Ledger,
    /// The time now, milliseconds since the Unix epoch.
    pub(super) wall_unix_ms: u64,
    /// Milliseconds between two ledgers that the network aims at.
    pub(super) target_close_ms: u32,
}

/// Of the channels that owe nothing and are idle, the one that was used the longest time ago.
pub(super) fn droppable<'a>(
    channels: impl Iterator<Item = &'a Held>,
    view: impl Fn(&ContractId) -> Option<ChannelView>,
    idle: &Idle,
) -> Option<ChannelView> {
    let candidates = channels.filter_map(|held| {
        let known = view(&held.channel())?;
        (owes_nothing(held, &known) && idle.is_idle(held)).then(|| (last_used_ms(held), known))
    });
    candidates.min_by_key(|(used, known)| (*used, known.state.channel)).map(|(_, known)| known)
}

/// Whether everything committed is paid out to the recipient, and the payer has spent all of it.
fn owes_nothing(held: &Held, known: &ChannelView) -> bool {
    let settled = known.state.unsettled(held.claim_amount()).is_zero();
    let under_way = held.fence.is_some() || known.is_closing();
    // Nothing more is sold on a fenced channel: what the payer did not spend goes back to the funder.
    let spent = held.fence.is_some() || held.available().is_zero();
    settled && spent && (known.ended || !under_way)
}

/// When the channel's last commitment was taken, milliseconds since the Unix epoch; zero when there is none.
fn last_used_ms(held: &Held) -> u64 {
    held.highest.as_ref().map_or(0, |commitment| commitment.accepted_at_ms)
}

impl Idle {
    fn is_idle(&self, held: &Held) -> bool {
        let ms = u64::from(self.ledgers).saturating_mul(self.target_close_ms.into());
        let admitted_before = self.head.since(held.admission.admitted_at) >= self.ledgers;
        admitted_before && self.wall_unix_ms.saturating_sub(last_used_ms(held)) >= ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{HEAD, WALL_MS, channel_view, held, state, units};
    use paychan_channel::ChannelState;

    const IDLE: Idle =
        Idle { ledgers: 100, head: Ledger(HEAD.0 + 100), wall_unix_ms: WALL_MS + 500_000, target_close_ms: 5_000 };

    fn drops(held: &Held, state: ChannelState, idle: &Idle) -> bool {
        droppable(std::iter::once(held), |_| Some(channel_view(state.clone())), idle).is_some()
    }

    fn paid(units_paid: u64) -> ChannelState {
        ChannelState { withdrawn: units(units_paid), ..state() }
    }

    #[test]
    fn a_channel_that_was_never_paid_through_makes_room_when_it_is_idle() {
        assert!(drops(&held(0), state(), &IDLE));
        assert!(!drops(&held(0), state(), &Idle { head: Ledger(HEAD.0 + 99), ..IDLE }));
    }

    #[test]
    fn a_channel_makes_room_only_when_nothing_is_unsettled_unspent_or_under_way() {
        let mut used = held(70);
        used.spent = units(70);
        assert!(drops(&used, paid(70), &IDLE));
        assert!(!drops(&used, paid(69), &IDLE), "one base unit is unsettled");
        assert!(!drops(&used, paid(70), &Idle { wall_unix_ms: WALL_MS + 499_999, ..IDLE }), "it was used lately");
        used.spent = units(69);
        assert!(!drops(&used, paid(70), &IDLE), "its payer has not spent one base unit");
        let closing = ChannelState { close_effective_at: Some(Ledger(9_999_999)), ..paid(70) };
        used.spent = units(70);
        assert!(!drops(&used, closing, &IDLE));
    }

    #[test]
    fn a_channel_that_was_not_read_makes_no_room() {
        assert!(droppable(std::iter::once(&held(0)), |_| None, &IDLE).is_none());
    }
}
