//! Classic accounts, which pay the fees.

use paychan_channel::{AccountId, Ledger, Stroops, ledger_keys};
use stellar_xdr::{AccountEntry, AccountEntryExt, AccountEntryExtensionV1Ext, LedgerEntryData};

use crate::{Client, RpcError};

const READ: &str = "getLedgerEntries";

/// What an account must hold for itself and for each of its subentries: the base reserve, 0.5 XLM on every public
/// network since 2019 (stellar-docs, `learn/fundamentals/lumens.mdx`), in stroops. The ledger's header has it, and no
/// RPC method returns just that.
const BASE_RESERVE: i64 = 5_000_000;

/// A classic account at one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub id: AccountId,
    /// Its current sequence number. The next transaction must have one more.
    pub sequence: i64,
    /// Its XLM, the reserve included.
    pub balance: Stroops,
    /// The whole entry, as the ledger holds it.
    pub entry: AccountEntry,
    /// The ledger at which this was read.
    pub read_at: Ledger,
}

impl Account {
    /// What the account can pay fees with: its XLM less its reserve and what it offers for sale, never below zero.
    #[must_use]
    pub fn spendable(&self) -> Stroops {
        let selling = match &self.entry.ext {
            AccountEntryExt::V0 => 0,
            AccountEntryExt::V1(v1) => v1.liabilities.selling,
        };
        Stroops(self.balance.0.saturating_sub(self.reserve().0).saturating_sub(selling).max(0))
    }

    /// What the account must keep: two base reserves for itself, one for each subentry and for each entry that it
    /// sponsors, less one for each that others sponsor for it (CAP-33).
    #[must_use]
    pub fn reserve(&self) -> Stroops {
        let (sponsoring, sponsored) = match &self.entry.ext {
            AccountEntryExt::V1(v1) => match &v1.ext {
                AccountEntryExtensionV1Ext::V2(v2) => (v2.num_sponsoring, v2.num_sponsored),
                AccountEntryExtensionV1Ext::V0 => (0, 0),
            },
            AccountEntryExt::V0 => (0, 0),
        };
        let entries = 2 + i64::from(self.entry.num_sub_entries) + i64::from(sponsoring) - i64::from(sponsored);
        Stroops(entries.max(0).saturating_mul(BASE_RESERVE))
    }
}

/// Why an account could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account on this network.
    #[error("the account {0} does not exist on this network; send it some XLM first")]
    NotFound(AccountId),
    /// The endpoint gave no usable answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

/// Reads an account.
///
/// # Errors
/// [`AccountError`].
pub async fn read_account(client: &Client, id: &AccountId) -> Result<Account, AccountError> {
    let key = ledger_keys::account(id);
    let entries = client.get_ledger_entries(std::slice::from_ref(&key)).await?;
    let found = entries.get(&key).map_err(|error| AccountError::Rpc(client.bad(READ, error.to_string())))?;
    let found = found.ok_or(AccountError::NotFound(*id))?;
    let LedgerEntryData::Account(entry) = &found.data else {
        return Err(AccountError::NotFound(*id));
    };
    Ok(Account {
        id: *id,
        sequence: entry.seq_num.0,
        balance: Stroops(entry.balance),
        entry: entry.clone(),
        read_at: found.read_at,
    })
}
