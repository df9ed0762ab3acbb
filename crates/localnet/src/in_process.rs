//! The network without HTTP: what tests ask thousands of times a second, in XDR types.
//!
//! Each method does what the JSON-RPC method of its name does, on the same code, and blocks until the ledger's thread has
//! answered.

use stellar_xdr::{
    DiagnosticEvent, LedgerEntryData, LedgerKey, ScVal, SorobanAuthorizationEntry, SorobanTransactionData,
    TransactionEnvelope, TransactionMetaV4, TransactionResult,
};

use crate::{
    Localnet, Stopped, ledger::entries::Found, queue, rpc, simulate::Simulation, transaction::envelope::Submitted,
};

/// What simulateTransaction found. Without `data` it failed, and `error` says why.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    /// Why the call would fail.
    pub error: Option<String>,
    /// Footprint, resources and resource fee.
    pub data: Option<SorobanTransactionData>,
    /// What the call would return.
    pub result: Option<ScVal>,
    /// The authorization that the call needs, unsigned; or what it brought.
    pub auth: Vec<SorobanAuthorizationEntry>,
    /// Diagnostic events, in the order in which they were emitted.
    pub events: Vec<DiagnosticEvent>,
    /// The RestoreFootprint that must come first.
    pub restore: Option<SorobanTransactionData>,
}

/// What the queue said of a transaction.
#[derive(Clone, Debug)]
pub enum Submission {
    /// It waits for the next ledger, under this hash.
    Pending([u8; 32]),
    /// These very bytes wait already.
    Duplicate,
    /// Another transaction of this account waits, or the hash was dropped lately.
    TryAgainLater,
    /// Not valid.
    Refused {
        /// The result it would have.
        result: Box<TransactionResult>,
        /// What led to it.
        diagnostics: Vec<DiagnosticEvent>,
    },
    /// Valid elsewhere perhaps: this network does not implement something in it.
    NotImplemented(String),
}

/// A transaction in a closed ledger.
#[derive(Clone, Debug)]
pub struct Included {
    /// The ledger.
    pub ledger: u32,
    /// Whether its operations took effect.
    pub successful: bool,
    /// Its result.
    pub result: TransactionResult,
    /// What it changed and emitted, diagnostic events too.
    pub meta: TransactionMetaV4,
}

/// A ledger entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry itself.
    pub data: LedgerEntryData,
    /// The last ledger at which it is live; `None` for classic entries, which have no life.
    pub live_until: Option<u32>,
    /// Past its life: it must be restored before it can be used.
    pub archived: bool,
}

impl Localnet {
    /// simulateTransaction. An operation without authorization has what it needs recorded, below the root too
    /// (`record_allow_nonroot`); one that brings some has it enforced.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn simulate(&self, envelope: TransactionEnvelope) -> Result<Simulated, Stopped> {
        self.node()?.call_blocking(|node| match rpc::simulate::record_or_enforce(node, envelope) {
            Ok(simulation) => Simulated::from(simulation),
            Err(error) => Simulated { error: Some(error), ..Simulated::default() },
        })
    }

    /// sendTransaction.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn submit(&self, envelope: TransactionEnvelope) -> Result<Submission, Stopped> {
        self.node()?.call_blocking(|node| {
            let tx = match Submitted::new(envelope, node.network_id) {
                Ok(tx) => tx,
                Err(reason) => return Submission::NotImplemented(reason.to_string()),
            };
            let hash = tx.hash();
            match node.submit(tx) {
                queue::Answer::Pending => Submission::Pending(hash),
                queue::Answer::Duplicate => Submission::Duplicate,
                queue::Answer::TryAgainLater => Submission::TryAgainLater,
                queue::Answer::Error { result, diagnostics } => Submission::Refused { result, diagnostics },
            }
        })
    }

    /// getTransaction: `None` while it is in no closed ledger.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn transaction(&self, hash: [u8; 32]) -> Result<Option<Included>, Stopped> {
        self.node()?.call_blocking(move |node| {
            node.history.transaction(&hash).map(|(tx, ledger, _)| Included {
                ledger: ledger.header.header.ledger_seq,
                successful: tx.successful,
                result: tx.result.clone(),
                meta: tx.meta.clone(),
            })
        })
    }

    /// getLedgerEntries: one answer for each key, `None` where there is no entry.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn entries(&self, keys: Vec<LedgerKey>) -> Result<Vec<Option<Entry>>, Stopped> {
        self.node()?.call_blocking(move |node| {
            let ledger = node.history.newest().sequence;
            let find = |key: &LedgerKey| {
                let (stored, archived) = match node.entries.find(key, ledger) {
                    Found::Missing => return None,
                    Found::Live(stored) => (stored, false),
                    Found::Archived(stored) => (stored, true),
                };
                Some(Entry { data: stored.entry.data.clone(), live_until: stored.live_until, archived })
            };
            keys.iter().map(find).collect()
        })
    }
}

impl From<Simulation> for Simulated {
    fn from(simulation: Simulation) -> Self {
        Self {
            error: simulation.error,
            data: simulation.data,
            result: simulation.result,
            auth: simulation.auth,
            events: simulation.events,
            restore: simulation.restore,
        }
    }
}
