//! Tests what transactions pay and get back, and that no stroop is lost or made.

use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use stellar_xdr::*;

use crate::env::*;

/// All accounts' stroops and the fee pool.
async fn all_coins(env: &TestEnv, keys: &[&Key]) -> i64 {
    let root = Key(SigningKey::from_bytes(&env.id));
    let mut seed = Sha256::new();
    seed.update(b"paychan-localnet friendbot");
    seed.update(env.id);
    let friendbot = Key(SigningKey::from_bytes(&seed.finalize().into()));
    let mut sum = env.balance(&root).await + env.balance(&friendbot).await;
    for key in keys {
        sum += env.balance(key).await;
    }
    let latest = env.ok("getLatestLedger", serde_json::json!({})).await;
    let header: LedgerHeader = xdr(&latest["headerXdr"]);
    assert_eq!(header.total_coins, 1_000_000_000_000_000_000);
    sum + header.fee_pool
}

#[tokio::test]
async fn the_charged_fee_is_the_declared_fee_less_the_refund_and_no_stroop_is_lost() {
    let env = TestEnv::start();
    let (issuer, a, b) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = env.asset(&issuer, &[&a, &b]).await;
    for operation in [
        asset.transfer(&a.address(), &b.address(), 7),
        asset.transfer(&a.address(), &ScAddress::Contract(asset.contract.clone()), 7),
    ] {
        let before = env.balance(&a).await;
        let mut tx = env.prepared(&a, operation).await;
        tx.fee += 1_000;
        let TransactionExt::V1(data) = &tx.ext else { panic!() };
        let declared = data.resource_fee;
        let closed = env.include(&env.sign(&tx, &[&a])).await.succeeded();
        let charged = closed.result().fee_charged;
        let meta = closed.meta();
        let Some(SorobanTransactionMetaV2 { ext: SorobanTransactionMetaExt::V1(fees), .. }) = &meta.soroban_meta else {
            panic!("{meta:?}")
        };
        let used = fees.total_non_refundable_resource_fee_charged + fees.total_refundable_resource_fee_charged;
        assert_eq!(charged, 100 + used);
        assert!(used < declared, "simulation adds to the refundable fee: {used} of {declared}");
        assert!(fees.rent_fee_charged <= fees.total_refundable_resource_fee_charged);
        assert_eq!(env.balance(&a).await, before - charged);
        let stages: Vec<_> = meta.events.iter().map(|event| event.stage).collect();
        assert_eq!(stages, [TransactionEventStage::BeforeAllTxs, TransactionEventStage::AfterAllTxs]);
        let amounts: Vec<_> = meta.events.iter().map(|event| amount_of(&event.event)).collect();
        assert_eq!(amounts.iter().sum::<i128>(), i128::from(charged));
        assert_eq!(amounts[0], i128::from(declared + 100));
    }
    assert_eq!(all_coins(&env, &[&issuer, &a, &b]).await, 1_000_000_000_000_000_000);
}

fn amount_of(event: &ContractEvent) -> i128 {
    let ContractEventBody::V0(body) = &event.body;
    match &body.data {
        ScVal::I128(parts) => (i128::from(parts.hi) << 64) | i128::from(parts.lo),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_contract_entry_pays_rent_and_an_old_one_does_not() {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let holder = ScAddress::Contract(ContractId(Hash([9; 32])));
    let rent = |closed: &Closed| match closed.meta().soroban_meta.unwrap().ext {
        SorobanTransactionMetaExt::V1(fees) => fees.rent_fee_charged,
        SorobanTransactionMetaExt::V0 => panic!("no fees told"),
    };
    let first = env.invoke(&a, asset.transfer(&a.address(), &holder, 7)).await.succeeded();
    assert!(rent(&first) > 0);
    let second = env.invoke(&a, asset.transfer(&a.address(), &holder, 7)).await.succeeded();
    assert_eq!(rent(&second), 0);
}

#[tokio::test]
async fn a_refundable_fee_that_does_not_cover_the_rent_fails_the_transaction() {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let holder = ScAddress::Contract(ContractId(Hash([9; 32])));
    let tx = env.prepared(&a, asset.transfer(&a.address(), &holder, 7)).await;
    let TransactionExt::V1(data) = &tx.ext else { panic!() };
    let mut cheap = tx.clone();
    let mut less = data.clone();
    // The rent is the greater part of what can be refunded.
    less.resource_fee = data.resource_fee / 3;
    cheap.ext = TransactionExt::V1(less);
    let closed = env.include(&env.sign(&cheap, &[&a])).await;
    assert_eq!(
        closed.failed_with(),
        OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::InsufficientRefundableFee)
    );
}

#[tokio::test]
async fn a_resource_fee_below_the_declared_resources_or_above_the_fee_is_invalid() {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let tx = env.prepared(&a, asset.transfer(&a.address(), &issuer.address(), 7)).await;
    let TransactionExt::V1(data) = &tx.ext else { panic!() };
    for resource_fee in [1, i64::from(tx.fee) + 1] {
        let mut wrong = tx.clone();
        wrong.ext = TransactionExt::V1(SorobanTransactionData { resource_fee, ..data.clone() });
        let sent = env.send(&env.sign(&wrong, &[&a])).await;
        assert_eq!(sent["status"], "ERROR", "{sent}");
        // A resource fee above the whole fee leaves nothing to bid, and the queue refuses that as malformed before its
        // other checks.
        let expected = if resource_fee == 1 {
            TransactionResultResult::TxSorobanInvalid
        } else {
            TransactionResultResult::TxMalformed
        };
        assert_eq!(xdr::<TransactionResult>(&sent["errorResultXdr"]).result, expected);
    }
    let mut no_bid = tx.clone();
    no_bid.fee = u32::try_from(data.resource_fee).unwrap() + 99;
    let result = env.refused(&env.sign(&no_bid, &[&a])).await;
    assert_eq!(
        (result.result, result.fee_charged),
        (TransactionResultResult::TxInsufficientFee, data.resource_fee + 100)
    );
}

#[tokio::test]
async fn fee_stats_show_what_inclusion_cost() {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    env.invoke(&a, asset.transfer(&a.address(), &issuer.address(), 7)).await.succeeded();
    let stats = env.ok("getFeeStats", serde_json::json!({})).await;
    for kind in ["sorobanInclusionFee", "inclusionFee"] {
        assert_eq!(stats[kind]["p95"], "100", "{stats}");
        assert_eq!(stats[kind]["max"], "100", "{stats}");
    }
    assert_eq!(stats["sorobanInclusionFee"]["transactionCount"], "2");
    assert_eq!(stats["latestLedger"], env.localnet.status().unwrap().ledger);
}
