//! The token refuses a transfer: a holder whose authorization was revoked, an account without room or without a trustline.

use std::rc::Rc;

use soroban_sdk::testutils::IssuerFlags;
use soroban_sdk::xdr::{self, ScAddress};
use soroban_sdk::{Address, TryFromVal};

use crate::world::{Code, FUNDS, Refusal, Terms, World};

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
    let world = World::open(code, 1_000);
    world.issuer.set_authorized(&world.funder, &false);
    assert_eq!(world.close(300), Ok(()));
    let names = world.events().iter().map(|(topics, _)| topics[0].clone()).collect::<Vec<_>>();
    assert_eq!(names.len(), 2, "withdraw and close, no refund: {names:?}");
    assert_eq!(world.holdings(), (FUNDS - 1_000, 300, 700));
    assert!(world.channel.state().refunded);

    world.issuer.set_authorized(&world.funder, &true);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 300, 300, 0));
}

fn a_close_ends_the_channel_though_the_funders_trustline_is_full(code: Code) {
    let world = World::without_channel(code);
    let funder = account(&world, 9);
    trust(&world, 9, 1_000, i64::MAX);
    world.open_with(&Terms { from: funder.clone(), ..world.terms() });
    assert_eq!(world.balance_of(&funder), 0);
    trust(&world, 9, 0, 699);

    assert_eq!(world.close(300), Ok(()));
    assert!(world.channel.state().refunded);
    assert_eq!(world.balance_of(&world.recipient), 300);
    assert_eq!(world.balance_of(&world.channel.address), 700);

    trust(&world, 9, 0, 700);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.balance_of(&funder), 700);
}

fn a_refund_that_the_funder_can_not_receive_changes_nothing(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    world.issuer.set_authorized(&world.funder, &false);
    assert_eq!(world.refund(), Err(Refusal::Host));
    assert!(!world.channel.state().refunded);
    assert_eq!(world.settle(300), Ok(()), "the recipient may still cash in");
}

fn a_settle_that_the_recipient_can_not_receive_changes_nothing(code: Code) {
    let world = World::open(code, 1_000);
    // A balance of contracts begins authorized or not with its first transfer.
    world.settle(1).unwrap();
    world.issuer.set_authorized(&world.recipient, &false);
    assert_eq!(world.settle(300), Err(Refusal::Host));
    assert_eq!(world.close(300), Err(Refusal::Host));
    assert_eq!(world.channel.withdrawn(), 1);
    assert!(!world.channel.state().refunded);

    world.issuer.set_authorized(&world.recipient, &true);
    assert_eq!(world.settle(300), Ok(()));
}

fn a_settle_to_an_account_without_trustline_changes_nothing(code: Code) {
    let world = World::without_channel(code);
    let recipient = account(&world, 9);
    world.open_with(&Terms { to: recipient.clone(), ..world.terms() });
    assert_eq!(world.settle(300), Err(Refusal::Host));
    assert_eq!(world.channel.withdrawn(), 0);

    trust(&world, 9, 0, i64::MAX);
    assert_eq!(world.settle(300), Ok(()));
    assert_eq!(world.balance_of(&recipient), 300);
}

/// The Stellar asset contract's error 6 says that the account doesn't exist; 6 of ours says that the channel is final.
fn a_tokens_error_is_never_taken_for_one_of_the_channels(code: Code) {
    let world = World::without_channel(code);
    let recipient = Address::try_from_val(&world.env, &ScAddress::Account(account_id(9))).unwrap();
    world.open_with(&Terms { to: recipient, ..world.terms() });
    assert_eq!(world.settle(300), Err(Refusal::Host));
}

fn nothing_moves_while_the_channel_itself_is_not_authorized(code: Code) {
    let world = World::open(code, 1_000);
    world.asset.issuer().set_flag(IssuerFlags::RequiredFlag);
    world.issuer.set_authorized(&world.channel.address, &false);
    assert_eq!(world.settle(300), Err(Refusal::Host));
    assert_eq!(world.close(300), Err(Refusal::Host));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert!(!world.channel.state().refunded);

    // The recipient may still end the channel for nothing, and the deposit stays until the issuer lets it move.
    assert_eq!(world.close(0), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert_eq!(world.refund(), Err(Refusal::Host));
    world.issuer.set_authorized(&world.channel.address, &true);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS, 0, 0));
}

fn account_id(name: u8) -> xdr::AccountId {
    xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256([name; 32])))
}

/// A classic account in the ledger, holding nothing.
fn account(world: &World, name: u8) -> Address {
    let key = xdr::LedgerKey::Account(xdr::LedgerKeyAccount { account_id: account_id(name) });
    put(
        world,
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
    Address::try_from_val(&world.env, &ScAddress::Account(account_id(name))).unwrap()
}

/// That account's trustline to the channel's token, with this balance and this limit.
fn trust(world: &World, name: u8, balance: i64, limit: i64) {
    let xdr::Asset::CreditAlphanum4(asset) = world.asset.asset() else { panic!("the test token has four letters") };
    let asset = xdr::TrustLineAsset::CreditAlphanum4(asset);
    let key = xdr::LedgerKey::Trustline(xdr::LedgerKeyTrustLine { account_id: account_id(name), asset: asset.clone() });
    put(
        world,
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

fn put(world: &World, key: xdr::LedgerKey, data: xdr::LedgerEntryData) {
    let entry = xdr::LedgerEntry { last_modified_ledger_seq: 0, data, ext: xdr::LedgerEntryExt::V0 };
    world.env.host().add_ledger_entry(&Rc::new(key), &Rc::new(entry), None).unwrap();
}
