//! What the watcher answers. A caller ignores fields that it does not know: a newer watcher may say more.

use paychan_channel::{AccountId, Amount, ContractId, RequestId, Signature};
use serde::{Deserialize, Serialize};

use crate::{Problem, ProblemKind};

/// A commitment is on the watcher's disk. All amounts are base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The highest commitment before this one.
    pub previous: Amount,
    /// The highest commitment held. The payer's unspent credit is `highest - spent`.
    pub highest: Amount,
    /// The sum of all charges less all credits.
    pub spent: Amount,
    /// The part of `highest` that is not paid out on chain yet.
    pub unsettled: Amount,
    /// The most that the chain would pay in total.
    pub coverage: Amount,
    /// The same request was answered before. `previous`, `highest` and `spent` are those of the first answer.
    pub replayed: bool,
}

/// A charge is on the watcher's disk: `price` was added to `spent`. All amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// The name of the sale.
    pub request_id: RequestId,
    /// What the charge took.
    pub price: Amount,
    /// The highest commitment before this charge.
    pub previous: Amount,
    /// The highest commitment held. The payer's unspent credit is `highest - spent`.
    pub highest: Amount,
    /// The sum of all charges less all credits, with this charge.
    pub spent: Amount,
    /// The part of `highest` which is not paid out on chain yet.
    pub unsettled: Amount,
    /// The most that the chain would pay in total.
    pub coverage: Amount,
    /// The part of this charge that has been given back since. It is zero in the first answer.
    pub credited: Amount,
    /// The same request was answered before. Nothing was taken now. But for `credited`, `unsettled` and `coverage`, the
    /// amounts are those of the first answer.
    pub replayed: bool,
}

/// The answers to several charges, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargesAnswered {
    /// One answer for each charge.
    pub answers: Vec<ChargeAnswer>,
}

/// The answer to one of several charges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeAnswer {
    /// It is on the watcher's disk.
    Charged(Charged),
    /// It was refused. A charge that is refused with [`ProblemKind::ExceedsCoverage`] may succeed alone: only then the
    /// watcher reads the channel again from the chain.
    Refused(Problem),
}

/// A credit is on the watcher's disk: it was taken off `spent`. All amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credited {
    /// The name of the sale.
    pub request_id: RequestId,
    /// The part of the charge that was given back.
    pub credited: Amount,
    /// The highest commitment held.
    pub highest: Amount,
    /// The sum of all charges less all credits, with this credit.
    pub spent: Amount,
    /// The same credit was given before. Nothing was given back now.
    pub replayed: bool,
}

/// The channel is to be closed, and it takes no more commitments and charges. That is on the watcher's disk. All amounts
/// are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosingAgreed {
    /// The channel.
    pub channel: ContractId,
    /// How far the close has come.
    pub state: CloseState,
    /// The hash of the transaction that closes the channel, 64 hexadecimal digits. `None` before one is signed, and
    /// when somebody else ended the channel.
    pub transaction: Option<String>,
    /// What the close claims in total over the channel's life.
    pub amount: Amount,
    /// The funder's signature under `amount`, with which whoever holds the recipient's key can close the channel without the
    /// watcher. `None` when nothing is claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The highest commitment held. What is above `amount` is not claimed.
    pub highest: Amount,
    /// The sum of all charges less all credits.
    pub spent: Amount,
    /// The same close was agreed before.
    pub replayed: bool,
}

/// How far the close of a channel has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseState {
    /// The close is on the watcher's disk, and no transaction is signed yet.
    Agreed,
    /// A transaction is signed and on its way.
    Sent,
    /// The channel has ended on chain.
    Closed,
    /// What was agreed is paid on chain, and the channel is open there: the watcher does not hold the recipient's key, or
    /// the close failed. The funder takes the rest back with `close_start` and `refund`.
    Settled,
}

impl CloseState {
    /// Whether the watcher does nothing more about this close.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Settled)
    }
}

/// The answer of `POST /v1/pause` and `POST /v1/resume`: whether the operator has paused the taking of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pausing {
    /// Whether nothing is taken from now on.
    pub paused: bool,
    /// Why the watcher may not know this after its next start. It is absent when the watcher will know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
}

/// The answer of `POST /v1/rollback/confirm`: what the operator has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackConfirmed {
    /// The channels on which the chain had paid more than the store held.
    pub channels: Vec<ContractId>,
    /// The fee accounts that had used sequence numbers unknown to the store.
    #[serde(default)]
    pub lanes: Vec<AccountId>,
}

/// The answer of `GET /readyz`: whether the watcher may take money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether the watcher may take money.
    pub ready: bool,
    /// The kinds of the reasons why it may not.
    pub kinds: Vec<ProblemKind>,
    /// The same reasons in words with figures. Only callers who present the token get them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
