//! Tests that a transaction is simulated, signed and sent, and that no other one is sent before it is decided.

use std::time::Duration;

use axum::http::StatusCode;
use paychan_channel::{
    AccountId, Amount, ContractError, ContractId, Ledger, NetworkId, Signature, Stroops, calls, ledger_keys, xdr,
};
use paychan_rpc::meaning::Entries;
use paychan_rpc::submit::{Call, INCLUSION_LEDGERS, SubmitError, SubmitOptions, Submitted, Submitter};
use paychan_rpc::{
    AccountError, AuthError, Authorization, CallFailure, Client, Meaning, NotMeant, ResourceFeeCaps, SecretKey,
    operations,
};
use serde_json::{Value, json};
use xdr::{LedgerEntryData, ReadXdr, ScVal, TransactionResultResult};

use crate::answers::{base64, result};
use crate::server::{Reply, Server};

const CHANNEL: ContractId = ContractId([7; 32]);
const BUILT_AT: u32 = 100;
const BOUND: u32 = BUILT_AT + INCLUSION_LEDGERS;
const OPTIONS: SubmitOptions = SubmitOptions {
    max_inclusion_fee: Stroops(10_000),
    least_inclusion_fee: Stroops::BASE_FEE,
    not_before: Ledger(0),
    poll: Duration::from_millis(1),
    give_up: Duration::from_secs(20),
};

fn source() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn call() -> Call {
    Call {
        function: calls::settle(&CHANNEL, Amount::new(5).unwrap(), &Signature([2; 64])),
        operation_source: None,
        channel: Some(CHANNEL),
        token: None,
        meaning: meaning(Authorization::Nobody),
    }
}

fn meaning(authorization: Authorization) -> Meaning {
    Meaning { authorization, entries: Entries::Any, max_resource_fee: ResourceFeeCaps::USUAL.call }
}

/// The call, authorized by an entry of `account`'s own.
fn call_signed_by(account: AccountId) -> Call {
    let authorization = Authorization::Call { within: Vec::new(), signers: vec![account] };
    Call { meaning: meaning(authorization), ..call() }
}

async fn submit(
    client: &Client,
    call: &Call,
    signers: &[&SecretKey],
    options: SubmitOptions,
) -> Result<Submitted, SubmitError> {
    let network = NetworkId::of("test");
    Submitter { client, network: &network, source: &source(), signers, options }.call(call).await
}

fn entries(data: &[LedgerEntryData]) -> Value {
    let entries: Vec<_> = data
        .iter()
        .map(|data| json!({ "key": base64(&data.to_key()), "xdr": base64(data), "lastModifiedLedgerSeq": 1 }))
        .collect();
    json!({ "entries": entries, "latestLedger": BUILT_AT })
}

fn account() -> LedgerEntryData {
    LedgerEntryData::Account(xdr::AccountEntry {
        account_id: source().account().to_xdr(),
        balance: 100_0000000,
        seq_num: xdr::SequenceNumber(41),
        ..Default::default()
    })
}

fn write_fee() -> LedgerEntryData {
    LedgerEntryData::ConfigSetting(xdr::ConfigSettingEntry::ContractLedgerCostExtV0(
        xdr::ConfigSettingContractLedgerCostExtV0 { tx_max_footprint_entries: 100, fee_write1_kb: 3500 },
    ))
}

fn simulated() -> Value {
    let mut data = operations::footprint(vec![], vec![ledger_keys::instance(&CHANNEL)]).unwrap();
    data.resources.write_bytes = 500;
    data.resource_fee = 60_000;
    json!({
        "transactionData": base64(&data), "minResourceFee": "60000", "events": [], "latestLedger": BUILT_AT,
        "results": [{ "auth": [], "xdr": base64(&ScVal::Void) }],
    })
}

fn not_found(latest: u32, oldest: u32) -> Value {
    json!({ "status": "NOT_FOUND", "latestLedger": latest, "oldestLedger": oldest })
}

fn included(status: &str, verdict: TransactionResultResult) -> Value {
    json!({ "status": status, "latestLedger": 104, "oldestLedger": 1, "ledger": 103, "resultXdr": result(61_000, verdict) })
}

fn success() -> Value {
    included("SUCCESS", TransactionResultResult::TxSuccess(xdr::VecM::default()))
}

