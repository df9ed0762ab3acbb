//! Builds the host functions that create a channel, call it and upload its code.

use sha2::{Digest, Sha256};
use stellar_xdr::{
    Asset, ContractExecutable, ContractIdPreimage, ContractIdPreimageFromAddress, CreateContractArgs,
    CreateContractArgsV2, Hash, HashIdPreimage, HashIdPreimageContractId, HostFunction, InvokeContractArgs, Limits,
    ScAddress, ScSymbol, ScVal, ScVec, Uint256, VecM, WriteXdr,
};

use crate::scval::{amount as i128_value, bytes, vec};
use crate::{Address, Amount, CommitmentKey, ContractId, NetworkId, Signature, WasmHash, WasmTooLarge};

/// The arguments of a channel's constructor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTerms {
    /// The token it holds and pays.
    pub token: ContractId,
    /// The funder. It must authorize the opening.
    pub from: Address,
    /// The key whose signatures are commitments.
    pub commitment_key: CommitmentKey,
    /// The recipient.
    pub to: Address,
    /// The first deposit, in base units; may be zero.
    pub amount: Amount,
    /// Ledgers between `close_start` and the deadline.
    pub refund_waiting_period: u32,
}

/// The constructor's arguments, in order.
#[must_use]
pub fn constructor_args(terms: &OpenTerms) -> Vec<ScVal> {
    vec![
        ScVal::Address(terms.token.to_sc()),
        ScVal::Address(terms.from.to_sc()),
        bytes(terms.commitment_key.to_bytes()),
        ScVal::Address(terms.to.to_sc()),
        i128_value(terms.amount),
        ScVal::U32(terms.refund_waiting_period),
    ]
}

/// Creates a channel from uploaded code and opens it. Its address will be [`channel_id`] of the same deployer and salt.
#[must_use]
pub fn create(deployer: &Address, salt: [u8; 32], wasm: &WasmHash, terms: &OpenTerms) -> HostFunction {
    HostFunction::CreateContractV2(CreateContractArgsV2 {
        contract_id_preimage: from_address(deployer, salt),
        executable: ContractExecutable::Wasm(Hash(wasm.0)),
        constructor_args: args(constructor_args(terms)),
    })
}

/// Creates a contract without a constructor, as the batch contract is, from uploaded code.
#[must_use]
pub fn create_plain(deployer: &Address, salt: [u8; 32], wasm: &WasmHash) -> HostFunction {
    HostFunction::CreateContractV2(CreateContractArgsV2 {
        contract_id_preimage: from_address(deployer, salt),
        executable: ContractExecutable::Wasm(Hash(wasm.0)),
        constructor_args: VecM::default(),
    })
}

/// The address of the contract that `deployer` creates with `salt`. It is known before the contract exists.
#[must_use]
pub fn channel_id(network: &NetworkId, deployer: &Address, salt: [u8; 32]) -> ContractId {
    contract_id(network, from_address(deployer, salt))
}

/// The address of an asset's Stellar asset contract, whether it has been created or not.
#[must_use]
pub fn token_contract_id(network: &NetworkId, asset: &Asset) -> ContractId {
    contract_id(network, ContractIdPreimage::Asset(asset.clone()))
}

/// Creates an asset's Stellar asset contract. Anyone may do that. It fails when the contract exists.
#[must_use]
pub fn create_asset_contract(asset: &Asset) -> HostFunction {
    HostFunction::CreateContract(CreateContractArgs {
        contract_id_preimage: ContractIdPreimage::Asset(asset.clone()),
        executable: ContractExecutable::StellarAsset,
    })
}

/// Uploads a Wasm module; its hash is [`WasmHash::of`] the same bytes.
///
/// # Errors
/// [`WasmTooLarge`] above 4 GiB, the limit of XDR. The network's own limit is far lower, and simulation reports it.
pub fn upload(wasm: Vec<u8>) -> Result<HostFunction, WasmTooLarge> {
    let length = wasm.len();
    let wasm = wasm.try_into().map_err(|_| WasmTooLarge(length))?;
    Ok(HostFunction::UploadContractWasm(wasm))
}

/// Deposits more. The funder must authorize.
#[must_use]
pub fn top_up(channel: &ContractId, amount: Amount) -> HostFunction {
    invoke(channel, "top_up", vec![i128_value(amount)])
}

/// Pays the recipient up to the committed total. Our contract needs nobody's authorization; the reference's and the
/// fork's need the recipient's.
#[must_use]
pub fn settle(channel: &ContractId, amount: Amount, signature: &Signature) -> HostFunction {
    invoke(channel, "settle", vec![i128_value(amount), bytes(signature.0)])
}

/// A channel's commitment, for [`settle_many`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The channel.
    pub channel: ContractId,
    /// The committed total, in base units.
    pub amount: Amount,
    /// The commitment key's signature of that total.
    pub signature: Signature,
}

