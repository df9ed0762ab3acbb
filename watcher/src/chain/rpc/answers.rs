//! From the endpoint's words to the watcher's. Pure.

use paychan_channel::xdr::{
    AccountEntry, AccountEntryExt, AccountEntryExtensionV1Ext, OperationResult, TransactionResult,
    TransactionResultResult,
};
use paychan_channel::{Ledger, Stroops};
use paychan_rpc::{Account, ErrorKind, Event, LatestLedger, SendStatus, TransactionAnswer};

use super::{ChainErrorKind, Found, LaneAccount, Sent};
use crate::chain::{Head, LaneFacts};

/// What an account must hold for itself and for each of its subentries: the base reserve, 0.5 XLM on every public
/// network since 2019 (stellar-docs, `learn/fundamentals/lumens.mdx`). It is in the ledger's header, which no RPC method
/// answers with by itself; a lower reserve only makes the watcher ask for XLM a little early.
const BASE_RESERVE: i64 = 5_000_000;

pub(super) fn kind(kind: &ErrorKind) -> ChainErrorKind {
    match kind {
        ErrorKind::NodeBehind { .. } => ChainErrorKind::Behind,
        ErrorKind::HistoryGone { .. } => ChainErrorKind::Gone,
        ErrorKind::Busy { retry_after } => ChainErrorKind::Busy { retry_after: *retry_after },
        ErrorKind::Refused { .. } | ErrorKind::Unauthorized { .. } | ErrorKind::BadUrl(_) => ChainErrorKind::Refused,
        ErrorKind::Transport(_) | ErrorKind::Timeout(_) => ChainErrorKind::Transport,
        ErrorKind::WrongNetwork { .. } => ChainErrorKind::WrongNetwork,
        ErrorKind::BadAnswer(_) => ChainErrorKind::Undecodable,
    }
}

pub(super) fn head(latest: &LatestLedger) -> Head {
    let closed_at_unix_ms = latest.close_time.and_then(|seconds| seconds.checked_mul(1_000));
    Head { ledger: latest.sequence, closed_at_unix_ms }
}

/// The last ledger of which a page holds every event. A full page may end within a ledger; any other reaches to its
/// cursor, which stands at the end of what was looked through.
pub(super) fn scanned_to(events: &[Event], full: bool, cursor: Option<Ledger>, latest: Ledger) -> Option<Ledger> {
    if full {
        return events.last().map(|event| event.ledger.saturating_sub(1));
    }
    cursor.map(|at| at.min(latest))
}

pub(super) fn lane_account(account: &Account) -> LaneAccount {
    let kept = reserve(&account.entry).saturating_add(selling_liabilities(&account.entry));
    LaneAccount {
        facts: LaneFacts {
            account: account.id,
            balance: account.balance,
            spendable: Stroops(account.balance.get().saturating_sub(kept).max(0)),
            read_at: account.read_at,
        },
        sequence: account.sequence,
    }
}

/// Two reserves for the account, one for each subentry, more for what it sponsors, less for what is sponsored for it
/// (CAP-33).
fn reserve(entry: &AccountEntry) -> i64 {
    let (sponsoring, sponsored) = match &entry.ext {
        AccountEntryExt::V1(v1) => match &v1.ext {
            AccountEntryExtensionV1Ext::V2(v2) => (v2.num_sponsoring, v2.num_sponsored),
            AccountEntryExtensionV1Ext::V0 => (0, 0),
        },
        AccountEntryExt::V0 => (0, 0),
    };
    let entries = 2 + i64::from(entry.num_sub_entries) + i64::from(sponsoring) - i64::from(sponsored);
    entries.max(0).saturating_mul(BASE_RESERVE)
}

fn selling_liabilities(entry: &AccountEntry) -> i64 {
    match &entry.ext {
        AccountEntryExt::V0 => 0,
        AccountEntryExt::V1(v1) => v1.liabilities.selling,
    }
}

pub(super) fn sent(status: SendStatus) -> Sent {
    let result = match status {
        SendStatus::Pending => return Sent::Pending,
        SendStatus::Duplicate => return Sent::Duplicate,
        SendStatus::TryAgainLater => return Sent::TryAgainLater,
        SendStatus::Error { result } => result,
    };
    match &result.result {
        TransactionResultResult::TxInsufficientFee => Sent::InsufficientFee { needed: Stroops(result.fee_charged) },
        TransactionResultResult::TxBadSeq => Sent::BadSequence,
        TransactionResultResult::TxTooLate => Sent::TooLate,
        TransactionResultResult::TxInsufficientBalance | TransactionResultResult::TxNoAccount => {
            Sent::InsufficientBalance
        }
        _ => Sent::Refused { code: code(&result) },
    }
}

pub(super) fn found(answer: TransactionAnswer) -> Found {
    match answer {
        TransactionAnswer::NotFound { latest, oldest } => Found::No { oldest, latest },
        TransactionAnswer::Success(included) => Found::Included {
            ledger: included.ledger,
            fee_charged: included.fee_charged.unwrap_or_default(),
            failed: None,
        },
        TransactionAnswer::Failed(included) => Found::Included {
            ledger: included.ledger,
            fee_charged: included.fee_charged.unwrap_or_default(),
            failed: Some(included.result.as_ref().map_or_else(|| "its verdict can't be decoded".to_owned(), code)),
        },
    }
}

/// The network's verdict in its own words: the transaction's code, and that of its one operation.
fn code(result: &TransactionResult) -> String {
    let name = result.result.name();
    match &result.result {
        TransactionResultResult::TxFailed(operations) | TransactionResultResult::TxSuccess(operations) => {
            match operations.first() {
                Some(OperationResult::OpInner(inner)) => format!("{name}: {inner:?}"),
                Some(other) => format!("{name}: {}", other.name()),
                None => name.to_owned(),
            }
        }
        _ => name.to_owned(),
    }
}
