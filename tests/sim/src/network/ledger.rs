//! The ledger of the simulated network: which transactions it includes, and what they do.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use paychan_channel::xdr::{
    HostFunction, Int128Parts, LedgerBounds, LedgerKey, OperationBody, Preconditions, ScVal, SorobanTransactionData,
    TransactionEnvelope, TransactionExt,
};
use paychan_channel::{
    AccountId, Address, Amount, ChannelState, Commitment, CommitmentKey, ContractId, Ledger, Signature, Stroops,
    ledger_keys,
};
use paychan_watcher::chain::Found;
use paychan_watcher::clock::ManualClock;

use crate::disk::SimDisk;

use super::contract::{Call, Caller, Claim, Event, Line, Refusal, Scene};
use super::trace::{Step, Trace};
use super::{Death, EPOCH_MS, FIRST, Faults, LEDGER, SimChain, Snapshot};

/// The number of ledgers that a transaction may wait in the queue.
const QUEUE_AGE: u32 = 4;
/// The number of ledgers for which the network then refuses the transaction's hash.
const BAN: u32 = 10;
/// The number of ledgers that a restored entry lives for.
const RESTORED_FOR: u32 = 120_960;
/// What an account holds once all channels are open, in base units: funders never run out.
pub const HOLDINGS: i128 = 1 << 60;

/// The network.
pub struct Network {
    pub clock: Arc<ManualClock>,
    /// The faults of the first endpoint, and those of the network itself.
    pub faults: Faults,
    /// The faults of the other endpoints, by their numbers.
    others: BTreeMap<u32, Faults>,
    pub lane: AccountId,
    pub lane_sequence: i64,
    pub lane_balance: i64,
    pub channels: BTreeMap<ContractId, ChannelState>,
    pub history: Vec<Snapshot>,
    /// Each case of a lane that had two transactions in flight, in one sentence.
    pub violations: Vec<String>,
    /// Every hash that was ever offered, with its sequence number and `max_ledger`.
    pub offered: BTreeMap<[u8; 32], Offer>,
    pub results: HashMap<[u8; 32], Found>,
    /// How many times the watcher read channels' entries.
    pub reads: u32,
    /// The disk of the process that offers transactions, if that is a simulated disk.
    pub disk: Option<SimDisk>,
    /// When the process dies in the middle of its work.
    pub death: Death,
    /// Recipients that the issuer has frozen.
    pub frozen_recipients: HashSet<Address>,
    /// What accounts hold of the token, in base units. An account without an entry holds [`HOLDINGS`].
    holdings: BTreeMap<Address, i128>,
    /// The funders that have no trustline now, each with what it sent to the issuer before it removed the trustline.
    without_trustline: BTreeMap<Address, i128>,
    /// The funders that remove their trustlines in the next ledger but one, or create them again.
    trustline_changes: Vec<(Address, Trustline)>,
    /// What recipients' trustlines can still take. A recipient without an entry can take anything.
    pub rooms: HashMap<Address, Amount>,
    pub(super) queue: Option<Waiting>,
    pub(super) banned: HashMap<[u8; 32], u32>,
    /// The ledger at which a transaction was refused last.
    pub(super) refused_at: HashMap<[u8; 32], u32>,
    closes: Vec<(ContractId, Ledger)>,
    /// What the contracts did.
    pub trace: Trace,
}

/// What a funder does with its trustline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trustline {
    /// The funder sends all its tokens to the issuer and removes the trustline.
    Remove,
    /// The funder creates the trustline again, and the issuer sends back the same amount.
    Create,
}

/// A transaction that the watcher offered to the network.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    pub sequence: i64,
    pub max_ledger: u32,
    /// Refused each time it was offered: several endpoints may get it at the same time.
    pub refused: bool,
    /// Whether the process that offered it could not record it. The next process does not know it then.
    pub unrecorded: bool,
    pub times: u32,
    refusals: u32,
}

pub(super) struct Waiting {
    pub(super) hash: [u8; 32],
    pub(super) transaction: Decoded,
    waited: u32,
}

/// What the network reads from an envelope.
#[derive(Debug, Clone)]
pub(super) struct Decoded {
    pub source: [u8; 32],
    pub operation_source: Option<[u8; 32]>,
    pub sequence: i64,
    pub max_ledger: u32,
    pub fee: i64,
    pub inclusion: i64,
    pub signatures: usize,
    pub act: Act,
}

/// What the transaction does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Pay { channel: ContractId, amount: i128, signature: Signature, ends: bool },
    Extend { keys: Vec<LedgerKey>, extend_to: u32 },
    Restore { keys: Vec<LedgerKey> },
}

