//! The common parts of the three Soroban operations: prices and limits, the refundable fee, rent.

use soroban_env_host::{
    HostError, LedgerInfo, ModuleCache,
    budget::Budget,
    e2e_invoke::entry_size_for_rent,
    fees::{LedgerEntryRentChange, compute_rent_fee},
};
use soroban_simulation::NetworkConfig;
use stellar_xdr::{
    ContractDataDurability, ContractEvent, DiagnosticEvent, LedgerEntry, LedgerKey, Limits, OperationResult,
    OperationResultTr, ScVal, SorobanTransactionData, WriteXdr,
};

use crate::{
    ledger::entries::Entries,
    settings::Config,
    transaction::{
        diagnostics::{Part, exceeded},
        envelope::Submitted,
        fees,
    },
};

/// The data of a Soroban operation.
pub(crate) struct Soroban<'a> {
    pub(crate) entries: &'a mut Entries,
    pub(crate) tx: &'a Submitted,
    pub(crate) data: &'a SorobanTransactionData,
    pub(crate) config: &'a Config,
    pub(crate) modules: &'a ModuleCache,
    pub(crate) info: LedgerInfo,
    /// The seed of the contracts' random numbers; each transaction has its own.
    pub(crate) seed: [u8; 32],
    pub(crate) refundable: Refundable,
    pub(crate) diagnostics: Vec<DiagnosticEvent>,
}

/// The effect of a Soroban operation.
pub(crate) struct Done {
    pub(crate) result: OperationResult,
    pub(crate) events: Vec<ContractEvent>,
    pub(crate) return_value: Option<ScVal>,
}

impl Done {
    /// A result without events and return value.
    pub(crate) fn of(result: OperationResultTr) -> Self {
        Self { result: OperationResult::OpInner(result), events: Vec::new(), return_value: None }
    }

    /// The result of an operation that is not a Soroban one. Validation refuses such an operation before.
    pub(crate) fn unsupported() -> Self {
        Self { result: OperationResult::OpNotSupported, events: Vec::new(), return_value: None }
    }
}

/// The part of the resource fee that pays for rent and events, in stroops. The unused part is given back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refundable {
    /// What the declared resources cost. It is never given back, whether they are used or not.
    pub(crate) fixed: i64,
    /// The declared resource fee, less what the declared resources cost.
    pub(crate) at_most: i64,
    pub(crate) rent: i64,
    pub(crate) events: i64,
}

impl Refundable {
    /// The fee before anything of it is used.
    pub(crate) fn new(tx: &Submitted, data: &SorobanTransactionData, config: &Config) -> Self {
        let (fixed, _) = fees::resource_fees(tx, data, 0, &config.host.fee_configuration);
        Self { fixed, at_most: data.resource_fee.saturating_sub(fixed), rent: 0, events: 0 }
    }

    /// The used part.
    pub(crate) fn used(&self) -> i64 {
        self.rent.saturating_add(self.events)
    }

    /// The part that is given back.
    pub(crate) fn refund(&self) -> i64 {
        self.at_most.saturating_sub(self.used())
    }
}

