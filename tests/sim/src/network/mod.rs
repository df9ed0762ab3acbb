//! A network in memory that answers as badly as the real one may: slowly, wrongly, or not at all.
//!
//! It keeps the whole history, so that the endpoint may answer from the past. It executes the envelopes that the
//! watcher sends. And it checks the rule that a lane never has two transactions that could both be pending.

mod answers;
mod contract;
mod ledger;
mod other;
mod paced;
mod trace;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use paychan_channel::{
    AccountId, Address, Amount, ChannelState, CommitmentKey, ContractId, Layout, Ledger, Lives, NetworkId, SacAsset,
    Stroops, TokenKind, WasmHash,
};
use paychan_channel::{IssuerFlags, Payability};
use paychan_watcher::chain::{Head, NetworkTerms};
use paychan_watcher::clock::ManualClock;
use tokio::sync::Notify;

use crate::disk::SimDisk;
pub use contract::{Call, Caller, Claim, Event, Refusal};
pub use ledger::{HOLDINGS, Network, Trustline};
pub use other::OtherEndpoint;
pub use paced::Paced;
pub use trace::{Step, Trace};

pub const PASSPHRASE: &str = "Simulated Network ; November 2026";
/// The first ledger of the history.
pub const FIRST: u32 = 1_000;
/// The time between two ledgers.
pub const LEDGER: Duration = Duration::from_secs(5);
/// The time at which the first ledger closed, in Unix milliseconds: a day in November 2026.
pub const EPOCH_MS: u64 = 1_795_000_000_000;
/// The resource fee of every transaction, in stroops.
pub const RESOURCE_FEE: i64 = 50_000;
pub const MAX_ENTRY_TTL: u32 = 3_110_400;

pub const TOKEN: ContractId = ContractId([7; 32]);
pub const CODE: WasmHash = WasmHash([8; 32]);

/// Places where a call can hang. It never returns, and the world stops the process there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hang {
    /// After a transaction was prepared, and before the process signs and records it.
    Prepare,
    /// After the process recorded it, and before the network has it.
    BeforeSend,
    /// After the network has it.
    AfterSend,
    /// After its inclusion, when the process asks for its outcome, and before it records the outcome.
    Outcome,
}

/// The faults that are on.
#[derive(Debug, Default)]
pub struct Faults {
    /// The endpoint is out of reach.
    pub down: bool,
    /// The endpoint answers from this ledger for ever.
    pub frozen_at: Option<u32>,
    /// The endpoint answers from this many ledgers ago.
    pub lag: u32,
    /// The endpoint's copy of the entries is this many ledgers older than its newest ledger.
    pub old_entries: u32,
    /// How many of the next answers about channels and accounts name [`FAR`] as their ledger. They also say that the
    /// channels have paid out everything.
    pub far_entries: u32,
    /// How many of the next pages of events say that they reach up to [`FAR`].
    pub far_events: u32,
    /// The endpoint leaves out `close` events.
    pub hides_events: bool,
    /// The endpoint no longer holds ledgers before this one.
    pub oldest: Option<u32>,
    /// How many of the next envelopes are lost, with a transport error.
    pub lose_sends: u32,
    /// How many of the next envelopes get the answer TRY_AGAIN_LATER.
    pub try_again_later: u32,
    /// Envelopes go to a node that has no transaction in its queue yet, and takes none with a lower inclusion fee than this,
    /// in stroops.
    pub other_node: Option<i64>,
    /// The lowest inclusion fee that a ledger includes, in stroops.
    pub market: i64,
    /// The lowest inclusion fee that the queue takes, in stroops.
    pub entrance: i64,
    /// Settling these channels fails in simulation.
    pub broken: HashSet<ContractId>,
    /// Closing any channel fails in simulation: its funder refuses to take the rest back.
    pub close_fails: bool,
    /// The channels' code needs the recipient's authorization to settle.
    pub settle_needs_recipient: bool,
    /// Every answer names another network.
    pub other_network: bool,
    /// How many of the next questions get the answer "too many requests".
    pub busy: u32,
    /// The newest ledger can't be decoded.
    pub garbled_head: bool,
    /// The time that each answer takes.
    pub slow: Duration,
    /// These channels can't be decoded.
    pub garbled: HashSet<ContractId>,
    /// The endpoint says that live entries are archived.
    pub calls_live_archived: bool,
    /// Calls restore no entries, as before protocol 23, so that a call which needs an archived entry fails.
    pub no_restoration_on_the_way: bool,
    /// The outcomes of transactions can't be decoded.
    pub garbled_outcomes: bool,
    /// The stroops that simulation adds to [`RESOURCE_FEE`].
    pub extra_resource_fee: i64,
    /// Where the next call hangs, once.
    pub hang: Option<Hang>,
    /// The endpoint's next answers about the newest ledger, as a load balancer gives them that also has nodes of other
    /// networks.
    pub heads: VecDeque<Head>,
    /// The endpoint does not say when its newest ledger closed.
    pub undated: bool,
    /// The way in which reading events fails.
    pub events: Option<EventsFault>,
    /// The endpoint's answer about the network's settings. `Err` is an answer that can't be decoded.
    pub settings: Option<Result<NetworkTerms, ()>>,
    /// What each recipient can take. A recipient without an entry can take anything.
    pub payability: HashMap<Address, Payability>,
    /// What the token's issuer may do.
    pub issuer: Option<IssuerFlags>,
    /// Questions about recipients and issuers get no answer.
    pub recipients_down: bool,
    /// The balances that the token's contract answers for channels, where they differ from its entries.
    pub told_balances: HashMap<ContractId, Option<Amount>>,
}

