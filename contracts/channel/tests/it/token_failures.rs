//! The token refuses a transfer, because a holder's authorization was revoked, or because an account has no room or no
//! trustline.

use std::rc::Rc;

use soroban_sdk::testutils::IssuerFlags;
use soroban_sdk::xdr::{self, ScAddress};
use soroban_sdk::{Address, TryFromVal};

use crate::env::{Code, FUNDS, Refusal, Terms, TestEnv};

on_both!(
    a_close_ends_the_channel_though_the_funder_can_not_receive,
    a_close_ends_the_channel_though_the_funders_trustline_is_full,
    a_refund_that_the_funder_can_not_receive_changes_nothing,
    a_settle_that_the_recipient_can_not_receive_changes_nothing,
    a_settle_to_an_account_without_trustline_changes_nothing,
    a_tokens_error_is_never_taken_for_one_of_the_channels,
    nothing_moves_while_the_channel_itself_is_not_authorized,
);

fn a_close_ends_the_channel_though_the_funder_can_not_receive(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.issuer.set_authorized(&test.funder, &false);
    assert_eq!(test.close(300), Ok(()));
    let names = test.events().iter().map(|(topics, _)| topics[0].clone()).collect::<Vec<_>>();
    assert_eq!(names.len(), 2, "withdraw and close, no refund: {names:?}");
    assert_eq!(test.holdings(), (FUNDS - 1_000, 300, 700));
    assert!(test.channel.state().refunded);

    test.issuer.set_authorized(&test.funder, &true);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 300, 300, 0));
}

fn a_close_ends_the_channel_though_the_funders_trustline_is_full(code: Code) {
    let test = TestEnv::without_channel(code);
    let funder = account(&test, 9);
    trust(&test, 9, 1_000, i64::MAX);
    test.open_with(&Terms { from: funder.clone(), ..test.terms() });
    assert_eq!(test.balance_of(&funder), 0);
    trust(&test, 9, 0, 699);

    assert_eq!(test.close(300), Ok(()));
    assert!(test.channel.state().refunded);
    assert_eq!(test.balance_of(&test.recipient), 300);
    assert_eq!(test.balance_of(&test.channel.address), 700);

    trust(&test, 9, 0, 700);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.balance_of(&funder), 700);
}

fn a_refund_that_the_funder_can_not_receive_changes_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    test.issuer.set_authorized(&test.funder, &false);
    assert_eq!(test.refund(), Err(Refusal::Host));
    assert!(!test.channel.state().refunded);
    assert_eq!(test.settle(300), Ok(()), "the recipient may still cash in");
}

fn a_settle_that_the_recipient_can_not_receive_changes_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    // Whether a contract's balance is authorized is decided at its first transfer.
    test.settle(1).unwrap();
    test.issuer.set_authorized(&test.recipient, &false);
    assert_eq!(test.settle(300), Err(Refusal::Host));
    assert_eq!(test.close(300), Err(Refusal::Host));
    assert_eq!(test.channel.withdrawn(), 1);
    assert!(!test.channel.state().refunded);

    test.issuer.set_authorized(&test.recipient, &true);
    assert_eq!(test.settle(300), Ok(()));
}

fn a_settle_to_an_account_without_trustline_changes_nothing(code: Code) {
    let test = TestEnv::without_channel(code);
    let recipient = account(&test, 9);
    test.open_with(&Terms { to: recipient.clone(), ..test.terms() });
    assert_eq!(test.settle(300), Err(Refusal::Host));
    assert_eq!(test.channel.withdrawn(), 0);

    trust(&test, 9, 0, i64::MAX);
    assert_eq!(test.settle(300), Ok(()));
    assert_eq!(test.balance_of(&recipient), 300);
}

/// Error 6 of the Stellar asset contract means that an account does not exist; error 6 of ours that the channel is final.
fn a_tokens_error_is_never_taken_for_one_of_the_channels(code: Code) {
    let test = TestEnv::without_channel(code);
    let recipient = Address::try_from_val(&test.env, &ScAddress::Account(account_id(9))).unwrap();
    test.open_with(&Terms { to: recipient, ..test.terms() });
    assert_eq!(test.settle(300), Err(Refusal::Host));
}

fn nothing_moves_while_the_channel_itself_is_not_authorized(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.asset.issuer().set_flag(IssuerFlags::RequiredFlag);
    test.issuer.set_authorized(&test.channel.address, &false);
    assert_eq!(test.settle(300), Err(Refusal::Host));
    assert_eq!(test.close(300), Err(Refusal::Host));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert!(!test.channel.state().refunded);

    // The recipient may still end the channel without a payment. The deposit stays there until the issuer allows transfers.
    assert_eq!(test.close(0), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert_eq!(test.refund(), Err(Refusal::Host));
    test.issuer.set_authorized(&test.channel.address, &true);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
}

fn account_id(name: u8) -> xdr::AccountId {
    xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256([name; 32])))
}

/// A classic account in the ledger that holds nothing.
fn account(test: &TestEnv, name: u8) -> Address {
    let key = xdr::LedgerKey::Account(xdr::LedgerKeyAccount { account_id: account_id(name) });
    put(
        test,
        key,
        xdr::LedgerEntryData::Account(xdr::AccountEntry {
            account_id: account_id(name),
            balance: 100_000_000,
            seq_num: xdr::SequenceNumber(0),
            num_sub_entries: 0,
            inflation_dest: None,
            flags: 0,
            home_domain: xdr::String32::default(),
            thresholds: xdr::Thresholds([1; 4]),
            signers: xdr::VecM::default(),
            ext: xdr::AccountEntryExt::V0,
        }),
    );
    Address::try_from_val(&test.env, &ScAddress::Account(account_id(name))).unwrap()
}

/// The account's trustline to the channel's token, with this balance and this limit.
fn trust(test: &TestEnv, name: u8, balance: i64, limit: i64) {
    let xdr::Asset::CreditAlphanum4(asset) = test.asset.asset() else { panic!("the test token has four letters") };
    let asset = xdr::TrustLineAsset::CreditAlphanum4(asset);
    let key = xdr::LedgerKey::Trustline(xdr::LedgerKeyTrustLine { account_id: account_id(name), asset: asset.clone() });
    put(
        test,
        key,
        xdr::LedgerEntryData::Trustline(xdr::TrustLineEntry {
            account_id: account_id(name),
            asset,
            balance,
            limit,
            flags: xdr::TrustLineFlags::AuthorizedFlag as u32,
            ext: xdr::TrustLineEntryExt::V0,
        }),
    );
}

fn put(test: &TestEnv, key: xdr::LedgerKey, data: xdr::LedgerEntryData) {
    let entry = xdr::LedgerEntry { last_modified_ledger_seq: 0, data, ext: xdr::LedgerEntryExt::V0 };
    test.env.host().add_ledger_entry(&Rc::new(key), &Rc::new(entry), None).unwrap();
}