impl Soroban<'_> {
    /// Pays rent and events from the refundable fee.
    ///
    /// # Errors
    /// The fee is too low; a diagnostic event says by how much.
    pub(crate) fn pay(&mut self, rent: i64, events_size: u32) -> Result<(), Insufficient> {
        let stroops = |fee: i64| u64::try_from(fee).unwrap_or(0);
        if rent > self.refundable.at_most {
            let reason = "refundable resource fee was not sufficient to cover the ledger storage rent: {} > {}";
            let event = exceeded(Part::Budget, reason, stroops(rent), stroops(self.refundable.at_most));
            self.diagnostics.push(event.event());
            return Err(Insufficient);
        }
        let (_, events) = fees::resource_fees(self.tx, self.data, events_size, &self.config.host.fee_configuration);
        let left = self.refundable.at_most - rent;
        if events > left {
            let reason = "refundable resource fee was not sufficient to cover the events fee after paying for ledger \
                          storage rent: {} > {}";
            self.diagnostics.push(exceeded(Part::Budget, reason, stroops(events), stroops(left)).event());
            return Err(Insufficient);
        }
        self.refundable.rent = rent;
        self.refundable.events = events;
        Ok(())
    }

    /// What these changes of lives and sizes cost, in stroops.
    pub(crate) fn rent(&self, changes: &[LedgerEntryRentChange]) -> i64 {
        compute_rent_fee(changes, &self.config.host.rent_fee_configuration, self.info.sequence_number)
    }

    /// Whether the entry is small enough for the network. If it is not, a diagnostic event says so.
    pub(crate) fn is_storable(&mut self, key: &LedgerKey, size: u32) -> bool {
        let (reason, allowed) = match key {
            LedgerKey::ContractCode(_) => {
                ("Wasm size exceeds network config maximum contract size", self.config.max_contract_bytes)
            }
            LedgerKey::ContractData(_) => {
                ("ContractData size exceeds network config maximum size", self.config.max_data_bytes)
            }
            _ => return true,
        };
        if size > allowed {
            self.diagnostics.push(exceeded(Part::Budget, reason, u64::from(size), u64::from(allowed)).event());
        }
        size <= allowed
    }

    /// Whether more bytes were used than declared. If so, a diagnostic event says it.
    pub(crate) fn exceeds(&mut self, what: &'static str, used: u32, declared: u32) -> bool {
        if used > declared {
            self.diagnostics.push(exceeded(Part::Budget, what, u64::from(used), u64::from(declared)).event());
        }
        used > declared
    }
}

pub(crate) const READ_EXCEEDED: &str = "operation byte-read resources exceeds amount specified";
pub(crate) const WRITE_EXCEEDED: &str = "operation byte-write resources exceeds amount specified";

/// The refundable fee is too low.
#[derive(Debug)]
pub(crate) struct Insufficient;

/// The bytes of an entry's XDR.
pub(crate) fn size(entry: &impl WriteXdr) -> u32 {
    entry.to_xdr(Limits::none()).ok().and_then(|bytes| u32::try_from(bytes.len()).ok()).unwrap_or(u32::MAX)
}

/// The bytes of an entry for which rent is paid: its XDR and, for code, the memory that the parsed module takes. It is
/// computed on a budget of its own, because no transaction pays for the computation.
///
/// # Errors
/// The host's error, when no budget can be made of the settings.
pub(crate) fn size_for_rent(config: &NetworkConfig, entry: &LedgerEntry, xdr_size: u32) -> Result<u32, HostError> {
    let budget = Budget::try_from_configs(
        u64::MAX,
        u64::MAX,
        config.cpu_cost_params.clone(),
        config.memory_cost_params.clone(),
    )?;
    entry_size_for_rent(&budget, entry, xdr_size)
}

/// The rent that is due when an entry's life becomes longer and the entry itself stays as it is. An `old_live_until` of 0
/// means that the entry is restored and pays like a new one.
///
/// # Errors
/// Those of [`size_for_rent`].
pub(crate) fn longer_life(
    config: &NetworkConfig,
    key: &LedgerKey,
    entry: &LedgerEntry,
    old_live_until: u32,
    new_live_until: u32,
) -> Result<LedgerEntryRentChange, HostError> {
    let size = size_for_rent(config, entry, size(entry))?;
    let is_new = old_live_until == 0;
    Ok(LedgerEntryRentChange {
        is_persistent: soroban_env_host::ledger_info::get_key_durability(key)
            == Some(ContractDataDurability::Persistent),
        is_code_entry: matches!(key, LedgerKey::ContractCode(_)),
        old_size_bytes: if is_new { 0 } else { size },
        new_size_bytes: size,
        old_live_until_ledger: old_live_until,
        new_live_until_ledger: new_live_until,
    })
}
