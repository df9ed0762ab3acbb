//! What each call does, under each contract's rules, in the order in which the contract checks.

use crate::{
    call::{Call, Claim, Event, Opening, Party, Refusal, error},
    model::{Channel, Done, MAX_WAIT, Model, Rules},
    run::Run,
    token::{Holder, Touched},
};

impl Model {
    /// The entries that a call touches in this state. A missing authorization does not matter here.
    ///
    /// # Errors
    /// Why the call is refused, whoever calls.
    pub fn simulate(&self, by: Party, call: &Call) -> Result<Touched, Refusal> {
        let mut run = Run::new(self, by, None);
        run.call(call)?;
        Ok(run.touched)
    }

    /// Executes the call in a transaction whose footprint is `allowed`.
    ///
    /// # Errors
    /// Why the call had no effect.
    pub fn execute(&self, by: Party, call: &Call, allowed: &Touched) -> Result<Done, Refusal> {
        if !allowed.can_be_read(&self.lines) {
            return Err(Refusal::Resources);
        }
        let mut run = Run::new(self, by, Some(*allowed));
        run.call(call)?;
        Ok(run.done())
    }
}

impl Run {
    pub(crate) fn call(&mut self, call: &Call) -> Result<(), Refusal> {
        match *call {
            Call::Open(opening) => self.open(opening),
            Call::TopUp(amount) => self.top_up(amount),
            Call::Settle(claim) => self.settle(claim),
            Call::Close(claim) => self.close(claim),
            Call::CloseStart => self.close_start(),
            Call::Refund => self.refund(),
            Call::Extend if self.model.rules == Rules::Reference => Err(Refusal::NoFunction),
            Call::Extend => Ok(()),
            Call::Send(amount) => self.transfer(Holder::Party(self.by), Holder::Channel, amount),
            Call::Mint(amount) => self.mint(amount),
            Call::Clawback(amount) => self.clawback(amount),
            Call::Authorize(authorized) => self.authorize_purse(authorized),
        }
    }

    fn open(&mut self, opening: Opening) -> Result<(), Refusal> {
        let Opening { amount, wait, weak_key } = opening;
        not_negative(amount)?;
        let hardened = self.model.rules != Rules::Reference;
        if hardened && wait > MAX_WAIT {
            return Err(Refusal::Contract(error::WAITING_PERIOD_TOO_LONG));
        }
        if hardened && weak_key.is_some() {
            return Err(Refusal::Contract(error::WEAK_COMMITMENT_KEY));
        }
        if hardened || amount > 0 {
            self.needs(Party::Funder)?;
        }
        if self.model.channel.is_some() || self.by != Party::Funder {
            // The new channel's address is not that of the funder's first channel, and it holds nothing yet.
            self.model.purse = None;
        }
        self.model.channel = Some(Channel {
            deposited: amount,
            withdrawn: 0,
            deadline: None,
            is_final: false,
            wait,
            has_weak_key: weak_key.is_some(),
        });
        self.deposit(amount)?;
        self.events.push(Event::Open { amount, wait });
        Ok(())
    }

    fn top_up(&mut self, amount: i128) -> Result<(), Refusal> {
        not_negative(amount)?;
        let channel = self.channel();
        if self.model.rules == Rules::Reference {
            if amount > 0 {
                self.needs(Party::Funder)?;
            }
            return self.deposit(amount);
        }
        if channel.deadline.is_some() {
            return Err(Refusal::Contract(error::ALREADY_CLOSED));
        }
        self.needs(Party::Funder)?;
        let deposited = channel.deposited.checked_add(amount);
        let deposited = deposited.ok_or(Refusal::Contract(error::OVERFLOW))?;
        self.change(|channel| channel.deposited = deposited);
        self.deposit(amount)
    }

    fn settle(&mut self, claim: Claim) -> Result<(), Refusal> {
        not_negative(claim.amount)?;
        self.not_final()?;
        if self.model.rules != Rules::Paychan {
            self.needs(Party::Recipient)?;
        }
        self.signed(&claim)?;
        self.pay(claim.amount)
    }

