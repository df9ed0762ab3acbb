//! Closes a ledger: it chooses the transactions, orders and applies them, and charges their fees.

use std::rc::Rc;

use sha2::{Digest, Sha256};
use stellar_xdr::{
    Hash, LedgerEntryChanges, Limits, TransactionEvent, TransactionEventStage, TransactionMetaV4,
    TransactionResultPair, WriteXdr,
};

use crate::{
    apply::{self, Applied, Environment},
    ledger::{
        accounts::{add_balance, find_account},
        cursor::{Cursor, MAX_TRANSACTION},
        entries::Entries,
        header::{ClosedHeader, Closing, transaction_set},
        history::{ClosedLedger, ClosedTransaction, InclusionFee, LedgerTime, StoredEvent},
    },
    module_cache,
    node::Node,
    operations::asset_events,
    queue::Chosen,
    transaction::{
        envelope::Submitted,
        fees,
        validate::{Moment, check},
    },
};

/// The number of ledgers between two clean-ups of temporary entries whose life is over.
const CLEANUP_PERIOD: u32 = 64;

/// A transaction whose fee is charged.
struct Charged {
    tx: Submitted,
    /// Stroops for inclusion and resources together.
    fee: i64,
    /// The part of the fee that was for inclusion, in stroops.
    inclusion: i64,
    changes: LedgerEntryChanges,
}

impl Node {
    /// Closes the next ledger with the transactions that wait.
    pub(crate) fn close(&mut self) -> LedgerTime {
        self.close_after(1, 0)
    }

    /// Jumps `ledgers` ahead. All but the last are passed over as if they had closed empty; the last one closes with
    /// the transactions that wait and are still valid then. The clock advances by `seconds`; if they are not given, it
    /// advances by the time of the ledgers that were passed over.
    pub(crate) fn jump(&mut self, ledgers: u32, seconds: Option<u64>) -> LedgerTime {
        let interval = u64::from(self.options.ledger_ms);
        let passed_over = u64::from(ledgers.saturating_sub(1));
        let seconds = seconds.unwrap_or(passed_over.saturating_mul(interval) / 1_000);
        match ledgers {
            0 => self.history.newest(),
            steps => self.close_after(steps, seconds),
        }
    }

    fn close_after(&mut self, steps: u32, seconds: u64) -> LedgerTime {
        let previous = self.history.latest().header.clone();
        let before = previous.header.ledger_seq;
        let Some(ledger) = before.checked_add(steps).filter(|ledger| i32::try_from(*ledger).is_ok()) else {
            tracing::error!(ledger = before, steps, "there is no such ledger: the last one has the number 2^31 - 1");
            return self.history.newest();
        };
        let close_time = self.next_close_time(seconds);
        Rc::make_mut(&mut self.entries).begin_ledger(ledger);

        let filled_at = self.queue.demand.filled_at();
        let phases = self.choose(ledger, close_time, steps);
        let [classic, soroban] = phases.each_ref().map(|phase| {
            let envelopes: Vec<_> = phase.transactions.iter().map(Submitted::envelope).collect();
            (envelopes, phase.price)
        });
        let set = transaction_set(previous.hash, classic, soroban);
        let closed = self.run(phases, &previous, ledger, close_time);

        let entries = Rc::make_mut(&mut self.entries);
        if ledger / CLEANUP_PERIOD != before / CLEANUP_PERIOD {
            entries.drop_expired_temporaries();
        }
        let live_state_size = self.sample_state_size(before, ledger);
        let results: Vec<_> = closed
            .iter()
            .map(|tx| TransactionResultPair { transaction_hash: Hash(tx.hash), result: tx.result.clone() })
            .collect();
        let header = previous.next(&Closing {
            ledger,
            close_time,
            fee_pool: self.fee_pool,
            transactions: &set,
            results: &results,
            state: state_hash(&previous, &closed),
        });
        let events = events(ledger, &closed);
        self.history.push(ClosedLedger {
            header,
            transaction_set: set,
            transactions: closed,
            events,
            live_state_size,
            filled_at,
        });
        self.friendbot.answer(&self.history);
        LedgerTime { sequence: ledger, close_time }
    }

    /// The transactions of the ledger: the friendbot's, which competes with nobody, and those that the queue chooses.
    fn choose(&mut self, ledger: u32, close_time: u64, steps: u32) -> [Chosen; 2] {
        let moment = Moment { ledger, close_time, margin: 0, applying: false };
        let [mut classic, soroban] = self.queue.choose(&self.entries, &self.config, moment, steps);
        if let Some(tx) = self.friendbot.transaction(&self.entries) {
            match check(&tx, &self.entries, &self.config, moment) {
                Ok(()) => classic.transactions.insert(0, tx),
                Err(invalid) => tracing::error!(result = ?invalid.result.result, "the friendbot can't pay"),
            }
        }
        [classic, soroban]
    }

