//! Tests full ledgers: which transactions get in, what it costs, and what happens to those that wait.

use serde_json::{Value, json};
use stellar_xdr::*;

use crate::env::*;

/// Operations of each transaction here; a ledger holds ten such transactions, the queue twenty.
const OPERATIONS: u32 = 100;

async fn accounts(env: &TestEnv, count: u8) -> Vec<Key> {
    let mut keys = Vec::new();
    for seed in 1..=count {
        keys.push(env.funded(seed).await);
    }
    keys
}

/// A signed transaction of a hundred payments that offers this fee for all of them.
async fn hundred_payments(env: &TestEnv, from: &Key, fee: u32) -> TransactionEnvelope {
    let operations = (0..OPERATIONS).map(|_| payment(from, &Asset::Native, 1)).collect();
    let tx = env.draft(from, operations).await;
    env.sign(&Transaction { fee, ..tx }, &[from])
}

/// A signed payment that offers this fee.
async fn one_payment(env: &TestEnv, from: &Key, fee: u32) -> TransactionEnvelope {
    let tx = env.draft(from, vec![payment(from, &Asset::Native, 1)]).await;
    env.sign(&Transaction { fee, ..tx }, &[from])
}

async fn pending(env: &TestEnv, envelope: &TransactionEnvelope) -> Value {
    let sent = env.send(envelope).await;
    assert_eq!(sent["status"], "PENDING", "{sent}");
    sent["hash"].clone()
}

async fn status(env: &TestEnv, hash: &Value) -> Value {
    env.get(hash).await["status"].clone()
}

#[tokio::test]
async fn a_full_ledger_takes_the_highest_bids_and_all_pay_the_lowest_of_them() {
    let env = TestEnv::start();
    let keys = accounts(&env, 11).await;
    let mut hashes = Vec::new();
    for (key, n) in keys.iter().zip(0..) {
        let envelope = hundred_payments(&env, key, OPERATIONS * (100 + 10 * n)).await;
        hashes.push(pending(&env, &envelope).await);
    }
    env.close();
    assert_eq!(status(&env, &hashes[0]).await, "NOT_FOUND", "the lowest bid waits");
    for hash in &hashes[1..] {
        let closed = Closed(env.get(hash).await).succeeded();
        assert_eq!(closed.result().fee_charged, i64::from(OPERATIONS) * 110);
    }
    env.close();
    assert_eq!(Closed(env.get(&hashes[0]).await).succeeded().result().fee_charged, i64::from(OPERATIONS) * 100);
}

#[tokio::test]
async fn a_full_queue_refuses_with_the_fee_that_is_enough_and_a_higher_bid_pushes_another_out() {
    let env = TestEnv::start();
    let keys = accounts(&env, 22).await;
    let mut waiting = Vec::new();
    for key in &keys[..20] {
        let envelope = hundred_payments(&env, key, OPERATIONS * 200).await;
        waiting.push((pending(&env, &envelope).await, envelope));
    }
    let equal = hundred_payments(&env, &keys[20], OPERATIONS * 200).await;
    let result = env.refused(&equal).await;
    assert_eq!(result.result, TransactionResultResult::TxInsufficientFee);
    assert_eq!(result.fee_charged, i64::from(OPERATIONS) * 200 + 1);
    assert_eq!(env.send(&equal).await["status"], "TRY_AGAIN_LATER", "its hash is refused for a while");

    let due = u32::try_from(result.fee_charged).unwrap();
    pending(&env, &hundred_payments(&env, &keys[20], due).await).await;
    assert_eq!(env.localnet.status().unwrap().pending, 20);
    // Of equal bids, the one that came last had to leave.
    assert_eq!(env.send(&waiting[19].1).await["status"], "TRY_AGAIN_LATER");
    assert_eq!(env.send(&waiting[18].1).await["status"], "DUPLICATE");
    // The next one must beat the bid that had to leave, even with fewer operations.
    let result = env.refused(&one_payment(&env, &keys[21], 200).await).await;
    assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxInsufficientFee, 201));
}

