//! The tables of the configuration that have defaults: fees, settling, times, ages, quotas, lives, the disk and notices.

use paychan_channel::Stroops;
use paychan_rpc::meaning::ResourceFeeCaps;
use serde::Deserialize;

use super::{SecretSource, text};

/// What may be spent on fees, in stroops, per transaction.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fees {
    /// The highest bid for inclusion, whatever is at stake.
    #[serde(deserialize_with = "text::stroops")]
    pub max_inclusion_fee: Stroops,
    /// The assumed cost of a settlement's resources before the first one was simulated.
    #[serde(deserialize_with = "text::stroops")]
    pub assumed_resource_fee: Stroops,
    /// The most that the resources of a settlement or a close that restores nothing may cost. If an endpoint's
    /// simulation asks for more, the watcher does not sign.
    #[serde(deserialize_with = "text::stroops")]
    pub max_resource_fee: Stroops,
    /// The most that a settlement, a close or a restoration that brings archived entries back may cost. It pays the
    /// rent of all these entries, perhaps of the code too.
    #[serde(deserialize_with = "text::stroops")]
    pub max_restoration_fee: Stroops,
    /// The most that one extension of lives may cost.
    #[serde(deserialize_with = "text::stroops")]
    pub max_extension_fee: Stroops,
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            max_inclusion_fee: Stroops(10_000_000),
            assumed_resource_fee: Stroops(200_000),
            max_resource_fee: Stroops(50_000_000),
            max_restoration_fee: ResourceFeeCaps::USUAL.restoring_call,
            max_extension_fee: Stroops(100_000_000),
        }
    }
}

/// When channels are paid out although nobody closes them. The values are seconds and not ledgers, since they are an
/// operator's choice and no deadline depends on them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettleRules {
    /// An amount that is unsettled for this many seconds is settled.
    pub after_seconds: u32,
    /// A channel without a new commitment for this many seconds is idle: what is unsettled is paid out, and once it
    /// owes nothing, the lives of its entries are no longer extended.
    pub idle_seconds: u32,
    /// A channel through which nothing was paid for this many seconds since its admission is dropped: it is no longer
    /// watched, and has to be admitted again before it is used. A new channel lives for at least seven days, and lives
    /// are extended three days before their end (`life.floor_ledgers`), so with less than four days no rent is ever
    /// paid for it.
    pub drop_unused_seconds: u32,
    /// Whether an idle channel with something unsettled is closed instead of settled, if the recipient's key is
    /// configured. The rest then goes back to the funder.
    pub close_idle: bool,
}

impl Default for SettleRules {
    fn default() -> Self {
        Self { after_seconds: 86_400, idle_seconds: 2_592_000, drop_unused_seconds: 259_200, close_idle: true }
    }
}

/// How long things take at worst, in ledgers. See [`crate::floor`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reaction {
    /// S: the ledgers between two sweeps of all channels' entries.
    pub sweep_interval_ledgers: u32,
    /// s: how long a sweep takes.
    pub sweep_ledgers: u32,
    /// g: how far a node may lag behind.
    pub node_lag_ledgers: u32,
    /// k: attempts at a settlement that are allowed for.
    pub attempts: u32,
    /// The ledgers from sending a transaction until its inclusion is known.
    pub confirm_ledgers: u32,
}

impl Default for Reaction {
    fn default() -> Self {
        Self { sweep_interval_ledgers: 120, sweep_ledgers: 6, node_lag_ledgers: 12, attempts: 10, confirm_ledgers: 3 }
    }
}

/// How old the known state may be while commitments are acknowledged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fresh {
    /// F: ledgers that a channel's gap-free view may lie behind the head.
    pub ledgers: u32,
    /// How old the head may be by wall time, and how long it may stay the same, in seconds.
    pub seconds: u32,
    /// How far the head may be dated ahead of this machine's clock, in seconds. The default is what validators of the
    /// network allow each other (stellar-core, `MAX_TIME_SLIP_SECONDS`).
    pub seconds_ahead: u32,
}

impl Default for Fresh {
    fn default() -> Self {
        Self { ledgers: 12, seconds: 60, seconds_ahead: 60 }
    }
}

/// How many channels one funder may have, and when one of them makes room for another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// The most channels that one funder may have here. A limit is needed, since opening a channel costs a funder less
    /// than watching it costs the operator.
    pub channels_per_funder: u32,
    /// A channel that owes nothing and was not used for this many ledgers is dropped when its funder opens one channel
    /// too many. The default is a day of 5-second ledgers.
    pub idle_ledgers: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { channels_per_funder: 100, idle_ledgers: 17_280 }
    }
}

/// When the life of ledger entries is extended, in ledgers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LifeLimits {
    /// An entry with less life left than this is extended. The default is three days of 5-second ledgers. It is below
    /// the seven days that a Stellar asset's contract gives its own instance, so that the watcher pays no rent for
    /// tokens in use.
    pub floor_ledgers: u32,
    /// The life that an extended entry then has. The default is 30 days of 5-second ledgers.
    pub extend_to_ledgers: u32,
}

impl Default for LifeLimits {
    fn default() -> Self {
        Self { floor_ledgers: 51_840, extend_to_ledgers: 518_400 }
    }
}

/// When the disk counts as too full.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// When the journal's disk has fewer free MiB, an alarm is raised and no money is taken
    /// ([`paychan_store::Options::free_space_mark`]). The journal needs little: a MiB holds about 5,000 commitments.
    /// Other programs fill the disk.
    pub free_mark_mib: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self { free_mark_mib: paychan_store::Options::default().free_space_mark >> 20 }
    }
}

/// Who is notified besides the log, since an alarm must reach a person, and a dead process raises none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// The URL to which every alarm is posted as JSON, signed with `webhook_secret`.
    pub webhook_url: Option<String>,
    /// The place of the webhook's secret.
    pub webhook_secret: Option<SecretSource>,
    /// The URL to which an empty message is posted every `heartbeat_seconds` while the watcher is alive.
    pub heartbeat_url: Option<String>,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: u32,
}

impl Default for Notify {
    fn default() -> Self {
        Self { webhook_url: None, webhook_secret: None, heartbeat_url: None, heartbeat_seconds: 60 }
    }
}
