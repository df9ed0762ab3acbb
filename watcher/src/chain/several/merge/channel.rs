//! Merges a channel's states from several endpoints.

use paychan_channel::{Amount, ChannelState, Ledger, Lives};

use super::reached_by_quorum;
use crate::chain::ChannelRead;

/// Merges what was read of one channel. `told` is the earliest deadline that an endpoint reported before and that still
/// counts; `lag` is how many ledgers nodes of one network may be apart. `None` without answers.
pub(in super::super) fn channel(
    answers: Vec<ChannelRead>,
    told: Option<Ledger>,
    quorum: usize,
    lag: u32,
) -> Option<ChannelRead> {
    let missing = answers.iter().filter(|read| matches!(read, ChannelRead::Missing { .. })).count();
    let (mut states, mut others) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            ChannelRead::Read(state) => states.push(state),
            other => others.push(other),
        }
    }
    // Another endpoint may read what one can't. Only a quorum can report a channel as missing.
    if states.is_empty() || missing >= quorum {
        others.sort_by_key(|read| matches!(read, ChannelRead::Undecodable { .. }) ^ (missing < quorum));
        return others.into_iter().next();
    }
    let channel = states.first()?.channel;
    let Some(states) = one_channel(states, quorum) else {
        let why = "the endpoints contradict each other about its code, its token, its parties, its commitment key or its \
                   waiting period, which never change";
        return Some(ChannelRead::Undecodable { channel, why: why.to_owned() });
    };
    let state = merge(&states, told, quorum, lag)?;
    let close_agreed = states.iter().filter(|state| state.close_effective_at.is_some()).count() >= quorum;
    Some(match states.len() >= quorum {
        true => ChannelRead::Agreed { state, close_agreed },
        false => ChannelRead::Unconfirmed(state),
    })
}

/// Whether a quorum of the states that were read at this ledger or later shows no close.
pub(in super::super) fn shows_no_close<'a>(
    states: impl IntoIterator<Item = &'a ChannelState>,
    at: Ledger,
    quorum: usize,
) -> bool {
    states.into_iter().filter(|state| state.close_effective_at.is_none() && state.read_at >= at).count() >= quorum
}

/// The states that agree on what never changes, if all agree or a quorum does.
fn one_channel(states: Vec<ChannelState>, quorum: usize) -> Option<Vec<ChannelState>> {
    let agreeing = |state: &ChannelState| states.iter().filter(|other| is_same_channel(state, other)).count();
    let most = states.iter().max_by_key(|state| agreeing(state))?.clone();
    (agreeing(&most) >= quorum.min(states.len()))
        .then(|| states.into_iter().filter(|state| is_same_channel(state, &most)).collect())
}

fn is_same_channel(a: &ChannelState, b: &ChannelState) -> bool {
    (a.layout, a.wasm_hash, a.token, &a.token_kind, a.commitment_key)
        == (b.layout, b.wasm_hash, b.token, &b.token_kind, b.commitment_key)
        && (&a.from, &a.to, a.refund_waiting_period) == (&b.from, &b.to, b.refund_waiting_period)
}

fn merge(all: &[ChannelState], told: Option<Ledger>, quorum: usize, lag: u32) -> Option<ChannelState> {
    let read_at = reached_by_quorum(all.iter().map(|state| state.read_at), quorum)?;
    // Older states have no vote on numbers, since a settlement or a top-up may have come since.
    let voting: Vec<&ChannelState> = all.iter().filter(|state| state.read_at.saturating_add(lag) >= read_at).collect();
    let newest = voting.iter().max_by_key(|state| state.read_at)?;
    let withdrawn = match all.len() >= quorum {
        true => reached_by_quorum(all.iter().map(|state| state.withdrawn), quorum)?,
        false => voting.iter().map(|state| state.withdrawn).min()?,
    };
    // A settlement moves money from the balance to what was paid, so the sum is the same before and after it.
    let covered = voting.iter().map(|state| held_and_paid(state)).min()?;
    let refunded = all.iter().filter(|state| state.refunded).count() >= quorum;
    let life =
        |of: fn(&Lives) -> Option<Ledger>| reached_by_quorum(voting.iter().map(|state| of(&state.lives)), quorum);
    let mut merged = ChannelState {
        deposited: voting.iter().filter_map(|state| state.deposited).min(),
        withdrawn,
        close_effective_at: all.iter().filter_map(|state| state.close_effective_at).chain(told).min(),
        refunded,
        balance: covered.saturating_sub(withdrawn),
        balance_authorized: voting.iter().all(|state| state.balance_authorized),
        balance_clawback: voting.iter().any(|state| state.balance_clawback),
        lives: Lives {
            instance: life(|lives| lives.instance)?,
            code: life(|lives| lives.code)?,
            token_balance: life(|lives| lives.token_balance)?,
            token_instance: life(|lives| lives.token_instance)?,
            token_code: life(|lives| lives.token_code)?,
        },
        read_at,
        ..(*newest).clone()
    };
    // In the reference's layout a channel is final when it is empty after the deadline. One endpoint alone can't make
    // it final.
    if merged.is_final() && all.iter().filter(|state| state.is_final()).count() < quorum {
        merged.balance = voting.iter().map(|state| held_and_paid(state)).max()?.saturating_sub(withdrawn);
        if merged.is_final() {
            merged.close_effective_at = Some(read_at.saturating_add(1));
        }
    }
    Some(merged)
}

/// What a channel holds plus what it has paid. A channel that is reported as refunded holds nothing.
fn held_and_paid(state: &ChannelState) -> Amount {
    match state.refunded {
        true => state.withdrawn,
        false => state.balance.saturating_add(state.withdrawn),
    }
}