/// A ledger that no node of this network can be at.
pub const FAR: Ledger = Ledger(4_000_000_000);

/// The way in which reading events fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsFault {
    /// The call fails.
    Down,
    /// The answer's cursor is empty: nothing says how far the endpoint has looked.
    EmptyCursor,
    /// Pages are short, and a cursor is refused without a start ledger.
    CursorRefused,
}

/// When the process dies in the middle of its work: before the answer to a later question.
#[derive(Debug, Clone, Copy, Default)]
pub struct Death {
    /// The number of questions that are still answered. With `None` the process does not die.
    pub after: Option<u32>,
    /// Whether questions are counted now. Only those of the loops are.
    pub counts: bool,
}

/// A handle to the network. Its clones have the same network.
#[derive(Clone)]
pub struct SimChain {
    network: Arc<Mutex<Network>>,
    hung: Arc<Notify>,
}

impl SimChain {
    /// A network with one fee account of 100 XLM.
    pub fn new(lane: AccountId) -> Self {
        Self { network: Arc::new(Mutex::new(Network::new(lane))), hung: Arc::new(Notify::new()) }
    }

    pub fn network_id() -> NetworkId {
        NetworkId::of(PASSPHRASE)
    }

    pub fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap()
    }

    pub fn clock(&self) -> Arc<ManualClock> {
        self.network().clock.clone()
    }

    /// Closes this many ledgers.
    pub fn close(&self, ledgers: u32) {
        for _ in 0..ledgers {
            self.network().close_ledger();
        }
    }

    /// Waits until a call hangs, as [`Faults::hang`] says.
    pub async fn hung(&self) {
        self.hung.notified().await;
    }

    /// Never returns if this is a question of the process's loops, and the process has died at its disk or dies at this question.
    /// A question of a front end gets an answer, since nobody would notice that it does not: the store's thread may die at any
    /// moment. A dead process can do nothing with the answer.
    async fn may_die(&self) {
        let dies = {
            let mut network = self.network();
            let at_disk = network.disk.as_ref().is_some_and(SimDisk::is_dead);
            let death = &mut network.death;
            let by_disk = death.counts && at_disk;
            let by_question = death.counts && death.after == Some(0);
            match by_question {
                true => death.after = None,
                false if death.counts => death.after = death.after.map(|after| after - 1),
                false => {}
            }
            by_disk || by_question
        };
        if dies {
            self.hung.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Never returns if [`Faults::hang`] says so.
    async fn may_hang(&self, here: Hang) {
        let hangs = {
            let mut network = self.network();
            let hangs = network.faults.hang == Some(here);
            if hangs {
                network.faults.hang = None;
            }
            hangs
        };
        if hangs {
            self.hung.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// An open channel with this deposit, as our contract stores it.
pub fn channel(number: u8, to: Address, key: &CommitmentKey, deposit: i128, waiting: u32) -> ChannelState {
    let far = Ledger(FIRST + 2_000_000);
    ChannelState {
        channel: ContractId([number; 32]),
        layout: Layout::Paychan,
        wasm_hash: CODE,
        token: TOKEN,
        token_kind: TokenKind::Asset(SacAsset::Asset { code: "USDC".to_owned(), issuer: AccountId([3; 32]) }),
        from: Address::Account(AccountId([4; 32])),
        to,
        commitment_key: key.to_bytes(),
        refund_waiting_period: waiting,
        deposited: Some(Amount::new(deposit).unwrap()),
        withdrawn: Amount::ZERO,
        close_effective_at: None,
        refunded: false,
        balance: Amount::new(deposit).unwrap(),
        balance_authorized: true,
        balance_clawback: false,
        lives: Lives {
            instance: Some(far),
            code: Some(far),
            token_balance: Some(far),
            token_instance: Some(far),
            token_code: None,
        },
        read_at: Ledger(FIRST),
    }
}

/// The state after a ledger closed.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub ledger: u32,
    pub closed_at_ms: u64,
    pub channels: BTreeMap<ContractId, ChannelState>,
    pub lane_sequence: i64,
    pub lane_balance: Stroops,
    /// The channels that emitted `close` in it, with their deadlines.
    pub closes: Vec<(ContractId, Ledger)>,
}
