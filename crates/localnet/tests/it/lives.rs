//! How long entries live: expiry, archival, extension, restoration.

use paychan_localnet::Options;
use stellar_xdr::*;

use crate::env::*;

const MIN_PERSISTENT: u32 = 50;
const MAX: u32 = 1_000;

/// An asset whose contract holds a balance for the contract address of nines.
async fn setup() -> (TestEnv, Key, TestAsset, ScAddress) {
    let env = TestEnv::with(Options {
        min_persistent_ttl: MIN_PERSISTENT,
        min_temporary_ttl: 10,
        max_entry_ttl: MAX,
        ..Options::default()
    });
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let holder = ScAddress::Contract(ContractId(Hash([9; 32])));
    env.invoke(&a, asset.transfer(&a.address(), &holder, 7)).await.succeeded();
    (env, a, asset, holder)
}

fn ledger(env: &TestEnv) -> u32 {
    env.localnet.status().unwrap().ledger
}

#[tokio::test]
async fn the_asset_contract_renews_its_balance_entry_up_to_the_networks_limit() {
    let (env, _, asset, holder) = setup().await;
    let until = env.live_until(&asset.balance_key(&holder)).await.unwrap();
    assert_eq!(until, u64::from(ledger(&env) + MAX - 1));
}

#[tokio::test]
async fn an_entry_past_its_life_is_archived_and_a_transaction_that_touches_it_fails() {
    let (env, a, asset, holder) = setup().await;
    let key = asset.balance_key(&holder);
    let transfer = || asset.transfer(&a.address(), &holder, 5);
    let prepared = env.prepared(&a, transfer()).await;
    let until = u32::try_from(env.live_until(&key).await.unwrap()).unwrap();
    env.localnet.jump(until - ledger(&env)).unwrap();
    assert_eq!(env.live_until(&key).await, Some(u64::from(until)), "live in its last ledger");
    env.close();
    assert_eq!(env.live_until(&key).await, Some(0), "archived after it");
    assert!(env.entry(&key).await.is_some(), "an archived entry is still told");

    let closed = env.include(&env.sign(&prepared, &[&a])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::EntryArchived));
}

#[tokio::test]
async fn simulation_of_archived_entries_says_what_to_restore_first_and_then_it_works() {
    let (env, a, asset, holder) = setup().await;
    env.localnet.jump(MAX + 1).unwrap();
    let balance = asset.balance_key(&holder);
    assert_eq!(env.live_until(&balance).await, Some(0));
    assert_eq!(env.live_until(&asset.instance()).await, Some(0));

    let draft = env.draft(&a, vec![asset.transfer(&a.address(), &holder, 5)]).await;
    let simulation = env.simulate(&draft).await;
    assert!(simulation.get("error").is_none(), "{simulation}");
    let preamble = &simulation["restorePreamble"];
    let restore: SorobanTransactionData = xdr(&preamble["transactionData"]);
    assert_eq!(preamble["minResourceFee"], restore.resource_fee.to_string());
    let keys = restore.resources.footprint.read_write.to_vec();
    assert!(keys.contains(&balance) && keys.contains(&asset.instance()), "{keys:?}");

    let body = OperationBody::RestoreFootprint(RestoreFootprintOp { ext: ExtensionPoint::V0 });
    let mut tx = env.draft(&a, vec![body]).await;
    tx.fee = 100 + u32::try_from(restore.resource_fee).unwrap();
    tx.ext = TransactionExt::V1(restore);
    let closed = env.include(&env.sign(&tx, &[&a])).await.succeeded();
    let restored_until = u64::from(ledger(&env) + MIN_PERSISTENT - 1);
    assert_eq!(env.live_until(&balance).await, Some(restored_until));
    let told =
        closed.meta().operations[0].changes.iter().any(|change| matches!(change, LedgerEntryChange::Restored(_)));
    assert!(told);

    let mut tx = assemble(draft, &simulation);
    tx.seq_num.0 += 1;
    env.include(&env.sign(&tx, &[&a])).await.succeeded();
}

