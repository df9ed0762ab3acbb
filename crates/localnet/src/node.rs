//! The network's one node: the ledger, the transactions that wait, and the closing of ledgers. Lives on one thread,
//! because the host does; see [`crate::thread`].

use std::{
    collections::VecDeque,
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};

use soroban_env_host::{LedgerInfo, ModuleCache};

use crate::{
    friendbot::Friendbot,
    ledger::{
        entries::Entries,
        genesis,
        header::{ClosedHeader, transaction_set},
        history::{ClosedLedger, History},
    },
    module_cache,
    operations::soroban::{size, size_for_rent},
    options::Options,
    queue::{Answer, Queue},
    settings::{self, Config, Unusable},
    transaction::{envelope::Submitted, validate::Moment},
};

/// The state of the network.
pub(crate) struct Node {
    pub(crate) options: Options,
    pub(crate) network_id: [u8; 32],
    /// Shared with a simulation while it runs, and with nobody else.
    pub(crate) entries: Rc<Entries>,
    /// The settings in the entries, decoded.
    pub(crate) config: Config,
    pub(crate) modules: ModuleCache,
    pub(crate) history: History,
    pub(crate) queue: Queue,
    pub(crate) friendbot: Friendbot,
    /// Where getNetwork says that coins come from.
    pub(crate) friendbot_url: String,
    /// Stroops that fees left in the pool.
    pub(crate) fee_pool: i64,
    /// The latest samples of the live state's size in bytes, oldest first.
    state_sizes: VecDeque<u64>,
    /// Seconds that this network's clock runs before the machine's: ledgers that were jumped over took time.
    clock_ahead: u64,
}

impl Node {
    /// The first ledger.
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
            transaction_set: transaction_set([0; 32], Vec::new(), Vec::new()),
            transactions: Vec::new(),
            events: Vec::new(),
            live_state_size: 0,
        };
        Ok(Self {
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
        })
    }

    /// This network's time, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        wall_clock().saturating_add(self.clock_ahead)
    }

    /// What contracts see of a ledger.
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

    /// Submits a transaction for the next ledger.
    pub(crate) fn submit(&mut self, tx: Submitted) -> Answer {
        let latest = self.history.newest();
        // As far ahead as the transaction may have to wait: two intervals, and what has passed since the last close.
        let interval = u64::from(self.options.close_interval_ms()) / 1_000;
        let margin = (2 * interval).saturating_add(self.now().saturating_sub(latest.close_time));
        let moment = Moment {
            ledger: latest.sequence.saturating_add(1),
            close_time: latest.close_time,
            margin,
            applying: false,
        };
        self.queue.submit(tx, &self.entries, &self.config, moment)
    }

    /// When the next ledger closes, `skipped` seconds further on than the clock says. Never before the last one;
    /// ledgers that close faster than once a second share a second (on the network they may not, but there they don't
    /// close that fast).
    pub(crate) fn next_close_time(&mut self, skipped: u64) -> u64 {
        let last = self.history.newest().close_time;
        let close_time = self.now().max(last).saturating_add(skipped);
        self.clock_ahead = self.clock_ahead.max(close_time.saturating_sub(wall_clock()));
        close_time
    }

    /// Samples the live state's size where a period ended between the two ledgers, and lets the price of rent follow.
    /// Answers the size, in bytes.
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
            Err(error) => tracing::error!(%error, "kept the settings of before"),
        }
        total
    }
}

/// The machine's clock, in Unix seconds.
fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
