//! Turns symbols into figures: which call a move is in the present state, and with which amounts.

use crate::{
    model::{Call, Claim, Model, Opening, Party, Rules, Signature},
    moves::{Amount, Commitment, Move, Terms, Total},
    token::{Line, LineChange},
};

/// The most that is minted at once, so that the tokens of a whole sequence add up within an i128.
const MOST_MINTED: i128 = i128::MAX - (1 << 100);

/// The last ledger that a jump to a deadline may reach.
const MOST_LEDGERS: u32 = 8_000_000;

/// A move with its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A call, and who calls.
    Call(Party, Call),
    /// A change of a trustline.
    Line(Party, LineChange),
    /// This many ledgers pass.
    Jump(u32),
    /// The funder gives the recipient a commitment of this total, off chain.
    Give(i128),
}

/// The totals that the funder has signed.
#[derive(Clone, Debug, Default)]
pub struct Given(Vec<i128>);

impl Given {
    /// Adds a total.
    pub fn push(&mut self, total: i128) {
        self.0.push(total);
    }

    /// The highest total.
    #[must_use]
    pub fn highest(&self) -> Option<i128> {
        self.0.iter().max().copied()
    }

    /// The total that was given this many totals before the last one.
    fn old(&self, back: u8) -> Option<i128> {
        let back = usize::from(back) % self.0.len().max(1);
        self.0.iter().rev().nth(back).copied()
    }
}

/// What the move is in this state. The answer is `None` where the move makes no sense: a call of a channel that does
/// not exist, a commitment where the funder gave none, or a second channel.
#[must_use]
pub fn action(step: &Move, model: &Model, given: &Given) -> Option<Action> {
    let call = |by: Party, call: Call| Some(Action::Call(by, call));
    let needs_channel = matches!(
        step,
        Move::TopUp { .. }
            | Move::Settle { .. }
            | Move::Close { .. }
            | Move::CloseStart { .. }
            | Move::Refund { .. }
            | Move::Extend { .. }
            | Move::Give(_)
            | Move::JumpToDeadline(_)
    );
    if needs_channel && model.channel.is_none() {
        return None;
    }
    // The reference lets strangers open in the funder's name, at another address than the funder's own channel has.
    let is_to_address =
        matches!(step, Move::Send { .. } | Move::Mint(_) | Move::Clawback(_) | Move::AuthorizeChannel(_));
    if is_to_address && model.channel.is_none() && model.rules == Rules::Reference {
        return None;
    }
    match *step {
        Move::Open { by, terms } => {
            let opening = opening(terms, model);
            let opens = model.execute(by, &Call::Open(opening), &crate::token::Touched::all()).is_ok();
            (model.channel.is_none() || !opens).then_some(Action::Call(by, Call::Open(opening)))
        }
        Move::TopUp { by, amount } => call(by, Call::TopUp(of_line(amount, model, Party::Funder))),
        Move::Settle { by, commitment } => call(by, Call::Settle(claim(commitment, model, given)?)),
        Move::Close { by, commitment } => call(by, Call::Close(claim(commitment, model, given)?)),
        Move::CloseStart { by } => call(by, Call::CloseStart),
        Move::Refund { by } => call(by, Call::Refund),
        Move::Extend { by } => call(by, Call::Extend),
        Move::Give(total) => Some(Action::Give(figure(total, model))),
        Move::Send { by, amount } => call(by, Call::Send(of_line(amount, model, by))),
        Move::Mint(amount) => {
            let amount = of_line(amount, model, Party::Funder).min(MOST_MINTED);
            call(Party::Stranger, Call::Mint(amount))
        }
        Move::Clawback(amount) => {
            let amount = of(amount, model.balance());
            call(Party::Stranger, Call::Clawback(amount))
        }
        Move::AuthorizeChannel(authorized) => call(Party::Stranger, Call::Authorize(authorized)),
        Move::Line { of, change } => Some(Action::Line(of, change)),
        Move::Jump(ledgers) => (ledgers > 0).then(|| Action::Jump(u32::from(ledgers))),
        Move::JumpToDeadline(offset) => {
            let deadline = model.channel?.deadline?;
            let target = deadline.checked_add_signed(i32::from(offset))?;
            let ledgers = target.checked_sub(model.ledger)?;
            // A sequence crosses the longest waiting period only once, because the entries' lives end after that.
            let possible = target < MOST_LEDGERS && ledgers > 0;
            possible.then_some(Action::Jump(ledgers))
        }
    }
}

/// The opening's figures in this state.
#[must_use]
pub fn opening(terms: Terms, model: &Model) -> Opening {
    Opening { amount: of_line(terms.amount, model, Party::Funder), wait: terms.wait, weak_key: terms.weak_key }
}

fn claim(commitment: Commitment, model: &Model, given: &Given) -> Option<Claim> {
    let (amount, signature) = match commitment {
        Commitment::Newest => (given.highest()?, Signature::Good),
        Commitment::Old(back) => (given.old(back)?, Signature::Good),
        Commitment::Signed(total) => (figure(total, model), Signature::Good),
        Commitment::NeverGiven(total) => (figure(total, model), Signature::OfTotal(given.highest().unwrap_or(1))),
        Commitment::Forged(total) => (figure(total, model), Signature::OfOtherKey),
        Commitment::OtherChannel(total) => (figure(total, model), Signature::OfOtherChannel),
        Commitment::OtherNetwork(total) => (figure(total, model), Signature::OfOtherNetwork),
        Commitment::Garbage(total) => (figure(total, model), Signature::Garbage),
    };
    Some(Claim { amount, signature })
}

/// A total in base units.
fn figure(total: Total, model: &Model) -> i128 {
    let (deposited, withdrawn) = model.channel.map_or((0, 0), |channel| (channel.deposited, channel.withdrawn));
    let coverage = model.balance().saturating_add(withdrawn);
    match total {
        Total::Zero => 0,
        Total::Units(units) => i128::from(units),
        Total::Part(part) => share(part, coverage),
        Total::Withdrawn => withdrawn,
        Total::WithdrawnAndOne => withdrawn.saturating_add(1),
        Total::Deposited => deposited,
        Total::DepositedAndOne => deposited.saturating_add(1),
        Total::Coverage => coverage,
        Total::CoverageAndOne => coverage.saturating_add(1),
        Total::MinusOne => -1,
        Total::MostI128 => i128::MAX,
        Total::LeastI128 => i128::MIN,
    }
}

fn of_line(amount: Amount, model: &Model, payer: Party) -> i128 {
    let holds = model.lines[payer.index()].map_or(0, |line: Line| i128::from(line.balance));
    of(amount, holds)
}

fn of(amount: Amount, holds: i128) -> i128 {
    match amount {
        Amount::Zero => 0,
        Amount::Units(units) => i128::from(units),
        Amount::Part(part) => share(part, holds),
        Amount::All => holds,
        Amount::AllAndOne => holds.saturating_add(1),
        Amount::MinusOne => -1,
        Amount::MostI64 => i128::from(i64::MAX),
        Amount::MostI128 => i128::MAX,
        Amount::LeastI128 => i128::MIN,
    }
}

/// `part` 65,536ths of `whole` ≥ 0, rounded down.
fn share(part: u16, whole: i128) -> i128 {
    let part = i128::from(part);
    let (quotient, remainder) = (whole / 65_536, whole % 65_536);
    quotient * part + remainder * part / 65_536 // part < 65,536, so neither exceeds `whole`
}
