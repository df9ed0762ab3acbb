//! The rules for acknowledging commitments. They are applied when a commitment is offered, and again by the committer
//! just before it is written.

use paychan_channel::{Amount, Ledger, Stroops};

use crate::config::Token;
use crate::promises::Totals;
use crate::view::{ChannelView, KnownPayability, KnownToken, LaneAhead, NotFresh};
use paychan_store::{Held, Refusal};

/// What is known when a commitment is offered.
#[derive(Debug, Clone)]
pub struct Conditions<'a> {
    /// Whether the daemon is stopping.
    pub stopping: bool,
    /// Whether a part of the watcher panicked.
    pub panicked: bool,
    /// Whether the operator has paused the taking of money.
    pub paused: bool,
    /// Whether the channel shows that the store was rolled back, and the operator has not confirmed that yet.
    pub rolled_back: bool,
    /// A fee account that shows that the store was rolled back, which the operator has not confirmed yet.
    pub lane_ahead: Option<LaneAhead>,
    /// Whether the known state of the channel is fresh.
    pub freshness: Result<(), NotFresh>,
    /// The newest ledger.
    pub head: Option<Ledger>,
    /// The channel, if it was ever read.
    pub channel: Option<&'a ChannelView>,
    /// Whether the recipient can be paid, if that was ever read.
    pub payability: Option<KnownPayability>,
    /// What the token's issuer may do, if that was ever read.
    pub token: Option<KnownToken>,
    /// The token in the operator's list; `None` when the operator took it off the list after the channel was admitted.
    pub listed: Option<&'a Token>,
    /// What the fee accounts may spend, if any was ever read.
    pub spendable: Option<Stroops>,
    /// What is promised, including this commitment; `None` before the promises were counted.
    pub totals: Option<Totals>,
    /// The highest age, in ledgers, of what is known of recipients and issuers.
    pub unread_ledgers: u32,
}

/// Whether the chain, as it is known now, would pay `amount` on this channel. Pure; base units.
///
/// The lasting reasons come first, then the passing ones, then the amount: a submitter learns first what neither
/// waiting nor another amount would change. The store checks that the amount is above the highest.
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken. Nothing is changed.
pub fn check(held: &Held, amount: Amount, now: &Conditions<'_>) -> Result<(), Refusal> {
    is_taking(now)?;
    now.channel.map_or(Ok(()), not_over)?;
    not_rolled_back(held, now)?;
    now.freshness.map_err(not_fresh)?;
    let channel = now.channel.ok_or_else(|| not_fresh(NotFresh::Unread))?;
    let totals = now.totals.ok_or_else(|| not_fresh("the promises have not been counted yet"))?;
    fees_funded(&totals, now)?;

    let withdrawn = channel.state.withdrawn;
    if amount <= withdrawn {
        return Err(Refusal::NotAboveWithdrawn { offered: amount, withdrawn });
    }
    let coverage = channel.coverage();
    if amount > coverage {
        return Err(Refusal::ExceedsCoverage { offered: amount, coverage });
    }
    issuer_leaves_it(channel, now)?;
    recipient_can_be_paid(totals.owed, now)
}

/// Whether `price` may be sold for the highest commitment held, as the chain is known now. Pure; base units.
///
/// That commitment was acknowledged, so the charge makes no new promise. But the channel must still cover it: the
/// issuer can take back or freeze the token, and the channel can end. What the chain has paid already can always be
/// sold.
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken. Nothing is changed.
pub fn check_charge(held: &Held, price: Amount, now: &Conditions<'_>) -> Result<(), Refusal> {
    is_taking(now)?;
    // A rolled-back store may have forgotten what was spent, and the same credit must not be sold twice. The fee
    // accounts show whether it was rolled back.
    not_rolled_back(held, now)?;
    now.spendable.ok_or_else(|| not_fresh("the fee accounts have not been read yet"))?;
    let needed = held.spent.saturating_add(price);
    if now.channel.is_some_and(|channel| needed <= channel.state.withdrawn) {
        return Ok(());
    }
    if let Some(channel) = now.channel {
        not_over(channel)?;
    }
    now.freshness.map_err(not_fresh)?;
    let channel = now.channel.ok_or_else(|| not_fresh(NotFresh::Unread))?;
    let coverage = channel.coverage();
    if needed > coverage {
        return Err(Refusal::ExceedsCoverage { offered: needed, coverage });
    }
    if !channel.state.balance_authorized {
        return Err(frozen());
    }
    Ok(())
}

