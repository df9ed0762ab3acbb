//! The network's settings: what a transaction may use, what it costs, how long entries live.
//!
//! The figures are those of the public test network (protocol 28); the lives of entries and the time between ledgers are
//! options, so that archival can be tested in minutes. They are kept as `CONFIG_SETTING` ledger entries, as on the
//! network: clients read them with getLedgerEntries, and simulation and execution load them from there.

mod cost_params;

use stellar_xdr::{
    ConfigSettingContractBandwidthV0, ConfigSettingContractComputeV0, ConfigSettingContractEventsV0,
    ConfigSettingContractExecutionLanesV0, ConfigSettingContractHistoricalDataV0, ConfigSettingContractLedgerCostExtV0,
    ConfigSettingContractLedgerCostV0, ConfigSettingContractParallelComputeV0, ConfigSettingEntry,
    ConfigSettingScpTiming, EvictionIterator, StateArchivalSettings,
};

use crate::options::Options;

/// The protocol version this network runs: the host's own.
pub(crate) const PROTOCOL: u32 = 28;
/// Stroops per operation that a transaction bids at least.
pub(crate) const BASE_FEE: u32 = 100;
/// Stroops that an account keeps for each entry it owns; an account itself counts as two.
pub(crate) const BASE_RESERVE: u32 = 5_000_000;
/// Bytes of Wasm at most.
pub(crate) const MAX_CONTRACT_SIZE: u32 = 131_072;
/// Instructions of one transaction at most.
pub(crate) const TX_MAX_INSTRUCTIONS: i64 = 400_000_000;
/// Bytes of memory of one transaction at most.
pub(crate) const TX_MEMORY_LIMIT: u32 = 41_943_040;
/// Ledger entries that one transaction reads from disk (classic and archived ones) at most.
pub(crate) const TX_MAX_DISK_READ_ENTRIES: u32 = 200;
/// Bytes that one transaction reads from disk at most.
pub(crate) const TX_MAX_DISK_READ_BYTES: u32 = 200_000;
/// Ledger entries that one transaction writes at most.
pub(crate) const TX_MAX_WRITE_ENTRIES: u32 = 200;
/// Bytes that one transaction writes at most.
pub(crate) const TX_MAX_WRITE_BYTES: u32 = 132_096;
/// Keys in one footprint at most.
pub(crate) const TX_MAX_FOOTPRINT_ENTRIES: u32 = 400;
/// Bytes of events and return value of one transaction at most.
pub(crate) const TX_MAX_EVENTS_SIZE: u32 = 16_384;
/// Bytes of a transaction envelope with Soroban data at most.
pub(crate) const TX_MAX_SIZE: u32 = 132_096;
/// Bytes of a ledger key in a footprint at most.
pub(crate) const MAX_DATA_KEY_SIZE: u32 = 250;
/// Bytes of a contract data entry at most.
pub(crate) const MAX_DATA_ENTRY_SIZE: u32 = 65_536;
/// Ledgers between two samples of the live state's size.
pub(crate) const STATE_SIZE_SAMPLE_PERIOD: u32 = 64;
/// Samples whose mean sets the price of rent.
pub(crate) const STATE_SIZE_SAMPLES: u32 = 30;