fn sent(status: &str) -> Value {
    json!({ "status": status, "hash": "00".repeat(32), "latestLedger": BUILT_AT })
}

fn refused(verdict: TransactionResultResult) -> Value {
    let mut answer = sent("ERROR");
    answer["errorResultXdr"] = json!(result(777, verdict));
    answer
}

/// A server on which everything succeeds up to sending.
async fn server() -> Server {
    let server = Server::start().await;
    let fees = json!({
        "max": "900", "min": "100", "p50": "150", "p90": "500", "p95": "600", "p99": "700", "ledgerCount": 50,
    });
    server.results("getFeeStats", [json!({ "sorobanInclusionFee": fees, "inclusionFee": fees, "latestLedger": 3 })]);
    server.results("getLedgerEntries", [entries(&[write_fee()]), entries(&[account()])]);
    server.results("simulateTransaction", [simulated()]);
    server
}

fn transactions_sent(server: &Server) -> Vec<xdr::TransactionV1Envelope> {
    let limits = xdr::Limits::none();
    let read = |params: Value| {
        let text = params["transaction"].as_str().unwrap().to_owned();
        match xdr::TransactionEnvelope::from_xdr_base64(text, limits.clone()).unwrap() {
            xdr::TransactionEnvelope::Tx(envelope) => envelope,
            _ => panic!("not a plain transaction"),
        }
    };
    server.asked("sendTransaction").into_iter().map(read).collect()
}

#[tokio::test]
async fn a_call_is_paid_for_bounded_signed_and_waited_for() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    server.results("getTransaction", [not_found(100, 1), not_found(100, 1), not_found(101, 1), success()]);
    let submitted = submit(&server.client(), &call(), &[], OPTIONS).await.unwrap();
    assert_eq!((submitted.ledger, submitted.fee_charged), (Ledger(103), Stroops(61_000)));
    let sent = transactions_sent(&server);
    assert_eq!(sent.len(), 2, "the same bytes are sent once in each ledger");
    assert_eq!(sent[0], sent[1]);
    let tx = &sent[0].tx;
    assert_eq!(
        (tx.seq_num.0, tx.fee),
        (42, 600 + 60_000 + 219),
        "the fee is what 95 of 100 paid, plus the resources, plus 64 more bytes"
    );
    let xdr::Preconditions::V2(bounds) = &tx.cond else { panic!("no ledger bounds") };
    assert_eq!(bounds.ledger_bounds.as_ref().unwrap().max_ledger, BOUND);
    assert_eq!(submitted.hash.0, tx.hash(NetworkId::of("test").0).unwrap());
    assert_eq!(sent[0].signatures.len(), 1);
}

#[tokio::test]
async fn the_bid_is_never_above_what_is_allowed() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    server.results("getTransaction", [not_found(100, 1), success()]);
    let thrifty = SubmitOptions { max_inclusion_fee: Stroops(250), ..OPTIONS };
    submit(&server.client(), &call(), &[], thrifty).await.unwrap();
    assert_eq!(transactions_sent(&server)[0].tx.fee, 250 + 60_000 + 219);
}

#[tokio::test]
async fn a_call_that_would_fail_is_not_sent_and_says_why() {
    let server = server().await;
    let error = "HostError: Error(Contract, #6)\n\nEvent log (newest first):\n   0: ...";
    server.results("simulateTransaction", [json!({ "error": error, "latestLedger": 3, "events": [] })]);
    let outcome = submit(&server.client(), &call(), &[], OPTIONS).await;
    let Err(SubmitError::WouldFail(failure)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure, CallFailure::Channel(ContractError::Refunded));
    assert!(transactions_sent(&server).is_empty());
}

#[tokio::test]
async fn a_refusal_at_the_first_sending_is_final() {
    let server = server().await;
    server.results("getTransaction", [not_found(100, 1)]);
    server.results("sendTransaction", [refused(TransactionResultResult::TxBadAuth)]);
    let error = submit(&server.client(), &call(), &[], OPTIONS).await.unwrap_err();
    assert!(matches!(error, SubmitError::Rejected { .. }), "{error}");
    assert_eq!(transactions_sent(&server).len(), 1);
}

