//! The cache of parsed contract code. The host's prices assume that a module is in it; without the cache each call
//! would pay for parsing and use more than the simulation did. Modules are added between ledgers, as on the public
//! networks.

use std::fmt::Debug;

use soroban_env_host::{
    CompilationContext, Error, ErrorHandler, HostError, ModuleCache, Val,
    budget::{AsBudget, Budget},
    vm::VersionedContractCodeCostInputs,
};
use soroban_simulation::NetworkConfig;
use stellar_xdr::{ContractCodeEntry, ContractCodeEntryExt, ContractCostParams};

use crate::settings::PROTOCOL;

/// The budget that parsing is metered on. It has no limit, because the upload has paid for the parsing.
#[derive(Clone)]
struct Unmetered(Budget);

impl AsBudget for Unmetered {
    fn as_budget(&self) -> &Budget {
        &self.0
    }
}

impl ErrorHandler for Unmetered {
    fn map_err<T, E>(&self, result: Result<T, E>) -> Result<T, HostError>
    where
        Error: From<E>,
        E: Debug,
    {
        result.map_err(|error| HostError::from(Error::from(error)))
    }

    fn error(&self, error: Error, _message: &str, _arguments: &[Val]) -> HostError {
        HostError::from(error)
    }
}

impl CompilationContext for Unmetered {}

fn unmetered(config: &NetworkConfig) -> Result<Unmetered, HostError> {
    let (cpu, memory): (ContractCostParams, ContractCostParams) =
        (config.cpu_cost_params.clone(), config.memory_cost_params.clone());
    Ok(Unmetered(Budget::try_from_configs(u64::MAX, u64::MAX, cpu, memory)?))
}

/// Makes an empty cache.
///
/// # Errors
/// The host's error, when no budget can be made of the settings.
pub(crate) fn new_cache(config: &NetworkConfig) -> Result<ModuleCache, HostError> {
    ModuleCache::new(&unmetered(config)?)
}

/// Parses code into the cache. Code that is in it already costs nothing.
///
/// # Errors
/// The host's error. None is expected, because the upload has parsed the same bytes.
pub(crate) fn add(cache: &ModuleCache, config: &NetworkConfig, code: &ContractCodeEntry) -> Result<(), HostError> {
    let inputs = match &code.ext {
        ContractCodeEntryExt::V0 => VersionedContractCodeCostInputs::V0 { wasm_bytes: code.code.len() },
        ContractCodeEntryExt::V1(v1) => VersionedContractCodeCostInputs::V1(v1.cost_inputs.clone()),
    };
    cache.parse_and_cache_module(&unmetered(config)?, PROTOCOL, &code.hash, &code.code, inputs)
}
