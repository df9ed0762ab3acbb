//! Reads the configuration file, which is TOML, and checks its settings.
//!
//! Nothing is guessed. An unknown key, a value of the wrong kind and settings that contradict each other are errors
//! that name the line or the key, and say what was expected. The file holds no secrets, only the places where they are:
//! [`SecretSource`].

mod check;
mod error;
mod limits;
mod secrets;
#[cfg(test)]
mod tests;
mod text;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use paychan_channel::{Address, Amount, ContractId, Layout, NetworkId, Stroops, WasmHash};
use serde::Deserialize;

use crate::floor::{self, Floor, FloorError, Queue, Terms};

pub use error::{ConfigError, ConfigErrorKind};
pub use limits::{Disk, Fees, Fresh, LifeLimits, Notify, Quotas, Reaction, SettleRules};
pub use secrets::{ApiToken, EndpointHeaders, Secrets, WebhookSecret};

/// The accounts that send at the same time. The configuration names one, in [`Lane`].
const LANES: u32 = 1;

/// Channels that one transaction settles. It is one, since a transaction calls one contract and the watcher does not
/// use the batch contract yet.
const CHANNELS_PER_TRANSACTION: u32 = 1;

/// All settings. [`Config::load`] and [`Config::parse`] return settings that have passed every check that needs no
/// network.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of the journal and its index. Only one daemon at a time can use it.
    pub data_dir: PathBuf,
    /// The address on which the HTTP API listens. With port 0 the system chooses the port.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Allows `listen` to be another address than loopback. The API speaks plain HTTP, so TLS has to be put in front of
    /// it.
    #[serde(default)]
    pub listen_beyond_loopback: bool,
    /// The most connections that the API has at a time. There are fewer if the process may not open that many files.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// The Unix socket of the operator's own commands. The default is `operator.sock` in `data_dir`.
    pub operator_socket: Option<PathBuf>,
    /// The place of the API's bearer token.
    pub token: SecretSource,
    /// The shortest `refund_waiting_period` of a channel that is admitted, in ledgers. The default is a day of 5-second
    /// ledgers, so that an operator who sleeps can still react. A start refuses a value below the floor that follows
    /// from the reaction terms.
    #[serde(default = "default_minimum_refund_waiting_period")]
    pub minimum_refund_waiting_period: u32,
    /// The network, and how to reach it.
    pub network: Network,
    /// The recipients to watch for.
    pub recipients: Vec<Recipient>,
    /// The code that channels may have.
    pub trusted_code: Vec<TrustedCode>,
    /// The tokens in which channels may pay.
    pub tokens: Vec<Token>,
    /// The account that pays fees.
    pub lane: Lane,
    /// What may be spent on fees.
    #[serde(default)]
    pub fees: Fees,
    /// How long things take at worst. The floor is derived from it.
    #[serde(default)]
    pub reaction: Reaction,
    /// How old the known state of the chain may be while money is taken.
    #[serde(default)]
    pub fresh: Fresh,
    /// When channels are paid out although nobody closes them.
    #[serde(default)]
    pub settle: SettleRules,
    /// When the lives of ledger entries are extended.
    #[serde(default)]
    pub life: LifeLimits,
    /// When the disk counts as too full.
    #[serde(default)]
    pub disk: Disk,
    /// Who is notified besides the log.
    #[serde(default)]
    pub notify: Notify,
    /// How many channels one funder may have.
    #[serde(default)]
    pub quotas: Quotas,
}

/// The network, and how to reach it. Exactly one of `name` and `passphrase` is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// `testnet` or `mainnet`.
    pub name: Option<NetworkName>,
    /// The passphrase of any other network.
    pub passphrase: Option<String>,
    /// The URL of the only Stellar RPC endpoint, http or https. It is trusted.
    #[serde(default)]
    pub rpc_url: Option<String>,
    /// The URLs of several Stellar RPC endpoints instead of `rpc_url`, preferably of different operators. What is safe
    /// needs more than half of them.
    #[serde(default)]
    pub rpc_urls: Vec<String>,
    /// Headers that endpoints want, such as a provider's key.
    #[serde(default)]
    pub headers: Vec<HeaderOfEndpoint>,
    /// How long one request may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
    /// The time between two questions for the newest ledger, in milliseconds. In ledgers it is p of the reaction time.
    #[serde(default = "default_poll_interval_ms")]
    pub poll_interval_ms: u32,
}

