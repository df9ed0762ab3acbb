#![allow(clippy::unwrap_used, reason = "tests")]

use paychan_channel::Ledger;
use paychan_channel::xdr::{
    AccountEntry, AccountEntryExt, AccountEntryExtensionV1, AccountEntryExtensionV1Ext, AccountEntryExtensionV2,
    AccountEntryExtensionV2Ext, InvokeHostFunctionResult, Liabilities, Limits, OperationResult, OperationResultTr,
    TransactionResult, TransactionResultExt, TransactionResultResult, VecM, WriteXdr,
};
use paychan_rpc::{Account, ErrorKind, Event, EventsPage, LatestLedger, SendStatus, UndecodableEvent};

use super::*;

fn refusal(result: TransactionResultResult, fee_charged: i64) -> Sent {
    answers::sent(SendStatus::Error {
        result: Box::new(TransactionResult { fee_charged, result, ext: TransactionResultExt::V0 }),
    })
}

#[test]
fn one_topic_filter_serves_all_channels() {
    let topic = close_topic().to_xdr_base64(Limits::none()).unwrap();
    assert_eq!(topic, "AAAADwAAAAVjbG9zZQAAAA==");
}

#[test]
fn every_refusal_that_needs_its_own_answer_has_its_own_kind() {
    assert_eq!(
        refusal(TransactionResultResult::TxInsufficientFee, 70_100),
        Sent::InsufficientFee { needed: Stroops(70_100) }
    );
    assert_eq!(refusal(TransactionResultResult::TxBadSeq, 0), Sent::BadSequence);
    assert_eq!(refusal(TransactionResultResult::TxTooLate, 0), Sent::TooLate);
    assert_eq!(refusal(TransactionResultResult::TxInsufficientBalance, 0), Sent::InsufficientBalance);
    assert_eq!(refusal(TransactionResultResult::TxNoAccount, 0), Sent::InsufficientBalance);
    assert_eq!(
        refusal(TransactionResultResult::TxFrozenKeyAccessed, 0),
        Sent::Refused { code: "TxFrozenKeyAccessed".to_owned() }
    );
    assert_eq!(answers::sent(SendStatus::Duplicate), Sent::Duplicate);
    assert_eq!(answers::sent(SendStatus::TryAgainLater), Sent::TryAgainLater);
    assert_eq!(answers::sent(SendStatus::Pending), Sent::Pending);
}

#[test]
fn a_failed_call_names_the_operations_code() {
    let trapped = OperationResult::OpInner(OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::Trapped));
    let sent = refusal(TransactionResultResult::TxFailed(vec![trapped].try_into().unwrap()), 0);
    let Sent::Refused { code } = sent else { panic!("{sent:?}") };
    assert!(code.starts_with("TxFailed: ") && code.contains("Trapped"), "{code}");
}

#[test]
fn errors_keep_their_differences() {
    let latest = Some(Ledger(5));
    assert_eq!(answers::kind(&ErrorKind::NodeBehind { asked: None, latest }), ChainErrorKind::Behind);
    let gone = ErrorKind::HistoryGone { asked: Ledger(1), oldest: Ledger(3), latest: Ledger(5) };
    assert_eq!(answers::kind(&gone), ChainErrorKind::Gone);
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(answers::kind(&ErrorKind::Busy { retry_after }), ChainErrorKind::Busy { retry_after });
    assert_eq!(answers::kind(&ErrorKind::Timeout(Duration::from_secs(1))), ChainErrorKind::Transport);
    assert!(answers::kind(&ErrorKind::BadAnswer(String::new())).is_alarm());
}

#[test]
fn a_head_whose_close_time_cant_be_used_is_a_head_without_a_date() {
    let mut latest = LatestLedger { sequence: Ledger(7), close_time: Some(1_795_000_000), protocol_version: 28 };
    assert_eq!(answers::head(&latest).closed_at_unix_ms, Some(1_795_000_000_000));
    for unusable in [None, Some(u64::MAX)] {
        latest.close_time = unusable;
        assert_eq!(answers::head(&latest), Head { ledger: Ledger(7), closed_at_unix_ms: None });
    }
}

const CHANNEL: ContractId = ContractId([7; 32]);

/// A page that covers the ledgers up to `scanned_to`, from a node whose newest ledger is 50.
fn page(scanned_to: Option<u32>, undecodable: Vec<UndecodableEvent>) -> EventsPage {
    let event = |ledger, contract| Event {
        ledger: Ledger(ledger),
        contract,
        id: String::new(),
        topics: vec![],
        data: paychan_channel::xdr::ScVal::Void,
        transaction: None,
    };
    EventsPage {
        events: vec![event(10, None), event(12, Some(CHANNEL))],
        undecodable,
        scanned_to: scanned_to.map(Ledger),
        next: Some(EventsFrom::Ledger(Ledger(41))),
        cursor: String::new(),
        latest: Ledger(50),
        oldest: Ledger(3),
    }
}

#[test]
fn a_strangers_undecodable_event_is_ignored_and_the_page_counts() {
    let odd = |ledger: Option<u32>, contract| UndecodableEvent {
        ledger: ledger.map(Ledger),
        contract,
        why: "an event's data is cut".to_owned(),
    };
    let (one, two) = (ContractId([8; 32]), ContractId([9; 32]));
    let undecodable = vec![odd(Some(11), Some(one)), odd(None, Some(two)), odd(None, None)];
    let hints = answers::close_hints(page(Some(50), undecodable));
    let told: Vec<_> = hints.hints.iter().map(|hint| (hint.contract, hint.ledger, hint.effective_at)).collect();
    let expected = [(CHANNEL, Ledger(12), None), (one, Ledger(11), None), (two, Ledger(3), None)];
    assert_eq!(told, expected, "every channel that may be closing is read");
    assert_eq!(hints.scanned_to, Some(Ledger(50)));
    assert_eq!(hints.next, None, "the end is reached");
}

#[test]
fn a_page_that_ends_before_the_newest_ledger_is_followed_by_another() {
    assert_eq!(answers::close_hints(page(Some(40), vec![])).next, Some(EventsFrom::Ledger(Ledger(41))));
    let open = answers::close_hints(page(None, vec![]));
    assert_eq!((open.scanned_to, open.next), (None, None), "a page with an unknown end covers no ledgers");
}

#[test]
fn what_a_lane_can_spend_leaves_reserve_and_liabilities_untouched() {
    let entry = AccountEntry {
        balance: 100_000_000,
        num_sub_entries: 3,
        ext: AccountEntryExt::V1(AccountEntryExtensionV1 {
            liabilities: Liabilities { buying: 9, selling: 1_000_000 },
            ext: AccountEntryExtensionV1Ext::V2(AccountEntryExtensionV2 {
                num_sponsored: 1,
                num_sponsoring: 2,
                signer_sponsoring_i_ds: VecM::default(),
                ext: AccountEntryExtensionV2Ext::V0,
            }),
        }),
        ..AccountEntry::default()
    };
    let account =
        Account { id: AccountId([1; 32]), sequence: 44, balance: Stroops(entry.balance), entry, read_at: Ledger(9) };
    let lane = answers::lane_account(&account);
    // It may not spend (2 + 3 + 2 - 1) reserves of 0.5 XLM and what is for sale.
    assert_eq!(lane.facts.spendable, Stroops(100_000_000 - 30_000_000 - 1_000_000));
    assert_eq!((lane.sequence, lane.facts.read_at), (44, Ledger(9)));
}
