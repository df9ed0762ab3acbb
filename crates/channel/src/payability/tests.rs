#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use stellar_xdr::{
    AccountEntryExtensionV1, AccountEntryExtensionV1Ext, ContractDataDurability, ContractDataEntry, ExtensionPoint,
    Int128Parts, ScMap, ScMapEntry, ScSymbol, SequenceNumber, String32, Thresholds, TrustLineAsset, TrustLineEntryV1,
    TrustLineEntryV1Ext, VecM,
};

use super::*;

const ISSUER: AccountId = AccountId([1; 32]);
const TOKEN: ContractId = ContractId([2; 32]);

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

fn risk(flags: u32) -> TokenRisk {
    token_risk(Some(&usdc()), Some(&account(ISSUER, flags, 0, 0))).unwrap()
}

fn paid(asset: &SacAsset, to: &Address, entries: &[Option<LedgerEntryData>]) -> Payability {
    payability(Some(asset), &risk(0), to, entries).unwrap()
}

#[test]
fn an_issuers_flags_are_read_one_by_one() {
    let flags = |bits| match risk(bits) {
        TokenRisk::Asset { issuer: ISSUER, flags: Some(flags) } => flags,
        other => panic!("{other:?}"),
    };
    let none = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: false };
    assert_eq!(flags(0), none);
    assert_eq!(flags(1), IssuerFlags { requires_authorization: true, ..none });
    assert_eq!(flags(2), IssuerFlags { may_revoke: true, ..none });
    assert_eq!(flags(4), none, "the immutable flag gives the issuer no power over holders");
    assert_eq!(flags(8), IssuerFlags { may_claw_back: true, ..none });
}

#[test]
fn xlm_has_no_issuer_and_a_token_of_its_own_code_is_opaque() {
    assert_eq!(issuer_key(&SacAsset::Native), None);
    assert_eq!(token_risk(Some(&SacAsset::Native), None), Ok(TokenRisk::Native));
    assert_eq!(token_risk(None, None), Ok(TokenRisk::Opaque));
    assert_eq!(token_risk(Some(&usdc()), None), Ok(TokenRisk::Asset { issuer: ISSUER, flags: None }));
}

#[test]
fn an_entry_of_another_type_is_an_error_and_not_an_absence() {
    assert!(token_risk(Some(&usdc()), Some(&trustline(0, 0, 0, 0))).is_err());
    let wrong = [Some(account(HOLDER, 0, 0, 0)), Some(account(HOLDER, 0, 0, 0))];
    assert!(payability(Some(&usdc()), &risk(0), &TO, &wrong).is_err());
    assert!(payability(Some(&usdc()), &risk(0), &TO_CONTRACT, &[Some(account(HOLDER, 0, 0, 0))]).is_err());
    assert!(payability(Some(&usdc()), &risk(0), &TO_CONTRACT, &[Some(balance(-1, true))]).is_err());
}

#[test]
fn an_account_needs_to_exist_to_trust_the_asset_and_to_be_authorized() {
    assert_eq!(recipient_keys(&TOKEN, Some(&usdc()), &TO).len(), 2);
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
    assert_eq!(recipient_keys(&TOKEN, Some(&SacAsset::Native), &TO).len(), 1);
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
    let contract = |flags, entry| payability(Some(&usdc()), &risk(flags), &TO_CONTRACT, &[entry]).unwrap();
    assert_eq!(contract(0, None), Payability::Room(Amount::MAX));
    assert_eq!(contract(1, None), Payability::NotAuthorized);
    assert_eq!(contract(1, Some(balance(7, true))), Payability::Room(Amount::MAX.saturating_sub(units(7))));
    assert_eq!(contract(0, Some(balance(7, false))), Payability::NotAuthorized);
}

#[test]
fn a_token_of_its_own_code_is_the_operators_risk() {
    assert!(recipient_keys(&TOKEN, None, &TO).is_empty());
    assert_eq!(payability(None, &TokenRisk::Opaque, &TO, &[]), Ok(Payability::Room(Amount::MAX)));
}

fn units(units: u64) -> Amount {
    Amount::from(units)
}

fn promise(highest: u64, withdrawn: u64) -> Promise {
    Promise { highest: units(highest), withdrawn: units(withdrawn) }
}

