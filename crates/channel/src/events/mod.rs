//! The events of a channel contract. An event is a hint to read the channel's entries, and never the truth by itself.

use stellar_xdr::{ScMap, ScVal};

use crate::scval::{Named, Naming, address_of, symbol_text};
use crate::{Address, Amount, ContractId, EventError, Ledger, ValueError};

/// One event of a channel. Amounts are in base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The channel was created.
    Open {
        /// The funder.
        from: Address,
        /// The recipient.
        to: Address,
        /// The commitment key as stored; it may be no usable key.
        commitment_key: [u8; 32],
        /// The token it holds and pays.
        token: ContractId,
        /// The first deposit.
        amount: Amount,
        /// Ledgers between `close_start` and the deadline.
        refund_waiting_period: u32,
    },
    /// The funder paid in. The reference's contract does not say so.
    Deposit {
        /// The funder.
        from: Address,
        /// How much.
        amount: Amount,
    },
    /// A deadline was set: `close_start` sets a later ledger, `close` the current one.
    Close {
        /// The deadline.
        effective_at: Ledger,
    },
    /// The recipient was paid.
    Withdraw {
        /// The recipient.
        to: Address,
        /// How much this payment was.
        amount: Amount,
    },
    /// The funder took back the rest.
    Refund {
        /// The funder.
        from: Address,
        /// How much.
        amount: Amount,
    },
}

impl ChannelEvent {
    /// Names of all events, as in their first topic.
    pub const NAMES: [&'static str; 5] = ["open", "deposit", "close", "withdraw", "refund"];
}

/// Reads an event of a channel: our layout and the fork's (addresses in the topics) and the reference's (all in the
/// data). `None` when no channel event has this name.
///
/// # Errors
/// [`EventError`] when the event has a channel event's name and other contents: another contract uses the same name.
pub fn decode(topics: &[ScVal], data: &ScVal) -> Result<Option<ChannelEvent>, EventError> {
    let Some((name, addresses)) = topics.split_first() else {
        return Ok(None);
    };
    let Some(name) = symbol_text(name) else {
        return Ok(None);
    };
    let Some(event) = ChannelEvent::NAMES.into_iter().find(|known| *known == name) else {
        return Ok(None);
    };
    read(event, addresses, data).map(Some).map_err(|source| EventError { event, source })
}

fn read(event: &'static str, addresses: &[ScVal], data: &ScVal) -> Result<ChannelEvent, ValueError> {
    let body = Body { addresses, data: Named::new(map(data)?, Naming::Field) };
    match event {
        "open" => {
            let [from, to] = body.parties(["from", "to"])?;
            Ok(ChannelEvent::Open {
                from,
                to,
                commitment_key: body.data.bytes32("commitment_key")?,
                token: body.data.contract("token")?,
                amount: body.data.amount("amount")?,
                refund_waiting_period: body.data.u32("refund_waiting_period")?,
            })
        }
        "deposit" => {
            let [from] = body.parties(["from"])?;
            Ok(ChannelEvent::Deposit { from, amount: body.data.amount("amount")? })
        }
        "withdraw" => {
            let [to] = body.parties(["to"])?;
            Ok(ChannelEvent::Withdraw { to, amount: body.data.amount("amount")? })
        }
        "refund" => {
            let [from] = body.parties(["from"])?;
            Ok(ChannelEvent::Refund { from, amount: body.data.amount("amount")? })
        }
        _ => {
            let [] = body.parties([])?;
            Ok(ChannelEvent::Close { effective_at: Ledger(body.data.u32("effective_at_ledger")?) })
        }
    }
}

fn map(data: &ScVal) -> Result<&ScMap, ValueError> {
    match data {
        ScVal::Map(Some(map)) => Ok(map),
        _ => Err(ValueError::WrongType { name: "data", expected: "a map" }),
    }
}

struct Body<'a> {
    addresses: &'a [ScVal],
    data: Named<'a>,
}

impl Body<'_> {
    /// The addresses of an event: all in its topics, or all in its data.
    fn parties<const N: usize>(&self, names: [&'static str; N]) -> Result<[Address; N], ValueError> {
        let mut found = Vec::with_capacity(N);
        if self.addresses.is_empty() {
            for name in names {
                found.push(self.data.address(name)?);
            }
        } else if self.addresses.len() == N {
            for (value, name) in self.addresses.iter().zip(names) {
                found.push(address_of(value, name)?);
            }
        }
        found.try_into().map_err(|_| ValueError::WrongType {
            name: "topics",
            expected: "as many addresses as the event has, or none",
        })
    }
}

#[cfg(test)]
mod tests;
