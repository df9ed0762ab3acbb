//! What the channel remembers, all of it in instance storage, under keys of the form `Vec[Symbol(name)]`.
//!
//! Clients read these entries raw from the ledger: names and types are interface.

use soroban_sdk::{Address, BytesN, Env, IntoVal, Symbol, TryFromVal, Val, contracttype, symbol_short};

/// Instance life below which a call extends it: 30 days of 5-second ledgers.
pub const LIFE_THRESHOLD: u32 = 518_400;
/// Instance life after an extension: 60 days of 5-second ledgers.
pub const LIFE: u32 = 1_036_800;
const _: () = assert!(LIFE == 2 * LIFE_THRESHOLD && LIFE == 60 * 24 * 3600 / 5);

/// A key as it lies in the ledger: `Vec[Symbol(name)]`, as `#[contracttype]` encodes a unit variant, but with names of
/// up to nine characters encoded by the compiler instead of at each call.
type Key = (Symbol,);

/// [`Terms`]: always there, never changes.
const TERMS: Key = (symbol_short!("Terms"),);
/// `bool`: present, and true, once the channel is final.
const REFUNDED: Key = (symbol_short!("Refunded"),);
/// `BytesN<32>`: always there, never changes.
const COMMITMENT_KEY: &str = "CommitmentKey";
/// `i128`: always there.
const DEPOSITED_AMOUNT: &str = "DepositedAmount";
/// `i128`: always there, so that a first settle doesn't grow the entry.
const WITHDRAWN_AMOUNT: &str = "WithdrawnAmount";
/// `u32`: the deadline, absent while no close has started.
const CLOSE_EFFECTIVE_AT_LEDGER: &str = "CloseEffectiveAtLedger";

fn key(env: &Env, name: &str) -> Key {
    (Symbol::new(env, name),)
}

/// What was agreed at opening: `Vec[from, to, token, refund_waiting_period]`.
///
/// One entry, because each key costs a look-up whenever it is read, and whoever needs one of these mostly needs two.
#[contracttype(export = false)]
pub(crate) struct Terms(Address, Address, Address, u32);

impl Terms {
    pub(crate) fn new(from: Address, to: Address, token: Address, refund_waiting_period: u32) -> Self {
        Self(from, to, token, refund_waiting_period)
    }

    pub(crate) fn from(&self) -> &Address {
        &self.0
    }

    pub(crate) fn to(&self) -> &Address {
        &self.1
    }

    pub(crate) fn token(&self) -> &Address {
        &self.2
    }

    /// In ledgers.
    pub(crate) fn refund_waiting_period(&self) -> u32 {
        self.3
    }
}

fn find<T: TryFromVal<Env, Val>>(env: &Env, key: &Key) -> Option<T> {
    env.storage().instance().get(key)
}

fn put(env: &Env, key: &Key, value: &impl IntoVal<Env, Val>) {
    env.storage().instance().set(key, value);
}

/// Writes all that is never absent. Only the constructor calls this.
pub(crate) fn open(env: &Env, terms: &Terms, commitment_key: &BytesN<32>, deposited: i128) {
    put(env, &TERMS, terms);
    put(env, &key(env, COMMITMENT_KEY), commitment_key);
    put(env, &key(env, DEPOSITED_AMOUNT), &deposited);
    put(env, &key(env, WITHDRAWN_AMOUNT), &0i128);
}

pub(crate) fn terms(env: &Env) -> Terms {
    find(env, &TERMS).expect("written at open")
}

pub(crate) fn commitment_key(env: &Env) -> BytesN<32> {
    find(env, &key(env, COMMITMENT_KEY)).expect("written at open")
}

/// Base units that the funder has put in through the constructor and `top_up`.
pub(crate) fn deposited(env: &Env) -> i128 {
    find(env, &key(env, DEPOSITED_AMOUNT)).expect("written at open")
}

pub(crate) fn set_deposited(env: &Env, amount: i128) {
    put(env, &key(env, DEPOSITED_AMOUNT), &amount);
}

/// Base units that the recipient has been paid over the channel's life.
pub(crate) fn withdrawn(env: &Env) -> i128 {
    find(env, &key(env, WITHDRAWN_AMOUNT)).expect("written at open")
}

pub(crate) fn set_withdrawn(env: &Env, amount: i128) {
    put(env, &key(env, WITHDRAWN_AMOUNT), &amount);
}

/// The deadline: the ledger from which `refund` is possible. `None` while no close has started.
pub(crate) fn deadline(env: &Env) -> Option<u32> {
    find(env, &key(env, CLOSE_EFFECTIVE_AT_LEDGER))
}

pub(crate) fn set_deadline(env: &Env, ledger: u32) {
    put(env, &key(env, CLOSE_EFFECTIVE_AT_LEDGER), &ledger);
}

/// Whether a close or a refund has ended the channel.
pub(crate) fn is_final(env: &Env) -> bool {
    env.storage().instance().has(&REFUNDED)
}

pub(crate) fn set_final(env: &Env) {
    put(env, &REFUNDED, &true);
}

/// Extends the instance's life to [`LIFE`] when below [`LIFE_THRESHOLD`], and never the code's: all channels share the
/// code, and whoever happened to call would pay for everybody.
pub(crate) fn extend_instance(env: &Env, channel: &Address) {
    env.deployer().extend_ttl_for_contract_instance(channel.clone(), LIFE_THRESHOLD, LIFE);
}

/// Extends the life of instance and code to [`LIFE`], whatever is left of it.
pub(crate) fn extend_instance_and_code(env: &Env) {
    env.storage().instance().extend_ttl(LIFE, LIFE);
}
