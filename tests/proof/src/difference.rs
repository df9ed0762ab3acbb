//! Where the three contracts part, each place with its reason. The same random sequences run through the rules of ours
//! and of another contract; what differs must be one of [`Difference`], or the test fails.
//!
//! Each step starts from the same state for both, so that one difference doesn't drag others behind it. The state that
//! the sequence goes on with is ours or the other's, as told.
//!
//! The table for the contract's README is [`table`].

use crate::{
    model::{Call, Channel, Event, MAX_WAIT, Model, Party, Refusal, Rules, error},
    moves::{Move, Sequence},
    script::{self, Action, Given},
    token::{Line, Touched},
};

/// A deliberate difference between this project's contract and another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// `settle` by somebody who is not the recipient.
    SettleByAnybody,
    /// `close` with a total that claims nothing new, whose signature is not good.
    CloseWithoutSignature,
    /// `settle` or `close` after `close` or `refund`.
    FinalState,
    /// `top_up` after a close has started.
    TopUpWhileClosing,
    /// `top_up` of 0 by somebody who is not the funder.
    EmptyTopUpByAnybody,
    /// Opening without a deposit, in another's name.
    OpenInAnothersName,
    /// A waiting period above a year of 5-second ledgers.
    LongWait,
    /// A commitment key of small order.
    WeakKey,
    /// A commitment above what is there.
    InsufficientDeposit,
    /// A commitment above all deposits that tokens sent straight to the channel cover.
    TransfersBackCommitments,
    /// What `close` sends back.
    CloseRefund,
    /// What `deposited()` says.
    DepositedCounts,
    /// The `deposit` event.
    DepositEvent,
    /// Deposits that add up to more than an i128.
    Overflow,
    /// `extend`.
    Extend,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SettleByAnybody,
        Self::CloseWithoutSignature,
        Self::FinalState,
        Self::TopUpWhileClosing,
        Self::EmptyTopUpByAnybody,
        Self::OpenInAnothersName,
        Self::LongWait,
        Self::WeakKey,
        Self::InsufficientDeposit,
        Self::TransfersBackCommitments,
        Self::CloseRefund,
        Self::DepositedCounts,
        Self::DepositEvent,
        Self::Overflow,
        Self::Extend,
    ];

    /// Ours, the reference's, the fork's, and why ours is so. "as ours" where one of them doesn't differ.
    #[must_use]
    pub fn row(self) -> [&'static str; 4] {
        match self {
            Self::SettleByAnybody => [
                "`settle` needs no authorization",
                "needs the recipient's",
                "needs the recipient's",
                "it can only pay the recipient; so who watches for one needs none of its keys, and one transaction can \
                 settle many channels",
            ],
            Self::CloseWithoutSignature => [
                "`close` with `amount ≤ withdrawn` doesn't look at the signature",
                "always checks it",
                "always checks it",
                "a recipient that was never paid can end the channel and free the deposit",
            ],
            Self::FinalState => [
                "after `close` or `refund`: `settle` and `close` are refused with `Refunded`",
                "both go on paying whatever arrives",
                "as ours",
                "what arrives later is the funder's by mistake, and an old commitment should not reach it",
            ],
            Self::TopUpWhileClosing => [
                "`top_up` is refused with `AlreadyClosed` once a close has started",
                "always possible",
                "as ours",
                "nobody should deposit into a channel that is ending",
            ],
            Self::EmptyTopUpByAnybody => [
                "`top_up(0)` needs the funder's authorization",
                "needs none",
                "as ours",
                "one rule for every amount",
            ],
            Self::OpenInAnothersName => [
                "opening needs the funder's authorization, also with a deposit of 0",
                "none for a deposit of 0",
                "as ours",
                "nobody opens a channel in another's name",
            ],
            Self::LongWait => [
                "`refund_waiting_period` above 6,307,200 is refused",
                "any",
                "as ours",
                "a typing mistake would lock a deposit for good",
            ],
            Self::WeakKey => [
                "a commitment key of small order is refused",
                "accepted; no commitment can be settled then",
                "as ours",
                "a recipient with a lax verifier would be paid with worthless commitments",
            ],
            Self::InsufficientDeposit => [
                "a commitment that nothing covers is refused with `InsufficientDeposit`",
                "refused with the token's error",
                "as ours",
                "a reason that clients can act on",
            ],
            Self::TransfersBackCommitments => [
                "tokens sent straight to the channel back commitments",
                "as ours",
                "refused with `InsufficientDeposit` above `deposited`",
                "clients accept commitments up to balance + withdrawn: counting deposits alone would let a funder rob \
                 them",
            ],
            Self::CloseRefund => [
                "`close` sends back `deposited − max(amount, withdrawn)`",
                "the whole balance",
                "the whole balance",
                "with the balance, one unit sent there after simulation would make the `close` fail; what is left is \
                 there for `refund`",
            ],
            Self::DepositedCounts => [
                "`deposited()` counts what constructor and `top_up` took in",
                "balance + withdrawn: falls with a refund, grows with tokens sent there",
                "as ours",
                "a total over the channel's life, which nobody else can change",
            ],
            Self::DepositEvent => [
                "a `deposit` event for each deposit above 0",
                "none",
                "as ours",
                "`top_up` would leave no trace of the channel's own",
            ],
            Self::Overflow => [
                "deposits above 2^127 − 1 together are refused with `Overflow`",
                "refused with the token's error",
                "as ours",
                "it counts deposits, and no count may wrap",
            ],
            Self::Extend => [
                "`extend` keeps instance and code alive, by anybody",
                "none",
                "as ours",
                "a channel must not be archived before it is settled",
            ],
        }
    }
}

