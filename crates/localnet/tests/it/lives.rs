//! How long entries live: expiry, archival, extension, restoration.

use paychan_localnet::Options;
use stellar_xdr::*;

use crate::support::*;

const MIN_PERSISTENT: u32 = 50;
const MAX: u32 = 1_000;

/// An asset whose contract holds a balance for the contract address of nines.
async fn setup() -> (Net, Key, TestAsset, ScAddress) {
    let net = Net::with(Options {
        min_persistent_ttl: MIN_PERSISTENT,
        min_temporary_ttl: 10,
        max_entry_ttl: MAX,
        ..Options::default()
    });
    let (issuer, a) = (net.funded(1).await, net.funded(2).await);
    let asset = net.asset(&issuer, &[&a]).await;
    let holder = ScAddress::Contract(ContractId(Hash([9; 32])));
    net.invoke(&a, asset.transfer(&a.address(), &holder, 7)).await.succeeded();
    (net, a, asset, holder)
}

fn ledger(net: &Net) -> u32 {
    net.localnet.status().unwrap().ledger
}

#[tokio::test]
async fn the_asset_contract_renews_its_balance_entry_up_to_the_networks_limit() {
    let (net, _, asset, holder) = setup().await;
    let until = net.live_until(&asset.balance_key(&holder)).await.unwrap();
    assert_eq!(until, u64::from(ledger(&net) + MAX - 1));
}

#[tokio::test]
async fn an_entry_past_its_life_is_archived_and_a_transaction_that_touches_it_fails() {
    let (net, a, asset, holder) = setup().await;
    let key = asset.balance_key(&holder);
    let transfer = || asset.transfer(&a.address(), &holder, 5);
    let prepared = net.prepared(&a, transfer()).await;
    let until = u32::try_from(net.live_until(&key).await.unwrap()).unwrap();
    net.localnet.jump(until - ledger(&net)).unwrap();
    assert_eq!(net.live_until(&key).await, Some(u64::from(until)), "live in its last ledger");
    net.close();
    assert_eq!(net.live_until(&key).await, Some(0), "archived after it");
    assert!(net.entry(&key).await.is_some(), "an archived entry is still told");

    let closed = net.include(&net.sign(&prepared, &[&a])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::EntryArchived));
}

#[tokio::test]
async fn simulation_of_archived_entries_says_what_to_restore_first_and_then_it_works() {
    let (net, a, asset, holder) = setup().await;
    net.localnet.jump(MAX + 1).unwrap();
    let balance = asset.balance_key(&holder);
    assert_eq!(net.live_until(&balance).await, Some(0));
    assert_eq!(net.live_until(&asset.instance()).await, Some(0));

    let draft = net.draft(&a, vec![asset.transfer(&a.address(), &holder, 5)]).await;
    let simulation = net.simulate(&draft).await;
    assert!(simulation.get("error").is_none(), "{simulation}");
    let preamble = &simulation["restorePreamble"];
    let restore: SorobanTransactionData = xdr(&preamble["transactionData"]);
    assert_eq!(preamble["minResourceFee"], restore.resource_fee.to_string());
    let keys = restore.resources.footprint.read_write.to_vec();
    assert!(keys.contains(&balance) && keys.contains(&asset.instance()), "{keys:?}");

    let body = OperationBody::RestoreFootprint(RestoreFootprintOp { ext: ExtensionPoint::V0 });
    let mut tx = net.draft(&a, vec![body]).await;
    tx.fee = 100 + u32::try_from(restore.resource_fee).unwrap();
    tx.ext = TransactionExt::V1(restore);
    let closed = net.include(&net.sign(&tx, &[&a])).await.succeeded();
    let restored_until = u64::from(ledger(&net) + MIN_PERSISTENT - 1);
    assert_eq!(net.live_until(&balance).await, Some(restored_until));
    let told =
        closed.meta().operations[0].changes.iter().any(|change| matches!(change, LedgerEntryChange::Restored(_)));
    assert!(told);

    let mut tx = assemble(draft, &simulation);
    tx.seq_num.0 += 1;
    net.include(&net.sign(&tx, &[&a])).await.succeeded();
}

