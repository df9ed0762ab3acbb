//! The network's settings: what a transaction may use, what it costs, how long entries live.
//!
//! The figures are those of the public test network (protocol 28). They are in `testnet.json`, in the form in which the
//! network's operators publish them: a `ConfigUpgradeSet` as JSON. The lives of entries and the time between ledgers
//! are options, so that archival can be tested in minutes. The settings are kept as `CONFIG_SETTING` ledger entries, as
//! on the public networks: clients read them with getLedgerEntries, and simulation and execution load them from there.

use soroban_simulation::NetworkConfig;
use stellar_xdr::{
    ConfigSettingContractBandwidthV0, ConfigSettingContractComputeV0, ConfigSettingContractEventsV0,
    ConfigSettingContractExecutionLanesV0, ConfigSettingContractLedgerCostExtV0, ConfigSettingContractLedgerCostV0,
    ConfigSettingEntry, ConfigSettingId, ConfigUpgradeSet, EvictionIterator, LedgerEntryData, LedgerKey,
    LedgerKeyConfigSetting, StateArchivalSettings,
};

use crate::{ledger::entries::Entries, options::Options};

/// The protocol version that this network runs, which is the host's own.
pub(crate) const PROTOCOL: u32 = 28;
/// The least bid for inclusion, in stroops per operation.
pub(crate) const BASE_FEE: u32 = 100;
/// The most operations of one ledger's classic transactions (the public networks' `maxTxSetSize`).
pub(crate) const MAX_CLASSIC_OPERATIONS: u32 = 1_000;
/// Stroops that an account keeps for each entry it owns; an account itself counts as two.
pub(crate) const BASE_RESERVE: u32 = 5_000_000;

const TESTNET: &str = include_str!("testnet.json");

/// The settings of the first ledger.
///
/// # Errors
/// `testnet.json` is not a `ConfigUpgradeSet`.
pub(crate) fn genesis(options: &Options) -> Result<Vec<ConfigSettingEntry>, Unusable> {
    let published: ConfigUpgradeSet =
        serde_json::from_str(TESTNET).map_err(|error| Unusable(format!("testnet.json: {error}")))?;
    let mut settings = published.updated_entry.to_vec();
    let mut samples = 0;
    for setting in &mut settings {
        match setting {
            ConfigSettingEntry::StateArchival(archival) => {
                archival.max_entry_ttl = options.max_entry_ttl;
                archival.min_temporary_ttl = options.min_temporary_ttl;
                archival.min_persistent_ttl = options.min_persistent_ttl;
                samples = archival.live_soroban_state_size_window_sample_size as usize;
            }
            ConfigSettingEntry::ScpTiming(timing) => {
                timing.ledger_target_close_time_milliseconds = options.ledger_ms;
            }
            _ => {}
        }
    }
    // The network itself writes these two; they are never part of an upgrade.
    settings.push(state_sizes(vec![0; samples]));
    settings.push(ConfigSettingEntry::EvictionIterator(EvictionIterator {
        bucket_list_level: 7,
        is_curr_bucket: true,
        bucket_file_offset: 0,
    }));
    Ok(settings)
}

/// The setting that holds the latest samples of the live state's size, in bytes, oldest first.
pub(crate) fn state_sizes(samples: Vec<u64>) -> ConfigSettingEntry {
    ConfigSettingEntry::LiveSorobanStateSizeWindow(
        samples.try_into().expect("as many samples as the setting of their number says"),
    )
}

/// The settings in the ledger's entries, decoded.
#[derive(Debug)]
pub(crate) struct Config {
    /// What the host and the simulation need: prices, cost tables, lives.
    pub(crate) host: NetworkConfig,
    pub(crate) compute: ConfigSettingContractComputeV0,
    pub(crate) cost: ConfigSettingContractLedgerCostV0,
    pub(crate) cost_ext: ConfigSettingContractLedgerCostExtV0,
    pub(crate) bandwidth: ConfigSettingContractBandwidthV0,
    pub(crate) events: ConfigSettingContractEventsV0,
    pub(crate) archival: StateArchivalSettings,
    pub(crate) lanes: ConfigSettingContractExecutionLanesV0,
    /// The most bytes of a contract's Wasm.
    pub(crate) max_contract_bytes: u32,
    /// The most bytes of a ledger key in a footprint.
    pub(crate) max_key_bytes: u32,
    /// The most bytes of a contract data entry.
    pub(crate) max_data_bytes: u32,
}

/// The settings are not usable. The built-in ones are, so this error means that somebody made a mistake in them.
#[derive(Debug, thiserror::Error)]
#[error("the network's settings are not usable: {0}")]
pub(crate) struct Unusable(pub(crate) String);

/// Finds one setting among the entries.
macro_rules! setting {
    ($entries:expr, $id:ident) => {
        match find($entries, ConfigSettingId::$id) {
            Some(ConfigSettingEntry::$id(value)) => Ok(value.clone()),
            _ => Err(Unusable(format!("there is no setting {}", stringify!($id)))),
        }
    };
}

impl Config {
    /// Decodes the settings in the entries.
    ///
    /// # Errors
    /// A setting is missing, or the host refuses one.
    pub(crate) fn load(entries: &Entries) -> Result<Self, Unusable> {
        Ok(Self {
            host: NetworkConfig::load_from_snapshot(entries).map_err(|error| Unusable(error.to_string()))?,
            compute: setting!(entries, ContractComputeV0)?,
            cost: setting!(entries, ContractLedgerCostV0)?,
            cost_ext: setting!(entries, ContractLedgerCostExtV0)?,
            bandwidth: setting!(entries, ContractBandwidthV0)?,
            events: setting!(entries, ContractEventsV0)?,
            archival: setting!(entries, StateArchival)?,
            lanes: setting!(entries, ContractExecutionLanes)?,
            max_contract_bytes: setting!(entries, ContractMaxSizeBytes)?,
            max_key_bytes: setting!(entries, ContractDataKeySizeBytes)?,
            max_data_bytes: setting!(entries, ContractDataEntrySizeBytes)?,
        })
    }
}

fn find(entries: &Entries, config_setting_id: ConfigSettingId) -> Option<&ConfigSettingEntry> {
    match entries.data(&LedgerKey::ConfigSetting(LedgerKeyConfigSetting { config_setting_id })) {
        Some(LedgerEntryData::ConfigSetting(setting)) => Some(setting),
        _ => None,
    }
}
