//! Judging issuers and recipients by their ledger entries.

use paychan_channel::xdr::{
    AccountEntry, AccountEntryExt, AccountEntryExtensionV1, AccountEntryExtensionV1Ext, ContractDataDurability,
    ContractDataEntry, ExtensionPoint, Int128Parts, LedgerEntryData, Liabilities, ScMap, ScMapEntry, ScSymbol, ScVal,
    SequenceNumber, String32, Thresholds, TrustLineAsset, TrustLineEntry, TrustLineEntryExt, TrustLineEntryV1,
    TrustLineEntryV1Ext, VecM,
};
use paychan_channel::{AccountId, Address, Amount, ContractId, SacAsset};

use crate::channels::{IssuerFlags, Payability, TokenFacts, issuer_key, payability, payability_keys, token_facts};
use crate::fixtures::{ISSUER, TOKEN, units};

const HOLDER: AccountId = AccountId([4; 32]);
const TO: Address = Address::Account(HOLDER);
const TO_CONTRACT: Address = Address::Contract(ContractId([8; 32]));

fn usdc() -> SacAsset {
    SacAsset::Asset { code: "USDC".to_owned(), issuer: ISSUER }
}

fn account(id: AccountId, flags: u32, balance: i64, buying: i64) -> LedgerEntryData {
    LedgerEntryData::Account(AccountEntry {
        account_id: id.to_xdr(),
        balance,
        seq_num: SequenceNumber(1),
        num_sub_entries: 0,
        inflation_dest: None,
        flags,
        home_domain: String32::default(),
        thresholds: Thresholds([1, 0, 0, 0]),
        signers: VecM::default(),
        ext: AccountEntryExt::V1(AccountEntryExtensionV1 {
            liabilities: Liabilities { buying, selling: 0 },
            ext: AccountEntryExtensionV1Ext::V0,
        }),
    })
}

fn trustline(flags: u32, balance: i64, limit: i64, buying: i64) -> LedgerEntryData {
    LedgerEntryData::Trustline(TrustLineEntry {
        account_id: HOLDER.to_xdr(),
        asset: TrustLineAsset::Native,
        balance,
        limit,
        flags,
        ext: TrustLineEntryExt::V1(TrustLineEntryV1 {
            liabilities: Liabilities { buying, selling: 0 },
            ext: TrustLineEntryV1Ext::V0,
        }),
    })
}

fn balance(amount: i64, authorized: bool) -> LedgerEntryData {
    let symbol = |name: &str| ScVal::Symbol(ScSymbol(name.try_into().unwrap()));
    let amount = ScVal::I128(Int128Parts { hi: if amount < 0 { -1 } else { 0 }, lo: amount.cast_unsigned() });
    let entries = [("amount", amount), ("authorized", ScVal::Bool(authorized)), ("clawback", ScVal::Bool(false))];
    let entries: Vec<_> = entries.into_iter().map(|(name, val)| ScMapEntry { key: symbol(name), val }).collect();
    LedgerEntryData::ContractData(ContractDataEntry {
        ext: ExtensionPoint::V0,
        contract: TOKEN.to_sc(),
        key: ScVal::Void,
        durability: ContractDataDurability::Persistent,
        val: ScVal::Map(Some(ScMap(entries.try_into().unwrap()))),
    })
}

fn facts(flags: u32) -> TokenFacts {
    token_facts(Some(&usdc()), Some(&account(ISSUER, flags, 0, 0))).unwrap()
}

fn paid(asset: &SacAsset, to: &Address, entries: &[Option<LedgerEntryData>]) -> Payability {
    payability(Some(asset), &facts(0), to, entries).unwrap()
}

#[test]
fn an_issuers_flags_are_read_one_by_one() {
    let flags = |bits| match facts(bits) {
        TokenFacts::Asset { issuer: ISSUER, flags: Some(flags) } => flags,
        other => panic!("{other:?}"),
    };
    let none = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: false };
    assert_eq!(flags(0), none);
    assert_eq!(flags(1), IssuerFlags { requires_authorization: true, ..none });
    assert_eq!(flags(2), IssuerFlags { may_revoke: true, ..none });
    assert_eq!(flags(4), none, "immutable takes nothing from anybody");
    assert_eq!(flags(8), IssuerFlags { may_claw_back: true, ..none });
}

