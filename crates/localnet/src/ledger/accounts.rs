//! Accounts and trustlines: balances, reserves, authorization.
//!
//! Amounts are stroops, or base units of an asset with 7 decimals. A sum that doesn't fit is refused and never wraps.

use stellar_xdr::{
    AccountEntry, AccountEntryExt, AccountEntryExtensionV1, AccountEntryExtensionV1Ext, AccountEntryExtensionV2,
    AccountEntryExtensionV2Ext, AccountEntryExtensionV3, AccountFlags, AccountId, Asset, ExtensionPoint,
    LedgerEntryData, LedgerKey, LedgerKeyAccount, LedgerKeyTrustLine, Liabilities, MuxedAccount, PublicKey,
    SponsorshipDescriptor, String32, Thresholds, TimePoint, TrustLineAsset, TrustLineEntry, TrustLineEntryExt,
    TrustLineFlags, Uint256,
};

use super::entries::Entries;
use crate::settings::BASE_RESERVE;

/// An account counts as this many entries, in addition to its subentries (stellar-core, minimum balance).
const OWN_ENTRIES: i64 = 2;
/// The most subentries of one account.
const MAX_SUBENTRIES: u32 = 1_000;

pub(crate) fn account_id(bytes: [u8; 32]) -> AccountId {
    AccountId(PublicKey::PublicKeyTypeEd25519(Uint256(bytes)))
}

pub(crate) fn public_key(id: &AccountId) -> [u8; 32] {
    let PublicKey::PublicKeyTypeEd25519(Uint256(bytes)) = &id.0;
    *bytes
}

/// The account behind a possibly muxed address.
pub(crate) fn unmuxed(account: &MuxedAccount) -> AccountId {
    match account {
        MuxedAccount::Ed25519(key) => account_id(key.0),
        MuxedAccount::MuxedEd25519(muxed) => account_id(muxed.ed25519.0),
    }
}

pub(crate) fn account_key(id: &AccountId) -> LedgerKey {
    LedgerKey::Account(LedgerKeyAccount { account_id: id.clone() })
}

pub(crate) fn trustline_key(id: &AccountId, asset: &TrustLineAsset) -> LedgerKey {
    LedgerKey::Trustline(LedgerKeyTrustLine { account_id: id.clone(), asset: asset.clone() })
}

pub(crate) fn find_account<'a>(entries: &'a Entries, id: &AccountId) -> Option<&'a AccountEntry> {
    match entries.data(&account_key(id)) {
        Some(LedgerEntryData::Account(account)) => Some(account),
        _ => None,
    }
}

pub(crate) fn find_trustline<'a>(
    entries: &'a Entries,
    id: &AccountId,
    asset: &TrustLineAsset,
) -> Option<&'a TrustLineEntry> {
    match entries.data(&trustline_key(id, asset)) {
        Some(LedgerEntryData::Trustline(line)) => Some(line),
        _ => None,
    }
}

/// A new account as CreateAccount makes it. Only its own key signs, and its sequence numbers start at this ledger's range.
pub(crate) fn new_account(id: AccountId, balance: i64, ledger: u32) -> AccountEntry {
    AccountEntry {
        account_id: id,
        balance,
        seq_num: stellar_xdr::SequenceNumber(starting_sequence(ledger)),
        num_sub_entries: 0,
        inflation_dest: None,
        flags: 0,
        home_domain: String32::default(),
        thresholds: Thresholds([1, 0, 0, 0]),
        signers: stellar_xdr::VecM::default(),
        ext: AccountEntryExt::V0,
    }
}

/// The sequence number before the first that an account created in this ledger can use.
pub(crate) fn starting_sequence(ledger: u32) -> i64 {
    i64::from(ledger) << 32
}

/// Stroops that must stay in the account.
pub(crate) fn minimum_balance(account: &AccountEntry) -> i64 {
    let (sponsored, sponsoring) = match &account.ext {
        AccountEntryExt::V1(AccountEntryExtensionV1 { ext: AccountEntryExtensionV1Ext::V2(v2), .. }) => {
            (i64::from(v2.num_sponsored), i64::from(v2.num_sponsoring))
        }
        _ => (0, 0),
    };
    (OWN_ENTRIES + i64::from(account.num_sub_entries) + sponsoring - sponsored) * i64::from(BASE_RESERVE)
}

fn liabilities(account: &AccountEntry) -> Liabilities {
    match &account.ext {
        AccountEntryExt::V0 => Liabilities { buying: 0, selling: 0 },
        AccountEntryExt::V1(v1) => v1.liabilities.clone(),
    }
}