#[tokio::test]
async fn a_fee_that_the_network_asks_for_is_signed_again_up_to_the_cap() {
    let server = server().await;
    server.results("getTransaction", [not_found(100, 1), not_found(100, 1), success()]);
    server.results("sendTransaction", [refused(TransactionResultResult::TxInsufficientFee), sent("PENDING")]);
    let submitted = submit(&server.client(), &call(), &[], OPTIONS).await.unwrap();
    let sent = transactions_sent(&server);
    assert_eq!(sent.len(), 2);
    assert_eq!([sent[0].tx.fee, sent[1].tx.fee], [600 + 60_219, 777 + 60_219]);
    assert_eq!(sent[0].tx.seq_num, sent[1].tx.seq_num, "at most one of them can be included");
    assert_eq!(submitted.hash.0, sent[1].tx.hash(NetworkId::of("test").0).unwrap());
    assert_eq!(sent[1].signatures.len(), 1);
}

#[tokio::test]
async fn a_fee_above_the_cap_is_named_and_not_signed() {
    let server = server().await;
    server.results("getTransaction", [not_found(100, 1)]);
    server.results("sendTransaction", [refused(TransactionResultResult::TxInsufficientFee)]);
    let thrifty = SubmitOptions { max_inclusion_fee: Stroops(776), ..OPTIONS };
    let error = submit(&server.client(), &call(), &[], thrifty).await.unwrap_err();
    assert!(matches!(error, SubmitError::Rejected { .. }), "{error}");
    assert!(error.to_string().contains("777 stroops would do"), "{error}");
    assert_eq!(transactions_sent(&server).len(), 1);
}

#[tokio::test]
async fn a_node_without_fee_statistics_is_no_reason_not_to_send() {
    let missing = [
        Reply::Refusal(-32601, "method not found".to_owned()),
        Reply::Http(StatusCode::NOT_FOUND, vec![], vec![]),
        Reply::Http(StatusCode::OK, vec![], b"{}".to_vec()),
    ];
    for reply in missing {
        let server = server().await;
        server.on("getFeeStats", [reply]);
        server.results("sendTransaction", [sent("PENDING")]);
        server.results("getTransaction", [not_found(100, 1), success()]);
        submit(&server.client(), &call(), &[], OPTIONS).await.unwrap();
        assert_eq!(transactions_sent(&server)[0].tx.fee, 100 + 60_219, "the lowest fee is bid first");
    }
}

#[tokio::test]
async fn nothing_is_signed_that_costs_more_than_it_may() {
    let server = server().await;
    let mut data = operations::footprint(vec![], vec![ledger_keys::instance(&CHANNEL)]).unwrap();
    data.resource_fee = 4_000_000_000;
    let mut dear = simulated();
    dear["transactionData"] = json!(base64(&data));
    server.results("simulateTransaction", [dear]);
    let outcome = submit(&server.client(), &call(), &[], OPTIONS).await;
    assert!(matches!(outcome, Err(SubmitError::NotMeant(NotMeant::ResourceFee { .. }))), "{outcome:?}");
    assert!(transactions_sent(&server).is_empty());
}

#[tokio::test]
async fn marks_of_archived_entries_reach_the_network() {
    let server = server().await;
    let mut data = operations::footprint(vec![], vec![ledger_keys::instance(&CHANNEL)]).unwrap();
    let archived_soroban_entries = vec![0].try_into().unwrap();
    data.ext = xdr::SorobanTransactionDataExt::V1(xdr::SorobanResourcesExtV0 { archived_soroban_entries });
    let mut restoring = simulated();
    restoring["transactionData"] = json!(base64(&data));
    server.results("simulateTransaction", [restoring]);
    server.results("sendTransaction", [sent("PENDING")]);
    server.results("getTransaction", [not_found(100, 1), success()]);
    submit(&server.client(), &call(), &[], OPTIONS).await.unwrap();
    let xdr::TransactionExt::V1(sent) = &transactions_sent(&server)[0].tx.ext else { panic!("no resources") };
    assert_eq!(sent.ext, data.ext);
}

