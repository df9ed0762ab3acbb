#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use stellar_xdr::{AlphaNum4, AssetCode4};

use super::*;
use crate::{AccountId, CommitmentSecret};

#[test]
fn addresses_of_the_known_asset_contracts_are_derived() {
    let testnet = NetworkId::of("Test SDF Network ; September 2015");
    let mainnet = NetworkId::of("Public Global Stellar Network ; September 2015");
    // Native XLM, as stellar-docs and every explorer give them.
    assert_eq!(
        token_contract_id(&testnet, &Asset::Native).to_string(),
        "CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC"
    );
    assert_eq!(
        token_contract_id(&mainnet, &Asset::Native).to_string(),
        "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA"
    );
    // Circle's USDC.
    let issuer: AccountId = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN".parse().unwrap();
    let usdc = Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USDC"), issuer: issuer.to_xdr() });
    assert_eq!(
        token_contract_id(&mainnet, &usdc).to_string(),
        "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75"
    );
}

#[test]
fn a_channel_is_created_with_its_constructors_arguments_in_order() {
    let key = CommitmentSecret::generate().unwrap().public();
    let account = Address::Account(AccountId([1; 32]));
    let terms = OpenTerms {
        token: ContractId([2; 32]),
        from: account,
        commitment_key: key,
        to: Address::Account(AccountId([3; 32])),
        amount: Amount::new(5).unwrap(),
        refund_waiting_period: 17_280,
    };
    let HostFunction::CreateContractV2(create) = create(&account, [9; 32], &WasmHash([7; 32]), &terms) else {
        panic!("not a creation with constructor");
    };
    assert_eq!(create.constructor_args.as_slice(), constructor_args(&terms));
    assert_eq!(create.constructor_args[2], bytes(key.to_bytes()));
    assert_eq!(create.constructor_args[4], ScVal::from(5i128));
    assert_eq!(create.constructor_args[5], ScVal::U32(17_280));
    let network = NetworkId([0; 32]);
    assert_ne!(channel_id(&network, &account, [9; 32]), channel_id(&network, &account, [8; 32]));
}

#[test]
fn a_settlement_calls_settle_with_amount_and_signature() {
    let channel = ContractId([1; 32]);
    let HostFunction::InvokeContract(call) = settle(&channel, Amount::MAX, &Signature([2; 64])) else {
        panic!("not a call");
    };
    assert_eq!(call.contract_address, channel.to_sc());
    assert_eq!(call.function_name.to_string(), "settle");
    assert_eq!(call.args.as_slice(), [ScVal::from(i128::MAX), bytes([2; 64])]);
}

#[test]
fn a_batch_is_a_list_of_lists_of_channel_amount_and_signature() {
    let settlement =
        Settlement { channel: ContractId([3; 32]), amount: Amount::new(7).unwrap(), signature: Signature([9; 64]) };
    let HostFunction::InvokeContract(call) = settle_many(&ContractId([1; 32]), &[settlement.clone(), settlement])
    else {
        panic!("not a call")
    };
    assert_eq!(call.function_name.to_string(), "settle_many");
    let [ScVal::Vec(Some(settlements))] = call.args.as_slice() else { panic!("{:?}", call.args) };
    assert_eq!(settlements.len(), 2);
    for settlement in settlements.iter() {
        let expected =
            vec([ScVal::Address(ContractId([3; 32]).to_sc()), i128_value(Amount::new(7).unwrap()), bytes([9; 64])]);
        assert_eq!(*settlement, expected);
    }
}