/// Stroops that the account may spend; negative when it is below its reserve.
pub(crate) fn available_balance(account: &AccountEntry) -> i64 {
    account.balance.saturating_sub(minimum_balance(account)).saturating_sub(liabilities(account).selling)
}

/// Adds to the balance, or takes from it if `stroops` is negative. Answers `false`, and changes nothing, when the reserve
/// or the range forbids it.
#[must_use]
pub(crate) fn add_balance(account: &mut AccountEntry, stroops: i64) -> bool {
    let Some(balance) = account.balance.checked_add(stroops) else {
        return false;
    };
    let liabilities = liabilities(account);
    let below_reserve = stroops < 0 && balance.saturating_sub(minimum_balance(account)) < liabilities.selling;
    if balance < 0 || below_reserve || balance > i64::MAX - liabilities.buying {
        return false;
    }
    account.balance = balance;
    true
}

/// Why another subentry (a trustline, a signer) can't be added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoSubentry {
    LowReserve,
    TooMany,
}

/// Counts one more subentry if the balance covers its reserve.
pub(crate) fn add_subentry(account: &mut AccountEntry) -> Result<(), NoSubentry> {
    if account.num_sub_entries >= MAX_SUBENTRIES {
        return Err(NoSubentry::TooMany);
    }
    if available_balance(account) < i64::from(BASE_RESERVE) {
        return Err(NoSubentry::LowReserve);
    }
    account.num_sub_entries += 1;
    Ok(())
}

/// Counts one subentry less than before.
pub(crate) fn remove_subentry(account: &mut AccountEntry) {
    account.num_sub_entries = account.num_sub_entries.saturating_sub(1);
}

/// Uses a sequence number and notes when (CAP-21). The first use creates the account's extensions.
pub(crate) fn use_sequence(account: &mut AccountEntry, sequence: i64, ledger: u32, close_time: u64) {
    account.seq_num = stellar_xdr::SequenceNumber(sequence);
    let signers = account.signers.len();
    let v1 = match &mut account.ext {
        AccountEntryExt::V1(v1) => v1,
        ext @ AccountEntryExt::V0 => {
            *ext = AccountEntryExt::V1(AccountEntryExtensionV1 {
                liabilities: Liabilities { buying: 0, selling: 0 },
                ext: AccountEntryExtensionV1Ext::V0,
            });
            let AccountEntryExt::V1(v1) = ext else { unreachable!("just set") };
            v1
        }
    };
    let v2 = match &mut v1.ext {
        AccountEntryExtensionV1Ext::V2(v2) => v2,
        ext @ AccountEntryExtensionV1Ext::V0 => {
            *ext = AccountEntryExtensionV1Ext::V2(AccountEntryExtensionV2 {
                num_sponsored: 0,
                num_sponsoring: 0,
                signer_sponsoring_i_ds: vec![SponsorshipDescriptor(None); signers]
                    .try_into()
                    .expect("as many as there are signers, 20 at most"),
                ext: AccountEntryExtensionV2Ext::V0,
            });
            let AccountEntryExtensionV1Ext::V2(v2) = ext else { unreachable!("just set") };
            v2
        }
    };
    v2.ext = AccountEntryExtensionV2Ext::V3(AccountEntryExtensionV3 {
        ext: ExtensionPoint::V0,
        seq_ledger: ledger,
        seq_time: TimePoint(close_time),
    });
}

/// The ledger and the close time of the last use of the account's sequence number; zeros when there was none.
pub(crate) fn last_sequence_use(account: &AccountEntry) -> (u32, u64) {
    if let AccountEntryExt::V1(AccountEntryExtensionV1 { ext: AccountEntryExtensionV1Ext::V2(v2), .. }) = &account.ext
        && let AccountEntryExtensionV2Ext::V3(v3) = &v2.ext
    {
        return (v3.seq_ledger, v3.seq_time.0);
    }
    (0, 0)
}

pub(crate) fn has_flag(account: &AccountEntry, flag: AccountFlags) -> bool {
    account.flags & flag as u32 != 0
}

/// Whether the holder may receive and send.
pub(crate) fn is_authorized(line: &TrustLineEntry) -> bool {
    line.flags & TrustLineFlags::AuthorizedFlag as u32 != 0
}

pub(crate) fn is_clawback_enabled(line: &TrustLineEntry) -> bool {
    line.flags & TrustLineFlags::TrustlineClawbackEnabledFlag as u32 != 0
}

