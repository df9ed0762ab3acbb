//! The network without HTTP, in XDR types, for tests that call it thousands of times a second.
//!
//! Each method does the same as the JSON-RPC method that its documentation names, with the same code, and blocks until the
//! ledger's thread has answered.

use stellar_xdr::{
    DiagnosticEvent, LedgerEntryData, LedgerKey, ScVal, SorobanAuthorizationEntry, SorobanTransactionData,
    TransactionEnvelope, TransactionMetaV4, TransactionResult,
};

use crate::{
    Localnet, Stopped, ledger::entries::Found, queue, rpc, simulate::Simulation, transaction::envelope::Submitted,
};

/// The result of simulateTransaction. If it failed, there is no `data`, and `error` says why.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    /// Why the transaction would fail.
    pub error: Option<String>,
    /// Footprint, resources and resource fee. The archived entries that the transaction restores are marked in it.
    pub data: Option<SorobanTransactionData>,
    /// The call's return value.
    pub result: Option<ScVal>,
    /// The authorization that the call needs, unsigned. If the operation had some, this is the operation's.
    pub auth: Vec<SorobanAuthorizationEntry>,
    /// Diagnostic events, in the order in which they were emitted.
    pub events: Vec<DiagnosticEvent>,
}

/// The queue's answer to a transaction.
#[derive(Clone, Debug)]
pub enum Submission {
    /// It waits for the next ledger, under this hash.
    Pending([u8; 32]),
    /// The same transaction waits already.
    Duplicate,
    /// Another transaction of this account waits, or the hash was dropped lately.
    TryAgainLater,
    /// It is not valid, or it bids too little.
    Refused {
        /// The transaction's result.
        result: Box<TransactionResult>,
        /// Events that say more about the reason.
        diagnostics: Vec<DiagnosticEvent>,
    },
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
    /// Its changes and events, with the diagnostic events.
    pub meta: TransactionMetaV4,
}

/// A ledger entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry itself.
    pub data: LedgerEntryData,
    /// The last ledger at which it is live. Classic entries have no life; there it is `None`.
    pub live_until: Option<u32>,
    /// Whether its life is over, so that it must be restored before it can be used.
    pub archived: bool,
}

impl Localnet {
    /// simulateTransaction. If the operation has no authorization, the simulation records what it needs, also below the
    /// root (`record_allow_nonroot`). If it has some, the simulation enforces that.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn simulate(&self, envelope: TransactionEnvelope) -> Result<Simulated, Stopped> {
        self.node()?.call_blocking(|node| match rpc::simulate::record_or_enforce(node, envelope) {
            Ok(simulation) => Simulated::from(simulation),
            Err(error) => Simulated { error: Some(error), ..Simulated::default() },
        })
    }

    /// sendTransaction.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn submit(&self, envelope: TransactionEnvelope) -> Result<Submission, Stopped> {
        self.node()?.call_blocking(|node| {
            // An envelope in memory that does not encode has more than 2^32 bytes or levels; no caller can build one.
            let tx = Submitted::new(envelope, node.network_id).expect("an envelope in memory encodes");
            let hash = tx.hash();
            match node.submit(tx) {
                queue::Answer::Pending => Submission::Pending(hash),
                queue::Answer::Duplicate => Submission::Duplicate,
                queue::Answer::TryAgainLater => Submission::TryAgainLater,
                queue::Answer::Error { result, diagnostics } => Submission::Refused { result, diagnostics },
            }
        })
    }

    /// getTransaction. Answers `None` while no closed ledger has the transaction.
    ///
    /// # Errors
    /// Fails when the network has stopped.
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

    /// getLedgerEntries. It has one answer for each key, `None` where there is no entry.
    ///
    /// # Errors
    /// Fails when the network has stopped.
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
        }
    }
}