/// The settings as ledger entries. `state_sizes`: the window of samples of the live state's size, in bytes.
pub(crate) fn entries(options: &Options, state_sizes: &[u64]) -> Vec<ConfigSettingEntry> {
    vec![
        ConfigSettingEntry::ContractMaxSizeBytes(MAX_CONTRACT_SIZE),
        ConfigSettingEntry::ContractComputeV0(ConfigSettingContractComputeV0 {
            ledger_max_instructions: 580_000_000,
            tx_max_instructions: TX_MAX_INSTRUCTIONS,
            fee_rate_per_instructions_increment: 7,
            tx_memory_limit: TX_MEMORY_LIMIT,
        }),
        ConfigSettingEntry::ContractLedgerCostV0(ConfigSettingContractLedgerCostV0 {
            ledger_max_disk_read_entries: 1_000,
            ledger_max_disk_read_bytes: 400_000,
            ledger_max_write_ledger_entries: 1_000,
            ledger_max_write_bytes: 286_720,
            tx_max_disk_read_entries: TX_MAX_DISK_READ_ENTRIES,
            tx_max_disk_read_bytes: TX_MAX_DISK_READ_BYTES,
            tx_max_write_ledger_entries: TX_MAX_WRITE_ENTRIES,
            tx_max_write_bytes: TX_MAX_WRITE_BYTES,
            fee_disk_read_ledger_entry: 1_563,
            fee_write_ledger_entry: 2_500,
            fee_disk_read1_kb: 447,
            soroban_state_target_size_bytes: 4_000_000_000,
            rent_fee1_kb_soroban_state_size_low: -17_000,
            rent_fee1_kb_soroban_state_size_high: 10_000,
            soroban_state_rent_fee_growth_factor: 5_000,
        }),
        ConfigSettingEntry::ContractHistoricalDataV0(ConfigSettingContractHistoricalDataV0 {
            fee_historical1_kb: 4_059,
        }),
        ConfigSettingEntry::ContractEventsV0(ConfigSettingContractEventsV0 {
            tx_max_contract_events_size_bytes: TX_MAX_EVENTS_SIZE,
            fee_contract_events1_kb: 5_000,
        }),
        ConfigSettingEntry::ContractBandwidthV0(ConfigSettingContractBandwidthV0 {
            ledger_max_txs_size_bytes: 266_240,
            tx_max_size_bytes: TX_MAX_SIZE,
            fee_tx_size1_kb: 406,
        }),
        ConfigSettingEntry::ContractCostParamsCpuInstructions(cost_params::cpu()),
        ConfigSettingEntry::ContractCostParamsMemoryBytes(cost_params::memory()),
        ConfigSettingEntry::ContractDataKeySizeBytes(MAX_DATA_KEY_SIZE),
        ConfigSettingEntry::ContractDataEntrySizeBytes(MAX_DATA_ENTRY_SIZE),
        ConfigSettingEntry::StateArchival(StateArchivalSettings {
            max_entry_ttl: options.max_entry_ttl,
            min_temporary_ttl: options.min_temporary_ttl,
            min_persistent_ttl: options.min_persistent_ttl,
            persistent_rent_rate_denominator: 1_215,
            temp_rent_rate_denominator: 2_430,
            max_entries_to_archive: 1_000,
            live_soroban_state_size_window_sample_size: STATE_SIZE_SAMPLES,
            live_soroban_state_size_window_sample_period: STATE_SIZE_SAMPLE_PERIOD,
            eviction_scan_size: 500_000,
            starting_eviction_scan_level: 7,
        }),
        ConfigSettingEntry::ContractExecutionLanes(ConfigSettingContractExecutionLanesV0 {
            ledger_max_tx_count: 2_000,
        }),
        ConfigSettingEntry::LiveSorobanStateSizeWindow(
            state_sizes.to_vec().try_into().expect("a window of 30 is below the XDR limit"),
        ),
        ConfigSettingEntry::EvictionIterator(EvictionIterator {
            bucket_list_level: 7,
            is_curr_bucket: true,
            bucket_file_offset: 0,
        }),
        ConfigSettingEntry::ContractParallelComputeV0(ConfigSettingContractParallelComputeV0 {
            ledger_max_dependent_tx_clusters: 2,
        }),
        ConfigSettingEntry::ContractLedgerCostExtV0(ConfigSettingContractLedgerCostExtV0 {
            tx_max_footprint_entries: TX_MAX_FOOTPRINT_ENTRIES,
            fee_write1_kb: 875,
        }),
        ConfigSettingEntry::ScpTiming(ConfigSettingScpTiming {
            ledger_target_close_time_milliseconds: options.close_interval_ms(),
            nomination_timeout_initial_milliseconds: 1_000,
            nomination_timeout_increment_milliseconds: 1_000,
            ballot_timeout_initial_milliseconds: 1_000,
            ballot_timeout_increment_milliseconds: 1_000,
        }),
    ]
}
