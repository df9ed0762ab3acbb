//! What the channel remembers, all of it in instance storage, under keys of the form `Vec[Symbol(name)]`.
//!
//! Clients read these entries raw from the ledger: names and types are interface.

use soroban_sdk::{Address, BytesN, Env, IntoVal, TryFromVal, Val, contracttype};

/// Instance life below which a call extends it: 30 days of 5-second ledgers.
pub const LIFE_THRESHOLD: u32 = 518_400;
/// Instance life after an extension: 60 days of 5-second ledgers.
pub const LIFE: u32 = 1_036_800;
const _: () = assert!(LIFE == 2 * LIFE_THRESHOLD && LIFE == 60 * 24 * 3600 / 5);

#[contracttype(export = false)]
enum Entry {
    /// [`Terms`]: always there, never changes.
    Terms,
    /// `BytesN<32>`: always there, never changes.
    CommitmentKey,
    /// `i128`: always there.
    DepositedAmount,
    /// `i128`: always there, so that a first settle doesn't grow the entry.
    WithdrawnAmount,
    /// `u32`: the deadline, absent while no close has started.
    CloseEffectiveAtLedger,
    /// `bool`: present, and true, once the channel is final.
    Refunded,
}

/// What was agreed at opening: `Vec[from, to, token, refund_waiting_period]`.
///
/// One entry, because each key costs a look-up whenever it is read, and whoever needs one of these mostly needs two.
#[contracttype(export = false)]
pub(crate) struct Terms(Address, Address, Address, u32);

impl Terms {
    pub(crate) fn new(
        from: Address,
        to: Address,
        token: Address,
        refund_waiting_period: u32,
    ) -> Self {
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

fn find<T: TryFromVal<Env, Val>>(env: &Env, key: Entry) -> Option<T> {
    env.storage().instance().get(&key)
}

fn put(env: &Env, key: Entry, value: &impl IntoVal<Env, Val>) {
    env.storage().instance().set(&key, value);
}

/// Writes all that is never absent. Only the constructor calls this.
pub(crate) fn open(env: &Env, terms: &Terms, commitment_key: &BytesN<32>, deposited: i128) {
    put(env, Entry::Terms, terms);
    put(env, Entry::CommitmentKey, commitment_key);
    put(env, Entry::DepositedAmount, &deposited);
    put(env, Entry::WithdrawnAmount, &0i128);
}

pub(crate) fn terms(env: &Env) -> Terms {
    find(env, Entry::Terms).expect("written at open")
}

pub(crate) fn commitment_key(env: &Env) -> BytesN<32> {
    find(env, Entry::CommitmentKey).expect("written at open")
}

/// Base units that the funder has put in through the constructor and `top_up`.
pub(crate) fn deposited(env: &Env) -> i128 {
    find(env, Entry::DepositedAmount).expect("written at open")
}

pub(crate) fn set_deposited(env: &Env, amount: i128) {
    put(env, Entry::DepositedAmount, &amount);
}

/// Base units that the recipient has been paid over the channel's life.
pub(crate) fn withdrawn(env: &Env) -> i128 {
    find(env, Entry::WithdrawnAmount).expect("written at open")
}

pub(crate) fn set_withdrawn(env: &Env, amount: i128) {
    put(env, Entry::WithdrawnAmount, &amount);
}

/// The deadline: the ledger from which `refund` is possible. `None` while no close has started.
pub(crate) fn deadline(env: &Env) -> Option<u32> {
    find(env, Entry::CloseEffectiveAtLedger)
}

pub(crate) fn set_deadline(env: &Env, ledger: u32) {
    put(env, Entry::CloseEffectiveAtLedger, &ledger);
}

/// Whether a close or a refund has ended the channel.
pub(crate) fn is_final(env: &Env) -> bool {
    find(env, Entry::Refunded).unwrap_or(false)
}

pub(crate) fn set_final(env: &Env) {
    put(env, Entry::Refunded, &true);
}

/// Extends the instance's life to [`LIFE`] when below [`LIFE_THRESHOLD`], and never the code's: all channels share the
/// code, and whoever happened to call would pay for everybody.
pub(crate) fn extend_instance(env: &Env) {
    env.deployer().extend_ttl_for_contract_instance(
        env.current_contract_address(),
        LIFE_THRESHOLD,
        LIFE,
    );
}

/// Extends the life of instance and code to [`LIFE`], whatever is left of it.
pub(crate) fn extend_instance_and_code(env: &Env) {
    env.storage().instance().extend_ttl(LIFE, LIFE);
}