#[test]
fn two_channels_of_8_do_not_fit_into_a_room_of_10() {
    let mut room = SharedRoom::new(Payability::Room(units(10)), [promise(0, 0), promise(0, 0)]);
    assert_eq!(room.take(units(8)), Ok(()));
    assert_eq!(room.take(units(8)), Err(NoRoom { left: units(2), asked: units(8) }));
    assert_eq!(room.take(units(2)), Ok(()));
    assert_eq!(room.left(), Amount::ZERO);
}

#[test]
fn a_recipient_that_cannot_be_paid_has_room_for_nothing() {
    for payability in [Payability::AccountMissing, Payability::TrustlineMissing, Payability::NotAuthorized] {
        assert!(SharedRoom::new(payability, []).take(units(1)).is_err(), "{payability}");
        assert!(!payability.can_take(Amount::ZERO));
    }
}

#[test]
fn a_recipient_without_a_limit_has_room_for_every_sum() {
    let mut room = SharedRoom::new(Payability::Room(Amount::MAX), [promise(u64::MAX, 0)]);
    assert_eq!(room.take(Amount::MAX), Ok(()));
    assert_eq!(room.take(Amount::MAX), Ok(()));
}

#[test]
fn a_funder_spends_what_it_holds_less_what_it_offers() {
    let selling = |entry: LedgerEntryData, amount| match entry {
        LedgerEntryData::Trustline(mut line) => {
            let liabilities = Liabilities { buying: 0, selling: amount };
            line.ext = TrustLineEntryExt::V1(TrustLineEntryV1 { liabilities, ext: TrustLineEntryV1Ext::V0 });
            LedgerEntryData::Trustline(line)
        }
        other => other,
    };
    let exists = Some(account(HOLDER, 0, 70, 0));
    let can = |asset: &SacAsset, who: &AccountId, entries: &[_]| spendable(asset, who, entries).unwrap();
    assert_eq!(can(&SacAsset::Native, &HOLDER, std::slice::from_ref(&exists)), Spendable::UpTo(units(70)));
    assert_eq!(can(&usdc(), &HOLDER, &[None, None]), Spendable::AccountMissing);
    assert_eq!(can(&usdc(), &HOLDER, &[exists.clone(), None]), Spendable::TrustlineMissing);
    // Flag 2 is "may keep liabilities", not "may hold".
    let frozen = Some(trustline(2, 70, 100, 0));
    assert_eq!(can(&usdc(), &HOLDER, &[exists.clone(), frozen]), Spendable::NotAuthorized);
    let line = Some(selling(trustline(1, 70, 100, 0), 30));
    assert_eq!(can(&usdc(), &HOLDER, &[exists.clone(), line]), Spendable::UpTo(units(40)));
    let issuer = Some(account(ISSUER, 0, 0, 0));
    assert_eq!(can(&usdc(), &ISSUER, &[issuer, None]), Spendable::UpTo(Amount::MAX));
    assert!(spendable(&usdc(), &HOLDER, &[exists.clone(), exists]).is_err());
}

proptest! {
    #[test]
    fn settling_after_the_reading_frees_no_room(
        room in 0u64..1_000, highest in 0u64..1_000, settled in 0u64..1_000, more in 0u64..2_000,
    ) {
        // The commitment is settled after the room was read: neither room nor `withdrawn` of the reading knows of it.
        let settled = settled.min(highest).min(room);
        let mut stale = SharedRoom::new(Payability::Room(units(room)), [promise(highest, 0)]);
        let mut now = SharedRoom::new(Payability::Room(units(room - settled)), [promise(highest, settled)]);
        prop_assert_eq!(stale, now);
        prop_assert_eq!(stale.take(units(more)).is_ok(), now.take(units(more)).is_ok());
    }

    #[test]
    fn all_that_was_taken_can_be_paid(room in 0u64..1_000, asked in prop::collection::vec(0u64..400, 0..10)) {
        let mut shared = SharedRoom::new(Payability::Room(units(room)), []);
        let taken: u64 = asked.iter().filter(|more| shared.take(units(**more)).is_ok()).sum();
        prop_assert!(taken <= room);
    }
}