#[test]
fn xlm_has_no_issuer_and_a_token_of_its_own_code_is_opaque() {
    assert_eq!(issuer_key(&SacAsset::Native), None);
    assert_eq!(token_facts(Some(&SacAsset::Native), None), Ok(TokenFacts::Native));
    assert_eq!(token_facts(None, None), Ok(TokenFacts::Opaque));
    assert_eq!(token_facts(Some(&usdc()), None), Ok(TokenFacts::Asset { issuer: ISSUER, flags: None }));
}

#[test]
fn an_entry_of_another_type_is_an_error_and_not_an_absence() {
    assert!(token_facts(Some(&usdc()), Some(&trustline(0, 0, 0, 0))).is_err());
    let wrong = [Some(account(HOLDER, 0, 0, 0)), Some(account(HOLDER, 0, 0, 0))];
    assert!(payability(Some(&usdc()), &facts(0), &TO, &wrong).is_err());
    assert!(payability(Some(&usdc()), &facts(0), &TO_CONTRACT, &[Some(account(HOLDER, 0, 0, 0))]).is_err());
    assert!(payability(Some(&usdc()), &facts(0), &TO_CONTRACT, &[Some(balance(-1, true))]).is_err());
}

#[test]
fn an_account_needs_to_exist_to_trust_the_asset_and_to_be_authorized() {
    assert_eq!(payability_keys(&TOKEN, Some(&usdc()), &TO).len(), 2);
    let exists = Some(account(HOLDER, 0, 0, 0));
    assert_eq!(paid(&usdc(), &TO, &[None, None]), Payability::AccountMissing);
    assert_eq!(paid(&usdc(), &TO, &[exists.clone(), None]), Payability::TrustlineMissing);
    assert_eq!(paid(&usdc(), &TO, &[exists.clone(), Some(trustline(0, 0, 100, 0))]), Payability::NotAuthorized);
    let maintain_only = Some(trustline(2, 0, 100, 0));
    assert_eq!(paid(&usdc(), &TO, &[exists.clone(), maintain_only]), Payability::NotAuthorized);
    assert_eq!(paid(&usdc(), &TO, &[exists, Some(trustline(1, 30, 100, 20))]), Payability::Room(units(50)));
}

#[test]
fn room_is_never_negative_and_liabilities_take_of_it() {
    let exists = Some(account(HOLDER, 0, 0, 0));
    let over = Some(trustline(1, 90, 100, 20));
    assert_eq!(paid(&usdc(), &TO, &[exists, over]), Payability::Room(Amount::ZERO));
    assert_eq!(payability_keys(&TOKEN, Some(&SacAsset::Native), &TO).len(), 1);
    let native = paid(&SacAsset::Native, &TO, &[Some(account(HOLDER, 0, 40, 2))]);
    assert_eq!(native, Payability::Room(Amount::new(i128::from(i64::MAX) - 42).unwrap()));
}

#[test]
fn the_issuer_itself_always_has_room() {
    let issuer = Address::Account(ISSUER);
    assert_eq!(paid(&usdc(), &issuer, &[Some(account(ISSUER, 0, 0, 0)), None]), Payability::Room(Amount::MAX));
}

#[test]
fn a_contract_is_paid_unless_its_balance_is_frozen_or_needs_an_authorization_it_never_got() {
    let contract = |flags, entry| payability(Some(&usdc()), &facts(flags), &TO_CONTRACT, &[entry]).unwrap();
    assert_eq!(contract(0, None), Payability::Room(Amount::MAX));
    assert_eq!(contract(1, None), Payability::NotAuthorized);
    assert_eq!(contract(1, Some(balance(7, true))), Payability::Room(Amount::MAX.saturating_sub(units(7))));
    assert_eq!(contract(0, Some(balance(7, false))), Payability::NotAuthorized);
}

#[test]
fn a_token_of_its_own_code_is_the_operators_risk() {
    assert!(payability_keys(&TOKEN, None, &TO).is_empty());
    assert_eq!(payability(None, &TokenFacts::Opaque, &TO, &[]), Ok(Payability::Room(Amount::MAX)));
}