impl Network {
    pub fn new(lane: AccountId) -> Self {
        let mut network = Self {
            clock: Arc::new(ManualClock::at_unix_ms(EPOCH_MS)),
            faults: Faults::default(),
            others: BTreeMap::new(),
            lane,
            lane_sequence: 5_000,
            lane_balance: 1_000_000_000,
            channels: BTreeMap::new(),
            history: Vec::new(),
            violations: Vec::new(),
            offered: BTreeMap::new(),
            results: HashMap::new(),
            reads: 0,
            disk: None,
            death: Death::default(),
            frozen_recipients: HashSet::new(),
            holdings: BTreeMap::new(),
            without_trustline: BTreeMap::new(),
            trustline_changes: Vec::new(),
            rooms: HashMap::new(),
            queue: None,
            banned: HashMap::new(),
            refused_at: HashMap::new(),
            closes: Vec::new(),
            trace: Trace::default(),
        };
        network.snapshot(FIRST);
        network
    }

    /// The newest ledger of the network itself.
    pub fn ledger(&self) -> u32 {
        self.history.last().unwrap().ledger
    }

    pub fn withdrawn(&self, channel: ContractId) -> Amount {
        self.channels[&channel].withdrawn
    }

    /// The faults of an endpoint. The first one has the number zero.
    pub fn faults_of(&mut self, endpoint: u32) -> &mut Faults {
        match endpoint {
            0 => &mut self.faults,
            other => self.others.entry(other).or_default(),
        }
    }

    /// Adds a channel, which can be read from the next ledger on.
    pub fn open(&mut self, state: ChannelState) {
        self.trace.opened.push(state.clone());
        self.channels.insert(state.channel, state);
    }

    /// The contracts execute this call in the next ledger. A refused call changes nothing.
    pub fn call(&mut self, channel: ContractId, by: Caller, call: Call) -> Result<Vec<Event>, Refusal> {
        let now = self.ledger() + 1;
        let mut scene = self.scene(&self.channels[&channel]);
        let outcome = scene.call(now, by, call);
        let has_limit = self.rooms.contains_key(&scene.channel.to);
        self.trace.steps.push(Step::new(now, by, call, &scene, has_limit, &outcome));
        let events = outcome?;
        let Scene { channel: state, funder, recipient } = scene;
        self.holdings.insert(state.from, funder.balance);
        self.holdings.insert(state.to, recipient.balance);
        if let Some(room) = self.rooms.get_mut(&state.to) {
            *room = Amount::new(recipient.room).expect("a trustline's room is not negative");
        }
        self.channels.insert(channel, state);
        self.closes.extend(events.iter().filter_map(|event| match event {
            Event::Close(deadline) => Some((channel, *deadline)),
            _ => None,
        }));
        Ok(events)
    }

    /// The funder announces a close in the next ledger. Returns the deadline.
    ///
    /// # Panics
    /// If the contract refuses it, as the next two do.
    pub fn close_start(&mut self, channel: ContractId) -> Ledger {
        self.call(channel, Caller::Funder, Call::CloseStart).expect("a close can be announced");
        self.channels[&channel].close_effective_at.expect("it was announced")
    }

    /// The funder takes back the balance.
    pub fn refund(&mut self, channel: ContractId) {
        self.call(channel, Caller::Funder, Call::Refund).expect("the deadline has come");
    }

    /// A stranger settles this total.
    pub fn settle(&mut self, channel: ContractId, total: i128) {
        let claim = Claim { total, signed: true };
        self.call(channel, Caller::Stranger, Call::Settle(claim)).expect("the channel covers it");
    }

    /// The funder removes its trustline once the next ledger has closed, or creates it again then. Nothing happens if that is
    /// done already.
    ///
    /// A ledger executes such classic operations before the calls of contracts. The next ledger may have calls already, so
    /// the operations are in the one after it.
    pub fn change_trustline(&mut self, funder: Address, change: Trustline) {
        self.trustline_changes.push((funder, change));
    }

    /// Whether the funder has a trustline, so that it can pay and be paid.
    pub fn has_trustline(&self, funder: &Address) -> bool {
        !self.without_trustline.contains_key(funder)
    }

    fn change_trustlines(&mut self) {
        for (funder, change) in std::mem::take(&mut self.trustline_changes) {
            match change {
                Trustline::Remove if self.has_trustline(&funder) => {
                    let all = self.holdings.insert(funder, 0).unwrap_or(HOLDINGS);
                    self.without_trustline.insert(funder, all);
                }
                Trustline::Create => {
                    if let Some(all) = self.without_trustline.remove(&funder) {
                        self.holdings.insert(funder, all);
                    }
                }
                Trustline::Remove => {}
            }
        }
    }

    /// What a call reads and changes, if the channel is in this state.
    pub(super) fn scene(&self, channel: &ChannelState) -> Scene {
        let line = |holder: &Address| Line {
            exists: self.has_trustline(holder),
            balance: self.holdings.get(holder).copied().unwrap_or(HOLDINGS),
            room: self.rooms.get(holder).map_or(i128::MAX / 2, |room| room.get()),
            authorized: !self.frozen_recipients.contains(holder),
        };
        Scene { channel: channel.clone(), funder: line(&channel.from), recipient: line(&channel.to) }
    }

