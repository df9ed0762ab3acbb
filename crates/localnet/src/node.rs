//! The only node of the network: the ledger, the transactions that wait, and the clock. It lives on one thread, because the
//! Soroban host can't move between threads; see [`crate::thread`].

use std::{
    collections::VecDeque,
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};

use soroban_env_host::{LedgerInfo, ModuleCache};
use stellar_xdr::{
    Asset, ContractExecutable, ContractIdPreimage, CreateContractArgs, HostFunction, InvokeHostFunctionOp, VecM,
};

use crate::{
    friendbot::Friendbot,
    ledger::{
        accounts::account_id,
        entries::Entries,
        genesis,
        header::{ClosedHeader, transaction_set},
        history::{ClosedLedger, History},
    },
    module_cache,
    operations::soroban::{size, size_for_rent},
    options::Options,
    queue::{Answer, Queue},
    settings::{self, BASE_FEE, Config, Unusable},
    simulate::{self, AuthMode, Snapshot},
    transaction::{envelope::Submitted, validate::Moment},
};

/// The state of the network.
pub(crate) struct Node {
    pub(crate) options: Options,
    pub(crate) network_id: [u8; 32],
    /// The entries. A simulation shares them while it runs, and nothing else does.
    pub(crate) entries: Rc<Entries>,
    /// The settings in the entries, decoded.
    pub(crate) config: Config,
    pub(crate) modules: ModuleCache,
    pub(crate) history: History,
    pub(crate) queue: Queue,
    pub(crate) friendbot: Friendbot,
    /// The friendbot's URL, which getNetwork answers.
    pub(crate) friendbot_url: String,
    /// The fees that were paid, in stroops.
    pub(crate) fee_pool: i64,
    /// The latest samples of the live state's size in bytes, oldest first.
    state_sizes: VecDeque<u64>,
    /// By how many seconds this network's clock is ahead of the machine's, because ledgers that were jumped over take
    /// time.
    clock_ahead: u64,
}

impl Node {
    /// Makes a node with the first ledger.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub(crate) fn new(options: Options, friendbot_url: String) -> Result<Self, Unusable> {
        let entries = genesis::entries(&options)?;
        let config = Config::load(&entries)?;
        let modules = module_cache::new_cache(&config.host).map_err(|error| Unusable(error.to_string()))?;
        let network_id = genesis::network_id(&options.passphrase);
        let genesis = ClosedLedger {
            header: ClosedHeader::genesis(wall_clock()),
            transaction_set: transaction_set([0; 32], (Vec::new(), BASE_FEE), (Vec::new(), BASE_FEE)),
            transactions: Vec::new(),
            events: Vec::new(),
            live_state_size: 0,
            filled_at: None,
        };
        let mut node = Self {
            network_id,
            entries: Rc::new(entries),
            state_sizes: std::iter::repeat_n(0, config.archival.live_soroban_state_size_window_sample_size as usize)
                .collect(),
            config,
            modules,
            history: History::new(genesis),
            queue: Queue::default(),
            friendbot: Friendbot::new(network_id),
            friendbot_url,
            fee_pool: 0,
            clock_ahead: 0,
            options,
        };
        node.deploy_native_asset()?;
        Ok(node)
    }

    /// Creates the native asset's contract. It exists on the public networks, and tools assume that it does.
    fn deploy_native_asset(&mut self) -> Result<(), Unusable> {
        let create = InvokeHostFunctionOp {
            host_function: HostFunction::CreateContract(CreateContractArgs {
                contract_id_preimage: ContractIdPreimage::Asset(Asset::Native),
                executable: ContractExecutable::StellarAsset,
            }),
            auth: VecM::default(),
        };
        let root = account_id(genesis::root_key(self.network_id).verifying_key().to_bytes());
        let latest = self.history.latest();
        let (ledger, close_time) = (latest.header.header.ledger_seq, latest.header.close_time());
        let snapshot = Snapshot {
            entries: Rc::clone(&self.entries),
            config: &self.config.host,
            info: self.ledger_info(ledger, close_time),
        };
        let simulation = simulate::invoke(&snapshot, create, &root, AuthMode::Enforce, 0, latest.header.hash);
        drop(snapshot);
        if let Some(error) = simulation.error {
            return Err(Unusable(format!("the native asset's contract can't be created: {error}")));
        }
        let live_until = ledger.saturating_add(self.config.archival.max_entry_ttl).saturating_sub(1);
        let entries = Rc::make_mut(&mut self.entries);
        for created in simulation.changes.into_iter().filter_map(|change| change.state_after) {
            entries.put(created.data, created.ext, Some(live_until));
        }
        Ok(())
    }

    /// This network's time, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        wall_clock().saturating_add(self.clock_ahead)
    }

    /// The part of a ledger that contracts see.
    pub(crate) fn ledger_info(&self, ledger: u32, close_time: u64) -> LedgerInfo {
        let mut info = LedgerInfo {
            protocol_version: settings::PROTOCOL,
            sequence_number: ledger,
            timestamp: close_time,
            network_id: self.network_id,
            base_reserve: settings::BASE_RESERVE,
            ..LedgerInfo::default()
        };
        self.config.host.fill_config_fields_in_ledger_info(&mut info);
        info
    }

    /// Puts a transaction into the queue for the next ledger.
    pub(crate) fn submit(&mut self, tx: Submitted) -> Answer {
        let latest = self.history.newest();
        // The transaction may have to wait for two intervals, counted from now, not from the last close.
        let interval = u64::from(self.options.ledger_ms) / 1_000;
        let margin = (2 * interval).saturating_add(self.now().saturating_sub(latest.close_time));
        let moment = Moment {
            ledger: latest.sequence.saturating_add(1),
            close_time: latest.close_time,
            margin,
            applying: false,
        };
        self.queue.submit(tx, &self.entries, &self.config, moment)
    }

    /// When the next ledger closes: `skipped` seconds later than the clock says, and never before the last one. Ledgers
    /// that close faster than once a second share a close time; the public networks don't allow that.
    pub(crate) fn next_close_time(&mut self, skipped: u64) -> u64 {
        let last = self.history.newest().close_time;
        let close_time = self.now().max(last).saturating_add(skipped);
        self.clock_ahead = self.clock_ahead.max(close_time.saturating_sub(wall_clock()));
        close_time
    }

    /// Answers the live state's size in bytes. Where a sampling period ended between the two ledgers, it samples the size
    /// and lets the price of rent follow.
    pub(crate) fn sample_state_size(&mut self, from: u32, to: u32) -> u64 {
        let total = self
            .entries
            .live_contract_entries()
            .map(|entry| u64::from(size_for_rent(&self.config.host, entry, size(entry)).unwrap_or(0)))
            .sum();
        let period = self.config.archival.live_soroban_state_size_window_sample_period.max(1);
        let periods = to / period - from / period;
        if periods == 0 {
            return total;
        }
        for _ in 0..periods.min(self.config.archival.live_soroban_state_size_window_sample_size) {
            self.state_sizes.pop_front();
            self.state_sizes.push_back(total);
        }
        let entries = Rc::make_mut(&mut self.entries);
        entries.put_classic(settings::state_sizes(self.state_sizes.iter().copied().collect()));
        match Config::load(entries) {
            Ok(config) => self.config = config,
            Err(error) => tracing::error!(%error, "the new settings are not usable; the old ones stay"),
        }
        total
    }
}

/// The machine's clock, in Unix seconds.
fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
