//! Classic accounts: who pays fees.

use paychan_channel::{AccountId, Ledger, Stroops, ledger_keys};
use stellar_xdr::{AccountEntry, LedgerEntryData};

use crate::{Client, RpcError};

/// A classic account at one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub id: AccountId,
    /// Its current sequence number: the next transaction has one more.
    pub sequence: i64,
    /// Its XLM, the reserve included.
    pub balance: Stroops,
    /// All of it, as the network has it.
    pub entry: AccountEntry,
    /// The ledger that this is its state at.
    pub read_at: Ledger,
}

/// Why an account could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account on this network.
    #[error("the account {0} does not exist on this network; send it some XLM first")]
    NotFound(AccountId),
    /// No usable answer.
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
    let found = entries.get(&key).ok_or(AccountError::NotFound(*id))?;
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
