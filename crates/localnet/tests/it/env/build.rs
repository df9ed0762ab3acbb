//! Parts of transactions, and XDR as text.

use std::path::Path;

use serde_json::Value;
use stellar_xdr::*;

use super::Key;

pub fn assemble(mut tx: Transaction, simulation: &Value) -> Transaction {
    let data: SorobanTransactionData = xdr(&simulation["transactionData"]);
    assert_eq!(simulation["minResourceFee"], data.resource_fee.to_string());
    tx.fee = 100 + u32::try_from(data.resource_fee).unwrap();
    tx.ext = TransactionExt::V1(data);
    let mut operations = tx.operations.to_vec();
    if let OperationBody::InvokeHostFunction(op) = &mut operations[0].body
        && op.auth.is_empty()
    {
        let auth: Vec<SorobanAuthorizationEntry> =
            simulation["results"][0]["auth"].as_array().unwrap().iter().map(xdr).collect();
        op.auth = auth.try_into().unwrap();
    }
    tx.operations = operations.try_into().unwrap();
    tx
}

pub fn base64(value: &impl WriteXdr) -> String {
    value.to_xdr_base64(Limits::none()).unwrap()
}

#[track_caller]
pub fn xdr<T: ReadXdr>(value: &Value) -> T {
    let text = value.as_str().unwrap_or_else(|| panic!("not XDR: {value}"));
    T::from_xdr_base64(text, Limits::none()).unwrap()
}

pub fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().unwrap()))
}

pub fn i128_val(n: i128) -> ScVal {
    ScVal::I128(Int128Parts { hi: (n >> 64) as i64, lo: n as u64 })
}

pub fn bytes(bytes: &[u8]) -> ScVal {
    ScVal::Bytes(ScBytes(bytes.to_vec().try_into().unwrap()))
}

pub fn payment(to: &Key, asset: &Asset, amount: i64) -> OperationBody {
    OperationBody::Payment(PaymentOp { destination: to.muxed(), asset: asset.clone(), amount })
}

pub fn create_account(to: &Key, starting_balance: i64) -> OperationBody {
    OperationBody::CreateAccount(CreateAccountOp { destination: to.id(), starting_balance })
}

pub fn change_trust(asset: &Asset, limit: i64) -> OperationBody {
    let line = match asset {
        Asset::Native => ChangeTrustAsset::Native,
        Asset::CreditAlphanum4(a) => ChangeTrustAsset::CreditAlphanum4(a.clone()),
        Asset::CreditAlphanum12(a) => ChangeTrustAsset::CreditAlphanum12(a.clone()),
    };
    OperationBody::ChangeTrust(ChangeTrustOp { line, limit })
}

pub fn set_flags(flags: u32) -> OperationBody {
    OperationBody::SetOptions(SetOptionsOp { set_flags: Some(flags), ..no_options() })
}

pub fn no_options() -> SetOptionsOp {
    SetOptionsOp {
        inflation_dest: None,
        clear_flags: None,
        set_flags: None,
        master_weight: None,
        low_threshold: None,
        med_threshold: None,
        high_threshold: None,
        home_domain: None,
        signer: None,
    }
}

pub fn host_function(host_function: HostFunction) -> OperationBody {
    OperationBody::InvokeHostFunction(InvokeHostFunctionOp { host_function, auth: VecM::default() })
}

pub fn call_contract(contract: &ContractId, function: &str, arguments: Vec<ScVal>) -> OperationBody {
    host_function(HostFunction::InvokeContract(InvokeContractArgs {
        contract_address: ScAddress::Contract(contract.clone()),
        function_name: ScSymbol(function.try_into().unwrap()),
        args: arguments.try_into().unwrap(),
    }))
}

pub fn create_asset_contract(asset: &Asset) -> OperationBody {
    host_function(HostFunction::CreateContract(CreateContractArgs {
        contract_id_preimage: ContractIdPreimage::Asset(asset.clone()),
        executable: ContractExecutable::StellarAsset,
    }))
}

pub fn instance(contract: &ContractId) -> LedgerKey {
    LedgerKey::ContractData(LedgerKeyContractData {
        contract: ScAddress::Contract(contract.clone()),
        key: ScVal::LedgerKeyContractInstance,
        durability: ContractDataDurability::Persistent,
    })
}

/// The channel contract's Wasm.
pub fn channel_wasm() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/contracts/paychan_contract.wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run scripts/build-contracts.sh", path.display()))
}

/// The keys that the transaction marks as archived.
pub fn archived_keys(tx: &Transaction) -> Vec<LedgerKey> {
    let TransactionExt::V1(data) = &tx.ext else { panic!("no Soroban data") };
    let read_write = &data.resources.footprint.read_write;
    match &data.ext {
        SorobanTransactionDataExt::V0 => Vec::new(),
        SorobanTransactionDataExt::V1(marks) => {
            marks.archived_soroban_entries.iter().map(|mark| read_write[*mark as usize].clone()).collect()
        }
    }
}
