//! A model of the channel's contract and of its token's contract: what each call does.
//!
//! It follows `contracts/channel/src/channel.rs` and the Stellar Asset Contract. It is pure.
//! `tests/proof/tests/it/worlds.rs` compares it with both on the real Soroban host.

use std::fmt;

use paychan_channel::{Amount, ChannelState, Ledger};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Funder,
    Recipient,
    Stranger,
    /// The token's issuer.
    Issuer,
}

/// A call. The first five are calls of the channel, and the others are calls of the token about the channel. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    TopUp(i128),
    Settle(Claim),
    Close(Claim),
    CloseStart,
    Refund,
    /// The funder sends tokens straight to the channel.
    Send(i128),
    /// The issuer takes tokens from the channel.
    Clawback(i128),
    /// The issuer unfreezes the channel's balance, or freezes it.
    Authorize(bool),
}

/// A commitment that is brought to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub total: i128,
    /// Whether the signature is the funder's, and over this total of this channel.
    pub signed: bool,
}

/// An event of the channel's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Deposit(i128),
    Close(Ledger),
    Withdraw(i128),
    Refund(i128),
}

/// Why a call changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// An error of the channel's contract, by its number.
    Contract(u32),
    /// The one who must authorize the call did not.
    Authorization,
    Signature,
    /// The token refuses a transfer: the number is its contract's.
    Token(u32),
}

impl Refusal {
    pub const NEGATIVE_AMOUNT: Refusal = Refusal::Contract(1);
    pub const NOT_CLOSED: Refusal = Refusal::Contract(2);
    pub const TOO_EARLY: Refusal = Refusal::Contract(3);
    pub const ALREADY_CLOSED: Refusal = Refusal::Contract(4);
    pub const INSUFFICIENT_DEPOSIT: Refusal = Refusal::Contract(5);
    pub const REFUNDED: Refusal = Refusal::Contract(6);
    /// `BalanceError` of the Stellar Asset Contract: the balance is too low, or the limit of a trustline.
    pub const BALANCE: Refusal = Refusal::Token(10);
    /// `BalanceDeauthorizedError` of the Stellar Asset Contract: the balance is frozen.
    pub const FROZEN: Refusal = Refusal::Token(11);
    /// `TrustlineMissingError` of the Stellar Asset Contract: the account has no trustline.
    pub const TRUSTLINE_MISSING: Refusal = Refusal::Token(13);
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Contract(number) | Refusal::Token(number) => {
                write!(f, "HostError: Error(Contract, #{number})")
            }
            Refusal::Authorization => f.write_str("HostError: Error(Auth, InvalidAction)"),
            Refusal::Signature => f.write_str("HostError: Error(Crypto, InvalidInput)"),
        }
    }
}

/// A party's trustline. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Whether the trustline exists. If it does not, nothing moves to its holder or from it, and no amount is small enough.
    pub exists: bool,
    pub balance: i128,
    /// How much more it can take.
    pub room: i128,
    /// Whether the issuer has not frozen it.
    pub authorized: bool,
}

impl Line {
    /// The token looks for the trustline first, then at its authorization, and then at its balance and limit.
    fn usable(&self) -> Done {
        match (self.exists, self.authorized) {
            (false, _) => Err(Refusal::TRUSTLINE_MISSING),
            (true, false) => Err(Refusal::FROZEN),
            (true, true) => Ok(()),
        }
    }
}

/// What a call reads and changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scene {
    pub channel: ChannelState,
    pub funder: Line,
    pub recipient: Line,
}

/// A holder of tokens.
#[derive(Debug, Clone, Copy)]
enum Holder {
    Channel,
    Funder,
    Recipient,
}

type Done<T = ()> = Result<T, Refusal>;

impl Scene {
    /// Executes a call in the ledger `now`. A refused call changes nothing.
    ///
    /// # Errors
    /// The contract's or the token's refusal.
    pub(super) fn call(&mut self, now: u32, by: Caller, call: Call) -> Done<Vec<Event>> {
        let mut after = self.clone();
        let mut events = Vec::new();
        after.execute(now, by, call, &mut events)?;
        *self = after;
        Ok(events)
    }

    fn execute(&mut self, now: u32, by: Caller, call: Call, events: &mut Vec<Event>) -> Done {
        match call {
            Call::TopUp(units) => self.top_up(by, units, events),
            Call::Settle(claim) => {
                not_negative(claim.total)?;
                self.not_final()?;
                verified(claim)?;
                self.pay(claim.total, events)
            }
            Call::Close(claim) => self.close(now, by, claim, events),
            Call::CloseStart => self.close_start(now, by, events),
            Call::Refund => self.refund(now, by, events),
            Call::Send(units) => {
                authorized(by, Caller::Funder)?;
                self.transfer(Holder::Funder, Holder::Channel, units)
            }
            Call::Clawback(units) => {
                authorized(by, Caller::Issuer)?;
                // The issuer takes from a frozen balance, too.
                let left = self.channel.balance.get() - units;
                self.channel.balance = Amount::new(left).map_err(|_| Refusal::BALANCE)?;
                Ok(())
            }
            Call::Authorize(authorize) => {
                authorized(by, Caller::Issuer)?;
                self.channel.balance_authorized = authorize;
                Ok(())
            }
        }
    }