#[tokio::test]
async fn no_call_is_sent_while_an_endpoint_asks_to_wait() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    let busy = Reply::Http(StatusCode::TOO_MANY_REQUESTS, vec![("retry-after", "1")], vec![]);
    server.on("getTransaction", [busy, Reply::Result(not_found(100, 1)), Reply::Result(success())]);
    let started = std::time::Instant::now();
    submit(&server.client(), &call(), &[], OPTIONS).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.asked("getTransaction").len(), 3, "no call was sent while it asked to wait");
}

#[tokio::test]
async fn a_refusal_of_a_second_copy_decides_nothing() {
    let server = server().await;
    server.results("getTransaction", [not_found(100, 1), not_found(101, 1), success()]);
    server.results("sendTransaction", [sent("PENDING"), refused(TransactionResultResult::TxBadSeq)]);
    submit(&server.client(), &call(), &[], OPTIONS).await.unwrap();
}

#[tokio::test]
async fn a_transaction_whose_sending_timed_out_may_have_arrived() {
    let server = server().await;
    server.results("getTransaction", [not_found(100, 1), not_found(101, 1), success()]);
    server.on("sendTransaction", [Reply::Silence, Reply::Result(refused(TransactionResultResult::TxBadSeq))]);
    submit(&server.impatient_client(), &call(), &[], OPTIONS).await.unwrap();
}

#[tokio::test]
async fn a_transaction_past_its_bounds_has_expired() {
    let server = server().await;
    server.results("sendTransaction", [sent("TRY_AGAIN_LATER")]);
    server.results("getTransaction", [not_found(100, 1), not_found(BOUND - 1, 1), not_found(BOUND, BUILT_AT)]);
    let error = submit(&server.client(), &call(), &[], OPTIONS).await.unwrap_err();
    assert!(matches!(error, SubmitError::Expired { bound: Ledger(BOUND), .. }), "{error}");
    assert_eq!(server.asked("getTransaction").len(), 3, "the ledger before the bound decides nothing yet");
}

#[tokio::test]
async fn a_node_without_the_ledgers_in_question_decides_nothing() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    server.results("getTransaction", [not_found(100, 1), not_found(BOUND, BUILT_AT + 1)]);
    let error = submit(&server.client(), &call(), &[], OPTIONS).await.unwrap_err();
    assert!(matches!(error, SubmitError::Undecided { .. }), "{error}");
}

#[tokio::test]
async fn a_node_whose_ledger_does_not_advance_leaves_a_transaction_undecided() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    server.results("getTransaction", [not_found(100, 1)]);
    let hasty = SubmitOptions { give_up: Duration::from_millis(30), ..OPTIONS };
    let error = submit(&server.client(), &call(), &[], hasty).await.unwrap_err();
    assert!(matches!(error, SubmitError::Undecided { bound: Ledger(BOUND), .. }), "{error}");
}

#[tokio::test]
async fn passing_errors_of_the_node_do_not_end_the_waiting() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    let busy = Reply::Http(StatusCode::SERVICE_UNAVAILABLE, vec![], vec![]);
    let garbage = Reply::Http(StatusCode::OK, vec![], b"<html>".to_vec());
    let answers = [busy, Reply::Result(not_found(100, 1)), garbage, Reply::Result(success())];
    server.on("getTransaction", answers);
    submit(&server.client(), &call(), &[], OPTIONS).await.unwrap();
}

#[tokio::test]
async fn a_failure_in_a_ledger_says_what_it_cost() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    let failed = included("FAILED", TransactionResultResult::TxFailed(xdr::VecM::default()));
    server.results("getTransaction", [not_found(100, 1), failed]);
    let error = submit(&server.client(), &call(), &[], OPTIONS).await.unwrap_err();
    let SubmitError::Failed { ledger, fee_charged, .. } = &error else { panic!("{error}") };
    assert_eq!((*ledger, *fee_charged), (Ledger(103), Stroops(61_000)));
}

#[tokio::test]
async fn the_operations_source_signs_too() {
    let server = server().await;
    server.results("sendTransaction", [sent("PENDING")]);
    server.results("getTransaction", [not_found(100, 1), success()]);
    let recipient = SecretKey::from_seed(&[2; 32]);
    let call = Call { operation_source: Some(recipient.account()), ..call() };
    submit(&server.client(), &call, &[&recipient], OPTIONS).await.unwrap();
    let sent = transactions_sent(&server);
    let hints: Vec<_> = sent[0].signatures.iter().map(|signature| signature.hint.0.to_vec()).collect();
    assert_eq!(hints, [source(), recipient].map(|key| key.account().0[28..].to_vec()));
}