    pub fn close_ledger(&mut self) {
        let now = self.ledger() + 1;
        self.clock.advance(LEDGER);
        if let Some(mut waiting) = self.queue.take() {
            let transaction = &waiting.transaction;
            let fits = now < transaction.max_ledger && transaction.sequence == self.lane_sequence + 1;
            if fits && transaction.inclusion >= self.faults.market {
                self.include(waiting.hash, waiting.transaction, now);
            } else if fits && waiting.waited < QUEUE_AGE {
                waiting.waited += 1;
                self.queue = Some(waiting);
            } else {
                self.banned.insert(waiting.hash, now + BAN);
            }
        }
        self.snapshot(now);
        self.change_trustlines();
    }

    fn include(&mut self, hash: [u8; 32], transaction: Decoded, now: u32) {
        self.lane_sequence = transaction.sequence;
        self.lane_balance -= transaction.fee;
        let failed = self.execute(&transaction, now).err();
        let found = Found::Included { ledger: Ledger(now), fee_charged: Stroops(transaction.fee), failed };
        self.results.insert(hash, found);
    }

    fn execute(&mut self, transaction: &Decoded, now: u32) -> Result<(), String> {
        match &transaction.act {
            Act::Pay { channel, amount, signature, ends } => {
                let state = self.channels.get_mut(channel).ok_or("no such channel")?;
                let authorized = matches!(state.to, Address::Account(to)
                    if transaction.operation_source == Some(to.0) && transaction.signatures == 2);
                if self.faults.settle_needs_recipient && !authorized {
                    return Err("the recipient did not authorize".to_owned());
                }
                // The network restores the entries that a call needs (CAP-66).
                let lives = &mut state.lives;
                for life in [&mut lives.instance, &mut lives.code, &mut lives.token_balance, &mut lives.token_instance]
                {
                    if life.is_some_and(|until| until.0 < now) {
                        *life = Some(Ledger(now + RESTORED_FOR));
                    }
                }
                let claim = claim(state, *amount, signature);
                let by = if authorized { Caller::Recipient } else { Caller::Stranger };
                let call = if *ends { Call::Close(claim) } else { Call::Settle(claim) };
                self.call(*channel, by, call).map(|_| ()).map_err(|refusal| refusal.to_string())
            }
            Act::Extend { keys, extend_to } => {
                self.lengthen(keys, |until| until.0 >= now, Ledger(now + extend_to));
                Ok(())
            }
            Act::Restore { keys } => {
                self.lengthen(keys, |until| until.0 < now, Ledger(now + RESTORED_FOR));
                Ok(())
            }
        }
    }

    /// Extends to `to` the lives of those of these entries that `so` accepts.
    fn lengthen(&mut self, keys: &[LedgerKey], so: impl Fn(Ledger) -> bool, to: Ledger) {
        for state in self.channels.values_mut() {
            let holder = Address::Contract(state.channel);
            for (key, life) in [
                (ledger_keys::instance(&state.channel), &mut state.lives.instance),
                (ledger_keys::code(&state.wasm_hash), &mut state.lives.code),
                (ledger_keys::token_balance(&state.token, &holder), &mut state.lives.token_balance),
                (ledger_keys::instance(&state.token), &mut state.lives.token_instance),
            ] {
                if keys.contains(&key) && life.is_some_and(|until| until < to && so(until)) {
                    *life = Some(to);
                }
            }
        }
    }

    fn snapshot(&mut self, ledger: u32) {
        for state in self.channels.values_mut() {
            state.read_at = Ledger(ledger);
        }
        let since = u64::from(ledger - FIRST) * u64::try_from(LEDGER.as_millis()).unwrap();
        self.history.push(Snapshot {
            ledger,
            closed_at_ms: EPOCH_MS + since,
            channels: self.channels.clone(),
            lane_sequence: self.lane_sequence,
            lane_balance: Stroops(self.lane_balance),
            closes: std::mem::take(&mut self.closes),
        });
    }

    /// The newest ledger that the endpoint shows.
    pub fn visible(&self) -> &Snapshot {
        let top = self.faults.frozen_at.unwrap_or(self.ledger() - self.faults.lag.min(self.ledger() - FIRST));
        &self.history[usize::try_from(top - FIRST).unwrap()]
    }

    /// The ledger whose entries the endpoint answers with.
    pub fn entries(&self) -> &Snapshot {
        let at = (self.visible().ledger - FIRST).saturating_sub(self.faults.old_entries);
        &self.history[usize::try_from(at).unwrap()]
    }

