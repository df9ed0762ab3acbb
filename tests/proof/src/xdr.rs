//! Building and reading the XDR values that the driver needs.

use sha2::{Digest, Sha256};
use stellar_xdr::{
    Asset, ContractDataDurability, ContractId, ContractIdPreimage, Hash, HashIdPreimage, HashIdPreimageContractId,
    HostFunction, Int128Parts, InvokeContractArgs, InvokeHostFunctionOp, LedgerKey, LedgerKeyContractData, Limits,
    OperationBody, ScAddress, ScBytes, ScMap, ScSymbol, ScVal, ScVec, VecM, WriteXdr,
};

/// A symbol.
#[must_use]
pub fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().expect("a name of 32 bytes at most")))
}

/// Bytes.
#[must_use]
pub fn bytes(bytes: &[u8]) -> ScVal {
    ScVal::Bytes(ScBytes(bytes.to_vec().try_into().expect("fewer than 2^32 bytes")))
}

/// An i128.
#[must_use]
pub fn i128(n: i128) -> ScVal {
    let [bytes_hi, bytes_lo] = halves(n.to_be_bytes());
    ScVal::I128(Int128Parts { hi: i64::from_be_bytes(bytes_hi), lo: u64::from_be_bytes(bytes_lo) })
}

fn halves(bytes: [u8; 16]) -> [[u8; 8]; 2] {
    let mut halves = [[0; 8]; 2];
    halves[0].copy_from_slice(&bytes[..8]);
    halves[1].copy_from_slice(&bytes[8..]);
    halves
}

/// The i128 in a value, if it is one.
#[must_use]
pub fn as_i128(value: &ScVal) -> Option<i128> {
    match value {
        ScVal::I128(Int128Parts { hi, lo }) => Some((i128::from(*hi) << 64) | i128::from(*lo)),
        _ => None,
    }
}

/// The name in a symbol.
#[must_use]
pub fn as_symbol(value: &ScVal) -> Option<String> {
    match value {
        ScVal::Symbol(name) => Some(name.to_utf8_string_lossy()),
        _ => None,
    }
}

/// The value under a symbol in a map.
#[must_use]
pub fn field<'a>(map: &'a ScVal, name: &str) -> Option<&'a ScVal> {
    let ScVal::Map(Some(ScMap(entries))) = map else {
        return None;
    };
    entries.iter().find(|entry| as_symbol(&entry.key).as_deref() == Some(name)).map(|entry| &entry.val)
}

/// Calls a contract.
#[must_use]
pub fn call(contract: &ContractId, function: &str, arguments: Vec<ScVal>) -> OperationBody {
    host_function(HostFunction::InvokeContract(InvokeContractArgs {
        contract_address: ScAddress::Contract(contract.clone()),
        function_name: ScSymbol(function.try_into().expect("a name of 32 bytes at most")),
        args: arguments.try_into().expect("a handful of arguments"),
    }))
}

/// Any host function, without authorization.
#[must_use]
pub fn host_function(host_function: HostFunction) -> OperationBody {
    OperationBody::InvokeHostFunction(InvokeHostFunctionOp { host_function, auth: VecM::default() })
}

/// The address that a contract made from this preimage has.
#[must_use]
pub fn contract_id(network: [u8; 32], contract_id_preimage: ContractIdPreimage) -> ContractId {
    let preimage =
        HashIdPreimage::ContractId(HashIdPreimageContractId { network_id: Hash(network), contract_id_preimage });
    let bytes = preimage.to_xdr(Limits::none()).expect("a value in memory encodes");
    ContractId(Hash(Sha256::digest(bytes).into()))
}

/// The address of an asset's contract.
#[must_use]
pub fn asset_contract(network: [u8; 32], asset: &Asset) -> ContractId {
    contract_id(network, ContractIdPreimage::Asset(asset.clone()))
}

/// The key of a contract's instance.
#[must_use]
pub fn instance(contract: &ContractId) -> LedgerKey {
    persistent(contract, ScVal::LedgerKeyContractInstance)
}

/// The key of a contract's balance in an asset's contract.
#[must_use]
pub fn balance(token: &ContractId, holder: &ContractId) -> LedgerKey {
    let key = vec![symbol("Balance"), ScVal::Address(ScAddress::Contract(holder.clone()))];
    persistent(token, ScVal::Vec(Some(ScVec(key.try_into().expect("two values")))))
}

fn persistent(contract: &ContractId, key: ScVal) -> LedgerKey {
    LedgerKey::ContractData(LedgerKeyContractData {
        contract: ScAddress::Contract(contract.clone()),
        key,
        durability: ContractDataDurability::Persistent,
    })
}
