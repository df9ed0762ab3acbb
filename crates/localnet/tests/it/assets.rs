//! Tests the Stellar asset contract: creation, transfers between trustlines, authorization entries, the native asset.

use stellar_xdr::*;

use crate::env::*;

async fn setup() -> (TestEnv, Key, Key, Key, TestAsset) {
    let env = TestEnv::start();
    let (issuer, a, b) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = env.asset(&issuer, &[&a, &b]).await;
    (env, issuer, a, b, asset)
}

async fn units(env: &TestEnv, asset: &TestAsset, holder: &Key) -> i64 {
    match env.entry(&asset.trustline(holder)).await {
        Some(LedgerEntryData::Trustline(line)) => line.balance,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_transfer_moves_units_between_trustlines() {
    let (env, _, a, b, asset) = setup().await;
    let closed = env.invoke(&a, asset.transfer(&a.address(), &b.address(), 7)).await.succeeded();
    assert_eq!(closed.return_value(), ScVal::Void);
    assert_eq!(units(&env, &asset, &a).await, 1_000 * UNIT - 7);
    assert_eq!(units(&env, &asset, &b).await, 1_000 * UNIT + 7);
    let meta = closed.meta();
    assert_eq!(meta.operations[0].events.len(), 1);
    assert!(!meta.diagnostic_events.is_empty());
}

#[tokio::test]
async fn creating_the_same_contract_twice_fails() {
    let (env, issuer, _, _, asset) = setup().await;
    let tx = env.draft(&issuer, vec![create_asset_contract(&asset.asset)]).await;
    let simulation = env.simulate(&tx).await;
    let error = simulation["error"].as_str().unwrap();
    assert!(error.starts_with("HostError: Error(Storage, ExistingValue)"), "{error}");
    assert!(
        error.contains("Event log (newest first):\n   0: [Diagnostic Event] topics:[error, Error(Storage"),
        "{error}"
    );
    assert!(simulation.get("transactionData").is_none(), "{simulation}");
    assert!(!simulation["events"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_transfer_that_fails_when_applied_costs_its_fee_without_the_refundable_part() {
    let (env, issuer, a, b, asset) = setup().await;
    let tx = env.prepared(&a, asset.transfer(&a.address(), &b.address(), 1_000 * UNIT)).await;
    // Between simulation and inclusion, another account's transaction moves the units elsewhere.
    let mut spend = env.draft(&issuer, vec![payment(&issuer, &asset.asset, 1)]).await;
    let mut operations = spend.operations.to_vec();
    operations[0].source_account = Some(a.muxed());
    spend.operations = operations.try_into().unwrap();
    env.include(&env.sign(&spend, &[&issuer, &a])).await.succeeded();

    let before = env.balance(&a).await;
    let closed = env.include(&env.sign(&tx, &[&a])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::Trapped));
    let meta = closed.meta();
    let Some(SorobanTransactionMetaV2 { ext: SorobanTransactionMetaExt::V1(fees), return_value: None }) =
        meta.soroban_meta
    else {
        panic!("{meta:?}")
    };
    assert_eq!(fees.total_refundable_resource_fee_charged, 0);
    assert_eq!(closed.result().fee_charged, 100 + fees.total_non_refundable_resource_fee_charged);
    assert_eq!(env.balance(&a).await, before - closed.result().fee_charged);
    assert!(!meta.diagnostic_events.is_empty());
}

#[tokio::test]
async fn another_accounts_units_need_its_signed_authorization() {
    let (env, _, a, b, asset) = setup().await;
    // a pays the fee and sends b's units.
    let tx = env.draft(&a, vec![asset.transfer(&b.address(), &a.address(), 5)]).await;
    let simulation = env.simulate(&tx).await;
    let mut tx = assemble(tx, &simulation);
    let unsigned = env.include(&env.sign(&tx, &[&a])).await;
    assert_eq!(unsigned.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::Trapped));

    tx.seq_num.0 += 1;
    let valid_until = env.localnet.status().unwrap().ledger + 50;
    let mut operations = tx.operations.to_vec();
    let OperationBody::InvokeHostFunction(op) = &mut operations[0].body else { panic!() };
    let mut auth = op.auth.to_vec();
    sign_authorization(&env, &b, &mut auth[0], valid_until);
    op.auth = auth.try_into().unwrap();
    tx.operations = operations.try_into().unwrap();
    // The authorization is enforced now, so the resources of the signature check are counted.
    tx.ext = TransactionExt::V0;
    let enforced = env.simulate(&tx).await;
    assert!(enforced.get("error").is_none(), "{enforced}");
    let tx = assemble(tx, &enforced);
    env.include(&env.sign(&tx, &[&a])).await.succeeded();
    assert_eq!(units(&env, &asset, &b).await, 1_000 * UNIT - 5);
}

fn sign_authorization(env: &TestEnv, key: &Key, entry: &mut SorobanAuthorizationEntry, valid_until: u32) {
    use ed25519_dalek::Signer as _;
    use sha2::{Digest, Sha256};

    let SorobanCredentials::Address(credentials) = &mut entry.credentials else { panic!("{entry:?}") };
    credentials.signature_expiration_ledger = valid_until;
    let preimage = HashIdPreimage::SorobanAuthorization(HashIdPreimageSorobanAuthorization {
        network_id: Hash(env.id),
        nonce: credentials.nonce,
        signature_expiration_ledger: valid_until,
        invocation: entry.root_invocation.clone(),
    });
    let payload = Sha256::digest(preimage.to_xdr(Limits::none()).unwrap());
    let fields = vec![
        ScMapEntry { key: symbol("public_key"), val: bytes(&key.public()) },
        ScMapEntry { key: symbol("signature"), val: bytes(&key.0.sign(&payload).to_bytes()) },
    ];
    let signature = ScVal::Map(Some(ScMap(fields.try_into().unwrap())));
    credentials.signature = ScVal::Vec(Some(ScVec(vec![signature].try_into().unwrap())));
}

#[tokio::test]
async fn simulation_answers_what_would_change() {
    let (env, _, a, b, asset) = setup().await;
    let tx = env.draft(&a, vec![asset.transfer(&a.address(), &b.address(), 7)]).await;
    let simulation = env.simulate(&tx).await;
    let changes = simulation["stateChanges"].as_array().unwrap();
    let kinds: Vec<_> = changes.iter().map(|change| change["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["updated", "updated"]);
    let after: LedgerEntry = xdr(&changes[0]["after"]);
    let before: LedgerEntry = xdr(&changes[0]["before"]);
    let (LedgerEntryData::Trustline(before), LedgerEntryData::Trustline(after)) = (before.data, after.data) else {
        panic!("{changes:?}")
    };
    assert_eq!((before.balance - after.balance).abs(), 7);
    assert_eq!(simulation["results"][0]["auth"].as_array().unwrap().len(), 1);
    assert_eq!(units(&env, &asset, &a).await, 1_000 * UNIT);
}

#[tokio::test]
async fn the_native_assets_contract_exists_from_the_first_ledger_on() {
    let env = TestEnv::start();
    let native = env.contract_of(Asset::Native);
    assert!(env.live_until(&native.instance()).await.unwrap() > 3_000_000);
    let (a, b) = (env.funded(1).await, env.funded(2).await);
    let closed = env.invoke(&a, native.transfer(&a.address(), &b.address(), 7)).await.succeeded();
    assert_eq!(env.balance(&b).await, 10_000 * UNIT + 7);
    assert_eq!(env.balance(&a).await, 10_000 * UNIT - 7 - closed.result().fee_charged);
    let simulation = env.simulate(&env.draft(&a, vec![call_contract(&native.contract, "name", vec![])]).await).await;
    assert_eq!(xdr::<ScVal>(&simulation["results"][0]["xdr"]), ScVal::String(ScString("native".try_into().unwrap())));
}
