//! The state of the ledger: its entries, how they are read and changed, and the chain of closed ledgers.

pub(crate) mod accounts;
pub(crate) mod cursor;
pub(crate) mod entries;
pub(crate) mod genesis;
pub(crate) mod header;
pub(crate) mod history;
