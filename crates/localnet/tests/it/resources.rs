//! Tests declared resources: the network's limits per transaction, and transactions that declare too little.

use stellar_xdr::*;

use crate::env::*;

async fn setup() -> (TestEnv, Key, Transaction) {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let holder = ScAddress::Contract(ContractId(Hash([9; 32])));
    let mut tx = env.prepared(&a, asset.transfer(&a.address(), &holder, 7)).await;
    // The fee is enough for any later change of resources.
    let mut data = data(&tx);
    data.resource_fee += 20_000_000;
    tx.fee += 20_000_000;
    tx.ext = TransactionExt::V1(data);
    (env, a, tx)
}

fn data(tx: &Transaction) -> SorobanTransactionData {
    match &tx.ext {
        TransactionExt::V1(data) => data.clone(),
        TransactionExt::V0 => panic!("no Soroban data"),
    }
}

fn with(tx: &Transaction, change: impl FnOnce(&mut SorobanResources)) -> Transaction {
    let mut data = data(tx);
    change(&mut data.resources);
    Transaction { ext: TransactionExt::V1(data), ..tx.clone() }
}

#[tokio::test]
async fn resources_above_the_networks_limits_are_invalid_and_the_event_says_why() {
    let (env, a, tx) = setup().await;
    let many = |count: u16| -> Vec<LedgerKey> {
        (0..count)
            .map(|n| {
                let mut bytes = [0; 32];
                bytes[..2].copy_from_slice(&n.to_be_bytes());
                instance(&ContractId(Hash(bytes)))
            })
            .collect()
    };
    type Change = Box<dyn Fn(&mut SorobanResources)>;
    let cases: Vec<(Change, &str, [u64; 2])> = vec![
        (
            Box::new(|r| r.instructions = 400_000_001),
            "transaction instructions resources exceed network config limit",
            [400_000_001, 400_000_000],
        ),
        (
            Box::new(|r| r.disk_read_bytes = 200_001),
            "transaction byte-read resources exceed network config limit",
            [200_001, 200_000],
        ),
        (
            Box::new(|r| r.write_bytes = 132_097),
            "transaction byte-write resources exceed network config limit",
            [132_097, 132_096],
        ),
        (
            Box::new(move |r| r.footprint.read_only = many(401).try_into().unwrap()),
            "the number of entries in transaction footprint exceeds the network config limit",
            [403, 400],
        ),
        (
            Box::new(move |r| r.footprint.read_write = many(201).try_into().unwrap()),
            "transaction entry-write resources exceed network config limit",
            [201, 200],
        ),
    ];
    for (change, reason, figures) in cases {
        let wrong = with(&tx, change);
        let sent = env.send(&env.sign(&wrong, &[&a])).await;
        assert_eq!(sent["status"], "ERROR", "{sent}");
        let result: TransactionResult = xdr(&sent["errorResultXdr"]);
        assert_eq!(result.result, TransactionResultResult::TxSorobanInvalid, "{reason}");
        let event: DiagnosticEvent = xdr(&sent["diagnosticEventsXdr"][0]);
        let ContractEventBody::V0(body) = event.event.body;
        let ScVal::Vec(Some(told)) = body.data else { panic!("{body:?}") };
        assert_eq!(told[0], ScVal::String(ScString(reason.try_into().unwrap())));
        // The keys that the contract itself adds to the footprint make the first figure of one case vary.
        if !reason.contains("number of entries") {
            assert_eq!(told[1..], figures.map(ScVal::U64));
        }
    }
}

#[tokio::test]
async fn duplicate_or_foreign_keys_in_the_footprint_are_invalid() {
    let (env, a, tx) = setup().await;
    let twice = with(&tx, |r| {
        let mut keys = r.footprint.read_only.to_vec();
        keys.push(r.footprint.read_write[0].clone());
        r.footprint.read_only = keys.try_into().unwrap();
    });
    let foreign = with(&tx, |r| {
        let mut keys = r.footprint.read_only.to_vec();
        keys.push(LedgerKey::ConfigSetting(LedgerKeyConfigSetting {
            config_setting_id: ConfigSettingId::StateArchival,
        }));
        r.footprint.read_only = keys.try_into().unwrap();
    });
    for wrong in [twice, foreign] {
        let result = env.refused(&env.sign(&wrong, &[&a])).await;
        assert_eq!(result.result, TransactionResultResult::TxSorobanInvalid);
    }
}

#[tokio::test]
async fn a_transaction_that_declares_too_little_fails_when_applied() {
    let cases: [fn(&mut SorobanResources); 3] =
        [|r| r.instructions /= 2, |r| r.write_bytes /= 2, |r| r.disk_read_bytes /= 2];
    let limit = OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::ResourceLimitExceeded);
    for change in cases {
        let (env, a, tx) = setup().await;
        let closed = env.include(&env.sign(&with(&tx, change), &[&a])).await;
        assert_eq!(closed.failed_with(), limit, "{:?}", closed.meta().diagnostic_events);
    }
}

#[tokio::test]
async fn a_call_that_touches_an_entry_outside_the_footprint_fails() {
    let (env, a, tx) = setup().await;
    let less = with(&tx, |r| r.footprint.read_only = VecM::default());
    let closed = env.include(&env.sign(&less, &[&a])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::Trapped));
}

#[tokio::test]
async fn an_invocation_with_memo_or_muxed_source_is_invalid() {
    let (env, a, tx) = setup().await;
    let memo = Transaction { memo: Memo::Id(5), ..tx.clone() };
    let muxed = Transaction {
        source_account: MuxedAccount::MuxedEd25519(MuxedAccountMed25519 { id: 1, ed25519: Uint256(a.public()) }),
        ..tx
    };
    for wrong in [memo, muxed] {
        let result = env.refused(&env.sign(&wrong, &[&a])).await;
        assert_eq!(result.result, TransactionResultResult::TxSorobanInvalid);
    }
}
