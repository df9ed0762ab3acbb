//! Makes the report of one channel from what the store holds, what is known of the chain, and the policy's decision.

use paychan_channel::{Amount, CommitmentKey, Ledger, Life, Lives, Stroops};
use paychan_store::{Decided, Held, Outcome, Purpose, SignedTransaction};
use paychan_watcher_api::{ChannelReport, ChannelStatus, LivesReport};

use crate::config::Config;
use crate::policy::{self, Action, Known, Limits};
use crate::view::ChannelView;

/// Puts together what the store holds of a channel and what is known of it on chain.
///
/// `in_flight` are all transactions without an outcome, `outcomes` the store's for the channel, newest first. `known`
/// and `limits` are the policy's input; `None` while no ledger is known.
pub(super) fn of_channel(
    config: &Config,
    held: &Held,
    known: Option<(&Known<'_>, &Limits)>,
    in_flight: &[SignedTransaction],
    outcomes: &[Decided],
) -> ChannelReport {
    let admission = &held.admission;
    let token = config.token(&admission.token);
    let chain = known.and_then(|(known, _)| known.chain.as_ref());
    let state = chain.map(|chain| &chain.state);
    let deadline = known.and_then(|(known, _)| known.deadline());
    ChannelReport {
        channel: admission.channel,
        status: status(chain),
        from: admission.from,
        to: admission.to,
        token: admission.token,
        token_code: token.map(|token| token.code.clone()),
        decimals: token.map_or(0, |token| token.decimals),
        commitment_key: CommitmentKey::from_bytes(admission.commitment_key).ok(),
        refund_waiting_period: admission.refund_waiting_period,
        highest: held.highest_amount(),
        spent: held.spent,
        accepted: held.accepted,
        unsettled: known.map_or_else(|| unsettled(held, outcomes), |(known, _)| known.unsettled()),
        coverage: chain.map(ChannelView::coverage),
        withdrawn: state.map(|state| state.withdrawn),
        deadline,
        ledgers_left: deadline.zip(known).map(|(deadline, (_, limits))| deadline.since(limits.head)),
        lives: state.map(|state| lives(&state.lives, state.read_at)),
        fenced: held.fence.is_some(),
        closing_with: held.fence.map(|_| held.claim_amount()),
        read_at: state.map(|state| state.read_at),
        gap_free_to: chain.map(|chain| chain.gap_free_to),
        last_error: known.and_then(|(known, _)| known.trouble.clone()),
        last_transaction: last_transaction(held, in_flight, outcomes).map(hex::encode),
        last_outcome: outcomes.first().map(outcome),
        next_action: known.map_or_else(|| "nothing before a ledger is known".to_owned(), next_action),
    }
}

fn last_transaction(held: &Held, in_flight: &[SignedTransaction], outcomes: &[Decided]) -> Option<[u8; 32]> {
    let channel = held.channel();
    let flying = in_flight.iter().rfind(|signed| signed.purpose.channels().contains(&channel));
    flying.map(|signed| signed.hash).or_else(|| outcomes.first().map(|decided| decided.hash))
}

fn status(known: Option<&ChannelView>) -> ChannelStatus {
    match known {
        None => ChannelStatus::Unread,
        Some(known) if known.ended => ChannelStatus::Final,
        Some(known) if known.is_closing() => ChannelStatus::Closing,
        Some(_) => ChannelStatus::Open,
    }
}

/// What is unsettled according to the settlements that this watcher saw confirmed.
fn unsettled(held: &Held, outcomes: &[Decided]) -> Amount {
    held.claim_amount().saturating_sub(policy::paid(outcomes))
}

fn lives(lives: &Lives, read_at: Ledger) -> LivesReport {
    let until = |until: Option<Ledger>| match Life::of(until, read_at) {
        Life::Missing => None,
        Life::Archived => Some(Ledger(0)),
        Life::LiveUntil(until) => Some(until),
    };
    LivesReport {
        instance: until(lives.instance),
        code: until(lives.code),
        token_balance: until(lives.token_balance),
        token_instance: until(lives.token_instance),
        token_code: until(lives.token_code),
    }
}

/// What the settler will do about the channel, and when. It is the settler's own decision.
fn next_action((known, limits): (&Known<'_>, &Limits)) -> String {
    let (text, retry, bid) = match policy::decide(known, limits) {
        Action::Wait => return "wait".to_owned(),
        Action::Drop => return "drop it: it owes nothing, was never paid through, and is idle".to_owned(),
        Action::Report(report) => return format!("nothing: {report}"),
        Action::Settle { amount, bid, reason } => {
            (format!("settle {amount} base units: {}", reason.text()), known.tried.payout, bid)
        }
        Action::Close { amount, bid, reason } => {
            (format!("close with {amount} base units: {}", reason.text()), known.tried.payout, bid)
        }
        Action::Restore { keys } if limits.spare <= Stroops(0) => {
            return format!("nothing: {} entries are archived, and the fee account has nothing to spare", keys.len());
        }
        Action::Restore { keys } => {
            (format!("restore {} archived entries", keys.len()), known.tried.extension, limits.market)
        }
        Action::Extend { keys } if limits.spare <= Stroops(0) => {
            return format!(
                "nothing: {} entries need a longer life, and the fee account has nothing to spare",
                keys.len()
            );
        }
        Action::Extend { keys } => {
            (format!("extend the life of {} entries", keys.len()), known.tried.extension, limits.market)
        }
    };
    let mut text = text;
    if retry.failures > 0 {
        text.push_str(&format!("; it failed {} times", retry.failures));
    }
    if retry.not_before > limits.head {
        text.push_str(&format!(", and is tried again at ledger {}", retry.not_before));
    }
    if let Some(asked) = known.tried.asked.filter(|asked| *asked > bid) {
        text.push_str(&format!("; the network asks for a bid of {asked} stroops, but at most {bid} is worth paying"));
    }
    text
}

fn outcome(decided: &Decided) -> String {
    let what = match &decided.purpose {
        Purpose::Settle { amount, .. } => format!("settling {amount}"),
        Purpose::Close { amount, .. } => format!("closing with {amount}"),
        Purpose::Extend { .. } => "extending lives".to_owned(),
        Purpose::Restore { .. } => "restoring".to_owned(),
    };
    match &decided.outcome {
        Outcome::Confirmed { ledger, fee_charged } => {
            format!("{what}: confirmed in ledger {ledger} for {fee_charged} stroops")
        }
        Outcome::Failed { ledger, fee_charged, why } => {
            format!("{what}: failed in ledger {ledger} for {fee_charged} stroops: {why}")
        }
        Outcome::Expired { at } => format!("{what}: not included, certain at ledger {at}"),
        Outcome::Dropped { at, why } => format!("{what}: dropped at ledger {at}: {why}"),
    }
}
