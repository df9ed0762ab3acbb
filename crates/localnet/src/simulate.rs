//! Simulation: what a transaction would do in the last closed ledger, what it needs and what it costs.
//!
//! soroban-simulation does it; the adjustments are the public server's. Archived entries are treated as if they had been
//! restored just before, and the transaction that restores them is returned beside: this network does not restore
//! automatically yet, so a client sends that one first.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use soroban_env_host::{HostError, LedgerInfo, e2e_invoke::RecordingInvocationAuthMode, events::HostEvent};
use soroban_simulation::{
    AutoRestoringSnapshotSource, NetworkConfig,
    simulation::{
        LedgerEntryDiff, SimulationAdjustmentConfig, simulate_extend_ttl_op, simulate_invoke_host_function_op,
        simulate_restore_op,
    },
};
use stellar_xdr::{
    AccountId, DiagnosticEvent, ExtendFootprintTtlOp, InvokeHostFunctionOp, LedgerKey, ScVal,
    SorobanAuthorizationEntry, SorobanTransactionData,
};

use crate::ledger::entries::Entries;

/// How authorization is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMode {
    /// The entries that the operation brings must suffice.
    Enforce,
    /// What is needed is recorded.
    Record {
        /// Also what is needed below a call that its own signer didn't start.
        allow_nonroot: bool,
        /// With address credentials of the second version.
        address_v2: bool,
    },
}

/// The state that is simulated on.
pub(crate) struct Snapshot<'a> {
    pub(crate) entries: Rc<Entries>,
    pub(crate) config: &'a NetworkConfig,
    pub(crate) info: LedgerInfo,
}

/// What simulation found. Without `data` it failed, and `error` says why.
#[derive(Debug, Default)]
pub(crate) struct Simulation {
    pub(crate) error: Option<String>,
    pub(crate) data: Option<SorobanTransactionData>,
    pub(crate) result: Option<ScVal>,
    pub(crate) auth: Vec<SorobanAuthorizationEntry>,
    pub(crate) events: Vec<DiagnosticEvent>,
    pub(crate) changes: Vec<LedgerEntryDiff>,
    /// The RestoreFootprint that must come first.
    pub(crate) restore: Option<SorobanTransactionData>,
}

impl Simulation {
    fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

/// Simulates a call, an upload or a creation. `leeway`: instructions to add at least.
pub(crate) fn invoke(
    snapshot: &Snapshot<'_>,
    op: InvokeHostFunctionOp,
    source: &AccountId,
    auth: AuthMode,
    leeway: u32,
    seed: [u8; 32],
) -> Simulation {
    guarded(|| {
        let restoring = Rc::new(restoring(snapshot)?);
        let mut adjustment = SimulationAdjustmentConfig::default_adjustment();
        adjustment.instructions.additive_factor = adjustment.instructions.additive_factor.max(leeway);
        let auth = match auth {
            AuthMode::Enforce => RecordingInvocationAuthMode::Enforcing(op.auth.to_vec()),
            AuthMode::Record { allow_nonroot, address_v2 } => {
                RecordingInvocationAuthMode::recording(!allow_nonroot, address_v2)
            }
        };
        let simulated = simulate_invoke_host_function_op(
            Rc::clone(&restoring) as Rc<dyn soroban_env_host::storage::SnapshotSource>,
            snapshot.config,
            &adjustment,
            &snapshot.info,
            op.host_function,
            auth,
            source,
            seed,
            true,
        )
        .map_err(text)?;
        let restore = if simulated.transaction_data.is_some() { restore_first(&restoring, snapshot)? } else { None };
        let error = simulated.invoke_result.as_ref().err().map(|error| why(error, &simulated.diagnostic_events));
        Ok(Simulation {
            error,
            data: simulated.transaction_data,
            result: simulated.invoke_result.ok(),
            auth: simulated.auth,
            events: simulated.diagnostic_events,
            changes: simulated.modified_entries,
            restore,
        })
    })
}

/// Simulates an extension of these keys' lives.
pub(crate) fn extend(snapshot: &Snapshot<'_>, op: &ExtendFootprintTtlOp, keys: &[LedgerKey]) -> Simulation {
    guarded(|| {
        let restoring = restoring(snapshot)?;
        let adjustment = SimulationAdjustmentConfig::default_adjustment();
        let simulated =
            simulate_extend_ttl_op(&restoring, snapshot.config, &adjustment, &snapshot.info, keys, op.extend_to)
                .map_err(text)?;
        let restore = restore_first(&restoring, snapshot)?;
        Ok(Simulation { data: Some(simulated.transaction_data), restore, ..Simulation::default() })
    })
}

/// Simulates a restoration of these keys.
pub(crate) fn restore(snapshot: &Snapshot<'_>, keys: &[LedgerKey]) -> Simulation {
    guarded(|| {
        let adjustment = SimulationAdjustmentConfig::default_adjustment();
        let simulated =
            simulate_restore_op(snapshot.entries.as_ref(), snapshot.config, &adjustment, &snapshot.info, keys)
                .map_err(text)?;
        Ok(Simulation { data: Some(simulated.transaction_data), ..Simulation::default() })
    })
}

fn restoring(snapshot: &Snapshot<'_>) -> Result<AutoRestoringSnapshotSource<Entries>, String> {
    AutoRestoringSnapshotSource::new(Rc::clone(&snapshot.entries), &snapshot.info).map_err(text)
}

/// The host's error and what led to it, newest first, in the public server's form.
fn why(error: &HostError, events: &[DiagnosticEvent]) -> String {
    let mut text = format!("HostError: {:?}\n\nEvent log (newest first):\n", error.error);
    for (place, diagnostic) in events.iter().rev().enumerate() {
        let event = HostEvent { event: diagnostic.event.clone(), failed_call: false };
        text.push_str(&format!("   {place}: {event}\n"));
    }
    text
}

/// An error with all that is known of it, which is the public server's form.
fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn restore_first(
    restoring: &AutoRestoringSnapshotSource<Entries>,
    snapshot: &Snapshot<'_>,
) -> Result<Option<SorobanTransactionData>, String> {
    let adjustment = SimulationAdjustmentConfig::default_adjustment();
    let restored = restoring.simulate_restore_keys_op(snapshot.config, &adjustment, &snapshot.info).map_err(text)?;
    Ok(restored.map(|restored| restored.transaction_data))
}

/// As the public server does: a failure, or a panic in the host, is told as text.
fn guarded(simulate: impl FnOnce() -> Result<Simulation, String>) -> Simulation {
    match catch_unwind(AssertUnwindSafe(simulate)) {
        Ok(Ok(simulation)) => simulation,
        Ok(Err(error)) => Simulation::failed(error),
        Err(_) => Simulation::failed("the host panicked during simulation".to_owned()),
    }
}
