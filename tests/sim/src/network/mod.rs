//! A network in memory that behaves as the real one may: slowly, badly, or not at all.
//!
//! It keeps the whole history, so that an endpoint may answer from the past; it executes the very envelopes that it is
//! given; and it watches the rule that a lane never has two transactions that could both be pending.

mod answers;
mod ledger;

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
pub use ledger::{Network, pay};

pub const PASSPHRASE: &str = "Simulated Network ; November 2026";
/// Where the history starts.
pub const FIRST: u32 = 1_000;
/// How long a ledger takes here.
pub const LEDGER: Duration = Duration::from_secs(5);
/// When the first ledger closed: a day in November 2026.
pub const EPOCH_MS: u64 = 1_795_000_000_000;
/// What the resources of any transaction cost here.
pub const RESOURCE_FEE: i64 = 50_000;
pub const MAX_ENTRY_TTL: u32 = 3_110_400;

pub const TOKEN: ContractId = ContractId([7; 32]);
pub const CODE: WasmHash = WasmHash([8; 32]);

/// Places where the process can be stopped for good: the call never comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hang {
    /// After a transaction was prepared: before it is signed and recorded.
    Prepare,
    /// After it is recorded, before the network has it.
    BeforeSend,
    /// After the network has it.
    AfterSend,
    /// When asked what became of it, after inclusion: before the outcome is recorded.
    Outcome,
}

/// What goes wrong.
#[derive(Debug, Default)]
pub struct Faults {
    /// The endpoint is out of reach.
    pub down: bool,
    /// The endpoint answers from this ledger for ever.
    pub frozen_at: Option<u32>,
    /// The endpoint answers from this many ledgers ago.
    pub lag: u32,
    /// Its copy of the entries is this many ledgers older than its head.
    pub old_entries: u32,
    /// So many of the next answers about channels and accounts name [`FAR`] as their ledger. These channels are said to
    /// have paid out everything.
    pub far_entries: u32,
    /// So many of the next pages of events are said to reach up to [`FAR`].
    pub far_events: u32,
    /// The endpoint leaves out `close` events.
    pub hides_events: bool,
    /// The endpoint no longer holds ledgers before this one.
    pub oldest: Option<u32>,
    /// So many of the next sendings are lost on the way, with a transport error.
    pub lose_sends: u32,
    /// So many of the next sendings are answered with TRY_AGAIN_LATER.
    pub try_again_later: u32,
    /// Nothing below this inclusion fee is included.
    pub market: i64,
    /// Nothing below this inclusion fee is taken into the queue.
    pub entrance: i64,
    /// Settling these channels fails in simulation.
    pub broken: HashSet<ContractId>,
    /// Closing any channel fails in simulation: its funder refuses to take the rest back.
    pub close_fails: bool,
    /// The channels' code wants the recipient's authorization to settle.
    pub settle_needs_recipient: bool,
    /// Every answer names another network.
    pub other_network: bool,
    /// So many of the next questions are answered with "too many requests".
    pub busy: u32,
    /// The newest ledger can't be decoded.
    pub garbled_head: bool,
    /// Each answer takes so long.
    pub slow: Duration,
    /// These channels can't be decoded.
    pub garbled: HashSet<ContractId>,
    /// The endpoint says of live entries that they are archived.
    pub calls_live_archived: bool,
    /// The network restores nothing on the way (before protocol 23): a call that needs an archived entry fails.
    pub no_restoration_on_the_way: bool,
    /// What became of a transaction can't be decoded.
    pub garbled_outcomes: bool,
    /// What the resources of a call cost by simulation, beside [`RESOURCE_FEE`].
    pub extra_resource_fee: i64,
    /// Where to stop the process, once.
    pub hang: Option<Hang>,
    /// What the endpoint answers first when it is asked for the newest ledger: a load balancer's nodes of other networks.
    pub heads: VecDeque<Head>,
    /// The endpoint does not say when its newest ledger closed.
    pub undated: bool,
    /// How events can't be read.
    pub events: Option<EventsFault>,
    /// What the endpoint says of the network's settings; `Err` when it can't be decoded.
    pub settings: Option<Result<NetworkTerms, ()>>,
    /// What a recipient can take; without an entry, anything.
    pub payability: HashMap<Address, Payability>,
    /// What the token's issuer may do.
    pub issuer: Option<IssuerFlags>,
    /// Questions about recipients and issuers get no answer.
    pub recipients_down: bool,
    /// What the token's contract says that channels have, where it differs from its entries.
    pub told_balances: HashMap<ContractId, Option<Amount>>,
}

/// A ledger that no node of this network can be at.
pub const FAR: Ledger = Ledger(4_000_000_000);

/// How events can't be read.
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
    /// Questions that are still answered; `None`: the process does not die.
    pub after: Option<u32>,
    /// Whether questions are counted: only those of the loops are.
    pub counts: bool,
}

/// A cheap handle to the one network.
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

    /// Closes so many ledgers.
    pub fn close(&self, ledgers: u32) {
        for _ in 0..ledgers {
            self.network().close_ledger();
        }
    }

    /// Waits until a call hangs, as told by [`Faults::hang`].
    pub async fn hung(&self) {
        self.hung.notified().await;
    }

    /// The process dies here if its disk is dead, or if it is the question at which it is to die.
    async fn may_die(&self) {
        let dies = {
            let mut network = self.network();
            let by_disk = network.disk.as_ref().is_some_and(SimDisk::is_dead);
            let death = &mut network.death;
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

    /// Hangs here for good if told so.
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

/// What a ledger looked like when it closed.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub ledger: u32,
    pub closed_at_ms: u64,
    pub channels: BTreeMap<ContractId, ChannelState>,
    pub lane_sequence: i64,
    pub lane_balance: Stroops,
    /// The channels that said `close` in it, with the deadline.
    pub closes: Vec<(ContractId, Ledger)>,
}
