//! The lives of the entries that a settlement of a channel touches.

use paychan_channel::xdr::LedgerKey;
use paychan_channel::{ChannelKeys, Ledger, Life};

use super::{Known, Limits};
use crate::view::ChannelView;

/// The keys of the channel's live entries that have less life left than the floor. There are none while the channel can't
/// be read: nothing would show that an extension was done, so one would follow the other.
pub(super) fn due(known: &Known<'_>, limits: &Limits) -> Vec<LedgerKey> {
    let below = |life: Life| match life {
        Life::LiveUntil(until) => until >= limits.head && until.since(limits.head) < limits.life_floor,
        Life::Missing | Life::Archived => false,
    };
    let all = known.chain.iter().filter(|_| !known.unreadable).flat_map(entries);
    all.filter(|(_, life, _)| below(*life)).map(|(_, _, key)| key).collect()
}

/// The names of the channel's entries that are archived.
pub(super) fn archived(known: &Known<'_>, limits: &Limits) -> Vec<&'static str> {
    known.chain.as_ref().map(|chain| archived_entries(chain, limits.head)).unwrap_or_default()
}

/// The names of the channel's entries that are archived at `head`.
pub fn archived_entries(channel: &ChannelView, head: Ledger) -> Vec<&'static str> {
    let all = entries(channel).into_iter();
    all.filter(|(_, life, _)| is_over(*life, head)).map(|(name, _, _)| name).collect()
}

/// The keys of the channel's entries that are archived.
pub(super) fn archived_keys(known: &Known<'_>, limits: &Limits) -> Vec<LedgerKey> {
    let all = known.chain.iter().flat_map(entries);
    all.filter(|(_, life, _)| is_over(*life, limits.head)).map(|(_, _, key)| key).collect()
}

/// Whether an entry that settling the channel touches is archived at `head`.
pub fn has_archived(channel: &ChannelView, head: Ledger) -> bool {
    entries(channel).into_iter().any(|(_, life, _)| is_over(life, head))
}

fn is_over(life: Life, head: Ledger) -> bool {
    match life {
        Life::Missing => false,
        Life::Archived => true,
        Life::LiveUntil(until) => until < head,
    }
}

/// The persistent entries that settling a channel touches, with their lives.
pub(super) fn entries(channel: &ChannelView) -> Vec<(&'static str, Life, LedgerKey)> {
    let state = &channel.state;
    let keys = ChannelKeys::of(&state.channel, &state.wasm_hash, &state.token, state.token_kind.code().as_ref());
    let lives = &state.lives;
    let named = [
        ("instance", lives.instance, Some(keys.instance)),
        ("code", lives.code, Some(keys.code)),
        ("token balance", lives.token_balance, Some(keys.token_balance)),
        ("token instance", lives.token_instance, Some(keys.token_instance)),
        ("token code", lives.token_code, keys.token_code),
    ];
    named.into_iter().filter_map(|(name, until, key)| Some((name, Life::of(until, state.read_at), key?))).collect()
}
