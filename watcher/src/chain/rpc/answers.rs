//! Converts the endpoint's answers to the watcher's types. Pure.

use paychan_channel::Stroops;
use paychan_channel::events::{self, ChannelEvent};
use paychan_channel::xdr::{AccountEntry, AccountEntryExt, AccountEntryExtensionV1Ext, TransactionResultResult};
use paychan_rpc::{Account, ErrorKind, EventsPage, LatestLedger, SendStatus, TransactionAnswer, result_code};
use tracing::debug;

use super::{ChainErrorKind, Found, LaneAccount, Sent};
use crate::chain::{CloseHint, CloseHints, Head, LaneFacts};

/// The base reserve in stroops, which an account must hold several times for itself and once for each subentry. It is
/// 0.5 XLM on every public network since 2019 (stellar-docs, `learn/fundamentals/lumens.mdx`). It is in the ledger's
/// header, which no RPC method returns alone; if the real reserve is lower, the watcher only asks for XLM a little
/// early.
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

/// The hints of a page of `close` events. An event that can't be decoded is a hint too, if it names its contract:
/// reading that contract's entries shows what has happened.
pub(super) fn close_hints(page: EventsPage) -> CloseHints {
    let mut hints = Vec::new();
    for event in &page.events {
        let Some(contract) = event.contract else { continue };
        let effective_at = match events::decode(&event.topics, &event.data) {
            Ok(Some(ChannelEvent::Close { effective_at })) => Some(effective_at),
            // It is another contract's event, or one of a channel that is not understood. Reading the entries shows it.
            _ => None,
        };
        hints.push(CloseHint { contract, ledger: event.ledger, effective_at });
    }
    for odd in &page.undecodable {
        debug!(contract = ?odd.contract, why = odd.why, "an event called `close` can't be decoded; it is ignored");
        // If its ledger is not known, the oldest one is used, so that any copy of the entries is new enough.
        let ledger = odd.ledger.unwrap_or(page.oldest);
        hints.extend(odd.contract.map(|contract| CloseHint { contract, ledger, effective_at: None }));
    }
    // A page without a known end may be one that never advances, so no further page is asked for.
    let more = page.scanned_to.is_some_and(|to| to < page.latest);
    CloseHints { hints, scanned_to: page.scanned_to, next: page.next.filter(|_| more) }
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
        agreed: true,
    }
}

/// The account's reserve in stroops: two base reserves for the account, one for each subentry and for each entry that
/// it sponsors, less one for each entry that others sponsor for it (CAP-33).
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
        _ => Sent::Refused { code: result_code(&result) },
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
            failed: Some(
                included.result.as_ref().map_or_else(|| "its result can't be decoded".to_owned(), result_code),
            ),
        },
    }
}