    /// Puts an offered transaction into the queue.
    pub(super) fn enqueue(&mut self, hash: [u8; 32], transaction: Decoded) {
        self.queue = Some(Waiting { hash, transaction, waited: 0 });
    }

    /// Records an offer, and a violation if another transaction of the lane could still be included.
    pub(super) fn note_offer(&mut self, hash: [u8; 32], transaction: &Decoded) {
        let now = self.ledger();
        for (other, offer) in &self.offered {
            let open = *other != hash
                && !offer.refused
                && !self.results.contains_key(other)
                && now + 1 < offer.max_ledger
                && offer.sequence > self.lane_sequence;
            if open {
                self.violations.push(format!(
                    "at ledger {now}: {} offered while {} may still be included before {}",
                    hex::encode(hash),
                    hex::encode(other),
                    offer.max_ledger
                ));
            }
        }
        let offer = self.offered.entry(hash).or_insert(Offer {
            sequence: transaction.sequence,
            max_ledger: transaction.max_ledger,
            refused: false,
            unrecorded: self.disk.as_ref().is_some_and(SimDisk::has_refused),
            times: 0,
            refusals: 0,
        });
        offer.times += 1;
        offer.refused = false;
    }

    /// Records that the network refused the last offer of this hash.
    pub(super) fn note_refusal(&mut self, hash: [u8; 32]) {
        if let Some(offer) = self.offered.get_mut(&hash) {
            offer.refusals += 1;
            offer.refused = offer.refusals == offer.times;
        }
    }
}

/// What a commitment is worth on this channel.
pub(super) fn claim(state: &ChannelState, total: i128, signature: &Signature) -> Claim {
    let signed = || {
        let amount = Amount::new(total).ok()?;
        let key = CommitmentKey::from_bytes(state.commitment_key).ok()?;
        let commitment = Commitment { network: SimChain::network_id(), channel: state.channel, amount };
        commitment.verify(&key, signature).ok()
    };
    Claim { total, signed: signed().is_some() }
}

/// Reads an envelope as the network would.
pub(super) fn decode(envelope: &TransactionEnvelope) -> Decoded {
    let TransactionEnvelope::Tx(v1) = envelope else {
        panic!("not a transaction of version 1: {envelope:?}");
    };
    let transaction = &v1.tx;
    let Preconditions::V2(conditions) = &transaction.cond else {
        panic!("no ledger bounds: {:?}", transaction.cond);
    };
    let Some(LedgerBounds { max_ledger, .. }) = conditions.ledger_bounds else {
        panic!("no ledger bounds: {conditions:?}");
    };
    let TransactionExt::V1(SorobanTransactionData { resource_fee, resources, .. }) = &transaction.ext else {
        panic!("no resources");
    };
    let operation = &transaction.operations[0];
    let act = match &operation.body {
        OperationBody::InvokeHostFunction(invoke) => pays(&invoke.host_function),
        OperationBody::RestoreFootprint(_) => Act::Restore { keys: resources.footprint.read_write.to_vec() },
        OperationBody::ExtendFootprintTtl(extend) => {
            Act::Extend { keys: resources.footprint.read_only.to_vec(), extend_to: extend.extend_to }
        }
        other => panic!("an operation that a watcher has no use for: {other:?}"),
    };
    Decoded {
        source: muxed(&transaction.source_account),
        operation_source: operation.source_account.as_ref().map(muxed),
        sequence: transaction.seq_num.0,
        max_ledger,
        fee: i64::from(transaction.fee),
        inclusion: i64::from(transaction.fee) - resource_fee,
        signatures: v1.signatures.len(),
        act,
    }
}

fn pays(function: &HostFunction) -> Act {
    let HostFunction::InvokeContract(call) = function else {
        panic!("not a call: {function:?}");
    };
    let name = call.function_name.0.to_utf8_string_lossy();
    let paychan_channel::xdr::ScAddress::Contract(contract) = &call.contract_address else {
        panic!("not a contract: {:?}", call.contract_address);
    };
    let [ScVal::I128(Int128Parts { hi, lo }), ScVal::Bytes(signature)] = call.args.as_slice() else {
        panic!("no amount and signature: {:?}", call.args);
    };
    Act::Pay {
        channel: ContractId(contract.0.0),
        amount: (i128::from(*hi) << 64) | i128::from(*lo),
        signature: Signature(signature.as_slice().try_into().expect("a signature has 64 bytes")),
        ends: match name.as_str() {
            "settle" => false,
            "close" => true,
            other => panic!("a call that a watcher has no use for: {other}"),
        },
    }
}

fn muxed(account: &paychan_channel::xdr::MuxedAccount) -> [u8; 32] {
    match account {
        paychan_channel::xdr::MuxedAccount::Ed25519(key) => key.0,
        other => panic!("a muxed account: {other:?}"),
    }
}
