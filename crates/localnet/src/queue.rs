//! Transactions that wait for the next ledger: one for each source account.

use std::collections::HashMap;

use stellar_xdr::{AccountId, DiagnosticEvent, TransactionResult, TransactionResultResult};

use crate::{
    ledger::entries::Entries,
    settings::Config,
    transaction::{
        envelope::Submitted,
        fees, results, soroban_limits,
        validate::{Moment, check},
    },
};

/// Ledgers for which a hash is refused after its transaction was dropped (stellar-core, transaction queue).
const BAN_LEDGERS: u32 = 10;

/// What the queue says of a submission.
#[derive(Debug)]
pub(crate) enum Answer {
    Pending,
    /// These very bytes wait already.
    Duplicate,
    /// Another transaction of this account waits, or the hash was dropped lately.
    TryAgainLater,
    Error {
        result: Box<TransactionResult>,
        diagnostics: Vec<DiagnosticEvent>,
    },
}

/// The waiting transactions.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// In the order of arrival.
    pending: Vec<(AccountId, Submitted)>,
    /// Hashes, and the ledger from which they may come again.
    banned: HashMap<[u8; 32], u32>,
}

impl Queue {
    /// Takes a transaction, or says why not. `moment` is the ledger it would be in.
    pub(crate) fn submit(&mut self, tx: Submitted, entries: &Entries, config: &Config, moment: Moment) -> Answer {
        if self.banned.get(&tx.hash()).is_some_and(|until| moment.ledger < *until) {
            return Answer::TryAgainLater;
        }
        let refuse = |result, diagnostics| Answer::Error {
            result: Box::new(results::transaction(fees::required_fee(&tx), result)),
            diagnostics,
        };
        if tx.inclusion_fee() < 0 {
            return refuse(TransactionResultResult::TxMalformed, Vec::new());
        }
        let source = tx.source();
        if let Some((_, waiting)) = self.pending.iter().find(|(account, _)| *account == source) {
            if waiting.hash() == tx.hash() {
                return Answer::Duplicate;
            }
            if tx.tx().seq_num < waiting.tx().seq_num {
                return refuse(TransactionResultResult::TxBadSeq, Vec::new());
            }
            if tx.is_soroban()
                && let Err(reason) = soroban_limits::check(&tx, config)
            {
                return refuse(TransactionResultResult::TxSorobanInvalid, vec![reason.event()]);
            }
            return Answer::TryAgainLater;
        }
        match check(&tx, entries, config, moment) {
            Ok(()) => {
                self.pending.push((source, tx));
                Answer::Pending
            }
            Err(invalid) => {
                // As stellar-core does: the same bytes would be too cheap again.
                if matches!(invalid.result.result, TransactionResultResult::TxInsufficientFee) {
                    self.ban(&tx, moment.ledger);
                }
                Answer::Error { result: Box::new(invalid.result), diagnostics: invalid.diagnostics }
            }
        }
    }

    /// Takes everything out, for the ledger that is put together.
    pub(crate) fn drain(&mut self) -> Vec<Submitted> {
        std::mem::take(&mut self.pending).into_iter().map(|(_, tx)| tx).collect()
    }

    /// Refuses a dropped transaction's hash for a while.
    pub(crate) fn ban(&mut self, tx: &Submitted, ledger: u32) {
        self.banned.retain(|_, until| ledger < *until);
        self.banned.insert(tx.hash(), ledger.saturating_add(BAN_LEDGERS));
    }

    /// Transactions that wait.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }
}
