//! Five rules that must hold whatever happens. They know nothing of the model: they look at balances, at the token's
//! events and at the signatures that were used, so that a mistake which model and contract share is seen.
//!
//! 1. Tokens are conserved: what everybody holds is what the issuer let out.
//! 2. The recipient was never paid more than the highest commitment that was used.
//! 3. `withdrawn` never falls.
//! 4. Before the deadline nothing that the funder does makes less of what the recipient can claim.
//! 5. Once the channel is final nothing leaves it but refunds (and what the issuer takes).

use stellar_xdr::ScAddress;

use crate::{
    answer::{Answer, Movement},
    model::{Call, Party},
    observed::Observed,
};

/// A transaction that was in a ledger, for the rules.
pub(crate) struct Fact<'a> {
    pub(crate) by: Party,
    /// `None`: a classic operation on a trustline.
    pub(crate) call: Option<&'a Call>,
    pub(crate) answer: &'a Answer,
    /// A total that it claims, if its signature is the commitment key's.
    pub(crate) used: Option<i128>,
}

/// What the rules remember.
pub(crate) struct Invariants {
    funder: ScAddress,
    recipient: ScAddress,
    /// Where the channel is. It changes only while there is none.
    channel: ScAddress,
    /// What the three parties and the channel hold, by the token's events.
    books: [i128; 4],
    parties: [ScAddress; 3],
    /// What the channel paid the recipient, by the token's events.
    paid: i128,
    highest_used: i128,
    before: Observed,
}

impl Invariants {
    pub(crate) fn new(parties: [ScAddress; 3], channel: ScAddress, start: Observed) -> Self {
        Self {
            funder: parties[0].clone(),
            recipient: parties[1].clone(),
            books: holdings(&start),
            parties,
            channel,
            paid: 0,
            highest_used: 0,
            before: start,
        }
    }

    /// A channel was opened here.
    pub(crate) fn opened(&mut self, channel: ScAddress) {
        self.channel = channel;
    }

