//! Tests a Wasm contract, the payment channel: it is uploaded, created with a constructor, and called.

use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};
use stellar_xdr::*;

use crate::env::*;

struct Channel {
    contract: ContractId,
    code: LedgerKey,
    commitment: Key,
}

async fn open(env: &TestEnv, funder: &Key, recipient: &Key, asset: &TestAsset, amount: i64) -> Channel {
    let wasm = channel_wasm();
    let wasm_hash = Hash(Sha256::digest(&wasm).into());
    let uploaded =
        env.invoke(funder, host_function(HostFunction::UploadContractWasm(wasm.try_into().unwrap()))).await.succeeded();
    assert_eq!(uploaded.return_value(), bytes(&wasm_hash.0));
    let commitment = Key::new(77);
    let arguments = vec![
        ScVal::Address(ScAddress::Contract(asset.contract.clone())),
        ScVal::Address(funder.address()),
        bytes(&commitment.public()),
        ScVal::Address(recipient.address()),
        i128_val(i128::from(amount)),
        ScVal::U32(100),
    ];
    let create = host_function(HostFunction::CreateContractV2(CreateContractArgsV2 {
        contract_id_preimage: ContractIdPreimage::Address(ContractIdPreimageFromAddress {
            address: funder.address(),
            salt: Uint256([1; 32]),
        }),
        executable: ContractExecutable::Wasm(wasm_hash.clone()),
        constructor_args: arguments.try_into().unwrap(),
    }));
    let created = env.invoke(funder, create).await.succeeded();
    let ScVal::Address(ScAddress::Contract(contract)) = created.return_value() else {
        panic!("{:?}", created.return_value())
    };
    Channel { contract, code: LedgerKey::ContractCode(LedgerKeyContractCode { hash: wasm_hash }), commitment }
}

impl Channel {
    async fn settle(&self, env: &TestEnv, caller: &Key, amount: i128) -> OperationBody {
        let prepare = call_contract(&self.contract, "prepare_commitment", vec![i128_val(amount)]);
        let simulation = env.simulate(&env.draft(caller, vec![prepare]).await).await;
        let ScVal::Bytes(message) = xdr(&simulation["results"][0]["xdr"]) else { panic!("{simulation}") };
        let signature = self.commitment.0.sign(message.0.as_slice()).to_bytes();
        call_contract(&self.contract, "settle", vec![i128_val(amount), bytes(&signature)])
    }
}

#[tokio::test]
async fn a_channel_is_opened_settled_and_refunded() {
    let env = TestEnv::start();
    let (issuer, funder, recipient) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let watcher = env.funded(4).await;
    let asset = env.asset(&issuer, &[&funder, &recipient]).await;
    let channel = open(&env, &funder, &recipient, &asset, 100 * UNIT).await;
    let units = async |holder: &Key| match env.entry(&asset.trustline(holder)).await {
        Some(LedgerEntryData::Trustline(line)) => line.balance,
        other => panic!("{other:?}"),
    };
    assert_eq!(units(&funder).await, 900 * UNIT);

    // Anyone may settle, and settling twice pays the difference.
    for amount in [10 * UNIT, 30 * UNIT] {
        let settle = channel.settle(&env, &watcher, i128::from(amount)).await;
        env.invoke(&watcher, settle).await.succeeded();
        assert_eq!(units(&recipient).await, 1_000 * UNIT + amount);
    }

    let close_start = call_contract(&channel.contract, "close_start", vec![]);
    env.invoke(&funder, close_start).await.succeeded();
    let refund = || call_contract(&channel.contract, "refund", vec![]);
    let early = env.simulate(&env.draft(&funder, vec![refund()]).await).await;
    let error = early["error"].as_str().unwrap();
    assert!(error.starts_with("HostError: Error(Contract, #3)"), "{error}");
    env.localnet.jump(100).unwrap();
    env.invoke(&funder, refund()).await.succeeded();
    assert_eq!(units(&funder).await, 970 * UNIT);
}

#[tokio::test]
async fn a_call_uses_at_execution_what_the_simulation_counted() {
    let env = TestEnv::start();
    let (issuer, funder, recipient) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = env.asset(&issuer, &[&funder, &recipient]).await;
    let channel = open(&env, &funder, &recipient, &asset, 100 * UNIT).await;
    let settle = channel.settle(&env, &recipient, 5).await;
    let mut tx = env.prepared(&recipient, settle).await;
    // Simulation adds 4 %, and at least 50,000 instructions. The call fits without them. If execution had to parse the
    // module again, it would exceed them by far.
    let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
    data.resources.instructions -= 50_000;
    env.include(&env.sign(&tx, &[&recipient])).await.succeeded();
}

#[tokio::test]
async fn a_settlement_restores_archived_code_instance_and_balance() {
    let env = TestEnv::start();
    let (issuer, funder, recipient) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = env.asset(&issuer, &[&funder, &recipient]).await;
    let channel = open(&env, &funder, &recipient, &asset, 100 * UNIT).await;
    let settle = channel.settle(&env, &recipient, 5).await;
    let balance = asset.balance_key(&ScAddress::Contract(channel.contract.clone()));
    let archived = [channel.code.clone(), instance(&channel.contract), balance, asset.instance()];
    env.localnet.archive(archived.to_vec()).unwrap();

    let mut tx = env.prepared(&recipient, settle.clone()).await;
    assert_eq!(archived_keys(&tx).len(), 4);
    env.include(&env.sign(&tx, &[&recipient])).await.succeeded();
    for key in &archived {
        assert!(env.live_until(key).await.unwrap() > 0, "{key:?} is live again");
    }

    // Without the marks the same call fails.
    env.localnet.archive(archived.to_vec()).unwrap();
    tx = env.prepared(&recipient, channel.settle(&env, &recipient, 9).await).await;
    let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
    data.ext = SorobanTransactionDataExt::V0;
    let closed = env.include(&env.sign(&tx, &[&recipient])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::EntryArchived));
}

#[tokio::test]
async fn archived_code_is_restored_by_its_own_operation_too() {
    let env = TestEnv::start();
    let (issuer, funder, recipient) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = env.asset(&issuer, &[&funder, &recipient]).await;
    let channel = open(&env, &funder, &recipient, &asset, 100 * UNIT).await;
    let settle = channel.settle(&env, &recipient, 5).await;
    env.localnet.archive(vec![channel.code.clone()]).unwrap();
    env.change_lives(&funder, vec![channel.code.clone()], None).await.succeeded();
    let tx = env.prepared(&recipient, settle).await;
    assert!(archived_keys(&tx).is_empty());
    env.include(&env.sign(&tx, &[&recipient])).await.succeeded();
    env.change_lives(&funder, vec![channel.code.clone(), instance(&channel.contract)], Some(200_000)).await.succeeded();
    let until = env.live_until(&channel.code).await.unwrap();
    assert_eq!(until, u64::from(env.localnet.status().unwrap().ledger) + 200_000);
}