impl Network {
    /// The URLs of all endpoints, at least one.
    pub fn endpoints(&self) -> Vec<&str> {
        self.rpc_url.iter().chain(&self.rpc_urls).map(String::as_str).collect()
    }
}

/// A header for every request to one endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderOfEndpoint {
    /// The endpoint, as `rpc_url` or `rpc_urls` names it.
    pub rpc_url: String,
    /// The place of the header, which is one line, `NAME: VALUE`.
    pub header: SecretSource,
}

/// The networks that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkName {
    /// The public test network.
    Testnet,
    /// The public network.
    Mainnet,
}

impl NetworkName {
    /// The network's passphrase (stellar-core and every SDK have these two built in).
    pub fn passphrase(self) -> &'static str {
        match self {
            Self::Testnet => "Test SDF Network ; September 2015",
            Self::Mainnet => "Public Global Stellar Network ; September 2015",
        }
    }
}

/// The place of a secret, never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file that only its owner may read: mode 0600 or 0400.
    File(PathBuf),
    /// A file on a mounted volume that forces mode 0440, as a container's orchestrator does. The file's group may read
    /// it and must be a group of this process; nobody may write it, and nobody else may read it.
    Mounted(PathBuf),
    /// A systemd credential (`LoadCredential=`): the file of that name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// A recipient to watch for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Who is paid.
    pub address: Address,
    /// The place of the account's secret key. It is not needed to settle Paychan's own channels. It is needed to close
    /// a channel, and to settle channels whose code needs the recipient's authorization.
    pub secret: Option<SecretSource>,
}

/// Code that channels may have.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedCode {
    /// The SHA-256 hash of the Wasm.
    pub wasm_hash: WasmHash,
    /// How its channels lay out their storage.
    pub layout: Layout,
    /// Whether its `settle` needs the recipient's authorization.
    pub settle_needs_recipient: bool,
}

/// A token that channels may pay in. Amounts are base units.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The token's contract. For a Stellar asset it is the asset's contract.
    pub contract: ContractId,
    /// The name that people use, for logs and tables only.
    pub code: String,
    /// The number of decimals with which people write amounts. It is 7 for every Stellar asset.
    pub decimals: u32,
    /// The least coverage of a channel that is admitted.
    pub minimum_deposit: Amount,
    /// An unsettled amount below this is not worth a transaction: it waits and is reported.
    pub dust: Amount,
    /// An unsettled amount of this much on one channel is settled at once. Without it, only age and idleness decide.
    pub settle_above: Option<Amount>,
    /// The value of one whole token in stroops. No bid for inclusion is above the value that it saves.
    #[serde(deserialize_with = "text::stroops")]
    pub stroops_per_unit: Stroops,
    /// Whether to take the risk that the issuer takes a channel's balance back.
    #[serde(default)]
    pub issuer_may_claw_back: bool,
    /// Whether to take the risk that the issuer freezes a channel's or the recipient's balance.
    #[serde(default)]
    pub issuer_may_revoke: bool,
}

/// The account whose sequence numbers and balance the watcher's transactions use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// The place of its secret key.
    pub secret: SecretSource,
}

fn default_max_connections() -> usize {
    256
}

fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8790))
}

fn default_minimum_refund_waiting_period() -> u32 {
    17_280
}

fn default_timeout_ms() -> u32 {
    10_000
}

fn default_poll_interval_ms() -> u32 {
    1_000
}