    fn close(&mut self, claim: Claim) -> Result<(), Refusal> {
        not_negative(claim.amount)?;
        self.not_final()?;
        self.needs(Party::Recipient)?;
        let before = self.channel();
        // With the other contracts, a recipient who claims nothing new needs the funder's signature to end the channel.
        if self.model.rules != Rules::Paychan || claim.amount > before.withdrawn {
            self.signed(&claim)?;
        }
        self.pay(claim.amount)?;
        self.end();
        let now = self.model.ledger;
        if before.deadline.is_none_or(|deadline| now < deadline) {
            self.change(|channel| channel.deadline = Some(now));
            self.events.push(Event::Close { effective_at_ledger: now });
        }
        let unclaimed = if self.model.rules == Rules::Paychan {
            let claimed = claim.amount.max(before.withdrawn);
            before.deposited.saturating_sub(claimed)
        } else {
            self.balance()?
        };
        if unclaimed > 0 && self.try_transfer(Holder::Channel, Holder::Party(Party::Funder), unclaimed)? {
            self.events.push(Event::Refund { amount: unclaimed });
        }
        Ok(())
    }

    fn close_start(&mut self) -> Result<(), Refusal> {
        let channel = self.channel();
        let now = self.model.ledger;
        if channel.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Refusal::Contract(error::ALREADY_CLOSED));
        }
        self.needs(Party::Funder)?;
        let deadline = now.saturating_add(channel.wait);
        self.change(|channel| channel.deadline = Some(deadline));
        self.events.push(Event::Close { effective_at_ledger: deadline });
        Ok(())
    }

    fn refund(&mut self) -> Result<(), Refusal> {
        let deadline = self.channel().deadline;
        let deadline = deadline.ok_or(Refusal::Contract(error::NOT_CLOSED))?;
        if self.model.ledger < deadline {
            return Err(Refusal::Contract(error::WAITING_PERIOD_NOT_ELAPSED));
        }
        self.needs(Party::Funder)?;
        self.end();
        let amount = self.balance()?;
        if amount > 0 {
            self.transfer(Holder::Channel, Holder::Party(Party::Funder), amount)?;
            self.events.push(Event::Refund { amount });
        }
        Ok(())
    }

    fn deposit(&mut self, amount: i128) -> Result<(), Refusal> {
        if amount > 0 {
            self.transfer(Holder::Party(Party::Funder), Holder::Channel, amount)?;
            if self.model.rules != Rules::Reference {
                self.events.push(Event::Deposit { amount });
            }
        }
        Ok(())
    }

    /// Pays the recipient up to a total. The caller has checked the signature where that is needed.
    fn pay(&mut self, amount: i128) -> Result<(), Refusal> {
        let Channel { deposited, withdrawn, .. } = self.channel();
        let insufficient = Err(Refusal::Contract(error::INSUFFICIENT_DEPOSIT));
        if self.model.rules == Rules::Fork && amount > deposited {
            return insufficient;
        }
        if amount <= withdrawn {
            return Ok(());
        }
        let payout = amount - withdrawn; // 0 <= withdrawn < amount
        if self.model.rules == Rules::Paychan && amount > deposited && payout > self.balance()? {
            return insufficient;
        }
        self.change(|channel| channel.withdrawn = amount);
        self.transfer(Holder::Channel, Holder::Party(Party::Recipient), payout)?;
        self.events.push(Event::Withdraw { amount: payout });
        Ok(())
    }

    fn end(&mut self) {
        let has_final_state = self.model.rules != Rules::Reference;
        self.change(|channel| channel.is_final = has_final_state);
    }

    fn not_final(&self) -> Result<(), Refusal> {
        if self.channel().is_final {
            return Err(Refusal::Contract(error::REFUNDED));
        }
        Ok(())
    }

    fn signed(&self, claim: &Claim) -> Result<(), Refusal> {
        if claim.is_good() && !self.channel().has_weak_key {
            return Ok(());
        }
        Err(Refusal::Signature)
    }

    fn channel(&self) -> Channel {
        self.model.channel.expect("the driver calls no channel that is not there")
    }

    fn change(&mut self, change: impl FnOnce(&mut Channel)) {
        if let Some(channel) = &mut self.model.channel {
            change(channel);
        }
    }
}

fn not_negative(amount: i128) -> Result<(), Refusal> {
    if amount < 0 {
        return Err(Refusal::Contract(error::NEGATIVE_AMOUNT));
    }
    Ok(())
}
