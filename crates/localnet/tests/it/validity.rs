//! Tests which transactions are valid: sequence numbers, signatures, fees, bounds, and one transaction per account.

use serde_json::json;
use stellar_xdr::*;

use crate::env::*;

async fn pair() -> (TestEnv, Key, Key) {
    let env = TestEnv::start();
    let (a, b) = (env.funded(1).await, env.funded(2).await);
    (env, a, b)
}

#[tokio::test]
async fn a_wrong_sequence_number_is_refused_with_the_least_fee() {
    let (env, a, b) = pair().await;
    for off in [-1, 1] {
        let mut tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
        tx.seq_num.0 += off;
        let result = env.refused(&env.sign(&tx, &[&a])).await;
        assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxBadSeq, 100));
    }
}

#[tokio::test]
async fn a_repeated_transaction_has_a_bad_sequence_number() {
    let (env, a, b) = pair().await;
    let envelope = env.sign(&env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await, &[&a]);
    env.include(&envelope).await.succeeded();
    assert_eq!(env.refused(&envelope).await.result, TransactionResultResult::TxBadSeq);
}

#[tokio::test]
async fn signatures_must_be_right_sufficient_and_not_more_than_needed() {
    let (env, a, b) = pair().await;
    let tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    assert_eq!(env.refused(&env.sign(&tx, &[])).await.result, TransactionResultResult::TxBadAuth);
    assert_eq!(env.refused(&env.sign(&tx, &[&b])).await.result, TransactionResultResult::TxBadAuth);
    assert_eq!(env.refused(&env.sign(&tx, &[&a, &b])).await.result, TransactionResultResult::TxBadAuthExtra);
    let mut changed = tx.clone();
    changed.fee += 1;
    let TransactionEnvelope::Tx(TransactionV1Envelope { signatures, .. }) = env.sign(&tx, &[&a]) else { panic!() };
    let forged = TransactionEnvelope::Tx(TransactionV1Envelope { tx: changed, signatures });
    assert_eq!(env.refused(&forged).await.result, TransactionResultResult::TxBadAuth);
}

#[tokio::test]
async fn another_networks_signature_is_no_signature() {
    let (env, a, b) = pair().await;
    let tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    let mut elsewhere = TestEnv::start();
    elsewhere.id = [1; 32];
    assert_eq!(env.refused(&elsewhere.sign(&tx, &[&a])).await.result, TransactionResultResult::TxBadAuth);
}

#[tokio::test]
async fn too_low_a_fee_is_answered_with_the_fee_that_is_due() {
    let (env, a, b) = pair().await;
    let mut tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1), payment(&b, &Asset::Native, 1)]).await;
    tx.fee = 199;
    let cheap = env.sign(&tx, &[&a]);
    let result = env.refused(&cheap).await;
    assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxInsufficientFee, 200));
    // The same bytes are refused for a while; other transactions of the same account are not.
    assert_eq!(env.send(&cheap).await["status"], "TRY_AGAIN_LATER");
    tx.fee = 200;
    env.include(&env.sign(&tx, &[&a])).await.succeeded();
}

#[tokio::test]
async fn a_bid_above_the_base_fee_is_not_charged() {
    let (env, a, b) = pair().await;
    let mut tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    tx.fee = 50_000;
    let closed = env.include(&env.sign(&tx, &[&a])).await.succeeded();
    assert_eq!(closed.result().fee_charged, 100);
}

#[tokio::test]
async fn an_account_must_exist_and_cover_fee_and_reserve() {
    let (env, a, b) = pair().await;
    let stranger = Key::new(9);
    let mut tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    tx.source_account = stranger.muxed();
    assert_eq!(env.refused(&env.sign(&tx, &[&stranger])).await.result, TransactionResultResult::TxNoAccount);
    let poor = Key::new(8);
    env.run(&a, vec![create_account(&poor, UNIT + 99)]).await.succeeded();
    let tx = env.draft(&poor, vec![payment(&b, &Asset::Native, 1)]).await;
    assert_eq!(env.refused(&env.sign(&tx, &[&poor])).await.result, TransactionResultResult::TxInsufficientBalance);
}

fn bounds(time: Option<(u64, u64)>, ledgers: Option<(u32, u32)>) -> Preconditions {
    Preconditions::V2(PreconditionsV2 {
        time_bounds: time.map(|(min, max)| TimeBounds { min_time: TimePoint(min), max_time: TimePoint(max) }),
        ledger_bounds: ledgers.map(|(min_ledger, max_ledger)| LedgerBounds { min_ledger, max_ledger }),
        min_seq_num: None,
        min_seq_age: Duration(0),
        min_seq_ledger_gap: 0,
        extra_signers: VecM::default(),
    })
}

