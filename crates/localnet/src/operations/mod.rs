//! Checks and applies operations. Each kind has a module; this module chooses between them.

mod account_merge;
pub(crate) mod asset_events;
mod bump_sequence;
mod create_account;
mod footprint;
mod invoke;
mod issuer;
mod manage_data;
mod payment;
mod set_options;
pub(crate) mod soroban;
mod trust;

use stellar_xdr::{
    AccountId, ContractEvent, DiagnosticEvent, MuxedAccount, Operation, OperationBody, OperationResult,
    OperationResultTr,
};

use crate::{
    ledger::{accounts::unmuxed, entries::Entries},
    settings::Config,
    transaction::{diagnostics::not_implemented, envelope::Submitted, signatures::Threshold},
};

/// The data of a classic operation.
pub(crate) struct Classic<'a> {
    pub(crate) entries: &'a mut Entries,
    pub(crate) tx: &'a Submitted,
    pub(crate) source: &'a MuxedAccount,
    pub(crate) network_id: [u8; 32],
    /// The ledger's close time, in Unix seconds.
    pub(crate) close_time: u64,
    /// Events that the operation emits (CAP-67).
    pub(crate) events: &'a mut Vec<ContractEvent>,
}

impl Classic<'_> {
    fn source_id(&self) -> AccountId {
        unmuxed(self.source)
    }
}

/// A failure whose code is one for all operations, and not one of the operation's own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unusual {
    NoAccount,
    TooManySubentries,
}

impl Unusual {
    fn result(self) -> OperationResult {
        match self {
            Self::NoAccount => OperationResult::OpNoAccount,
            Self::TooManySubentries => OperationResult::OpTooManySubentries,
        }
    }
}

/// The threshold that an operation's source account must reach.
pub(crate) fn threshold(operation: &Operation) -> Threshold {
    match &operation.body {
        OperationBody::SetOptions(options) => set_options::threshold(options),
        OperationBody::AccountMerge(_) => Threshold::High,
        OperationBody::SetTrustLineFlags(_)
        | OperationBody::BumpSequence(_)
        | OperationBody::ExtendFootprintTtl(_)
        | OperationBody::RestoreFootprint(_) => Threshold::Low,
        _ => Threshold::Medium,
    }
}

/// Checks what can be checked without the ledger's state. Answers the result of an operation that can't succeed.
pub(crate) fn check(
    tx: &Submitted,
    operation: &Operation,
    source: &AccountId,
    config: &Config,
    diagnostics: &mut Vec<DiagnosticEvent>,
) -> Option<OperationResult> {
    use OperationResultTr as Tr;
    let checked = match &operation.body {
        OperationBody::CreateAccount(op) => create_account::check(op, source).map_err(Tr::CreateAccount),
        OperationBody::Payment(op) => payment::check(op).map_err(Tr::Payment),
        OperationBody::ChangeTrust(op) => trust::check(op, source).map_err(Tr::ChangeTrust),
        OperationBody::SetOptions(op) => set_options::check(op, source, diagnostics).map_err(Tr::SetOptions),
        OperationBody::SetTrustLineFlags(op) => issuer::check_flags(op, source).map_err(Tr::SetTrustLineFlags),
        OperationBody::Clawback(op) => issuer::check_clawback(op, source).map_err(Tr::Clawback),
        OperationBody::AccountMerge(to) => account_merge::check(to, source).map_err(Tr::AccountMerge),
        OperationBody::ManageData(op) => manage_data::check(op).map_err(Tr::ManageData),
        OperationBody::BumpSequence(op) => bump_sequence::check(op).map_err(Tr::BumpSequence),
        OperationBody::InvokeHostFunction(op) => invoke::check(op, config, diagnostics).map_err(Tr::InvokeHostFunction),
        OperationBody::ExtendFootprintTtl(op) => {
            footprint::check_extend(op, tx, config.archival.max_entry_ttl).map_err(Tr::ExtendFootprintTtl)
        }
        OperationBody::RestoreFootprint(_) => footprint::check_restore(tx).map_err(Tr::RestoreFootprint),
        other => {
            diagnostics.push(not_implemented(other.name()));
            return Some(OperationResult::OpNotSupported);
        }
    };
    checked.err().map(OperationResult::OpInner)
}

/// Applies a classic operation. On failure the caller rolls back what it changed.
pub(crate) fn apply_classic(operation: &Operation, classic: &mut Classic<'_>) -> OperationResult {
    use OperationResultTr as Tr;
    let inner = match &operation.body {
        OperationBody::CreateAccount(op) => Tr::CreateAccount(create_account::apply(op, classic)),
        OperationBody::Payment(op) => Tr::Payment(payment::apply(op, classic)),
        OperationBody::ChangeTrust(op) => match trust::apply(op, classic) {
            Ok(code) => Tr::ChangeTrust(code),
            Err(unusual) => return unusual.result(),
        },
        OperationBody::SetOptions(op) => match set_options::apply(op, classic) {
            Ok(code) => Tr::SetOptions(code),
            Err(unusual) => return unusual.result(),
        },
        OperationBody::SetTrustLineFlags(op) => Tr::SetTrustLineFlags(issuer::apply_flags(op, classic)),
        OperationBody::Clawback(op) => Tr::Clawback(issuer::apply_clawback(op, classic)),
        OperationBody::AccountMerge(to) => Tr::AccountMerge(account_merge::apply(to, classic)),
        OperationBody::ManageData(op) => match manage_data::apply(op, classic) {
            Ok(code) => Tr::ManageData(code),
            Err(unusual) => return unusual.result(),
        },
        OperationBody::BumpSequence(op) => Tr::BumpSequence(bump_sequence::apply(op, classic)),
        _ => return OperationResult::OpNotSupported,
    };
    OperationResult::OpInner(inner)
}

/// Applies a transaction's Soroban operation. On failure the caller rolls back what it changed.
pub(crate) fn apply_soroban(operation: &Operation, soroban: &mut soroban::Soroban<'_>) -> soroban::Done {
    use OperationResultTr as Tr;
    match &operation.body {
        OperationBody::InvokeHostFunction(op) => invoke::apply(operation, op, soroban),
        OperationBody::ExtendFootprintTtl(op) => {
            soroban::Done::of(Tr::ExtendFootprintTtl(footprint::extend(op, soroban)))
        }
        OperationBody::RestoreFootprint(_) => soroban::Done::of(Tr::RestoreFootprint(footprint::restore(soroban))),
        _ => soroban::Done::unsupported(),
    }
}
