#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use stellar_xdr::ReadXdr;

use super::*;

// Made with @stellar/stellar-sdk 14.6.1, `authorizeEntry`: the account of seed 2... authorizes a `settle` on the test
// network until ledger 1005.
const UNSIGNED: &str = "AAAAAQAAAAAAAAAAgTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5QAAAEfcfsEywAAAAAAAAABAAAAAAAAAAGq1pVAumTDQvWIFMrk3YLX\
    F7p3fXYzyBwJ4PSRBtHdjAAAAAZzZXR0bGUAAAAAAAIAAAAKAAAAAAAAAAAAAAAAAFuNgAAAAA0AAABAAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD\
    AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwAAAAA=";
const SIGNED: &str = "AAAAAQAAAAAAAAAAgTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5QAAAEfcfsEywAAA+0AAAAQAAAAAQAAAAEAAAARAAAAAQAAAAIAAAAP\
    AAAACnB1YmxpY19rZXkAAAAAAA0AAAAggTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5QAAAAPAAAACXNpZ25hdHVyZQAAAAAAAA0AAABA\
    lrbLv8uwhChmJEZq5IZYyUNV9dQrDx3zVOGwwtuEzrsvT17M1cxq/kfVH6+cV7Sig56yWR5fOwYRBFd093kFAQAAAAAAAAABqtaVQLpkw0L1iBTK\
    5N2C1xe6d312M8gcCeD0kQbR3YwAAAAGc2V0dGxlAAAAAAACAAAACgAAAAAAAAAAAAAAAABbjYAAAAANAAAAQAMDAwMDAwMDAwMDAwMDAwMDAwMD\
    AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMAAAAA";

fn entry(base64: &str) -> SorobanAuthorizationEntry {
    SorobanAuthorizationEntry::from_xdr_base64(base64, Limits::none()).unwrap()
}

fn testnet() -> NetworkId {
    NetworkId::of("Test SDF Network ; September 2015")
}

#[test]
fn an_authorization_is_the_same_bytes_as_the_javascript_sdk_makes() {
    let key = SecretKey::from_seed(&[2; 32]);
    let signed = sign_auth_entry(&entry(UNSIGNED), &key, &testnet(), Ledger(1005)).unwrap();
    assert_eq!(signed.to_xdr_base64(Limits::none()).unwrap(), SIGNED);
}

#[test]
fn the_right_key_is_found_among_several_and_a_missing_one_is_named() {
    let (stranger, owner) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let entries = [entry(UNSIGNED)];
    let signed = sign_auth_entries(&entries, &[&stranger, &owner], &testnet(), Ledger(1005)).unwrap();
    assert_eq!(signed, [entry(SIGNED)]);
    assert_eq!(
        sign_auth_entries(&entries, &[&stranger], &testnet(), Ledger(1005)),
        Err(AuthError::KeyMissing(owner.account()))
    );
}

#[test]
fn the_sources_entry_is_left_alone() {
    let source = SorobanAuthorizationEntry { credentials: SorobanCredentials::SourceAccount, ..entry(UNSIGNED) };
    assert!(!needs_signature(&source) && needs_signature(&entry(UNSIGNED)));
    assert_eq!(sign_auth_entries(std::slice::from_ref(&source), &[], &testnet(), Ledger(9)), Ok(vec![source]));
}

#[test]
fn a_contract_that_must_authorize_is_named() {
    let mut contracts = entry(UNSIGNED);
    let id = paychan_channel::ContractId([9; 32]);
    if let SorobanCredentials::Address(credentials) = &mut contracts.credentials {
        credentials.address = id.to_sc();
    }
    let key = SecretKey::from_seed(&[2; 32]);
    let error = sign_auth_entry(&contracts, &key, &testnet(), Ledger(9)).unwrap_err();
    assert_eq!(error, AuthError::Contract(Address::Contract(id)));
}

#[test]
fn the_newer_form_signs_the_address_too() {
    let mut newer = entry(UNSIGNED);
    if let SorobanCredentials::Address(credentials) = newer.credentials.clone() {
        newer.credentials = SorobanCredentials::AddressV2(credentials);
    }
    let key = SecretKey::from_seed(&[2; 32]);
    let signed = sign_auth_entry(&newer, &key, &testnet(), Ledger(1005)).unwrap();
    let SorobanCredentials::AddressV2(newer) = signed.credentials else { panic!("another form") };
    let SorobanCredentials::Address(older) = entry(SIGNED).credentials else { panic!("another form") };
    assert_ne!(newer.signature, older.signature);
    // The preimage of CAP-71, built here independently.
    let preimage = HashIdPreimage::SorobanAuthorizationWithAddress(HashIdPreimageSorobanAuthorizationWithAddress {
        network_id: Hash(testnet().0),
        nonce: older.nonce,
        signature_expiration_ledger: 1005,
        address: older.address,
        invocation: signed.root_invocation,
    });
    let hash: [u8; 32] = Sha256::digest(preimage.to_xdr(Limits::none()).unwrap()).into();
    assert_eq!(newer.signature, signature_value(&key.account(), key.sign(&hash)));
}