pub(crate) fn line_liabilities(line: &TrustLineEntry) -> Liabilities {
    match &line.ext {
        TrustLineEntryExt::V0 => Liabilities { buying: 0, selling: 0 },
        TrustLineEntryExt::V1(v1) => v1.liabilities.clone(),
    }
}

/// Adds to a trustline's balance, or takes from it if `units` is negative. Answers `false`, and changes nothing, when
/// balance or limit forbid it.
#[must_use]
pub(crate) fn add_line_balance(line: &mut TrustLineEntry, units: i64) -> bool {
    let Some(balance) = line.balance.checked_add(units) else {
        return false;
    };
    let liabilities = line_liabilities(line);
    if balance < liabilities.selling || balance > line.limit.saturating_sub(liabilities.buying) {
        return false;
    }
    line.balance = balance;
    true
}

/// An asset in the type with which trustlines name it. The native one has no trustlines.
pub(crate) fn trustline_asset(asset: &Asset) -> TrustLineAsset {
    match asset {
        Asset::Native => TrustLineAsset::Native,
        Asset::CreditAlphanum4(a) => TrustLineAsset::CreditAlphanum4(a.clone()),
        Asset::CreditAlphanum12(a) => TrustLineAsset::CreditAlphanum12(a.clone()),
    }
}

pub(crate) fn issuer(asset: &Asset) -> Option<&AccountId> {
    match asset {
        Asset::Native => None,
        Asset::CreditAlphanum4(a) => Some(&a.issuer),
        Asset::CreditAlphanum12(a) => Some(&a.issuer),
    }
}

/// The bytes of an asset's code, without padding; empty for the native asset.
pub(crate) fn asset_code(asset: &Asset) -> &[u8] {
    let padded: &[u8] = match asset {
        Asset::Native => &[],
        Asset::CreditAlphanum4(a) => &a.asset_code.0,
        Asset::CreditAlphanum12(a) => &a.asset_code.0,
    };
    let end = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
    &padded[..end]
}

/// An asset's code has 1 to 4, or 5 to 12, letters and digits; zeros fill the rest.
pub(crate) fn is_valid_asset(asset: &Asset) -> bool {
    let (padded, lengths): (&[u8], _) = match asset {
        Asset::Native => return true,
        Asset::CreditAlphanum4(a) => (&a.asset_code.0, 1..=4),
        Asset::CreditAlphanum12(a) => (&a.asset_code.0, 5..=12),
    };
    let code = asset_code(asset);
    lengths.contains(&code.len())
        && code.iter().all(u8::is_ascii_alphanumeric)
        && padded[code.len()..].iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use stellar_xdr::{AlphaNum4, AssetCode4};

    use super::*;

    fn account(balance: i64) -> AccountEntry {
        new_account(account_id([7; 32]), balance, 3)
    }

    #[test]
    fn an_account_keeps_its_reserve_and_its_balance_never_overflows() {
        let mut it = account(2 * 5_000_000 + 100);
        assert_eq!(available_balance(&it), 100);
        assert!(!add_balance(&mut it, -101));
        assert!(add_balance(&mut it, -100));
        assert_eq!(add_subentry(&mut it), Err(NoSubentry::LowReserve));
        assert!(!add_balance(&mut it, i64::MAX));
        assert!(add_balance(&mut it, 5_000_000));
        assert_eq!(add_subentry(&mut it), Ok(()));
        assert_eq!(minimum_balance(&it), 3 * 5_000_000);
    }

    #[test]
    fn using_a_sequence_number_remembers_ledger_and_time() {
        let mut it = account(1);
        assert_eq!(last_sequence_use(&it), (0, 0));
        use_sequence(&mut it, starting_sequence(3) + 1, 9, 1_700_000_000);
        assert_eq!(it.seq_num.0, (3 << 32) + 1);
        assert_eq!(last_sequence_use(&it), (9, 1_700_000_000));
    }

    #[test]
    fn asset_codes_are_letters_and_digits_of_the_right_length() {
        let asset = |code: &[u8; 4]| {
            Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*code), issuer: account_id([1; 32]) })
        };
        assert!(is_valid_asset(&asset(b"USDC")));
        assert!(is_valid_asset(&asset(b"EU\0\0")));
        assert!(!is_valid_asset(&asset(b"\0\0\0\0")));
        assert!(!is_valid_asset(&asset(b"E\0U\0")));
        assert!(!is_valid_asset(&asset(b"E U\0")));
    }
}