#[tokio::test]
async fn a_missing_key_is_named_and_nothing_is_sent() {
    let server = server().await;
    let recipient = SecretKey::from_seed(&[2; 32]).account();
    let call = Call { operation_source: Some(recipient), ..call() };
    let outcome = submit(&server.client(), &call, &[], OPTIONS).await;
    assert!(matches!(outcome, Err(SubmitError::Auth(AuthError::KeyMissing(account))) if account == recipient));
    assert!(transactions_sent(&server).is_empty());
}

/// A simulation that asks `who` to authorize `function` by an entry of its own.
fn asking_for(who: &SecretKey, function: xdr::HostFunction) -> Value {
    let xdr::HostFunction::InvokeContract(invocation) = function else { panic!("not a call") };
    let entry = xdr::SorobanAuthorizationEntry {
        credentials: xdr::SorobanCredentials::Address(xdr::SorobanAddressCredentials {
            address: who.account().to_sc(),
            nonce: 9,
            signature_expiration_ledger: 0,
            signature: ScVal::Void,
        }),
        root_invocation: xdr::SorobanAuthorizedInvocation {
            function: xdr::SorobanAuthorizedFunction::ContractFn(invocation),
            sub_invocations: xdr::VecM::default(),
        },
    };
    let mut recorded = simulated();
    recorded["results"][0]["auth"] = json!([base64(&entry)]);
    recorded
}

#[tokio::test]
async fn another_accounts_authorization_is_signed_and_simulated_again() {
    let server = server().await;
    let funder = SecretKey::from_seed(&[3; 32]);
    let recorded = asking_for(&funder, call().function);
    server.results("simulateTransaction", [recorded, simulated()]);
    server.results("sendTransaction", [sent("PENDING")]);
    server.results("getTransaction", [not_found(100, 1), success()]);
    submit(&server.client(), &call_signed_by(funder.account()), &[&funder], OPTIONS).await.unwrap();
    assert_eq!(server.asked("simulateTransaction").len(), 2);
    let sent = transactions_sent(&server);
    let xdr::OperationBody::InvokeHostFunction(operation) = &sent[0].tx.operations[0].body else { panic!("no call") };
    let xdr::SorobanCredentials::Address(credentials) = &operation.auth[0].credentials else { panic!("no address") };
    assert_eq!(credentials.signature_expiration_ledger, BOUND);
    assert_ne!(credentials.signature, ScVal::Void);
    assert_eq!(sent[0].signatures.len(), 1, "the funder signs its authorization, not the transaction");
}

#[tokio::test]
async fn a_source_that_does_not_exist_is_named() {
    let server = server().await;
    server.results("getLedgerEntries", [entries(&[write_fee()]), entries(&[])]);
    let outcome = submit(&server.client(), &call(), &[], OPTIONS).await;
    let account = source().account();
    assert!(matches!(outcome, Err(SubmitError::Account(AccountError::NotFound(id))) if id == account));
}

#[tokio::test]
async fn nothing_is_signed_for_an_endpoint_that_asks_for_another_call() {
    let server = server().await;
    let funder = SecretKey::from_seed(&[3; 32]);
    let theft = calls::token_transfer(&CHANNEL, &funder.account().into(), &CHANNEL.into(), Amount::MAX);
    for (asked, meant) in [(&funder, theft.clone()), (&source(), theft), (&source(), call().function)] {
        server.results("simulateTransaction", [asking_for(asked, meant)]);
        server.results("getLedgerEntries", [entries(&[write_fee()]), entries(&[account()])]);
        let before = server.asked("simulateTransaction").len();
        let outcome = submit(&server.client(), &call_signed_by(funder.account()), &[&funder], OPTIONS).await;
        let refused = matches!(outcome, Err(SubmitError::NotMeant(NotMeant::Call { .. } | NotMeant::Signer { .. })));
        assert!(refused, "{outcome:?}");
        assert_eq!(server.asked("simulateTransaction").len(), before + 1, "no signed entry was sent");
    }
    assert!(transactions_sent(&server).is_empty());
}