/// How old the known state may be while commitments are still acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreshnessLimits {
    /// F: how many ledgers a channel's gap-free view may lie behind the head. At most a third of the floor W.
    pub behind_ledgers: u32,
    /// How many ledgers may pass between two reads of a channel's entries: the interval S between sweeps, the time s of
    /// a sweep and the lag g of a node. A missing event proves nothing, so events alone do not keep a channel fresh.
    pub unread_ledgers: u32,
    /// How old the head may be by wall time, and how long it may stay the same by the boot clock.
    pub age: Duration,
    /// How far the head may be dated ahead of wall time. If it is further ahead, this machine's clock is slow, and
    /// comparing wall times proves nothing.
    pub ahead: Duration,
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Unreadable`], and those of [`Config::parse`], with the file's name.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(ConfigErrorKind::Unreadable, format!("the file cannot be read: {error}")).in_file(path)
        })?;
        Self::parse(&text).map_err(|error| error.in_file(path))
    }

    /// Parses and checks a configuration.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Syntax`] for invalid TOML, an unknown or missing key or a value of the wrong kind, with its
    /// line; [`ConfigErrorKind::Contradiction`] for impossible settings, with their keys.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::syntax(text, &error))?;
        check::check(&config)?;
        Ok(config)
    }

    /// The Unix socket of the operator's own commands.
    pub fn operator_socket(&self) -> PathBuf {
        self.operator_socket.clone().unwrap_or_else(|| self.data_dir.join("operator.sock"))
    }

    /// The network's passphrase.
    pub fn passphrase(&self) -> &str {
        match (&self.network.name, &self.network.passphrase) {
            (Some(name), _) => name.passphrase(),
            // `check` refuses a file with neither.
            (None, passphrase) => passphrase.as_deref().unwrap_or_default(),
        }
    }

    /// The network's id.
    pub fn network_id(&self) -> NetworkId {
        NetworkId::of(self.passphrase())
    }

    /// The options with which the store is opened.
    pub fn store_options(&self) -> paychan_store::Options {
        let free_space_mark = self.disk.free_mark_mib.saturating_mul(1 << 20);
        paychan_store::Options { free_space_mark, ..paychan_store::Options::default() }
    }

    /// The settings of a token, if it is listed.
    pub fn token(&self, contract: &ContractId) -> Option<&Token> {
        self.tokens.iter().find(|token| token.contract == *contract)
    }

    /// The recipient, if it is watched for.
    pub fn recipient(&self, address: &Address) -> Option<&Recipient> {
        self.recipients.iter().find(|recipient| recipient.address == *address)
    }

    /// The trusted code with this hash.
    pub fn code(&self, hash: &WasmHash) -> Option<&TrustedCode> {
        self.trusted_code.iter().find(|code| code.wasm_hash == *hash)
    }

    /// The floor for this number of channels on a network with this target close time.
    ///
    /// `bounds` is b: the ledgers from building a transaction until it can no longer be included, a constant of the
    /// settler.
    pub fn floor(&self, target_close_ms: u32, bounds: u32, channels: u32) -> Result<Floor, FloorError> {
        let Reaction { sweep_interval_ledgers, sweep_ledgers, node_lag_ledgers, attempts, confirm_ledgers } =
            self.reaction;
        Floor::of(Terms {
            sweep: sweep_ledgers,
            poll: floor::poll_ledgers(self.network.poll_interval_ms, target_close_ms)?,
            node_lag: node_lag_ledgers,
            attempts,
            bounds,
            sweep_interval: sweep_interval_ledgers,
            queue: Queue {
                channels,
                lanes: LANES,
                channels_per_transaction: CHANNELS_PER_TRANSACTION,
                confirm: confirm_ledgers,
            },
        })
    }

    /// Checks the configuration against a floor: the minimum waiting period must not be below W, and F must be at most
    /// W/3.
    pub fn check_floor(&self, floor: &Floor) -> Result<(), FloorError> {
        floor.check_minimum(self.minimum_refund_waiting_period)?;
        floor.check_freshness(self.fresh.ledgers)
    }

    /// The limits on the age of the view.
    pub fn freshness_limits(&self) -> FreshnessLimits {
        FreshnessLimits {
            behind_ledgers: self.fresh.ledgers,
            // S + s + g is the part of S + T that passes before a close without an event is seen.
            unread_ledgers: self
                .reaction
                .sweep_interval_ledgers
                .saturating_add(self.reaction.sweep_ledgers)
                .saturating_add(self.reaction.node_lag_ledgers),
            age: Duration::from_secs(self.fresh.seconds.into()),
            ahead: Duration::from_secs(self.fresh.seconds_ahead.into()),
        }
    }
}

impl Token {
    /// The value of an amount of base units in stroops, rounded down and at most `i64::MAX`.
    pub fn value(&self, amount: Amount) -> Stroops {
        let per_unit = i128::from(self.stroops_per_unit.get());
        // One whole token in base units. `check` limits decimals to 38.
        let unit = 10_i128.checked_pow(self.decimals).unwrap_or(i128::MAX);
        let value = match amount.get().checked_mul(per_unit) {
            Some(product) => product / unit,
            // The product is too large, so divide first and lose the part below one whole token.
            None => (amount.get() / unit).saturating_mul(per_unit),
        };
        Stroops(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
