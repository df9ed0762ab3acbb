//! Runs sequences through our rules and another contract's, and names what differs: see [`crate::difference`].

use crate::{
    difference::Difference,
    model::{Call, Channel, Event, MAX_WAIT, Model, Party, Refusal, Rules, error},
    moves::{Move, Sequence},
    script::{self, Action, Given},
    token::{Line, Touched},
};

/// Runs a sequence through our rules and another contract's. It goes on with the state under the rules of `follow`.
///
/// # Errors
/// There is a difference that is none of [`Difference`].
pub fn compare(
    sequence: &Sequence,
    other: Rules,
    follow: Rules,
    mut seen: impl FnMut(Difference),
) -> Result<(), String> {
    let funds = if sequence.rich { i64::MAX } else { 1_000_000 };
    let line = |balance| Some(Line { balance, limit: i64::MAX, authorized: true });
    let mut state = Model {
        rules: Rules::Paychan,
        ledger: 10,
        lines: [line(funds), line(0), line(1_000)],
        purse: None,
        channel: None,
    };
    let mut given = Given::default();
    let open = Move::Open { by: Party::Funder, terms: sequence.terms };
    let steps = sequence.steps.iter().flat_map(|step| step.gap.iter().chain([&step.main]));
    for step in sequence.before.iter().chain([&open]).chain(steps) {
        let Some(action) = script::action(step, &state, &given) else {
            continue;
        };
        match action {
            Action::Give(total) => given.push(total),
            Action::Jump(ledgers) => state.ledger += ledgers,
            Action::Line(of, change) => {
                state.change_line(of, change);
            }
            Action::Call(by, call) => {
                state.ledger += 1;
                if let Call::Settle(claim) | Call::Close(claim) = &call
                    && claim.is_good()
                {
                    given.push(claim.amount);
                }
                let answers = [Rules::Paychan, other].map(|rules| {
                    let mut from = state.clone();
                    from.rules = rules;
                    from.execute(by, &call, &Touched::all())
                });
                let [ours, theirs] = &answers;
                let flat =
                    |answer: &Result<crate::model::Done, Refusal>| answer.clone().map(|done| (done.model, done.events));
                let differences = explain(&state, by, &call, (flat(ours), flat(theirs)), other)
                    .map_err(|what| format!("{by:?} {call:?} in {state:?}: {what}"))?;
                differences.into_iter().for_each(&mut seen);
                let [ours, theirs] = answers;
                let next = if follow == Rules::Paychan { ours } else { theirs };
                if let Ok(done) = next {
                    state = done.model;
                    state.rules = Rules::Paychan;
                }
            }
        }
    }
    Ok(())
}

type Flat = Result<(Model, Vec<Event>), Refusal>;

/// The differences between the two answers to one call in one state.
fn explain(
    state: &Model,
    by: Party,
    call: &Call,
    (ours, theirs): (Flat, Flat),
    other: Rules,
) -> Result<Vec<Difference>, String> {
    match (&ours, &theirs) {
        (Err(ours), Err(theirs)) if ours == theirs => Ok(Vec::new()),
        (Ok((our_state, our_events)), Ok((their_state, their_events))) => {
            let mut found = Vec::new();
            if deposits(our_events) != deposits(their_events) {
                found.push(Difference::DepositEvent);
            }
            let rest = |events: &[Event]| -> Vec<Event> {
                let other = |event: &&Event| !matches!(event, Event::Deposit { .. });
                events.iter().filter(other).copied().collect()
            };
            let (our_rest, their_rest) = (rest(our_events), rest(their_events));
            let same_but_refund =
                our_rest.iter().filter(|it| !is_refund(it)).eq(their_rest.iter().filter(|it| !is_refund(it)));
            if our_rest != their_rest {
                if !(matches!(call, Call::Close(_)) && same_but_refund) {
                    return Err(format!("events {our_rest:?} and {their_rest:?}"));
                }
                found.push(Difference::CloseRefund);
            }
            let close_refund = found.contains(&Difference::CloseRefund);
            found.extend(states(our_state, their_state, other, close_refund)?);
            Ok(found)
        }
        _ => answers(state, by, call, &ours, &theirs, other).map(|difference| vec![difference]),
    }
}

fn is_refund(event: &Event) -> bool {
    matches!(event, Event::Refund { .. })
}

fn deposits(events: &[Event]) -> usize {
    let is_deposit = |event: &&Event| matches!(event, Event::Deposit { .. });
    events.iter().filter(is_deposit).count()
}