#[tokio::test]
async fn invocations_compete_for_the_ledgers_resources() {
    let env = TestEnv::start();
    let keys = accounts(&env, 4).await;
    let (issuer, holders) = (&keys[0], [&keys[1], &keys[2], &keys[3]]);
    let asset = env.asset(issuer, &holders).await;
    let mut hashes = Vec::new();
    for (holder, bid) in holders.into_iter().zip([100, 300, 200]) {
        let mut tx = env.prepared(holder, asset.transfer(&holder.address(), &issuer.address(), 1)).await;
        let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
        // Two of them use more than a ledger has: 580 million instructions.
        data.resources.instructions = 250_000_000;
        data.resource_fee += 2_000_000;
        tx.fee = u32::try_from(data.resource_fee).unwrap() + bid;
        hashes.push(pending(&env, &env.sign(&tx, &[holder])).await);
    }
    env.close();
    assert_eq!(status(&env, &hashes[0]).await, "NOT_FOUND");
    for hash in &hashes[1..] {
        let closed = Closed(env.get(hash).await).succeeded();
        let SorobanTransactionMetaExt::V1(fees) = closed.meta().soroban_meta.unwrap().ext else { panic!() };
        let resources = fees.total_non_refundable_resource_fee_charged + fees.total_refundable_resource_fee_charged;
        assert_eq!(closed.result().fee_charged - resources, 200);
    }
    env.close();
    assert_eq!(status(&env, &hashes[0]).await, "SUCCESS");
}

#[tokio::test]
async fn when_others_fill_ledgers_only_higher_bids_get_in() {
    let env = TestEnv::start();
    let keys = accounts(&env, 3).await;
    let (code, answer) = env.control("/fill", r#"{"ledgers": 2, "bid": 5000}"#).await;
    assert_eq!((code, &answer["full_ledgers"]), (200, &json!(2)));
    let low = pending(&env, &one_payment(&env, &keys[0], 100).await).await;
    let equal = pending(&env, &one_payment(&env, &keys[1], 5_000).await).await;
    let high = pending(&env, &one_payment(&env, &keys[2], 5_001).await).await;
    env.close();
    assert_eq!(Closed(env.get(&high).await).succeeded().result().fee_charged, 5_000);
    env.close();
    for hash in [&low, &equal] {
        assert_eq!(status(&env, hash).await, "NOT_FOUND");
    }
    let stats = env.ok("getFeeStats", json!({})).await;
    for phase in ["sorobanInclusionFee", "inclusionFee"] {
        assert_eq!((&stats[phase]["p95"], &stats[phase]["mode"]), (&json!("5000"), &json!("5000")), "{stats}");
    }
    env.close();
    for hash in [&low, &equal] {
        assert_eq!(Closed(env.get(hash).await).succeeded().result().fee_charged, 100);
    }
}

#[tokio::test]
async fn a_transaction_that_no_ledger_takes_is_dropped_after_four_and_refused_for_ten_more() {
    let env = TestEnv::start();
    let key = env.funded(1).await;
    env.localnet.fill_ledgers(4, 5_000).unwrap();
    let envelope = one_payment(&env, &key, 100).await;
    let hash = pending(&env, &envelope).await;
    for _ in 0..3 {
        env.close();
        assert_eq!(env.send(&envelope).await["status"], "DUPLICATE");
    }
    env.close();
    assert_eq!(env.localnet.status().unwrap().pending, 0);
    for _ in 0..9 {
        assert_eq!(env.send(&envelope).await["status"], "TRY_AGAIN_LATER");
        env.close();
    }
    assert_eq!(status(&env, &hash).await, "NOT_FOUND");
    pending(&env, &envelope).await;
    env.close();
    assert_eq!(status(&env, &hash).await, "SUCCESS");
}

#[tokio::test]
async fn the_price_of_inclusion_can_be_set_and_refusals_of_lower_bids_name_the_fee() {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let (code, answer) = env.control("/inclusion-price", r#"{"stroops": 7000}"#).await;
    assert_eq!((code, &answer["inclusion_price"]), (200, &json!(7_000)));
    let result = env.refused(&one_payment(&env, &a, 6_999).await).await;
    assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxInsufficientFee, 7_000));

    let mut tx = env.prepared(&a, asset.transfer(&a.address(), &issuer.address(), 1)).await;
    let resource_fee = i64::from(tx.fee) - 100;
    let result = env.refused(&env.sign(&tx, &[&a])).await;
    assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxInsufficientFee, resource_fee + 7_000));
    tx.fee = u32::try_from(result.fee_charged).unwrap() + 500;
    let closed = env.include(&env.sign(&tx, &[&a])).await.succeeded();
    let SorobanTransactionMetaExt::V1(fees) = closed.meta().soroban_meta.unwrap().ext else { panic!() };
    let resources = fees.total_non_refundable_resource_fee_charged + fees.total_refundable_resource_fee_charged;
    assert_eq!(closed.result().fee_charged, resources + 7_000);

    env.localnet.set_inclusion_price(0).unwrap();
    assert_eq!(env.localnet.status().unwrap().inclusion_price, 100);
    let closed = env.include(&one_payment(&env, &a, 100).await).await.succeeded();
    assert_eq!(closed.result().fee_charged, 100);
}