/// What the sequences can't show, because it is no answer of a call: the same columns as [`Difference::row`].
pub const NOT_DRIVEN: [[&str; 4]; 4] = [
    [
        "events name addresses in their topics",
        "in their data",
        "as ours",
        "who watches can filter by them. (The driver reads each contract's own layout, strictly.)",
    ],
    [
        "`state()` answers all in one call, `commitment_key()` and `close_effective_at_ledger()` are there",
        "none of the three",
        "no `state()`",
        "one simulation instead of nine",
    ],
    [
        "`DepositedAmount` and `WithdrawnAmount` are stored from the opening on",
        "`WithdrawnAmount` from the first payment on, `DepositedAmount` never",
        "each from the first amount above 0 on",
        "a first payment must not grow the entry beyond what was simulated",
    ],
    [
        "opening, `top_up`, `settle` and `close_start` extend the instance's life, never the code's",
        "nothing extends a life",
        "`top_up`, `settle`, `close` and `close_start` extend both",
        "all channels share the code, and whoever happened to call would pay for everybody",
    ],
];

/// The table for the contract's README.
#[must_use]
pub fn table() -> String {
    let mut table = String::from("| ours | reference | fork | why |\n| --- | --- | --- | --- |\n");
    for row in Difference::ALL.iter().map(|it| it.row()).chain(NOT_DRIVEN) {
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    table
}

/// Runs a sequence through our rules and another's. `follow`: whose state it goes on with.
///
/// # Errors
/// A difference that is none of [`Difference`].
pub fn compare(
    sequence: &Sequence,
    other: Rules,
    follow: Rules,
    mut seen: impl FnMut(Difference),
) -> Result<(), String> {
    let funds = if sequence.rich { i64::MAX } else { 1_000_000 };
    let line = |balance| {
        Some(Line {
            balance,
            limit: i64::MAX,
            authorized: true,
        })
    };
    let mut state = Model {
        rules: Rules::Paychan,
        ledger: 10,
        lines: [line(funds), line(0), line(1_000)],
        purse: None,
        channel: None,
    };
    let mut given = Given::default();
    let open = Move::Open {
        by: Party::Funder,
        terms: sequence.terms,
    };
    let steps = sequence
        .steps
        .iter()
        .flat_map(|step| step.gap.iter().chain([&step.main]));
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
                let flat = |answer: &Result<crate::model::Done, Refusal>| {
                    answer.clone().map(|done| (done.model, done.events))
                };
                let differences = explain(&state, by, &call, (flat(ours), flat(theirs)), other)
                    .map_err(|what| format!("{by:?} {call:?} in {state:?}: {what}"))?;
                differences.into_iter().for_each(&mut seen);
                let [ours, theirs] = answers;
                let next = if follow == Rules::Paychan {
                    ours
                } else {
                    theirs
                };
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

/// Each difference between two answers to one call in one state.
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
            let same_but_refund = our_rest
                .iter()
                .filter(|it| !is_refund(it))
                .eq(their_rest.iter().filter(|it| !is_refund(it)));
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

/// Both accepted the call.
fn states(
    ours: &Model,
    theirs: &Model,
    other: Rules,
    close_refund: bool,
) -> Result<Vec<Difference>, String> {
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
        // The reference says balance + withdrawn; what it would have counted is not looked at.
        their_channel.deposited = our_channel.deposited;
        if theirs.balance() + their_channel.withdrawn != our_channel.deposited {
            found.push(Difference::DepositedCounts);
        }
    }
    if close_refund {
        // What went back differs, so who holds it does: together it must be the same.
        let together = |it: &Model| {
            let funder = it.lines[Party::Funder.index()].map_or(0, |line| line.balance);
            i128::from(funder) + it.balance()
        };
        if together(ours) == together(&same) {
            same.purse = ours.purse;
            same.lines[Party::Funder.index()] = ours.lines[Party::Funder.index()];
        }
    }
    if same == *ours {
        Ok(found)
    } else {
        Err(format!("{ours:?} and {theirs:?}"))
    }
}

/// One refused what the other accepted, or they refused for different reasons.
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
        Call::Settle(_) | Call::Close(_)
            if reference && our_error == Some(error::REFUNDED) && is(|it| it.is_final) =>
        {
            Ok(Difference::FinalState)
        }
        Call::Settle(_) if by != Party::Recipient && *theirs == Err(Refusal::Auth) => {
            Ok(Difference::SettleByAnybody)
        }
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
            if reference
                && our_error == Some(error::INSUFFICIENT_DEPOSIT)
                && *theirs == Err(Refusal::Token) =>
        {
            Ok(Difference::InsufficientDeposit)
        }
        Call::TopUp(_) if reference && our_error == Some(error::ALREADY_CLOSED) => {
            Ok(Difference::TopUpWhileClosing)
        }
        Call::TopUp(_)
            if reference
                && our_error == Some(error::OVERFLOW)
                && *theirs == Err(Refusal::Token) =>
        {
            Ok(Difference::Overflow)
        }
        Call::TopUp(0) if reference && by != Party::Funder && *ours == Err(Refusal::Auth) => {
            Ok(Difference::EmptyTopUpByAnybody)
        }
        Call::Open(opening)
            if reference
                && opening.wait > MAX_WAIT
                && our_error == Some(error::WAITING_PERIOD_TOO_LONG) =>
        {
            Ok(Difference::LongWait)
        }
        Call::Open(opening)
            if reference
                && opening.weak_key.is_some()
                && our_error == Some(error::WEAK_COMMITMENT_KEY) =>
        {
            Ok(Difference::WeakKey)
        }
        Call::Open(opening)
            if reference
                && opening.amount == 0
                && by != Party::Funder
                && *ours == Err(Refusal::Auth) =>
        {
            Ok(Difference::OpenInAnothersName)
        }
        Call::Extend if reference && *theirs == Err(Refusal::NoFunction) => Ok(Difference::Extend),
        _ => Err(unexplained()),
    }
}
