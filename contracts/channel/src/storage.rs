//! What the channel remembers. All of it is in instance storage, under keys of the form `Vec[Symbol(name)]`.
//!
//! Clients read these entries from the ledger, so their names and types are a part of the interface.

use soroban_sdk::{Address, BytesN, Env, IntoVal, Symbol, TryFromVal, Val, contracttype, symbol_short};

/// The life, in ledgers, that `extend` gives the instance and the code: 60 days of 5-second ledgers.
pub const EXTENDED_LIFE: u32 = 1_036_800;
const _: () = assert!(EXTENDED_LIFE == 60 * 24 * 3600 / 5);

/// How many ledgers beyond the deadline `close_start` makes sure that the instance lives: a day of 5-second ledgers.
///
/// Until the deadline the recipient must be able to settle. The day after it is for the funder, whose `refund` then
/// finds a live entry, and for a recipient who is late.
pub const LIFE_AFTER_DEADLINE: u32 = 17_280;
const _: () = assert!(LIFE_AFTER_DEADLINE == 24 * 3600 / 5);

/// How many ledgers beyond the deadline the instance lives after `close_start` has extended its life.
///
/// This is a day more than [`LIFE_AFTER_DEADLINE`], so that a `close_start` that is repeated within a day extends nothing.
/// Otherwise each repetition would pay for another extension, and one that is simulated in the ledger of the first would
/// need rent that its simulation did not count.
pub const EXTENSION_AFTER_DEADLINE: u32 = 2 * LIFE_AFTER_DEADLINE;

/// A key as it is in the ledger: `Vec[Symbol(name)]`, which is how `#[contracttype]` encodes a unit variant. Here the
/// compiler encodes names of up to nine characters, which `#[contracttype]` would do at each call.
type Key = (Symbol,);

/// A [`Terms`]. It is always there and never changes.
const TERMS: Key = (symbol_short!("Terms"),);
/// A `bool`. It is always there, and true once the channel is final.
///
/// It is written as `false` at opening. A `refund` that added it would pay rent for its bytes for all of the life that the
/// entry has left, which can be several times what the `refund` costs otherwise.
const REFUNDED: Key = (symbol_short!("Refunded"),);
/// A `BytesN<32>`. It is always there and never changes.
const COMMITMENT_KEY: &str = "CommitmentKey";
/// An `i128`. It is always there.
const DEPOSITED_AMOUNT: &str = "DepositedAmount";
/// An `i128`. It is always there, so that a first `settle` does not make the entry larger.
const WITHDRAWN_AMOUNT: &str = "WithdrawnAmount";
/// A `u32`, the deadline. It is absent while no close has started.
const CLOSE_EFFECTIVE_AT_LEDGER: &str = "CloseEffectiveAtLedger";

fn key(env: &Env, name: &str) -> Key {
    (Symbol::new(env, name),)
}

/// What was agreed at opening: `Vec[from, to, token, refund_waiting_period]`.
///
/// The four share one key, because each read of a key costs a look-up, and a call that needs one of them mostly needs two.
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

    /// The wait from `close_start` to the deadline, in ledgers.
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

/// Writes every key that is never absent. Only the constructor calls this.
pub(crate) fn open(env: &Env, terms: &Terms, commitment_key: &BytesN<32>, deposited: i128) {
    put(env, &TERMS, terms);
    put(env, &key(env, COMMITMENT_KEY), commitment_key);
    put(env, &key(env, DEPOSITED_AMOUNT), &deposited);
    put(env, &key(env, WITHDRAWN_AMOUNT), &0i128);
    put(env, &REFUNDED, &false);
}

pub(crate) fn terms(env: &Env) -> Terms {
    find(env, &TERMS).expect("written at open")
}

pub(crate) fn commitment_key(env: &Env) -> BytesN<32> {
    find(env, &key(env, COMMITMENT_KEY)).expect("written at open")
}

/// The base units that the constructor and `top_up` took in.
pub(crate) fn deposited(env: &Env) -> i128 {
    find(env, &key(env, DEPOSITED_AMOUNT)).expect("written at open")
}

pub(crate) fn set_deposited(env: &Env, amount: i128) {
    put(env, &key(env, DEPOSITED_AMOUNT), &amount);
}

/// The base units that the recipient was paid over the channel's life.
pub(crate) fn withdrawn(env: &Env) -> i128 {
    find(env, &key(env, WITHDRAWN_AMOUNT)).expect("written at open")
}

pub(crate) fn set_withdrawn(env: &Env, amount: i128) {
    put(env, &key(env, WITHDRAWN_AMOUNT), &amount);
}

/// The deadline, which is the ledger from which `refund` is possible. It is `None` while no close has started.
pub(crate) fn deadline(env: &Env) -> Option<u32> {
    find(env, &key(env, CLOSE_EFFECTIVE_AT_LEDGER))
}

pub(crate) fn set_deadline(env: &Env, ledger: u32) {
    put(env, &key(env, CLOSE_EFFECTIVE_AT_LEDGER), &ledger);
}

/// Whether a close or a refund has ended the channel.
pub(crate) fn is_final(env: &Env) -> bool {
    find(env, &REFUNDED).expect("written at open")
}

pub(crate) fn set_final(env: &Env) {
    put(env, &REFUNDED, &true);
}

/// Extends the instance's life, if it is shorter than the wait and [`LIFE_AFTER_DEADLINE`], so that it reaches
/// [`EXTENSION_AFTER_DEADLINE`] ledgers beyond `deadline`. `now` is the current ledger.
///
/// The network cuts an extension off at the longest life that it allows. It does not extend the code: all channels
/// share it, and one caller would pay for all of them.
pub(crate) fn outlive_deadline(env: &Env, channel: &Address, now: u32, deadline: u32) {
    let ledgers_to = |margin: u32| deadline.saturating_add(margin).saturating_sub(now);
    env.deployer().extend_ttl_for_contract_instance(
        channel.clone(),
        ledgers_to(LIFE_AFTER_DEADLINE),
        ledgers_to(EXTENSION_AFTER_DEADLINE),
    );
}

/// Extends the lives of instance and code to [`EXTENDED_LIFE`], whatever is left of them.
pub(crate) fn extend_instance_and_code(env: &Env) {
    env.storage().instance().extend_ttl(EXTENDED_LIFE, EXTENDED_LIFE);
}