    /// Charges all fees, then applies all transactions in order, then gives back the fees that Soroban transactions did
    /// not use.
    fn run(
        &mut self,
        phases: [Chosen; 2],
        previous: &ClosedHeader,
        ledger: u32,
        close_time: u64,
    ) -> Vec<ClosedTransaction> {
        let info = self.ledger_info(ledger, close_time);
        let environment = Environment {
            network_id: self.network_id,
            config: &self.config,
            modules: &self.modules,
            info,
            seed: seed(previous, ledger),
        };
        let entries = Rc::make_mut(&mut self.entries);
        let charged: Vec<_> = phases
            .into_iter()
            .flat_map(|Chosen { transactions, price }| transactions.into_iter().map(move |tx| (tx, price)))
            .map(|(tx, price)| charge(entries, &mut self.fee_pool, tx, price))
            .collect();
        let applied: Vec<_> = charged
            .iter()
            .zip(0..)
            .map(|(charged, index)| apply::apply(entries, &charged.tx, &environment, index, charged.fee))
            .collect();
        for code in applied.iter().flat_map(|applied| &applied.code) {
            if let Err(error) = module_cache::add(&self.modules, &self.config.host, code) {
                tracing::error!(hash = %hex::encode(code.hash.0), %error, "uploaded code could not be parsed again");
            }
        }
        charged
            .into_iter()
            .zip(applied)
            .map(|(charged, applied)| settle(entries, &mut self.fee_pool, self.network_id, charged, applied))
            .collect()
    }
}

/// Charges the fee source. `price` is what inclusion costs in this ledger, in stroops for one operation.
fn charge(entries: &mut Entries, fee_pool: &mut i64, tx: Submitted, price: u32) -> Charged {
    let mark = entries.mark();
    let inclusion = fees::inclusion_charged(&tx, price);
    let mut fee = tx.resource_fee().saturating_add(inclusion);
    if let Some(mut account) = find_account(entries, &tx.fee_source()).cloned() {
        // The account may fall below its reserve: validation found enough, but another transaction may have spent it
        // since.
        fee = fee.min(account.balance);
        account.balance -= fee;
        *fee_pool += fee;
        entries.put_classic(account);
    }
    Charged { tx, fee, inclusion, changes: entries.changes_since(mark) }
}

/// Gives the refund back and completes the record of the transaction.
fn settle(
    entries: &mut Entries,
    fee_pool: &mut i64,
    network_id: [u8; 32],
    charged: Charged,
    applied: Applied,
) -> ClosedTransaction {
    let Charged { tx, fee, inclusion, changes: fee_changes } = charged;
    let Applied { mut result, mut meta, refund, successful, code: _ } = applied;
    let mark = entries.mark();
    let payer = tx.fee_source();
    let refunded = find_account(entries, &payer).cloned().is_some_and(|mut account| {
        let fits = refund > 0 && add_balance(&mut account, refund);
        if fits {
            entries.put_classic(account);
        }
        fits
    });
    let mut events = vec![TransactionEvent {
        stage: TransactionEventStage::BeforeAllTxs,
        event: asset_events::fee(network_id, &payer, fee),
    }];
    if refunded {
        *fee_pool -= refund;
        result.fee_charged -= refund;
        events.push(TransactionEvent {
            stage: TransactionEventStage::AfterAllTxs,
            event: asset_events::fee(network_id, &payer, -refund),
        });
    }
    meta.events = events.try_into().expect("two events");
    let inclusion = fees::Bid { stroops: inclusion, operations: fees::paid_operations(&tx) }.rate();
    ClosedTransaction {
        hash: tx.hash(),
        inner_hash: tx.inner_hash(),
        envelope: tx.envelope(),
        result,
        meta,
        fee_changes,
        refund_changes: entries.changes_since(mark),
        successful,
        inclusion_fee: if tx.is_soroban() {
            InclusionFee::Soroban(inclusion)
        } else {
            InclusionFee::Classic(inclusion)
        },
    }
}

/// A ledger's events in the order of their cursors: fees, then each transaction's operations, then refunds.
fn events(ledger: u32, closed: &[ClosedTransaction]) -> Vec<StoredEvent> {
    let mut events = Vec::new();
    let (mut fee_index, mut refund_index) = (0, 0);
    for (tx, transaction) in closed.iter().zip(1..) {
        let store =
            |cursor, event| StoredEvent { cursor, event, transaction: tx.hash, in_successful_call: tx.successful };
        let TransactionMetaV4 { operations, events: fee_events, .. } = &tx.meta;
        for fee in fee_events.iter() {
            let (transaction, index) = match fee.stage {
                TransactionEventStage::AfterAllTxs => (MAX_TRANSACTION, &mut refund_index),
                _ => (0, &mut fee_index),
            };
            let cursor = Cursor { ledger, transaction, operation: 0, event: *index };
            *index += 1;
            events.push(store(cursor, fee.event.clone()));
        }
        for (meta, operation) in operations.iter().zip(0..) {
            for (emitted, event) in meta.events.iter().zip(0..) {
                events.push(store(Cursor { ledger, transaction, operation, event }, emitted.clone()));
            }
        }
    }
    events.sort_by_key(|stored| stored.cursor);
    events
}

fn seed(previous: &ClosedHeader, ledger: u32) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous.hash);
    hash.update(ledger.to_be_bytes());
    hash.finalize().into()
}

/// A hash that depends on every change since the first ledger.
fn state_hash(previous: &ClosedHeader, closed: &[ClosedTransaction]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous.header.bucket_list_hash.0);
    for tx in closed {
        let parts = [
            tx.fee_changes.to_xdr(Limits::none()),
            tx.meta.to_xdr(Limits::none()),
            tx.refund_changes.to_xdr(Limits::none()),
        ];
        for bytes in parts.into_iter().flatten() {
            hash.update(bytes);
        }
    }
    hash.finalize().into()
}
