//! Five rules that must hold whatever happens. They do not use the model. They look at the balances, the token's events
//! and the signatures that were used, so that they also find a mistake that the model and the contract share.
//!
//! 1. Tokens are conserved: all holders together hold what the issuer issued.
//! 2. The recipient was never paid more than the highest commitment that was used.
//! 3. `withdrawn` never falls.
//! 4. Before the deadline, nothing that the funder does reduces what the recipient can claim.
//! 5. Once the channel is final, nothing leaves it but refunds and what the issuer takes.

use stellar_xdr::ScAddress;

use crate::{
    answer::{Answer, Movement},
    model::{Call, Party},
    observed::Observed,
};

/// What the rules know about a transaction that was in a ledger.
pub(crate) struct Fact<'a> {
    pub(crate) by: Party,
    /// The call, or `None` for a classic operation on a trustline.
    pub(crate) call: Option<&'a Call>,
    pub(crate) answer: &'a Answer,
    /// The total that it claims, if the signature is the commitment key's.
    pub(crate) used: Option<i128>,
}

/// What the rules remember.
pub(crate) struct Invariants {
    funder: ScAddress,
    recipient: ScAddress,
    /// The channel's address. It changes only while there is no channel.
    channel: ScAddress,
    /// What the three parties and the channel hold, as the token's events say.
    books: [i128; 4],
    parties: [ScAddress; 3],
    /// What the channel paid to the recipient, as the token's events say.
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

    /// Notes that a channel was opened at this address.
    pub(crate) fn opened(&mut self, channel: ScAddress) {
        self.channel = channel;
    }

    /// Checks the rules after a ledger, with the transactions that were in it and what the ledger has now.
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
            let account =
                self.account(holder).ok_or_else(|| format!("tokens of an unknown holder moved: {movement:?}"))?;
            self.books[account] = self.books[account]
                .checked_add(sign * movement.amount)
                .filter(|after| *after >= 0)
                .ok_or_else(|| format!("more tokens left than were there: {movement:?}"))?;
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
        Err(format!(
            "1: funder, recipient, stranger and channel hold {held:?}, but by the token's events {:?}",
            self.books
        ))
    }

    /// Rule 2.
    fn paid_what_was_signed(&self, now: &Observed) -> Result<(), String> {
        if self.paid > self.highest_used {
            return Err(format!(
                "2: the recipient was paid {}, but the highest commitment that was used is {}",
                self.paid, self.highest_used
            ));
        }
        if now.withdrawn() != self.paid {
            return Err(format!("2: the recipient was paid {}, but the channel says {}", self.paid, now.withdrawn()));
        }
        Ok(())
    }

    /// Rule 3, which is checked for `deposited` as well.
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

    /// Rule 4. The recipient can claim at most what it was paid and what is still there.
    fn not_reduced(&self, facts: &[Fact<'_>], now: &Observed) -> Result<(), String> {
        let others = facts.iter().any(|fact| match fact.call {
            // The issuer can take tokens, and the recipient can end the channel.
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
    //! Each rule finds the fault that it is for, without a model.
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

    /// A state where the funder, the recipient and the channel hold this, and the recipient was paid `withdrawn`.
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

    /// What the rules say when this call leads from a channel that holds 1,000 to the state `now`.
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
        let error = outcome.unwrap_err();
        assert!(error.starts_with(rule), "expected rule {rule}, not: {error}");
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
