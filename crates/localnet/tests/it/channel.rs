//! A contract of Wasm: the payment channel, uploaded, created with a constructor, called.

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
async fn a_call_costs_at_execution_what_simulation_said() {
    let env = TestEnv::start();
    let (issuer, funder, recipient) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = env.asset(&issuer, &[&funder, &recipient]).await;
    let channel = open(&env, &funder, &recipient, &asset, 100 * UNIT).await;
    let settle = channel.settle(&env, &recipient, 5).await;
    let mut tx = env.prepared(&recipient, settle).await;
    // Simulation adds 4 %, at least 50,000 instructions. Without them, and with a little less, the call still fits or
    // fails by a hair: had execution to parse the module again, it would exceed by far.
    let TransactionExt::V1(data) = &mut tx.ext else { panic!() };
    data.resources.instructions -= 50_000;
    env.include(&env.sign(&tx, &[&recipient])).await.succeeded();
}

#[tokio::test]
async fn code_that_is_archived_must_be_restored() {
    let env = TestEnv::with(paychan_localnet::Options {
        min_persistent_ttl: 40,
        max_entry_ttl: 2_000,
        ..paychan_localnet::Options::default()
    });
    let (issuer, funder, recipient) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = env.asset(&issuer, &[&funder, &recipient]).await;
    let channel = open(&env, &funder, &recipient, &asset, 100 * UNIT).await;
    let settle = channel.settle(&env, &recipient, 5).await;
    env.localnet.jump(50).unwrap();
    assert_eq!(env.live_until(&channel.code).await, Some(0));
    assert!(env.live_until(&instance(&channel.contract)).await.unwrap() > 0, "open extended the instance");
    let tx = env.prepared(&recipient, settle.clone()).await;
    let closed = env.include(&env.sign(&tx, &[&recipient])).await;
    assert_eq!(closed.failed_with(), OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::EntryArchived));

    env.change_lives(&funder, vec![channel.code.clone()], None).await.succeeded();
    env.invoke(&recipient, settle).await.succeeded();
    env.change_lives(&funder, vec![channel.code.clone(), instance(&channel.contract)], Some(1_999)).await.succeeded();
    let until = env.live_until(&channel.code).await.unwrap();
    assert_eq!(until, u64::from(env.localnet.status().unwrap().ledger) + 1_999);
}