    /// After a ledger: which transactions were in it, and what is there now.
    pub(crate) fn check(&mut self, facts: &[Fact<'_>], now: &Observed) -> Result<(), String> {
        for fact in facts {
            if let (Some(total), Ok(_)) = (fact.used, &fact.answer.result) {
                self.highest_used = self.highest_used.max(total);
            }
            for movement in &fact.answer.movements {
                self.book(movement)?;
                self.leaves_finally(fact, movement)?;
            }
        }
        self.conserved(now)?;
        self.paid_what_was_signed(now)?;
        self.never_falls(now)?;
        self.not_reduced(facts, now)?;
        self.stays_final(now)?;
        self.before = now.clone();
        Ok(())
    }

    fn book(&mut self, movement: &Movement) -> Result<(), String> {
        if movement.amount < 0 {
            return Err(format!("tokens moved backwards: {movement:?}"));
        }
        for (holder, sign) in [(&movement.from, -1), (&movement.to, 1)] {
            let Some(holder) = holder else { continue };
            let account = self
                .account(holder)
                .ok_or_else(|| format!("tokens of somebody who has nothing to do with it: {movement:?}"))?;
            self.books[account] = self.books[account]
                .checked_add(sign * movement.amount)
                .filter(|after| *after >= 0)
                .ok_or_else(|| format!("more left than was there: {movement:?}"))?;
        }
        if movement.from.as_ref() == Some(&self.channel) && movement.to.as_ref() == Some(&self.recipient) {
            self.paid += movement.amount;
        }
        Ok(())
    }

    fn account(&self, holder: &ScAddress) -> Option<usize> {
        if *holder == self.channel {
            return Some(3);
        }
        self.parties.iter().position(|party| party == holder)
    }

    /// Rule 1.
    fn conserved(&self, now: &Observed) -> Result<(), String> {
        let held = holdings(now);
        if held == self.books {
            return Ok(());
        }
        Err(format!("1: funder, recipient, stranger and channel hold {held:?}, the token moved {:?}", self.books))
    }

    /// Rule 2.
    fn paid_what_was_signed(&self, now: &Observed) -> Result<(), String> {
        if self.paid > self.highest_used {
            return Err(format!(
                "2: the recipient was paid {}, the highest commitment used is {}",
                self.paid, self.highest_used
            ));
        }
        if now.withdrawn() != self.paid {
            return Err(format!("2: the recipient was paid {}, the channel says {}", self.paid, now.withdrawn()));
        }
        Ok(())
    }

    /// Rule 3, and the same for `deposited`.
    fn never_falls(&self, now: &Observed) -> Result<(), String> {
        let deposited = |it: &Observed| it.stored.and_then(|stored| stored.deposited);
        if now.withdrawn() < self.before.withdrawn()
            || deposited(now) < deposited(&self.before)
            || (self.before.stored.is_some() && now.stored.is_none())
        {
            return Err(format!("3: {:?} after {:?}", now.stored, self.before.stored));
        }
        Ok(())
    }

    /// Rule 4. What the recipient can claim is bounded by what it was paid and what is there still.
    fn not_reduced(&self, facts: &[Fact<'_>], now: &Observed) -> Result<(), String> {
        let others = facts.iter().any(|fact| match fact.call {
            // The issuer can do what it wants, and the recipient can end what is its own.
            Some(Call::Clawback(_)) => true,
            Some(Call::Close(_)) => fact.by == Party::Recipient,
            _ => false,
        });
        let due = |it: &Observed| {
            let deadline = it.stored.and_then(|stored| stored.deadline);
            deadline.is_some_and(|deadline| now.ledger >= deadline)
        };
        let coverage = |it: &Observed| it.balance().saturating_add(it.withdrawn());
        if others || due(&self.before) || coverage(now) >= coverage(&self.before) {
            return Ok(());
        }
        Err(format!(
            "4: balance + withdrawn fell from {} to {} before the deadline",
            coverage(&self.before),
            coverage(now)
        ))
    }

    /// Rule 5, for tokens.
    fn leaves_finally(&self, fact: &Fact<'_>, movement: &Movement) -> Result<(), String> {
        let is_final = self.before.stored.is_some_and(|stored| stored.refunded);
        let leaves = movement.from.as_ref() == Some(&self.channel);
        let by_issuer = matches!(fact.call, Some(Call::Clawback(_)));
        let is_refund = fact.by == Party::Funder
            && matches!(fact.call, Some(Call::Refund))
            && movement.to.as_ref() == Some(&self.funder);
        if is_final && leaves && !by_issuer && !is_refund {
            return Err(format!("5: {movement:?} left a channel that is final"));
        }
        Ok(())
    }

    /// Rule 5, for the channel's storage.
    fn stays_final(&self, now: &Observed) -> Result<(), String> {
        let is_final = self.before.stored.is_some_and(|stored| stored.refunded);
        if is_final && now.stored != self.before.stored {
            return Err(format!("5: {:?} became {:?} though it was final", self.before.stored, now.stored));
        }
        Ok(())
    }
}

fn holdings(observed: &Observed) -> [i128; 4] {
    let [funder, recipient, stranger] = observed.lines.map(|line| line.map_or(0, |line| i128::from(line.balance)));
    [funder, recipient, stranger, observed.balance()]
}

#[cfg(test)]
mod tests {
    //! Each rule sees what it is for, whatever a model would say.
    #![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

    use stellar_xdr::{ContractId, Hash};

    use super::*;
    use crate::{
        keys::Key,
        model::{Claim, Signature},
        observed::Stored,
        token::{Line, Purse},
    };

    const DEADLINE: u32 = 50;

    fn parties() -> [ScAddress; 3] {
        [0, 1, 2].map(|number| Key::of("party", number).address())
    }

    fn channel() -> ScAddress {
        ScAddress::Contract(ContractId(Hash([9; 32])))
    }

    /// The funder, the recipient and the channel hold this; the recipient was paid `withdrawn`.
    fn state(held: [i64; 3], withdrawn: i128, refunded: bool) -> Observed {
        let line = |balance| Some(Line { balance, limit: i64::MAX, authorized: true });
        Observed {
            ledger: 10,
            lines: [line(held[0]), line(held[1]), None],
            purse: Some(Purse { amount: held[2].into(), authorized: true }),
            stored: Some(Stored {
                deposited: Some(1_000),
                withdrawn: Some(withdrawn),
                deadline: Some(DEADLINE),
                refunded,
            }),
        }
    }

    fn movement(from: usize, to: usize, amount: i128) -> Movement {
        let holder = |place: usize| Some(parties().get(place).cloned().unwrap_or(channel()));
        Movement { from: holder(from), to: holder(to), amount }
    }

    /// What the rules say when, from a channel that holds 1,000, this call led there.
    fn check(
        was_final: bool,
        (by, call): (Party, Call),
        used: Option<i128>,
        movements: Vec<Movement>,
        now: &Observed,
    ) -> Result<(), String> {
        let start = state([500, 0, 1_000], 0, was_final);
        let mut rules = Invariants::new(parties(), channel(), start);
        let answer = Answer { result: Ok(Vec::new()), movements };
        let fact = Fact { by, call: Some(&call), answer: &answer, used };
        rules.check(&[fact], now)
    }

    fn settle(amount: i128) -> (Party, Call) {
        let signature = Signature::Good;
        (Party::Stranger, Call::Settle(Claim { amount, signature }))
    }

    fn broken(rule: char, outcome: Result<(), String>) {
        let said = outcome.unwrap_err();
        assert!(said.starts_with(rule), "rule {rule}, not: {said}");
    }

    #[test]
    fn an_honest_settle_breaks_no_rule() {
        let now = state([500, 300, 700], 300, false);
        check(false, settle(300), Some(300), vec![movement(3, 1, 300)], &now).unwrap();
    }

    #[test]
    fn tokens_from_nowhere_are_seen() {
        let now = state([501, 300, 700], 300, false);
        broken('1', check(false, settle(300), Some(300), vec![movement(3, 1, 300)], &now));
    }

    #[test]
    fn a_payment_above_every_commitment_is_seen() {
        let now = state([500, 301, 699], 301, false);
        broken('2', check(false, settle(301), Some(300), vec![movement(3, 1, 301)], &now));
        broken('2', check(false, settle(301), None, vec![movement(3, 1, 301)], &now));
    }

    #[test]
    fn a_payment_that_is_not_counted_is_seen() {
        let now = state([500, 300, 700], 0, false);
        broken('2', check(false, settle(300), Some(300), vec![movement(3, 1, 300)], &now));
    }

    #[test]
    fn withdrawn_that_falls_is_seen() {
        let mut rules = Invariants::new(parties(), channel(), state([500, 0, 1_000], 300, false));
        rules.paid = 200;
        rules.highest_used = 300;
        broken('3', rules.check(&[], &state([500, 0, 1_000], 200, false)));
    }

    #[test]
    fn an_early_refund_is_seen() {
        let refund = (Party::Funder, Call::Refund);
        let mut now = state([1_500, 0, 0], 0, true);
        now.ledger = DEADLINE - 1;
        broken('4', check(false, refund, None, vec![movement(3, 0, 1_000)], &now));
        now.ledger = DEADLINE;
        check(false, refund, None, vec![movement(3, 0, 1_000)], &now).unwrap();
    }

    #[test]
    fn a_payment_from_a_final_channel_is_seen() {
        let now = state([500, 300, 700], 300, true);
        broken('5', check(true, settle(300), Some(300), vec![movement(3, 1, 300)], &now));
    }
}
