//! The state of a channel, read from its ledger entries.

mod decoding;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use decoding::{ChannelEntries, InstanceFacts, decode_instance, decode_state};

use crate::{Address, Amount, ContractId, Ledger, StateError, StateErrorKind, TokenKind, WasmHash};

/// How a channel contract lays out its instance storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Our contract's: the constants are together under `Terms`.
    Paychan,
    /// stellar-experimental/one-way-channel: no record of deposits or of the end.
    Reference,
    /// mpprouter/one-way-channel: the reference with `DepositedAmount` and `Refunded`.
    Fork,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Layout::Paychan => "paychan",
            Layout::Reference => "reference",
            Layout::Fork => "fork",
        })
    }
}

/// How long one ledger entry lives, as seen at one ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// There is no such entry.
    Missing,
    /// The entry must be restored before it can be used. Its contents are safe.
    Archived,
    /// The last ledger at which it is not archived.
    LiveUntil(Ledger),
}

impl Life {
    /// Reads Stellar RPC's `liveUntilLedgerSeq` (`None`: no entry; 0: archived, or a number already past).
    #[must_use]
    pub fn of(live_until: Option<Ledger>, read_at: Ledger) -> Life {
        match live_until {
            None => Life::Missing,
            Some(until) if until < read_at => Life::Archived,
            Some(until) => Life::LiveUntil(until),
        }
    }
}

/// The last ledger at which each entry of a channel is live.
///
/// `None`: no such entry. `Some(Ledger(0))`: archived, as Stellar RPC says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lives {
    /// The channel's instance.
    pub instance: Option<Ledger>,
    /// The channel's Wasm.
    pub code: Option<Ledger>,
    /// The channel's balance in its token. `None` as long as the channel never held any.
    pub token_balance: Option<Ledger>,
    /// The token's instance.
    pub token_instance: Option<Ledger>,
    /// The token's Wasm. Also `None` for a token that has none of its own (a Stellar asset contract).
    pub token_code: Option<Ledger>,
}

impl Lives {
    /// The entries that exist, by name.
    pub fn existing(&self) -> impl Iterator<Item = (&'static str, Ledger)> {
        [
            ("instance", self.instance),
            ("code", self.code),
            ("token balance", self.token_balance),
            ("token instance", self.token_instance),
            ("token code", self.token_code),
        ]
        .into_iter()
        .filter_map(|(name, until)| Some((name, until?)))
    }

    /// The earliest last ledger of the entries that exist; `Ledger(0)` when one is archived.
    #[must_use]
    pub fn earliest(&self) -> Option<Ledger> {
        self.existing().map(|(_, until)| until).min()
    }

    /// The entries that must be restored before the channel can be used, by name.
    pub fn archived(&self, read_at: Ledger) -> impl Iterator<Item = &'static str> {
        self.existing()
            .filter(move |(_, until)| Life::of(Some(*until), read_at) == Life::Archived)
            .map(|(name, _)| name)
    }
}

/// A channel at one ledger. Amounts are in base units of the token, times in ledgers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelState {
    /// Its address.
    pub channel: ContractId,
    /// Which storage layout it was read from.
    pub layout: Layout,
    /// Its code.
    pub wasm_hash: WasmHash,
    /// The token it holds and pays.
    pub token: ContractId,
    /// What the token is.
    pub token_kind: TokenKind,
    /// The funder.
    pub from: Address,
    /// The recipient.
    pub to: Address,
    /// The commitment key as stored: not yet checked to be a usable key.
    pub commitment_key: [u8; 32],
    /// Ledgers between `close_start` and the deadline.
    pub refund_waiting_period: u32,
    /// The sum of the deposits by the constructor and `top_up`. `None` in the reference's layout, which keeps no record
    /// of it.
    pub deposited: Option<Amount>,
    /// The sum paid to the recipient so far.
    pub withdrawn: Amount,
    /// The deadline, which `close_start` sets (and, in the reference's layout, `close`).
    pub close_effective_at: Option<Ledger>,
    /// Whether the channel is closed or refunded for ever. Always false in the reference's layout, which keeps no
    /// record of it.
    pub refunded: bool,
    /// What the channel holds of its token now.
    pub balance: Amount,
    /// Whether the asset's issuer lets the channel move its balance.
    pub balance_authorized: bool,
    /// Whether the asset's issuer can take the balance away.
    pub balance_clawback: bool,
    /// How long its entries live.
    pub lives: Lives,
    /// The ledger at which this state was read.
    pub read_at: Ledger,
}

impl ChannelState {
    /// The most that the chain would pay the recipient in total: balance + withdrawn.
    ///
    /// The fork's contract also refuses what is above `deposited`. Once a channel is closed for ever it pays nothing
    /// more, whatever it holds.
    #[must_use]
    pub fn coverage(&self) -> Amount {
        if self.refunded {
            return self.withdrawn;
        }
        let held = self.balance.saturating_add(self.withdrawn);
        match (self.layout, self.deposited) {
            (Layout::Fork, Some(deposited)) => held.min(deposited),
            _ => held,
        }
    }

    /// The ledger at which `refund` becomes possible, once a close has started.
    #[must_use]
    pub fn deadline(&self) -> Option<Ledger> {
        self.close_effective_at
    }

    /// The last ledger before the deadline.
    #[must_use]
    pub fn last_safe_ledger(&self) -> Option<Ledger> {
        self.deadline().map(|deadline| deadline.saturating_sub(1))
    }

    /// Whether a close has started and the channel is not final, so that what is unsettled must be settled.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.close_effective_at.is_some() && !self.is_final()
    }

    /// Whether nothing can be settled any more.
    ///
    /// The reference's layout does not record it: both its `close` and its `close_start` set the deadline, and settling
    /// works as long as the balance lasts. There a channel counts as final when the deadline has come and nothing is
    /// left; tokens sent to it later make it pay again, which only a new reading shows.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self.layout {
            Layout::Paychan | Layout::Fork => self.refunded,
            Layout::Reference => {
                self.balance.is_zero() && self.close_effective_at.is_some_and(|deadline| self.read_at >= deadline)
            }
        }
    }

    /// What the recipient would lose if the funder took everything back now, given the highest commitment.
    #[must_use]
    pub fn unsettled(&self, highest: Amount) -> Amount {
        highest.saturating_sub(self.withdrawn)
    }

    /// The same state, read with the layout that this code is known to have.
    ///
    /// Keys alone can't tell a fork's channel that was opened without a deposit from a reference's: the fork writes
    /// `DepositedAmount` at the first deposit. Its coverage is then nothing, whatever it holds. Whoever trusts code by
    /// its hash knows the layout, and should ask for it here.
    ///
    /// # Errors
    /// [`StateErrorKind::OtherLayout`] when the storage has another layout.
    pub fn expect_layout(mut self, expected: Layout) -> Result<ChannelState, StateError> {
        match (expected, self.layout) {
            (expected, found) if expected == found => Ok(self),
            (Layout::Fork, Layout::Reference) => {
                self.layout = Layout::Fork;
                self.deposited = Some(Amount::ZERO);
                Ok(self)
            }
            (expected, found) => {
                Err(StateError { channel: self.channel, kind: StateErrorKind::OtherLayout { expected, found } })
            }
        }
    }
}

#[cfg(test)]
mod tests;
