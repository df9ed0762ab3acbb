//! Tests the lives of entries: expiry, archival, extension, restoration.

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
    assert_eq!(env.live_until(&key).await, Some(u64::from(until)), "the entry is live in its last ledger");
    env.close();
    assert_eq!(env.live_until(&key).await, Some(0), "the entry is archived after it");
    assert!(env.entry(&key).await.is_some(), "getLedgerEntries still answers an archived entry");

    let closed = env.include(&env.sign(&prepared, &[&a])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::EntryArchived));
}

#[tokio::test]
async fn a_call_restores_the_archived_entries_that_simulation_marks_and_pays_their_rent() {
    let (env, a, asset, holder) = setup().await;
    let transfer = || asset.transfer(&a.address(), &holder, 5);
    let live = env.invoke(&a, transfer()).await.succeeded();
    env.localnet.jump(MAX + 1).unwrap();
    let balance = asset.balance_key(&holder);
    assert_eq!(env.live_until(&balance).await, Some(0));
    assert_eq!(env.live_until(&asset.instance()).await, Some(0));

    let draft = env.draft(&a, vec![transfer()]).await;
    let simulation = env.simulate(&draft).await;
    assert!(simulation.get("restorePreamble").is_none(), "{simulation}");
    let tx = assemble(draft, &simulation);
    let marked = archived_keys(&tx);
    assert!(marked.len() == 2 && marked.contains(&balance) && marked.contains(&asset.instance()), "{marked:?}");

    let before = env.balance(&a).await;
    let closed = env.include(&env.sign(&tx, &[&a])).await.succeeded();
    // The asset's contract renews its entries in each call, so the call on live entries pays some rent too.
    assert!(rent(&closed) > rent(&live), "{} {}", rent(&closed), rent(&live));
    assert_eq!(env.balance(&a).await, before - closed.result().fee_charged);
    assert!(env.live_until(&balance).await.unwrap() >= u64::from(ledger(&env) + MIN_PERSISTENT - 1));
    assert!(env.live_until(&asset.instance()).await.unwrap() >= u64::from(ledger(&env) + MIN_PERSISTENT - 1));
    let restored =
        closed.meta().operations[0].changes.iter().filter(|c| matches!(c, LedgerEntryChange::Restored(_))).count();
    assert_eq!(restored, 4, "two entries, each with its life");
}

#[tokio::test]
async fn only_marked_entries_are_restored() {
    let (env, a, asset, holder) = setup().await;
    env.localnet.jump(MAX + 1).unwrap();
    let mut tx = env.prepared(&a, asset.transfer(&a.address(), &holder, 5)).await;
    let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
    let SorobanTransactionDataExt::V1(marks) = &mut data.ext else { panic!("{data:?}") };
    marks.archived_soroban_entries = vec![marks.archived_soroban_entries[0]].try_into().unwrap();
    let closed = env.include(&env.sign(&tx, &[&a])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::EntryArchived));
    assert_eq!(env.live_until(&asset.balance_key(&holder)).await, Some(0), "a failed call restores nothing");
    assert_eq!(env.live_until(&asset.instance()).await, Some(0));
}

#[tokio::test]
async fn marking_a_live_entry_is_allowed_and_costs_its_disk_read() {
    let (env, a, asset, holder) = setup().await;
    let transfer = || asset.transfer(&a.address(), &holder, 5);
    let unmarked = env.invoke(&a, transfer()).await.succeeded();
    let mut tx = env.prepared(&a, transfer()).await;
    let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
    let is_balance = |key: &LedgerKey| *key == asset.balance_key(&holder);
    let place = data.resources.footprint.read_write.iter().position(is_balance).unwrap();
    data.ext = marks(vec![u32::try_from(place).unwrap()]);
    data.resource_fee += 10_000;
    tx.fee += 10_000;
    let marked = env.include(&env.sign(&tx, &[&a])).await.succeeded();
    // 1,563 stroops are the settings' fee for reading an entry from disk.
    let fixed = |closed: &Closed| fees(closed).total_non_refundable_resource_fee_charged;
    assert!(fixed(&marked) >= fixed(&unmarked) + 1_563, "{} {}", fixed(&marked), fixed(&unmarked));
    let restored = |change: &LedgerEntryChange| matches!(change, LedgerEntryChange::Restored(_));
    assert!(!marked.meta().operations[0].changes.iter().any(restored));
}

#[tokio::test]
async fn malformed_marks_are_invalid() {
    let (env, a, asset, holder) = setup().await;
    let tx = env.prepared(&a, asset.transfer(&a.address(), &holder, 5)).await;
    let TransactionExt::V1(data) = &tx.ext else { panic!() };
    let read_write = &data.resources.footprint.read_write;
    let place = |wanted: fn(&LedgerKey) -> bool| u32::try_from(read_write.iter().position(wanted).unwrap()).unwrap();
    let balance = place(|key| matches!(key, LedgerKey::ContractData(_)));
    let trustline = place(|key| matches!(key, LedgerKey::Trustline(_)));
    for wrong in [vec![balance, balance], vec![99], vec![trustline]] {
        let mut marked = tx.clone();
        let data = SorobanTransactionData { ext: marks(wrong.clone()), ..data.clone() };
        marked.ext = TransactionExt::V1(SorobanTransactionData { resource_fee: data.resource_fee + 20_000, ..data });
        marked.fee += 20_000;
        let result = env.refused(&env.sign(&marked, &[&a])).await;
        assert_eq!(result.result, TransactionResultResult::TxSorobanInvalid, "{wrong:?}");
    }
}

fn marks(places: Vec<u32>) -> SorobanTransactionDataExt {
    SorobanTransactionDataExt::V1(SorobanResourcesExtV0 { archived_soroban_entries: places.try_into().unwrap() })
}

fn rent(closed: &Closed) -> i64 {
    fees(closed).rent_fee_charged
}

fn fees(closed: &Closed) -> SorobanTransactionMetaExtV1 {
    match closed.meta().soroban_meta.unwrap().ext {
        SorobanTransactionMetaExt::V1(fees) => fees,
        SorobanTransactionMetaExt::V0 => panic!("no fees in the meta"),
    }
}

#[tokio::test]
async fn an_archived_entry_is_restored_by_its_own_operation_too() {
    let (env, a, asset, holder) = setup().await;
    env.localnet.jump(MAX + 1).unwrap();
    let keys = vec![asset.balance_key(&holder), asset.instance()];
    let closed = env.change_lives(&a, keys.clone(), None).await.succeeded();
    for key in &keys {
        assert_eq!(env.live_until(key).await, Some(u64::from(ledger(&env) + MIN_PERSISTENT - 1)));
    }
    let changes = &closed.meta().operations[0].changes;
    assert!(changes.iter().any(|change| matches!(change, LedgerEntryChange::Restored(_))));
    assert!(rent(&closed) > 0);
}

#[tokio::test]
async fn an_extension_lengthens_lives_and_pays_rent() {
    let (env, a, asset, _) = setup().await;
    let key = asset.instance();
    let before = env.live_until(&key).await.unwrap();
    let balance = env.balance(&a).await;
    // The asset's contract extends its own instance to a week, or here to the longest life, so some ledgers must pass
    // first.
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
async fn an_extension_ignores_missing_and_archived_entries_and_never_shortens_a_life() {
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
