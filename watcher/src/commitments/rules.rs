//! Which commitments are acknowledged: what is asked before the signature is checked, and again by the committer just
//! before one is written.

use paychan_channel::{Amount, ContractId, Stroops};

use crate::channels::Payability;
use crate::config::Fees;
use crate::view::{ChannelView, FeeFunds, NotFresh};
use paychan_store::{Held, Refusal};

/// All that is known at the moment at which a commitment is offered.
#[derive(Debug, Clone)]
pub struct Moment<'a> {
    /// The daemon is stopping.
    pub stopping: bool,
    /// Channels that show that the store was rolled back and that the operator has not confirmed yet.
    pub rolled_back: &'a [ContractId],
    /// Whether what is known of the channel is fresh.
    pub freshness: Result<(), NotFresh>,
    /// The channel, if it was ever read.
    pub channel: Option<&'a ChannelView>,
    /// Whether the recipient can be paid, if that was ever read.
    pub payability: Option<Payability>,
    /// The fee accounts, if they were ever read.
    pub funds: Option<FeeFunds>,
    /// What may be spent on fees.
    pub fees: &'a Fees,
}

/// Whether the chain, as it is known now, would pay `amount` on this channel. Pure; base units.
///
/// What ends a channel comes first, then what may pass, then the amount: a submitter learns first what no other amount
/// and no waiting would change. That the amount is above the highest held is the store's to say.
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken. Nothing is changed.
pub fn check(held: &Held, amount: Amount, now: &Moment<'_>) -> Result<(), Refusal> {
    if now.stopping {
        return Err(Refusal::Stopping { why: "the watcher is shutting down".to_owned() });
    }
    if let Some(channel) = now.channel {
        not_over(channel)?;
    }
    store_is_whole(held, now)?;
    now.freshness.map_err(|why| Refusal::NotFresh { why: why.to_string() })?;
    let Some(channel) = now.channel else {
        return Err(Refusal::NotFresh { why: NotFresh::Unread.to_string() });
    };
    fees_funded(held, channel, now)?;

    let withdrawn = channel.state.withdrawn;
    if amount <= withdrawn {
        return Err(Refusal::NotAboveWithdrawn { offered: amount, withdrawn });
    }
    let coverage = channel.coverage();
    if amount > coverage {
        return Err(Refusal::ExceedsCoverage { offered: amount, coverage });
    }
    payable(channel, amount.saturating_sub(withdrawn), now.payability)
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

/// A store that lost acknowledged commitments may have lost any: nothing is acknowledged on any channel.
fn store_is_whole(held: &Held, now: &Moment<'_>) -> Result<(), Refusal> {
    let Some(first) = now.rolled_back.first() else {
        return Ok(());
    };
    match now.channel {
        Some(channel) if now.rolled_back.contains(&channel.state.channel) => {
            Err(Refusal::RolledBack { highest: held.highest_amount(), withdrawn: channel.state.withdrawn })
        }
        _ => Err(Refusal::RolledBackElsewhere { channel: *first }),
    }
}

/// Whether a store that holds this of a channel was rolled back, by what the chain has paid on it. Base units.
///
/// Asked at start. While the watcher runs, a higher `withdrawn` means that somebody else settled a commitment that this
/// watcher was never shown.
pub fn rolled_back(held: &Held, withdrawn: Amount) -> bool {
    let known = held.highest_amount().max(held.rollback_confirmed.unwrap_or(Amount::ZERO));
    withdrawn > known
}

/// The fee accounts must cover a settlement of every channel that holds a promise, this one included.
fn fees_funded(held: &Held, channel: &ChannelView, now: &Moment<'_>) -> Result<(), Refusal> {
    let Some(funds) = now.funds else {
        return Err(Refusal::FeesLow { why: "the first sweep has not counted yet what is promised".to_owned() });
    };
    let promised_here = held.highest_amount() > channel.state.withdrawn;
    let settlements = funds.promised.saturating_add(usize::from(!promised_here));
    let needed = fees_needed(settlements, funds.settle_resource_fee, now.fees);
    if funds.spendable < needed {
        return Err(Refusal::FeesLow {
            why: format!(
                "they can spend {} stroops, and {settlements} promised settlements may cost {needed}; send at least {} \
                 stroops to a fee account",
                funds.spendable,
                needed.get().saturating_sub(funds.spendable.get())
            ),
        });
    }
    Ok(())
}

/// What so many settlements may cost, in stroops: each its resources and the highest bid allowed.
///
/// `resource_fee` is what one was last simulated at; before that, what the configuration assumes.
pub fn fees_needed(settlements: usize, resource_fee: Option<Stroops>, fees: &Fees) -> Stroops {
    let one = resource_fee.unwrap_or(fees.assumed_resource_fee).saturating_add(fees.max_inclusion_fee);
    let settlements = i64::try_from(settlements).unwrap_or(i64::MAX);
    Stroops(one.get().saturating_mul(settlements))
}

/// Neither a frozen balance nor a recipient without room is paid, whatever the coverage.
fn payable(channel: &ChannelView, unsettled: Amount, payability: Option<Payability>) -> Result<(), Refusal> {
    let why = match payability {
        _ if !channel.state.balance_authorized => "the token's issuer has frozen the channel's balance".to_owned(),
        Some(payability) if !payability.can_take(unsettled) => {
            format!("{unsettled} base units would have to be paid and cannot be: {payability}")
        }
        _ => return Ok(()),
    };
    Err(Refusal::Unpayable { why })
}
