//! The history of closed ledgers: transactions, events, close times. It is kept as long as the public server keeps it.

use std::collections::{BTreeMap, HashMap};

use stellar_xdr::{
    ContractEvent, ExtensionPoint, GeneralizedTransactionSet, Hash, LedgerCloseMeta, LedgerCloseMetaExt,
    LedgerCloseMetaV2, LedgerEntryChanges, LedgerHeaderHistoryEntry, LedgerHeaderHistoryEntryExt, TransactionEnvelope,
    TransactionMeta, TransactionMetaV4, TransactionResult, TransactionResultMetaV1, TransactionResultPair, VecM,
};

use super::{cursor::Cursor, header::ClosedHeader};

/// The number of ledgers that are kept: a week of ledgers of 5 seconds (stellar-rpc: `history-retention-window`).
pub(crate) const RETENTION: u32 = 120_960;

/// A transaction in a closed ledger.
#[derive(Clone, Debug)]
pub(crate) struct ClosedTransaction {
    pub(crate) hash: [u8; 32],
    /// With a fee bump, the hash of the transaction inside of it; otherwise the same as `hash`.
    pub(crate) inner_hash: [u8; 32],
    pub(crate) envelope: TransactionEnvelope,
    pub(crate) result: TransactionResult,
    pub(crate) meta: TransactionMetaV4,
    pub(crate) fee_changes: LedgerEntryChanges,
    pub(crate) refund_changes: LedgerEntryChanges,
    pub(crate) successful: bool,
    /// What was paid for inclusion, and in which phase.
    pub(crate) inclusion_fee: InclusionFee,
}

/// What a transaction paid for its inclusion, in stroops for one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InclusionFee {
    Classic(u64),
    Soroban(u64),
}

/// An event as getEvents serves it.
#[derive(Clone, Debug)]
pub(crate) struct StoredEvent {
    pub(crate) cursor: Cursor,
    pub(crate) event: ContractEvent,
    pub(crate) transaction: [u8; 32],
    pub(crate) in_successful_call: bool,
}

/// A closed ledger.
#[derive(Clone, Debug)]
pub(crate) struct ClosedLedger {
    pub(crate) header: ClosedHeader,
    pub(crate) transaction_set: GeneralizedTransactionSet,
    pub(crate) transactions: Vec<ClosedTransaction>,
    /// The events, in the order of their cursors.
    pub(crate) events: Vec<StoredEvent>,
    /// The bytes of all live contract entries.
    pub(crate) live_state_size: u64,
    /// The bid of the others' transactions that filled the ledger, in stroops for one operation (see `queue::Demand`).
    pub(crate) filled_at: Option<u32>,
}

impl ClosedLedger {
    /// The header with its hash, as history archives keep it.
    pub(crate) fn header_entry(&self) -> LedgerHeaderHistoryEntry {
        LedgerHeaderHistoryEntry {
            hash: Hash(self.header.hash),
            header: self.header.header.clone(),
            ext: LedgerHeaderHistoryEntryExt::V0,
        }
    }

    /// The ledger as the network publishes it (`metadataXdr`).
    pub(crate) fn meta(&self) -> LedgerCloseMeta {
        let processing: Vec<_> = self
            .transactions
            .iter()
            .map(|tx| TransactionResultMetaV1 {
                ext: ExtensionPoint::V0,
                result: TransactionResultPair { transaction_hash: Hash(tx.hash), result: tx.result.clone() },
                fee_processing: tx.fee_changes.clone(),
                tx_apply_processing: TransactionMeta::V4(tx.meta.clone()),
                post_tx_apply_fee_processing: tx.refund_changes.clone(),
            })
            .collect();
        LedgerCloseMeta::V2(LedgerCloseMetaV2 {
            ext: LedgerCloseMetaExt::V0,
            ledger_header: self.header_entry(),
            tx_set: self.transaction_set.clone(),
            tx_processing: processing.try_into().expect("fewer transactions than 2^32"),
            upgrades_processing: VecM::default(),
            scp_info: VecM::default(),
            total_byte_size_of_live_soroban_state: self.live_state_size,
            evicted_keys: VecM::default(),
        })
    }
}

/// A ledger's number and when it closed, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedgerTime {
    pub(crate) sequence: u32,
    pub(crate) close_time: u64,
}

/// The ledgers that are kept.
#[derive(Debug)]
pub(crate) struct History {
    ledgers: BTreeMap<u32, ClosedLedger>,
    by_hash: HashMap<[u8; 32], (u32, usize)>,
    latest: u32,
    first: u32,
}

impl History {
    /// Starts with the first ledger.
    pub(crate) fn new(genesis: ClosedLedger) -> Self {
        let sequence = genesis.header.header.ledger_seq;
        Self {
            ledgers: BTreeMap::from([(sequence, genesis)]),
            by_hash: HashMap::new(),
            latest: sequence,
            first: sequence,
        }
    }

    /// Adds a ledger and forgets those that are too old. Ledgers in between were jumped over and are empty.
    pub(crate) fn push(&mut self, ledger: ClosedLedger) {
        let sequence = ledger.header.header.ledger_seq;
        for (index, tx) in ledger.transactions.iter().enumerate() {
            self.by_hash.insert(tx.hash, (sequence, index));
            self.by_hash.insert(tx.inner_hash, (sequence, index));
        }
        self.latest = sequence;
        self.ledgers.insert(sequence, ledger);
        self.first = self.first.max(sequence.saturating_sub(RETENTION - 1));
        while let Some(oldest) = self.ledgers.first_entry().filter(|oldest| *oldest.key() < self.first) {
            for tx in &oldest.remove().transactions {
                self.by_hash.remove(&tx.hash);
                self.by_hash.remove(&tx.inner_hash);
            }
        }
    }

    /// The last closed ledger.
    pub(crate) fn latest(&self) -> &ClosedLedger {
        self.ledgers.get(&self.latest).expect("the last ledger is never forgotten")
    }

    /// The last ledger's number and time.
    pub(crate) fn newest(&self) -> LedgerTime {
        LedgerTime { sequence: self.latest, close_time: self.latest().header.close_time() }
    }

    /// The oldest ledger that is kept. If it was jumped over, it has the time of the next one that closed.
    pub(crate) fn oldest(&self) -> LedgerTime {
        let close_time = self.ledgers.range(self.first..).next().map_or(0, |(_, ledger)| ledger.header.close_time());
        LedgerTime { sequence: self.first, close_time }
    }

    /// The transaction with this hash, the ledger that it is in, and its place there, counted from 1. A fee bump is found
    /// by its own hash and by that of the transaction inside of it.
    pub(crate) fn transaction(&self, hash: &[u8; 32]) -> Option<(&ClosedTransaction, &ClosedLedger, usize)> {
        let (sequence, index) = self.by_hash.get(hash)?;
        let ledger = self.ledgers.get(sequence)?;
        Some((ledger.transactions.get(*index)?, ledger, index + 1))
    }

    /// The ledgers from `start` to the one before `end`.
    pub(crate) fn range(&self, start: u32, end: u32) -> impl DoubleEndedIterator<Item = &ClosedLedger> {
        self.ledgers.range(start..end.max(start)).map(|(_, ledger)| ledger)
    }
}
