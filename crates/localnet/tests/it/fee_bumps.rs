//! Tests fee bumps: somebody pays another fee for a transaction that is signed already.

use stellar_xdr::*;

use crate::env::*;

async fn setup() -> (TestEnv, Key, Key, Key) {
    let env = TestEnv::start();
    let (a, b, payer) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    (env, a, b, payer)
}

/// A payment of one stroop that offers this fee.
async fn pay(env: &TestEnv, from: &Key, to: &Key, fee: u32) -> TransactionEnvelope {
    let tx = env.draft(from, vec![payment(to, &Asset::Native, 1)]).await;
    env.sign(&Transaction { fee, ..tx }, &[from])
}

#[tokio::test]
async fn the_payer_pays_for_one_operation_more_and_both_hashes_lead_to_the_transaction() {
    let (env, a, b, payer) = setup().await;
    let inner = pay(&env, &a, &b, 0).await;
    let inner_hash = inner.hash(env.id).unwrap();
    let (of_a, of_payer) = (env.balance(&a).await, env.balance(&payer).await);
    let closed = env.include(&env.fee_bump(&payer, &inner, 5_000)).await.succeeded();
    assert_eq!(closed.0["feeBump"], true);
    assert_eq!(closed.result().fee_charged, 200);
    let TransactionResultResult::TxFeeBumpInnerSuccess(pair) = closed.result().result else {
        panic!("{:?}", closed.result())
    };
    assert_eq!((pair.transaction_hash.0, pair.result.fee_charged), (inner_hash, 0));
    assert_eq!(env.balance(&payer).await, of_payer - 200);
    assert_eq!(env.balance(&a).await, of_a - 1);
    let by_inner = env.get(&serde_json::json!(hex::encode(inner_hash))).await;
    assert_eq!(by_inner, closed.0);
}

#[tokio::test]
async fn the_payer_gets_the_refund_of_an_invocation() {
    let (env, a, b, payer) = setup().await;
    let asset = env.asset(&b, &[&a]).await;
    let holder = ScAddress::Contract(ContractId(Hash([9; 32])));
    let tx = env.prepared(&a, asset.transfer(&a.address(), &holder, 7)).await;
    let resource_fee = i64::from(tx.fee) - 100;
    let inner = env.sign(&tx, &[&a]);
    let (of_a, of_payer) = (env.balance(&a).await, env.balance(&payer).await);
    let closed = env.include(&env.fee_bump(&payer, &inner, resource_fee + 10_000)).await.succeeded();
    let SorobanTransactionMetaExt::V1(fees) = closed.meta().soroban_meta.unwrap().ext else { panic!() };
    let used = fees.total_non_refundable_resource_fee_charged + fees.total_refundable_resource_fee_charged;
    assert!(used < resource_fee, "there is a refund");
    assert_eq!(closed.result().fee_charged, 200 + used);
    assert_eq!(env.balance(&payer).await, of_payer - 200 - used);
    assert_eq!(env.balance(&a).await, of_a);
}

#[tokio::test]
async fn a_transaction_that_fails_inside_of_a_fee_bump_has_its_own_result() {
    let (env, a, b, payer) = setup().await;
    let tx = env.draft(&a, vec![payment(&b, &Asset::Native, 20_000 * UNIT)]).await;
    let closed = env.include(&env.fee_bump(&payer, &env.sign(&tx, &[&a]), 400)).await;
    assert_eq!(closed.0["status"], "FAILED");
    let TransactionResultResult::TxFeeBumpInnerFailed(pair) = closed.result().result else {
        panic!("{:?}", closed.result())
    };
    let InnerTransactionResultResult::TxFailed(codes) = pair.result.result else { panic!("{pair:?}") };
    let underfunded = OperationResultTr::Payment(PaymentResult::Underfunded);
    assert_eq!(codes.to_vec(), [OperationResult::OpInner(underfunded)]);

    let mut wrong = env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await;
    wrong.seq_num.0 += 1;
    let result = env.refused(&env.fee_bump(&payer, &env.sign(&wrong, &[&a]), 400)).await;
    let TransactionResultResult::TxFeeBumpInnerFailed(pair) = result.result else { panic!("{result:?}") };
    assert_eq!(pair.result.result, InnerTransactionResultResult::TxBadSeq);
}

#[tokio::test]
async fn a_fee_bump_must_be_signed_and_funded_and_not_bid_less_than_the_transaction_inside() {
    let (env, a, b, payer) = setup().await;
    let inner = pay(&env, &a, &b, 100).await;
    let result = env.refused(&env.fee_bump(&payer, &inner, 199)).await;
    assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxInsufficientFee, 200));

    let generous = pay(&env, &a, &b, 1_000).await;
    let result = env.refused(&env.fee_bump(&payer, &generous, 1_999)).await;
    assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxInsufficientFee, 2_000));

    let TransactionEnvelope::TxFeeBump(mut unsigned) = env.fee_bump(&payer, &inner, 400) else { panic!() };
    unsigned.signatures = VecM::default();
    let result = env.refused(&TransactionEnvelope::TxFeeBump(unsigned)).await;
    assert_eq!(result.result, TransactionResultResult::TxBadAuth);

    let stranger = Key::new(9);
    let result = env.refused(&env.fee_bump(&stranger, &inner, 400)).await;
    assert_eq!(result.result, TransactionResultResult::TxNoAccount);
    let result = env.refused(&env.fee_bump(&payer, &inner, 10_000 * UNIT)).await;
    assert_eq!(result.result, TransactionResultResult::TxInsufficientBalance);
}

#[tokio::test]
async fn a_fee_bump_replaces_a_waiting_transaction_if_it_bids_ten_times_as_much_for_an_operation() {
    let (env, a, b, payer) = setup().await;
    let inner = pay(&env, &a, &b, 150).await;
    assert_eq!(env.send(&inner).await["status"], "PENDING");
    // Ten times 150 stroops, for two operations.
    let result = env.refused(&env.fee_bump(&payer, &inner, 2_999)).await;
    assert_eq!((result.result, result.fee_charged), (TransactionResultResult::TxInsufficientFee, 3_000));
    let bump = env.fee_bump(&payer, &inner, 3_000);
    assert_eq!(env.send(&bump).await["status"], "PENDING");
    assert_eq!(env.send(&bump).await["status"], "DUPLICATE");
    assert_eq!(env.send(&inner).await["status"], "DUPLICATE");
    assert_eq!(env.localnet.status().unwrap().pending, 1);
    let before = env.balance(&payer).await;
    env.close();
    assert_eq!(env.balance(&payer).await, before - 200);
}
