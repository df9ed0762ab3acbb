//! The events of classic operations and of fees. They are the same that an asset's contract emits (CAP-67), so that a reader
//! of events sees every movement.

use stellar_xdr::{
    AccountId, Asset, ContractEvent, ContractEventBody, ContractEventType, ContractEventV0, ContractId,
    ContractIdPreimage, ExtensionPoint, Hash, HashIdPreimage, HashIdPreimageContractId, Int128Parts, Memo,
    MuxedAccount, ScAddress, ScMap, ScMapEntry, ScString, ScSymbol, ScVal,
};

use super::Classic;
use crate::ledger::{
    accounts::{asset_code, issuer, public_key, unmuxed},
    header::sha256,
};

/// The address of an asset's contract, whether it exists or not.
pub(crate) fn asset_contract(network_id: [u8; 32], asset: &Asset) -> ContractId {
    let preimage = HashIdPreimage::ContractId(HashIdPreimageContractId {
        network_id: Hash(network_id),
        contract_id_preimage: ContractIdPreimage::Asset(asset.clone()),
    });
    ContractId(Hash(sha256(&preimage)))
}

/// Emits that an amount went from the operation's source to the destination. From the issuer it is minted, and to the
/// issuer it is burnt.
pub(super) fn moved(classic: &mut Classic<'_>, asset: &Asset, destination: &MuxedAccount, units: i64) {
    let (from, to) = (classic.source_id(), unmuxed(destination));
    let from_issuer = issuer(asset) == Some(&from);
    let to_issuer = issuer(asset) == Some(&to);
    let paid = paid(units, destination, &classic.tx.tx().memo);
    let topics = match (from_issuer, to_issuer) {
        (true, false) => vec![symbol("mint"), address(&to)],
        (false, true) => vec![symbol("burn"), address(&from)],
        _ => vec![symbol("transfer"), address(&from), address(&to)],
    };
    // A burn has no recipient, so an id or a memo would name nobody.
    let data = if to_issuer && !from_issuer { amount(units) } else { paid };
    emit(classic, asset, topics, data);
}

/// Emits that the issuer set a trustline's authorization.
pub(super) fn authorized(classic: &mut Classic<'_>, asset: &Asset, holder: &AccountId, authorized: bool) {
    emit(classic, asset, vec![symbol("set_authorized"), address(holder)], ScVal::Bool(authorized));
}

/// Emits that the issuer took an amount from a holder.
pub(super) fn clawed_back(classic: &mut Classic<'_>, asset: &Asset, holder: &AccountId, units: i64) {
    emit(classic, asset, vec![symbol("clawback"), address(holder)], amount(units));
}

/// The event that the payer paid a fee, in stroops. A negative fee was given back.
pub(crate) fn fee(network_id: [u8; 32], payer: &AccountId, stroops: i64) -> ContractEvent {
    event(asset_contract(network_id, &Asset::Native), vec![symbol("fee"), address(payer)], amount(stroops))
}

fn emit(classic: &mut Classic<'_>, asset: &Asset, mut topics: Vec<ScVal>, data: ScVal) {
    topics.push(ScVal::String(ScString(asset_name(asset).as_str().try_into().expect("an asset's name is short"))));
    classic.events.push(event(asset_contract(classic.network_id, asset), topics, data));
}

fn event(contract: ContractId, topics: Vec<ScVal>, data: ScVal) -> ContractEvent {
    ContractEvent {
        ext: ExtensionPoint::V0,
        contract_id: Some(contract),
        type_: ContractEventType::Contract,
        body: ContractEventBody::V0(ContractEventV0 { topics: topics.try_into().expect("a few topics"), data }),
    }
}

/// `native`, or `CODE:ISSUER` (SEP-11).
pub(crate) fn asset_name(asset: &Asset) -> String {
    match issuer(asset) {
        None => "native".to_owned(),
        Some(issuer) => {
            let code = String::from_utf8_lossy(asset_code(asset));
            format!("{code}:{}", stellar_strkey::ed25519::PublicKey(public_key(issuer)))
        }
    }
}

/// The amount, together with the recipient's muxed id or the memo if there is one.
fn paid(units: i64, destination: &MuxedAccount, memo: &Memo) -> ScVal {
    let id = match (destination, memo) {
        (MuxedAccount::MuxedEd25519(muxed), _) => ScVal::U64(muxed.id),
        (_, Memo::None) => return amount(units),
        (_, Memo::Id(id)) => ScVal::U64(*id),
        (_, Memo::Text(text)) => {
            ScVal::String(ScString(text.as_slice().to_vec().try_into().expect("28 bytes at most")))
        }
        (_, Memo::Hash(hash) | Memo::Return(hash)) => ScVal::Bytes(hash.0.to_vec().try_into().expect("32 bytes")),
    };
    let entries = vec![
        ScMapEntry { key: symbol("amount"), val: amount(units) },
        ScMapEntry { key: symbol("to_muxed_id"), val: id },
    ];
    ScVal::Map(Some(ScMap(entries.try_into().expect("two entries"))))
}

fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().expect("32 bytes at most")))
}

fn address(id: &AccountId) -> ScVal {
    ScVal::Address(ScAddress::Account(id.clone()))
}

fn amount(units: i64) -> ScVal {
    let units = i128::from(units);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the two halves of the number")]
    ScVal::I128(Int128Parts { hi: (units >> 64) as i64, lo: units as u64 })
}