    fn top_up(&mut self, by: Caller, units: i128, events: &mut Vec<Event>) -> Done {
        not_negative(units)?;
        if self.channel.close_effective_at.is_some() {
            return Err(Refusal::ALREADY_CLOSED);
        }
        authorized(by, Caller::Funder)?;
        let deposited = self.channel.deposited.unwrap_or_default().get() + units;
        self.channel.deposited = Some(Amount::new(deposited).unwrap());
        if units > 0 {
            self.transfer(Holder::Funder, Holder::Channel, units)?;
            events.push(Event::Deposit(units));
        }
        Ok(())
    }

    fn close(&mut self, now: u32, by: Caller, claim: Claim, events: &mut Vec<Event>) -> Done {
        not_negative(claim.total)?;
        self.not_final()?;
        authorized(by, Caller::Recipient)?;
        let withdrawn = self.channel.withdrawn.get();
        if claim.total > withdrawn {
            verified(claim)?;
            self.pay(claim.total, events)?;
        }
        self.channel.refunded = true;
        if self.channel.close_effective_at.is_none_or(|deadline| now < deadline.0) {
            self.set_deadline(now, events);
        }
        // What no commitment claimed goes back, if the token lets it.
        let unclaimed = self.channel.deposited.unwrap_or_default().get() - claim.total.max(withdrawn);
        if unclaimed > 0 {
            let before = self.clone();
            match self.transfer(Holder::Channel, Holder::Funder, unclaimed) {
                Ok(()) => events.push(Event::Refund(unclaimed)),
                Err(_) => *self = before,
            }
        }
        Ok(())
    }

    fn close_start(&mut self, now: u32, by: Caller, events: &mut Vec<Event>) -> Done {
        if self.channel.close_effective_at.is_some_and(|deadline| now >= deadline.0) {
            return Err(Refusal::ALREADY_CLOSED);
        }
        authorized(by, Caller::Funder)?;
        self.set_deadline(now.saturating_add(self.channel.refund_waiting_period), events);
        Ok(())
    }

    fn refund(&mut self, now: u32, by: Caller, events: &mut Vec<Event>) -> Done {
        let deadline = self.channel.close_effective_at.ok_or(Refusal::NOT_CLOSED)?;
        if now < deadline.0 {
            return Err(Refusal::TOO_EARLY);
        }
        authorized(by, Caller::Funder)?;
        self.channel.refunded = true;
        let balance = self.channel.balance.get();
        if balance > 0 {
            self.transfer(Holder::Channel, Holder::Funder, balance)?;
            events.push(Event::Refund(balance));
        }
        Ok(())
    }

    /// Pays the recipient up to this total, which was verified.
    fn pay(&mut self, total: i128, events: &mut Vec<Event>) -> Done {
        let payout = total - self.channel.withdrawn.get();
        if payout <= 0 {
            return Ok(());
        }
        let deposited = self.channel.deposited.unwrap_or_default().get();
        if total > deposited && payout > self.channel.balance.get() {
            return Err(Refusal::INSUFFICIENT_DEPOSIT);
        }
        self.channel.withdrawn = Amount::new(total).unwrap();
        self.transfer(Holder::Channel, Holder::Recipient, payout)?;
        events.push(Event::Withdraw(payout));
        Ok(())
    }

    /// The token's `transfer`. It may change one side and then fail.
    fn transfer(&mut self, from: Holder, to: Holder, units: i128) -> Done {
        self.take(from, units)?;
        self.give(to, units)
    }

    fn take(&mut self, from: Holder, units: i128) -> Done {
        let Some(line) = self.line(from) else {
            let left = self.channel.balance.get() - units;
            return match self.channel.balance_authorized {
                false => Err(Refusal::FROZEN),
                true => Amount::new(left).map(|left| self.channel.balance = left).map_err(|_| Refusal::BALANCE),
            };
        };
        line.usable()?;
        if units > line.balance {
            return Err(Refusal::BALANCE);
        }
        line.balance -= units;
        line.room += units;
        Ok(())
    }

    fn give(&mut self, to: Holder, units: i128) -> Done {
        let Some(line) = self.line(to) else {
            let filled = self.channel.balance.get() + units;
            return match self.channel.balance_authorized {
                false => Err(Refusal::FROZEN),
                true => Amount::new(filled).map(|filled| self.channel.balance = filled).map_err(|_| Refusal::BALANCE),
            };
        };
        line.usable()?;
        if units > line.room {
            return Err(Refusal::BALANCE);
        }
        line.balance += units;
        line.room -= units;
        Ok(())
    }

    /// The trustline of a party. The channel has none.
    fn line(&mut self, of: Holder) -> Option<&mut Line> {
        match of {
            Holder::Channel => None,
            Holder::Funder => Some(&mut self.funder),
            Holder::Recipient => Some(&mut self.recipient),
        }
    }

    fn set_deadline(&mut self, deadline: u32, events: &mut Vec<Event>) {
        self.channel.close_effective_at = Some(Ledger(deadline));
        events.push(Event::Close(Ledger(deadline)));
    }

    fn not_final(&self) -> Done {
        if self.channel.refunded { Err(Refusal::REFUNDED) } else { Ok(()) }
    }
}

fn not_negative(units: i128) -> Done {
    if units < 0 { Err(Refusal::NEGATIVE_AMOUNT) } else { Ok(()) }
}

fn authorized(by: Caller, needed: Caller) -> Done {
    if by == needed { Ok(()) } else { Err(Refusal::Authorization) }
}

fn verified(claim: Claim) -> Done {
    if claim.signed { Ok(()) } else { Err(Refusal::Signature) }
}
