//! The balances and the channel's storage, as the ledger has them.

use stellar_xdr::{ContractDataEntry, LedgerEntryData, ScMap, ScMapEntry, ScVal, ScVec, TrustLineFlags};

use crate::{
    model::{Model, Rules},
    token::{Line, Purse},
    xdr,
};

/// What the ledger has for a channel and its parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The ledger that closed last.
    pub ledger: u32,
    /// The parties' trustlines.
    pub lines: [Option<Line>; 3],
    /// The token's entry for the channel's address.
    pub purse: Option<Purse>,
    /// The channel's storage.
    pub stored: Option<Stored>,
}

/// The entries of the channel's instance storage that change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// `DepositedAmount`.
    pub deposited: Option<i128>,
    /// `WithdrawnAmount`.
    pub withdrawn: Option<i128>,
    /// `CloseEffectiveAtLedger`.
    pub deadline: Option<u32>,
    /// `Refunded`.
    pub refunded: bool,
}

impl Observed {
    /// What the ledger should have, as the model says.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let above_zero = |amount: i128| (amount > 0).then_some(amount);
        Self {
            ledger: model.ledger,
            lines: model.lines,
            purse: model.purse,
            stored: model.channel.map(|channel| Stored {
                deposited: match model.rules {
                    Rules::Paychan => Some(channel.deposited),
                    Rules::Reference => None,
                    Rules::Fork => above_zero(channel.deposited),
                },
                withdrawn: match model.rules {
                    Rules::Paychan => Some(channel.withdrawn),
                    Rules::Reference | Rules::Fork => above_zero(channel.withdrawn),
                },
                deadline: channel.deadline,
                refunded: channel.is_final,
            }),
        }
    }

    /// What the channel's address holds.
    #[must_use]
    pub fn balance(&self) -> i128 {
        self.purse.map_or(0, |purse| purse.amount)
    }

    /// What the recipient was paid, as the channel's storage says.
    #[must_use]
    pub fn withdrawn(&self) -> i128 {
        self.stored.and_then(|it| it.withdrawn).unwrap_or(0)
    }
}

/// Reads a trustline's entry.
pub(crate) fn line(data: &LedgerEntryData) -> Result<Line, String> {
    match data {
        LedgerEntryData::Trustline(line) => Ok(Line {
            balance: line.balance,
            limit: line.limit,
            authorized: line.flags & (TrustLineFlags::AuthorizedFlag as u32) != 0,
        }),
        other => Err(format!("this is no trustline: {other:?}")),
    }
}

/// Reads the token's entry for a contract's address.
pub(crate) fn purse(data: &LedgerEntryData) -> Result<Purse, String> {
    let read = || {
        let LedgerEntryData::ContractData(ContractDataEntry { val, .. }) = data else {
            return None;
        };
        let ScVal::Bool(authorized) = xdr::field(val, "authorized")? else {
            return None;
        };
        Some(Purse { amount: xdr::as_i128(xdr::field(val, "amount")?)?, authorized: *authorized })
    };
    read().ok_or_else(|| format!("this is no balance: {data:?}"))
}

/// Reads the channel's storage: the entries that change, and all the others.
pub(crate) fn stored(data: &LedgerEntryData) -> Result<(Stored, Vec<ScMapEntry>), String> {
    let LedgerEntryData::ContractData(ContractDataEntry { val: ScVal::ContractInstance(instance), .. }) = data else {
        return Err(format!("this is no instance: {data:?}"));
    };
    let mut stored = Stored::default();
    let mut rest = Vec::new();
    let ScMap(entries) = instance.storage.clone().unwrap_or_default();
    for entry in entries.iter() {
        match (name(&entry.key).as_deref(), &entry.val) {
            (Some("DepositedAmount"), value @ ScVal::I128(_)) => {
                stored.deposited = xdr::as_i128(value);
            }
            (Some("WithdrawnAmount"), value @ ScVal::I128(_)) => {
                stored.withdrawn = xdr::as_i128(value);
            }
            (Some("CloseEffectiveAtLedger"), ScVal::U32(ledger)) => stored.deadline = Some(*ledger),
            (Some("Refunded"), ScVal::Bool(refunded)) => stored.refunded = *refunded,
            _ => rest.push(entry.clone()),
        }
    }
    Ok((stored, rest))
}

/// The name in a key `Vec[Symbol(name)]`.
fn name(key: &ScVal) -> Option<String> {
    match key {
        ScVal::Vec(Some(ScVec(parts))) => match parts.as_slice() {
            [part] => xdr::as_symbol(part),
            _ => None,
        },
        _ => None,
    }
}