/// What callers are told after a panic.
pub(crate) const AFTER_PANIC: &str =
    "a part of the watcher has failed; it settles what it holds, and takes nothing until its operator has restarted it";

/// Refuses when nothing is taken at present, on any channel.
fn is_taking(now: &Conditions<'_>) -> Result<(), Refusal> {
    if now.stopping {
        return Err(Refusal::Stopping { why: "the watcher is shutting down".to_owned() });
    }
    if now.panicked {
        return Err(Refusal::Stopping { why: AFTER_PANIC.to_owned() });
    }
    if now.paused {
        return Err(Refusal::Paused);
    }
    Ok(())
}

/// A store that was rolled back may have forgotten commitments and charges.
fn not_rolled_back(held: &Held, now: &Conditions<'_>) -> Result<(), Refusal> {
    if let Some(LaneAhead { lane, used, known }) = now.lane_ahead {
        return Err(Refusal::RolledBackForAll { lane, used, known });
    }
    match now.channel.filter(|_| now.rolled_back) {
        Some(channel) => {
            Err(Refusal::RolledBack { highest: held.highest_amount(), withdrawn: channel.state.withdrawn })
        }
        None => Ok(()),
    }
}

fn frozen() -> Refusal {
    Refusal::Unpayable { why: "the token's issuer has frozen the channel's balance".to_owned() }
}

fn not_fresh(why: impl ToString) -> Refusal {
    Refusal::NotFresh { why: why.to_string() }
}

fn not_over(channel: &ChannelView) -> Result<(), Refusal> {
    if channel.ended {
        return Err(Refusal::Final);
    }
    if channel.is_closing() {
        return Err(Refusal::Closing { deadline: channel.deadline });
    }
    Ok(())
}

/// The fee accounts must cover the settlements of all promises, this one included.
fn fees_funded(totals: &Totals, now: &Conditions<'_>) -> Result<(), Refusal> {
    let spendable = now.spendable.ok_or_else(|| not_fresh("the fee accounts have not been read yet"))?;
    if spendable >= totals.fees {
        return Ok(());
    }
    Err(Refusal::FeesLow {
        why: format!(
            "they can spend {spendable} stroops, and {} promised settlements may cost {}; send at least {} stroops to a \
             fee account",
            totals.settlements,
            totals.fees,
            totals.fees.get().saturating_sub(spendable.get())
        ),
    })
}

/// The issuer must not have frozen the channel's balance, and must not have taken rights since admission that the
/// operator does not accept.
fn issuer_leaves_it(channel: &ChannelView, now: &Conditions<'_>) -> Result<(), Refusal> {
    if !channel.state.balance_authorized {
        return Err(frozen());
    }
    let Some(listed) = now.listed else {
        return Ok(());
    };
    let known = now.token.filter(|known| is_recent(known.read_at, now));
    let facts = known.ok_or_else(|| not_fresh("the rights of the token's issuer were not read lately"))?.facts;
    let risk = if facts.may_claw_back() && !listed.issuer_may_claw_back {
        "take the channel's balance back"
    } else if facts.may_revoke() && !listed.issuer_may_revoke {
        "freeze the channel's balance"
    } else {
        return Ok(());
    };
    Err(Refusal::Unpayable { why: format!("the issuer of {} can {risk} now", listed.code) })
}

/// The recipient must have room for what all channels together owe it.
fn recipient_can_be_paid(owed: Amount, now: &Conditions<'_>) -> Result<(), Refusal> {
    let known = now.payability.filter(|known| is_recent(known.read_at, now));
    let known = known.ok_or_else(|| not_fresh("the recipient's account was not read lately"))?;
    let needed = owed.saturating_add(known.paid_since);
    if known.payability.can_take(needed) {
        return Ok(());
    }
    Err(Refusal::Unpayable {
        why: format!("it would be owed {owed} base units over all its channels, and {}", known.payability),
    })
}

fn is_recent(read_at: Ledger, now: &Conditions<'_>) -> bool {
    now.head.is_some_and(|head| head.since(read_at) <= now.unread_ledgers)
}