#[tokio::test]
async fn ledger_bounds_hold_for_the_next_ledger_and_the_upper_is_exclusive() {
    let (env, a, b) = pair().await;
    let next = env.localnet.status().unwrap().ledger + 1;
    let mut tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    let cases = [
        ((next + 1, 0), TransactionResultResult::TxTooEarly),
        ((0, next), TransactionResultResult::TxTooLate),
        ((0, next - 1), TransactionResultResult::TxTooLate),
    ];
    for (ledgers, code) in cases {
        tx.cond = bounds(None, Some(ledgers));
        assert_eq!(env.refused(&env.sign(&tx, &[&a])).await.result, code, "{ledgers:?} at {next}");
    }
    tx.cond = bounds(None, Some((next, next + 1)));
    env.include(&env.sign(&tx, &[&a])).await.succeeded();
}

#[tokio::test]
async fn time_bounds_hold() {
    let (env, a, b) = pair().await;
    let now = env.localnet.status().unwrap().close_time;
    let mut tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    tx.cond = bounds(Some((now + 1_000, 0)), None);
    assert_eq!(env.refused(&env.sign(&tx, &[&a])).await.result, TransactionResultResult::TxTooEarly);
    tx.cond = bounds(Some((0, now - 1)), None);
    assert_eq!(env.refused(&env.sign(&tx, &[&a])).await.result, TransactionResultResult::TxTooLate);
    tx.cond = bounds(Some((now - 10, now + 1_000)), None);
    env.include(&env.sign(&tx, &[&a])).await.succeeded();
}

#[tokio::test]
async fn a_transaction_whose_bounds_pass_while_it_waits_is_never_found_and_its_hash_is_refused_for_a_while() {
    let (env, a, b) = pair().await;
    let next = env.localnet.status().unwrap().ledger + 1;
    let mut tx = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    tx.cond = bounds(None, Some((0, next + 3)));
    let envelope = env.sign(&tx, &[&a]);
    let sent = env.send(&envelope).await;
    assert_eq!(sent["status"], "PENDING");
    env.localnet.jump(4).unwrap();
    let got = env.get(&sent["hash"]).await;
    assert_eq!(got["status"], "NOT_FOUND");
    assert!(got["latestLedger"].as_u64().unwrap() > u64::from(next + 2), "{got}");
    assert_eq!(env.send(&envelope).await["status"], "TRY_AGAIN_LATER");
    assert_eq!(env.balance(&b).await, 10_000 * UNIT);
    // Its sequence number is free for another transaction.
    env.run(&a, vec![payment(&b, &Asset::Native, 1)]).await.succeeded();
}

#[tokio::test]
async fn an_account_has_one_transaction_waiting() {
    let (env, a, b) = pair().await;
    let first = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    let mut second = first.clone();
    second.seq_num.0 += 1;
    let envelope = env.sign(&first, &[&a]);
    assert_eq!(env.send(&envelope).await["status"], "PENDING");
    assert_eq!(env.send(&envelope).await["status"], "DUPLICATE");
    assert_eq!(env.send(&env.sign(&second, &[&a])).await["status"], "TRY_AGAIN_LATER");
    env.close();
    assert_eq!(env.send(&env.sign(&second, &[&a])).await["status"], "PENDING");
}

#[tokio::test]
async fn soroban_and_classic_operations_do_not_mix() {
    let (env, a, b) = pair().await;
    let own = Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USDC"), issuer: a.id() });
    let tx = env.prepared(&a, create_asset_contract(&own)).await;
    let mut mixed = tx.clone();
    let mut operations = tx.operations.to_vec();
    operations.push(Operation { source_account: None, body: payment(&b, &Asset::Native, 1) });
    mixed.operations = operations.try_into().unwrap();
    assert_eq!(env.refused(&env.sign(&mixed, &[&a])).await.result, TransactionResultResult::TxMalformed);
    let mut with_data = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    with_data.ext = tx.ext;
    assert_eq!(env.refused(&env.sign(&with_data, &[&a])).await.result, TransactionResultResult::TxMalformed);
    let empty = env.draft(&a, vec![]).await;
    assert_eq!(env.refused(&env.sign(&empty, &[&a])).await.result, TransactionResultResult::TxMissingOperation);
}

#[tokio::test]
async fn a_malformed_operation_is_refused_before_it_costs_anything() {
    let (env, a, b) = pair().await;
    let tx = env.draft(&a, vec![payment(&b, &Asset::Native, 0)]).await;
    let result = env.refused(&env.sign(&tx, &[&a])).await;
    let TransactionResultResult::TxFailed(codes) = result.result else { panic!("{result:?}") };
    assert_eq!(codes.to_vec(), [OperationResult::OpInner(OperationResultTr::Payment(PaymentResult::Malformed))]);
    env.close();
    assert_eq!(env.balance(&a).await, 10_000 * UNIT);
}

#[tokio::test]
async fn a_text_that_is_no_transaction_is_refused() {
    let env = TestEnv::start();
    for text in ["", "AAAA", "not base64"] {
        let error = env.call("sendTransaction", json!({"transaction": text})).await.unwrap_err();
        assert_eq!(error, (-32_602, "invalid_xdr".to_owned()), "{text}");
    }
}