/// The differences where both accepted the call.
fn states(ours: &Model, theirs: &Model, other: Rules, close_refund: bool) -> Result<Vec<Difference>, String> {
    let mut found = Vec::new();
    let mut same = theirs.clone();
    same.rules = ours.rules;
    if let (Some(their_channel), Some(our_channel)) = (&mut same.channel, ours.channel)
        && other == Rules::Reference
    {
        if our_channel.is_final != their_channel.is_final {
            their_channel.is_final = our_channel.is_final;
            found.push(Difference::FinalState);
        }
        // The reference answers balance + withdrawn, so what the model counts for it is not compared.
        their_channel.deposited = our_channel.deposited;
        if theirs.balance() + their_channel.withdrawn != our_channel.deposited {
            found.push(Difference::DepositedCounts);
        }
    }
    if close_refund {
        // What went back differs, and so does who holds it. The sum must be the same.
        let together = |it: &Model| {
            let funder = it.lines[Party::Funder.index()].map_or(0, |line| line.balance);
            i128::from(funder) + it.balance()
        };
        if together(ours) == together(&same) {
            same.purse = ours.purse;
            same.lines[Party::Funder.index()] = ours.lines[Party::Funder.index()];
        }
    }
    if same == *ours { Ok(found) } else { Err(format!("{ours:?} and {theirs:?}")) }
}

/// The differences where one refused what the other accepted, or where they refused for different reasons.
fn answers(
    state: &Model,
    by: Party,
    call: &Call,
    ours: &Flat,
    theirs: &Flat,
    other: Rules,
) -> Result<Difference, String> {
    let unexplained = || format!("ours {ours:?}, theirs {theirs:?}");
    let our_error = ours.as_ref().err().and_then(Refusal::number);
    let their_error = theirs.as_ref().err().and_then(Refusal::number);
    let channel = state.channel;
    let is = |condition: fn(&Channel) -> bool| channel.as_ref().is_some_and(condition);
    let reference = other == Rules::Reference;
    match call {
        Call::Settle(_) | Call::Close(_) if reference && our_error == Some(error::REFUNDED) && is(|it| it.is_final) => {
            Ok(Difference::FinalState)
        }
        Call::Settle(_) if by != Party::Recipient && *theirs == Err(Refusal::Auth) => Ok(Difference::SettleByAnybody),
        Call::Close(claim)
            if claim.amount <= channel.map_or(0, |it| it.withdrawn)
                && (!claim.is_good() || is(|it| it.has_weak_key))
                && *theirs == Err(Refusal::Signature) =>
        {
            Ok(Difference::CloseWithoutSignature)
        }
        Call::Settle(claim) | Call::Close(claim)
            if !reference
                && their_error == Some(error::INSUFFICIENT_DEPOSIT)
                && claim.amount > channel.map_or(0, |it| it.deposited) =>
        {
            Ok(Difference::TransfersBackCommitments)
        }
        Call::Settle(_) | Call::Close(_)
            if reference && our_error == Some(error::INSUFFICIENT_DEPOSIT) && *theirs == Err(Refusal::Token) =>
        {
            Ok(Difference::InsufficientDeposit)
        }
        Call::TopUp(_) if reference && our_error == Some(error::ALREADY_CLOSED) => Ok(Difference::TopUpWhileClosing),
        Call::TopUp(_) if reference && our_error == Some(error::OVERFLOW) && *theirs == Err(Refusal::Token) => {
            Ok(Difference::Overflow)
        }
        Call::TopUp(0) if reference && by != Party::Funder && *ours == Err(Refusal::Auth) => {
            Ok(Difference::EmptyTopUpByAnybody)
        }
        Call::Open(opening)
            if reference && opening.wait > MAX_WAIT && our_error == Some(error::WAITING_PERIOD_TOO_LONG) =>
        {
            Ok(Difference::LongWait)
        }
        Call::Open(opening)
            if reference && opening.weak_key.is_some() && our_error == Some(error::WEAK_COMMITMENT_KEY) =>
        {
            Ok(Difference::WeakKey)
        }
        Call::Open(opening)
            if reference && opening.amount == 0 && by != Party::Funder && *ours == Err(Refusal::Auth) =>
        {
            Ok(Difference::OpenInAnothersName)
        }
        Call::Extend if reference && *theirs == Err(Refusal::NoFunction) => Ok(Difference::Extend),
        _ => Err(unexplained()),
    }
}