#[tokio::test]
async fn an_extension_lengthens_lives_and_pays_rent() {
    let (env, a, asset, _) = setup().await;
    let key = asset.instance();
    let before = env.live_until(&key).await.unwrap();
    let balance = env.balance(&a).await;
    // The asset contract keeps its own instance at a week or, here, at the greatest life; some ledgers must pass.
    env.localnet.jump(100).unwrap();
    let closed = env.change_lives(&a, vec![key.clone()], Some(MAX - 1)).await.succeeded();
    let after = env.live_until(&key).await.unwrap();
    assert!(after > before, "{after} {before}");
    assert_eq!(after, u64::from(ledger(&env) + MAX - 1));
    let SorobanTransactionMetaExt::V1(fees) = closed.meta().soroban_meta.unwrap().ext else { panic!() };
    assert!(fees.rent_fee_charged > 0);
    assert_eq!(env.balance(&a).await, balance - closed.result().fee_charged);
}

#[tokio::test]
async fn an_extension_passes_over_what_is_missing_or_archived_and_never_shortens() {
    let (env, a, asset, holder) = setup().await;
    let missing = asset.balance_key(&ScAddress::Contract(ContractId(Hash([8; 32]))));
    let live = asset.balance_key(&holder);
    let before = env.live_until(&live).await;
    let body =
        |extend_to| OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp { ext: ExtensionPoint::V0, extend_to });
    let data = |keys: Vec<LedgerKey>| {
        TransactionExt::V1(SorobanTransactionData {
            ext: SorobanTransactionDataExt::V0,
            resources: SorobanResources {
                footprint: LedgerFootprint { read_only: keys.try_into().unwrap(), read_write: VecM::default() },
                instructions: 0,
                disk_read_bytes: 0,
                write_bytes: 0,
            },
            resource_fee: 100_000,
        })
    };
    let mut tx = env.draft(&a, vec![body(5)]).await;
    tx.fee = 100_100;
    tx.ext = data(vec![missing.clone(), live.clone()]);
    env.include(&env.sign(&tx, &[&a])).await.succeeded();
    assert_eq!(env.live_until(&live).await, before);
    assert_eq!(env.live_until(&missing).await, None);

    let mut too_long = env.draft(&a, vec![body(MAX)]).await;
    too_long.fee = 100_100;
    too_long.ext = data(vec![live]);
    let refused = env.refused(&env.sign(&too_long, &[&a])).await;
    let TransactionResultResult::TxFailed(codes) = refused.result else { panic!("{refused:?}") };
    assert_eq!(
        codes.to_vec(),
        [OperationResult::OpInner(OperationResultTr::ExtendFootprintTtl(ExtendFootprintTtlResult::Malformed))]
    );
}

#[tokio::test]
async fn an_extension_without_enough_fee_for_the_rent_changes_nothing() {
    let (env, a, asset, holder) = setup().await;
    env.localnet.jump(200).unwrap();
    let key = asset.balance_key(&holder);
    let before = env.live_until(&key).await;
    let body = OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp { ext: ExtensionPoint::V0, extend_to: MAX - 1 });
    let mut tx = env.draft(&a, vec![body]).await;
    let footprint = LedgerFootprint { read_only: vec![key.clone()].try_into().unwrap(), read_write: VecM::default() };
    let resources = SorobanResources { footprint, instructions: 0, disk_read_bytes: 0, write_bytes: 0 };
    tx.ext = TransactionExt::V1(SorobanTransactionData {
        ext: SorobanTransactionDataExt::V0,
        resources,
        resource_fee: 3_000,
    });
    tx.fee = 3_100;
    let closed = env.include(&env.sign(&tx, &[&a])).await;
    assert_eq!(
        closed.failed_with(),
        OperationResultTr::ExtendFootprintTtl(ExtendFootprintTtlResult::InsufficientRefundableFee)
    );
    assert_eq!(env.live_until(&key).await, before);
}

#[tokio::test]
async fn marking_entries_for_automatic_restoration_is_refused_by_name() {
    let (env, a, asset, holder) = setup().await;
    let mut tx = env.prepared(&a, asset.transfer(&a.address(), &holder, 5)).await;
    let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
    data.ext =
        SorobanTransactionDataExt::V1(SorobanResourcesExtV0 { archived_soroban_entries: vec![0].try_into().unwrap() });
    let envelope = base64(&env.sign(&tx, &[&a]));
    let (_, message) = env.call("sendTransaction", serde_json::json!({"transaction": envelope})).await.unwrap_err();
    assert!(message.starts_with("automatic restoration (archivedSorobanEntries) is not implemented"), "{message}");
}
