//! Simulates what a transaction would do in the last closed ledger, what it needs, and what it costs.
//!
//! soroban-simulation does the work, with the public server's adjustments. An invocation that needs archived entries restores
//! them itself, and the simulated transaction data marks them (CAP-66).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use soroban_env_host::{HostError, LedgerInfo, e2e_invoke::RecordingInvocationAuthMode, events::HostEvent};
use soroban_simulation::{
    NetworkConfig,
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

/// How the simulation treats authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMode {
    /// The authorization entries of the operation must be enough.
    Enforce,
    /// The simulation records the authorization that the call needs.
    Record {
        /// Also record what is needed below a call that its signer did not start.
        allow_nonroot: bool,
        /// Record address credentials of the second version.
        address_v2: bool,
    },
}

/// The state on which a transaction is simulated.
pub(crate) struct Snapshot<'a> {
    pub(crate) entries: Rc<Entries>,
    pub(crate) config: &'a NetworkConfig,
    pub(crate) info: LedgerInfo,
}

/// The result of a simulation. If it failed, there is no `data`, and `error` says why.
#[derive(Debug, Default)]
pub(crate) struct Simulation {
    pub(crate) error: Option<String>,
    pub(crate) data: Option<SorobanTransactionData>,
    pub(crate) result: Option<ScVal>,
    pub(crate) auth: Vec<SorobanAuthorizationEntry>,
    pub(crate) events: Vec<DiagnosticEvent>,
    pub(crate) changes: Vec<LedgerEntryDiff>,
}

impl Simulation {
    fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

/// Simulates a call, an upload or a creation. `leeway` is the fewest instructions to add to those that were counted.
pub(crate) fn invoke(
    snapshot: &Snapshot<'_>,
    op: InvokeHostFunctionOp,
    source: &AccountId,
    auth: AuthMode,
    leeway: u32,
    seed: [u8; 32],
) -> Simulation {
    guarded(|| {
        let mut adjustment = SimulationAdjustmentConfig::default_adjustment();
        adjustment.instructions.additive_factor = adjustment.instructions.additive_factor.max(leeway);
        let auth = match auth {
            AuthMode::Enforce => RecordingInvocationAuthMode::Enforcing(op.auth.to_vec()),
            AuthMode::Record { allow_nonroot, address_v2 } => {
                RecordingInvocationAuthMode::recording(!allow_nonroot, address_v2)
            }
        };
        let simulated = simulate_invoke_host_function_op(
            Rc::clone(&snapshot.entries) as Rc<dyn soroban_env_host::storage::SnapshotSource>,
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
        let error = simulated.invoke_result.as_ref().err().map(|error| why(error, &simulated.diagnostic_events));
        Ok(Simulation {
            error,
            data: simulated.transaction_data,
            result: simulated.invoke_result.ok(),
            auth: simulated.auth,
            events: simulated.diagnostic_events,
            changes: simulated.modified_entries,
        })
    })
}

/// Simulates an extension of these keys' lives. Archived entries must be restored before.
pub(crate) fn extend(snapshot: &Snapshot<'_>, op: &ExtendFootprintTtlOp, keys: &[LedgerKey]) -> Simulation {
    guarded(|| {
        let adjustment = SimulationAdjustmentConfig::default_adjustment();
        let entries = snapshot.entries.as_ref();
        let simulated =
            simulate_extend_ttl_op(entries, snapshot.config, &adjustment, &snapshot.info, keys, op.extend_to)
                .map_err(text)?;
        Ok(Simulation { data: Some(simulated.transaction_data), ..Simulation::default() })
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

/// The host's error and the events that led to it, the newest first, in the public server's form.
fn why(error: &HostError, events: &[DiagnosticEvent]) -> String {
    let mut text = format!("HostError: {:?}\n\nEvent log (newest first):\n", error.error);
    for (place, diagnostic) in events.iter().rev().enumerate() {
        let event = HostEvent { event: diagnostic.event.clone(), failed_call: false };
        text.push_str(&format!("   {place}: {event}\n"));
    }
    text
}

/// An error with all its details, which is the public server's form.
fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// Turns a failure, or a panic in the host, into text, as the public server does.
fn guarded(simulate: impl FnOnce() -> Result<Simulation, String>) -> Simulation {
    match catch_unwind(AssertUnwindSafe(simulate)) {
        Ok(Ok(simulation)) => simulation,
        Ok(Err(error)) => Simulation::failed(error),
        Err(_) => Simulation::failed("the host panicked during simulation".to_owned()),
    }
}
