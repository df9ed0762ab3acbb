//! A call that is being run: its authorization, its footprint and the token's own rules. [`crate::rules`] uses it.

use crate::{
    call::{Event, Party, Refusal},
    model::{Done, Model},
    token::{Access, Holder, Line, Purse, Touched},
};

/// A call that is being run on a copy of the state.
pub(crate) struct Run {
    pub(crate) model: Model,
    pub(crate) by: Party,
    pub(crate) events: Vec<Event>,
    pub(crate) touched: Touched,
    /// The transaction's footprint; `None` in simulation.
    allowed: Option<Touched>,
    there: [bool; 3],
}

impl Run {
    pub(crate) fn new(model: &Model, by: Party, allowed: Option<Touched>) -> Self {
        Self {
            model: model.clone(),
            by,
            events: Vec::new(),
            touched: Touched::default(),
            allowed,
            there: model.lines.map(|line| line.is_some()),
        }
    }

    pub(crate) fn done(self) -> Done {
        Done { model: self.model, events: self.events }
    }

    /// What `require_auth` does: simulation records the authorization, and execution needs it.
    pub(crate) fn needs(&self, party: Party) -> Result<(), Refusal> {
        if self.allowed.is_none() || self.by == party { Ok(()) } else { Err(Refusal::Auth) }
    }

    fn touch_line(&mut self, party: Party, access: Access) -> Result<(), Refusal> {
        let place = party.index();
        if self.allowed.is_some_and(|allowed| allowed.lines[place] < access) {
            return Err(Refusal::Resources);
        }
        self.touched.lines[place] = self.touched.lines[place].max(access);
        self.touched.there[place] = self.there[place];
        Ok(())
    }

    fn touch_purse(&mut self, access: Access) -> Result<(), Refusal> {
        if self.allowed.is_some_and(|allowed| allowed.purse < access) {
            return Err(Refusal::Resources);
        }
        self.touched.purse = self.touched.purse.max(access);
        Ok(())
    }

    /// The token's `balance` of the channel.
    pub(crate) fn balance(&mut self) -> Result<i128, Refusal> {
        self.touch_purse(Access::Read)?;
        Ok(self.model.balance())
    }

    /// The token's `transfer`.
    pub(crate) fn transfer(&mut self, from: Holder, to: Holder, amount: i128) -> Result<(), Refusal> {
        if amount < 0 {
            return Err(Refusal::Token);
        }
        match from {
            Holder::Party(party) => self.move_line(party, amount, false)?,
            Holder::Channel => self.spend_purse(amount, true)?,
        }
        match to {
            Holder::Party(party) => self.move_line(party, amount, true),
            Holder::Channel => self.fill_purse(amount),
        }
    }

    /// The token's `try_transfer`. Answers whether the transfer happened. An entry that the footprint lacks can't be caught.
    pub(crate) fn try_transfer(&mut self, from: Holder, to: Holder, amount: i128) -> Result<bool, Refusal> {
        let before = self.model.clone();
        match self.transfer(from, to, amount) {
            Ok(()) => Ok(true),
            Err(Refusal::Token) => {
                self.model = before;
                Ok(false)
            }
            Err(other) => Err(other),
        }
    }

    pub(crate) fn mint(&mut self, amount: i128) -> Result<(), Refusal> {
        if amount < 0 {
            return Err(Refusal::Token);
        }
        self.fill_purse(amount)
    }

    pub(crate) fn clawback(&mut self, amount: i128) -> Result<(), Refusal> {
        if amount < 0 {
            return Err(Refusal::Token);
        }
        self.touch_purse(Access::Read)?;
        if self.model.purse.is_none() {
            return Err(Refusal::Token);
        }
        self.spend_purse(amount, false)
    }

    pub(crate) fn authorize_purse(&mut self, authorized: bool) -> Result<(), Refusal> {
        self.touch_purse(Access::Write)?;
        let amount = self.model.balance();
        self.model.purse = Some(Purse { amount, authorized });
        Ok(())
    }

    fn move_line(&mut self, party: Party, amount: i128, receives: bool) -> Result<(), Refusal> {
        self.touch_line(party, Access::Read)?;
        let line = self.model.lines[party.index()].ok_or(Refusal::Token)?;
        let units = i64::try_from(amount).map_err(|_| Refusal::Token)?;
        let balance = if receives { line.balance.checked_add(units) } else { line.balance.checked_sub(units) };
        let balance =
            balance.filter(|balance| line.authorized && (0..=line.limit).contains(balance)).ok_or(Refusal::Token)?;
        self.touch_line(party, Access::Write)?;
        self.model.lines[party.index()] = Some(Line { balance, ..line });
        Ok(())
    }

    fn spend_purse(&mut self, amount: i128, by_itself: bool) -> Result<(), Refusal> {
        self.touch_purse(Access::Read)?;
        let Some(purse) = self.model.purse else {
            return if amount > 0 { Err(Refusal::Token) } else { Ok(()) };
        };
        if (by_itself && !purse.authorized) || purse.amount < amount {
            return Err(Refusal::Token);
        }
        self.touch_purse(Access::Write)?;
        self.model.purse = Some(Purse {
            amount: purse.amount - amount, // 0 <= amount <= purse.amount
            ..purse
        });
        Ok(())
    }

    fn fill_purse(&mut self, amount: i128) -> Result<(), Refusal> {
        self.touch_purse(Access::Read)?;
        let purse = self.model.purse.unwrap_or(Purse { amount: 0, authorized: true });
        let filled = purse.amount.checked_add(amount);
        let amount = filled.filter(|_| purse.authorized).ok_or(Refusal::Token)?;
        self.touch_purse(Access::Write)?;
        self.model.purse = Some(Purse { amount, ..purse });
        Ok(())
    }
}
