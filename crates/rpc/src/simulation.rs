//! simulateTransaction: what a transaction would do, need and cost.

use paychan_channel::{Ledger, Stroops};
use serde::{Deserialize, Serialize};
use stellar_xdr::{
    DiagnosticEvent, LedgerKey, Limits, ScVal, SorobanAuthorizationEntry, SorobanTransactionData,
    SorobanTransactionDataExt, TransactionEnvelope, WriteXdr,
};

use crate::decoding::{Number, xdr};
use crate::error::printable;
use crate::{Client, RpcError};

const METHOD: &str = "simulateTransaction";

/// The answer of `simulateTransaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// The ledger at which it was simulated.
    pub latest_ledger: Ledger,
    /// What would happen.
    pub outcome: Result<Simulated, SimulationFailure>,
}

/// A transaction that would succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// Footprint, resources and resource fee, padded by the server (instructions by 4 %, the refundable fee by 15 %).
    pub data: SorobanTransactionData,
    /// The authorizations that are needed; unsigned when none were given.
    pub auth: Vec<SorobanAuthorizationEntry>,
    /// What the call returns. `None` for operations that call nothing.
    pub return_value: Option<ScVal>,
    /// Whether a restoration is needed first. From protocol 23 on, calls themselves restore what they need.
    pub restore_first: bool,
}

impl Simulated {
    /// The archived entries that the call would restore (CAP-66). [`assemble`](crate::assemble) copies their marks into
    /// the transaction, which would fail without them.
    pub fn archived(&self) -> impl Iterator<Item = &LedgerKey> {
        let marks = match &self.data.ext {
            SorobanTransactionDataExt::V0 => &[],
            SorobanTransactionDataExt::V1(marks) => marks.archived_soroban_entries.as_slice(),
        };
        let read_write = self.data.resources.footprint.read_write.as_slice();
        marks.iter().filter_map(|index| read_write.get(usize::try_from(*index).ok()?))
    }

    /// The resource fee, in stroops.
    #[must_use]
    pub fn resource_fee(&self) -> Stroops {
        Stroops(self.data.resource_fee)
    }
}

/// A transaction that would fail. [`CallFailure`](crate::CallFailure) puts it in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulationFailure {
    /// The host's error text.
    pub error: String,
    /// The host's diagnostic events, oldest first.
    pub events: Vec<DiagnosticEvent>,
}

#[derive(Serialize)]
struct Params {
    transaction: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    transaction_data: Option<String>,
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    results: Option<Vec<RawResult>>,
    #[serde(default)]
    restore_preamble: Option<serde_json::Value>,
    latest_ledger: Number<u32>,
}

#[derive(Deserialize)]
struct RawResult {
    #[serde(default)]
    auth: Option<Vec<String>>,
    #[serde(default)]
    xdr: Option<String>,
}

impl Client {
    /// Simulates a transaction of one operation. The server ignores the transaction's signatures. It checks signed
    /// authorization entries; if there are none, it records which are needed.
    ///
    /// # Errors
    /// Any [`RpcError`]. A call that would fail is an answer, not an error.
    pub async fn simulate(&self, envelope: &TransactionEnvelope) -> Result<Simulation, RpcError> {
        let transaction = envelope
            .to_xdr_base64(Limits::none())
            .map_err(|error| self.bad(METHOD, format!("the transaction has no encoding: {error}")))?;
        let raw: Raw = self.call(METHOD, Some(Params { transaction })).await?;
        decode(raw).map_err(|what| self.bad(METHOD, what))
    }
}

fn decode(raw: Raw) -> Result<Simulation, String> {
    let latest_ledger = Ledger(raw.latest_ledger.0);
    if let Some(error) = raw.error.filter(|error| !error.is_empty()) {
        // The failure counts even if some of its events can't be read.
        let events = raw.events.unwrap_or_default();
        let events = events.iter().filter_map(|event| xdr("an event", event).ok()).collect();
        let failure = SimulationFailure { error: printable(&error), events };
        return Ok(Simulation { latest_ledger, outcome: Err(failure) });
    }
    let data = raw.transaction_data.ok_or("it has neither an error nor transaction data")?;
    let data = xdr("the transaction data", &data)?;
    let mut auth = Vec::new();
    let mut return_value = None;
    if let Some(result) = raw.results.unwrap_or_default().first() {
        for entry in result.auth.iter().flatten() {
            auth.push(xdr("an authorization entry", entry)?);
        }
        return_value = result.xdr.as_ref().map(|value| xdr("the return value", value)).transpose()?;
    }
    let restore_first = raw.restore_preamble.is_some_and(|preamble| !preamble.is_null());
    Ok(Simulation { latest_ledger, outcome: Ok(Simulated { data, auth, return_value, restore_first }) })
}
