//! The report that `GET /v1/status` answers and `paychan-watcher status --json` prints. Amounts are decimal strings of
//! base units, fees are decimal strings of stroops, and times are ledgers unless the name says otherwise.

use paychan_channel::{AccountId, Address, Amount, CommitmentKey, ContractId, Ledger, Stroops};
use serde::{Deserialize, Serialize};

/// All that an operator is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether the running daemon made this report; otherwise it was read from the daemon's journal.
    pub running: bool,
    /// When the daemon made the report, or when the newest record of its journal was written. Milliseconds since the
    /// Unix epoch.
    pub as_of_unix_ms: Option<u64>,
    /// The network's passphrase.
    pub network: String,
    /// The newest ledger known.
    pub head: Option<HeadReport>,
    /// Milliseconds between ledgers that the network aims at.
    pub target_close_ms: Option<u32>,
    /// Why the watcher takes no money now; empty when it does.
    pub not_ready: Vec<String>,
    /// The channels, in the order of their addresses.
    pub channels: Vec<ChannelReport>,
    /// The fee accounts.
    pub lanes: Vec<LaneReport>,
}

/// The newest ledger known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadReport {
    /// Its sequence number.
    pub ledger: Ledger,
    /// When it closed, milliseconds since the Unix epoch, if the endpoint says so.
    pub closed_at_unix_ms: Option<u64>,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelReport {
    /// Its address.
    pub channel: ContractId,
    /// Where it stands on chain.
    pub status: ChannelStatus,
    /// The funder.
    pub from: Address,
    /// The recipient.
    pub to: Address,
    /// The token's contract.
    pub token: ContractId,
    /// What people call the token, if it is listed.
    pub token_code: Option<String>,
    /// With how many decimals people write it.
    pub decimals: u32,
    /// The key that commitments are signed with, 64 hex digits.
    pub commitment_key: Option<CommitmentKey>,
    /// Ledgers between the announcement of a close and the deadline.
    pub refund_waiting_period: u32,
    /// The highest commitment held; "0" before the first.
    pub highest: Amount,
    /// The sum of all charges less all credits: at most the highest.
    pub spent: Amount,
    /// How many commitments were accepted.
    pub accepted: u64,
    /// The part of the highest that is not paid out yet, as far as the watcher knows.
    pub unsettled: Amount,
    /// The most that the chain would pay in total.
    pub coverage: Option<Amount>,
    /// The sum paid out on chain.
    pub withdrawn: Option<Amount>,
    /// The ledger at which the funder can take the rest back.
    pub deadline: Option<Ledger>,
    /// Ledgers until then; 0 when it has passed.
    pub ledgers_left: Option<u32>,
    /// The last ledger of each entry that the channel depends on.
    pub lives: Option<LivesReport>,
    /// Whether commitments and charges are refused for ever, because the channel is to be closed.
    pub fenced: bool,
    /// What a fenced channel is closed with: the total over its life, at most the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing_with: Option<Amount>,
    /// The ledger at which the entries were read last.
    pub read_at: Option<Ledger>,
    /// The watcher can have missed nothing that happened up to this ledger.
    pub gap_free_to: Option<Ledger>,
    /// The last error, if nothing has succeeded since.
    pub last_error: Option<String>,
    /// The hash of the watcher's last transaction for it, 64 hexadecimal digits, in flight or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transaction: Option<String>,
    /// The outcome of the watcher's last transaction that has one.
    pub last_outcome: Option<String>,
    /// What the watcher will do next.
    pub next_action: String,
}

/// A page of channels, in the order of their addresses: `GET /v1/channels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPage {
    /// The channels of this page.
    pub channels: Vec<ChannelReport>,
    /// Where the next page starts: give it as `after`. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ContractId>,
}

/// Where a channel stands on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelStatus {
    /// It takes commitments.
    Open,
    /// A close was seen.
    Closing,
    /// It has ended.
    Final,
    /// Its entries were not read by this process yet.
    Unread,
}

/// The last ledger at which each entry is live: 0 when archived, absent when there is no such entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named after its ledger entry")]
pub struct LivesReport {
    pub instance: Option<Ledger>,
    pub code: Option<Ledger>,
    pub token_balance: Option<Ledger>,
    pub token_instance: Option<Ledger>,
    pub token_code: Option<Ledger>,
}

/// A fee account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneReport {
    /// Its address.
    pub account: AccountId,
    /// All that it holds, stroops.
    #[serde(with = "stroops")]
    pub balance: Stroops,
    /// What it may spend on fees, stroops.
    #[serde(with = "stroops")]
    pub spendable: Stroops,
    /// How much to send to it, stroops: the part of what the promises may cost that it cannot pay.
    #[serde(with = "stroops")]
    pub send: Stroops,
}

/// Stroops as a decimal string: a JSON reader may lose what is above 2^53.
mod stroops {
    use paychan_channel::Stroops;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(stroops: &Stroops, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(stroops)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stroops, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