#[tokio::test]
async fn an_extension_lengthens_lives_and_pays_rent() {
    let (net, a, asset, _) = setup().await;
    let key = asset.instance();
    let before = net.live_until(&key).await.unwrap();
    let balance = net.balance(&a).await;
    // The asset contract keeps its own instance at a week or, here, at the greatest life; some ledgers must pass.
    net.localnet.jump(100).unwrap();
    let closed = net.change_lives(&a, vec![key.clone()], Some(MAX - 1)).await.succeeded();
    let after = net.live_until(&key).await.unwrap();
    assert!(after > before, "{after} {before}");
    assert_eq!(after, u64::from(ledger(&net) + MAX - 1));
    let SorobanTransactionMetaExt::V1(fees) = closed.meta().soroban_meta.unwrap().ext else { panic!() };
    assert!(fees.rent_fee_charged > 0);
    assert_eq!(net.balance(&a).await, balance - closed.result().fee_charged);
}

#[tokio::test]
async fn an_extension_passes_over_what_is_missing_or_archived_and_never_shortens() {
    let (net, a, asset, holder) = setup().await;
    let missing = asset.balance_key(&ScAddress::Contract(ContractId(Hash([8; 32]))));
    let live = asset.balance_key(&holder);
    let before = net.live_until(&live).await;
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
    let mut tx = net.draft(&a, vec![body(5)]).await;
    tx.fee = 100_100;
    tx.ext = data(vec![missing.clone(), live.clone()]);
    net.include(&net.sign(&tx, &[&a])).await.succeeded();
    assert_eq!(net.live_until(&live).await, before);
    assert_eq!(net.live_until(&missing).await, None);

    let mut too_long = net.draft(&a, vec![body(MAX)]).await;
    too_long.fee = 100_100;
    too_long.ext = data(vec![live]);
    let refused = net.refused(&net.sign(&too_long, &[&a])).await;
    let TransactionResultResult::TxFailed(codes) = refused.result else { panic!("{refused:?}") };
    assert_eq!(
        codes.to_vec(),
        [OperationResult::OpInner(OperationResultTr::ExtendFootprintTtl(ExtendFootprintTtlResult::Malformed))]
    );
}

#[tokio::test]
async fn an_extension_without_enough_fee_for_the_rent_changes_nothing() {
    let (net, a, asset, holder) = setup().await;
    net.localnet.jump(200).unwrap();
    let key = asset.balance_key(&holder);
    let before = net.live_until(&key).await;
    let body = OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp { ext: ExtensionPoint::V0, extend_to: MAX - 1 });
    let mut tx = net.draft(&a, vec![body]).await;
    let footprint = LedgerFootprint { read_only: vec![key.clone()].try_into().unwrap(), read_write: VecM::default() };
    let resources = SorobanResources { footprint, instructions: 0, disk_read_bytes: 0, write_bytes: 0 };
    tx.ext = TransactionExt::V1(SorobanTransactionData {
        ext: SorobanTransactionDataExt::V0,
        resources,
        resource_fee: 3_000,
    });
    tx.fee = 3_100;
    let closed = net.include(&net.sign(&tx, &[&a])).await;
    assert_eq!(
        closed.failed_with(),
        OperationResultTr::ExtendFootprintTtl(ExtendFootprintTtlResult::InsufficientRefundableFee)
    );
    assert_eq!(net.live_until(&key).await, before);
}

#[tokio::test]
async fn marking_entries_for_automatic_restoration_is_refused_by_name() {
    let (net, a, asset, holder) = setup().await;
    let mut tx = net.prepared(&a, asset.transfer(&a.address(), &holder, 5)).await;
    let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
    data.ext =
        SorobanTransactionDataExt::V1(SorobanResourcesExtV0 { archived_soroban_entries: vec![0].try_into().unwrap() });
    let envelope = base64(&net.sign(&tx, &[&a]));
    let (_, message) = net.call("sendTransaction", serde_json::json!({"transaction": envelope})).await.unwrap_err();
    assert!(message.starts_with("automatic restoration (archivedSorobanEntries) is not implemented"), "{message}");
}