/// Settles many channels through the batch contract. It needs nobody's authorization. The answer is a list of booleans
/// in the same order, true where `settle` succeeded.
///
/// Simulate first, and leave out the settlements that answer false. The network's limits decide how many fit into one
/// transaction: with testnet's limits about 39 channels of an asset like USDC (`scripts/figures.sh` measures it).
#[must_use]
pub fn settle_many(batch: &ContractId, settlements: &[Settlement]) -> HostFunction {
    let settlements = settlements
        .iter()
        .map(|it| vec([ScVal::Address(it.channel.to_sc()), i128_value(it.amount), bytes(it.signature.0)]));
    let settlements = ScVal::Vec(Some(ScVec(args(settlements.collect()))));
    invoke(batch, "settle_many", vec![settlements])
}

/// Pays the recipient up to the committed total and ends the channel. The recipient must authorize.
///
/// In our contract a recipient may end a channel without a commitment: when the amount is not above `withdrawn`, the
/// contract does not check the signature.
#[must_use]
pub fn close(channel: &ContractId, amount: Amount, signature: &Signature) -> HostFunction {
    invoke(channel, "close", vec![i128_value(amount), bytes(signature.0)])
}

/// Starts the waiting period. The funder must authorize.
#[must_use]
pub fn close_start(channel: &ContractId) -> HostFunction {
    invoke(channel, "close_start", Vec::new())
}

/// Pays what is left back to the funder. This is possible from the deadline on. The funder must authorize.
#[must_use]
pub fn refund(channel: &ContractId) -> HostFunction {
    invoke(channel, "refund", Vec::new())
}

/// Extends the life of the channel's instance and code. Anyone may call it. The reference's contract does not have it.
#[must_use]
pub fn extend(channel: &ContractId) -> HostFunction {
    invoke(channel, "extend", Vec::new())
}

/// Asks for the channel's balance. Simulate this call, do not send it. It reads the channel's instance and code, and
/// what the token holds for it.
#[must_use]
pub fn balance(channel: &ContractId) -> HostFunction {
    invoke(channel, "balance", Vec::new())
}

/// Asks for the whole state in one call. Simulate this call, do not send it. Only our contract has it.
#[must_use]
pub fn state(channel: &ContractId) -> HostFunction {
    invoke(channel, "state", Vec::new())
}

/// Asks for the bytes to sign. Simulate this call as a check; [`Commitment::to_bytes`](crate::Commitment::to_bytes)
/// computes the same bytes without a node.
#[must_use]
pub fn prepare_commitment(channel: &ContractId, amount: Amount) -> HostFunction {
    invoke(channel, "prepare_commitment", vec![i128_value(amount)])
}

/// Asks a token (SEP-41) for its decimals. Simulate this call, do not send it.
#[must_use]
pub fn token_decimals(token: &ContractId) -> HostFunction {
    invoke(token, "decimals", Vec::new())
}

/// Asks a token (SEP-41) for a balance. Simulate this call, do not send it.
#[must_use]
pub fn token_balance(token: &ContractId, holder: &Address) -> HostFunction {
    invoke(token, "balance", vec![ScVal::Address(holder.to_sc())])
}

/// Sends tokens (SEP-41). `from` must authorize.
#[must_use]
pub fn token_transfer(token: &ContractId, from: &Address, to: &Address, amount: Amount) -> HostFunction {
    invoke(token, "transfer", vec![ScVal::Address(from.to_sc()), ScVal::Address(to.to_sc()), i128_value(amount)])
}

fn invoke(contract: &ContractId, function: &'static str, values: Vec<ScVal>) -> HostFunction {
    let contract_address: ScAddress = contract.to_sc();
    HostFunction::InvokeContract(InvokeContractArgs {
        contract_address,
        function_name: ScSymbol(function.try_into().expect("names written here are at most 32 characters")),
        args: args(values),
    })
}

fn args(values: Vec<ScVal>) -> VecM<ScVal> {
    values.try_into().expect("XDR takes 2^32 - 1 values, more than any memory here holds")
}

fn from_address(deployer: &Address, salt: [u8; 32]) -> ContractIdPreimage {
    ContractIdPreimage::Address(ContractIdPreimageFromAddress { address: deployer.to_sc(), salt: Uint256(salt) })
}

/// SHA-256 of the preimage, as the network derives every contract's address (CAP-46-02).
fn contract_id(network: &NetworkId, contract_id_preimage: ContractIdPreimage) -> ContractId {
    let preimage =
        HashIdPreimage::ContractId(HashIdPreimageContractId { network_id: Hash(network.0), contract_id_preimage });
    let bytes = preimage.to_xdr(Limits::none()).expect("a preimage of fixed parts has an encoding");
    ContractId(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests;
