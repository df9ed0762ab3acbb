//! The contract's functions. The crate's docs have the rules that they implement, with the reasons.

use soroban_sdk::{Address, Bytes, BytesN, Env, contract, contractimpl, panic_with_error, token::TokenClient};

use crate::storage::{self, Terms};
use crate::{ChannelState, Error, MAX_REFUND_WAITING_PERIOD, commitment, event, weak_key};

/// A one-way payment channel.
#[contract]
pub struct Channel;

// The docs of each function are in the Wasm's spec, where stellar-cli shows them and where every byte is paid for. So each
// function has one line, and the crate's docs have the rules.
//
// Only `close_start` and `refund` answer with a `Result`, because the spec says so in the reference contract: clients that
// are generated from a spec depend on it. Everywhere else an error ends the call.
#[contractimpl]
impl Channel {
    /// Open a channel and deposit the amount
    pub fn __constructor(
        env: Env,
        token: Address,
        from: Address,
        commitment_key: BytesN<32>,
        to: Address,
        amount: i128,
        refund_waiting_period: u32,
    ) {
        require_not_negative(&env, amount);
        if refund_waiting_period > MAX_REFUND_WAITING_PERIOD {
            panic_with_error!(&env, Error::RefundWaitingPeriodTooLong);
        }
        if weak_key::is_weak(&commitment_key) {
            panic_with_error!(&env, Error::WeakCommitmentKey);
        }
        from.require_auth();
        let terms = Terms::new(from, to, token, refund_waiting_period);
        let channel = env.current_contract_address();
        storage::open(&env, &terms, &commitment_key, amount);
        take_deposit(&env, &channel, &terms, amount);
        event::Open {
            from: terms.from().clone(),
            to: terms.to().clone(),
            commitment_key,
            token: terms.token().clone(),
            amount,
            refund_waiting_period,
        }
        .publish(&env);
    }

    /// Deposit more; for the funder
    pub fn top_up(env: Env, amount: i128) {
        require_not_negative(&env, amount);
        if storage::deadline(&env).is_some() {
            panic_with_error!(&env, Error::AlreadyClosed);
        }
        let terms = storage::terms(&env);
        terms.from().require_auth();
        let Some(deposited) = storage::deposited(&env).checked_add(amount) else {
            panic_with_error!(&env, Error::Overflow);
        };
        storage::set_deposited(&env, deposited);
        take_deposit(&env, &env.current_contract_address(), &terms, amount);
    }

    /// Pay the recipient up to a signed total; for anyone
    pub fn settle(env: Env, amount: i128, sig: BytesN<64>) {
        require_not_negative(&env, amount);
        require_not_final(&env);
        let channel = env.current_contract_address();
        verify(&env, &channel, amount, &sig);
        let withdrawn = storage::withdrawn(&env);
        if amount > withdrawn {
            pay(&env, &channel, &storage::terms(&env), amount, withdrawn);
        }
    }

    /// Settle and end the channel; for the recipient
    pub fn close(env: Env, amount: i128, sig: BytesN<64>) {
        require_not_negative(&env, amount);
        require_not_final(&env);
        let terms = storage::terms(&env);
        terms.to().require_auth();
        let channel = env.current_contract_address();
        let withdrawn = storage::withdrawn(&env);
        if amount > withdrawn {
            verify(&env, &channel, amount, &sig);
            pay(&env, &channel, &terms, amount, withdrawn);
        }

        storage::set_final(&env);
        let now = env.ledger().sequence();
        if storage::deadline(&env).is_none_or(|deadline| now < deadline) {
            storage::set_deadline(&env, now);
            event::Close { effective_at_ledger: now }.publish(&env);
        }

        // This is what no commitment claimed, not the balance. With the balance, one unit that is sent to the channel
        // after simulation would need a ledger entry that the transaction's footprint lacks, and the call could not catch
        // that failure.
        let unclaimed = storage::deposited(&env).saturating_sub(amount.max(withdrawn));
        let from = terms.from();
        if unclaimed > 0 && TokenClient::new(&env, terms.token()).try_transfer(&channel, from, &unclaimed).is_ok() {
            event::Refund { from: from.clone(), amount: unclaimed }.publish(&env);
        }
    }

    /// Start the wait for a refund; for the funder
    pub fn close_start(env: Env) -> Result<(), Error> {
        let now = env.ledger().sequence();
        if storage::deadline(&env).is_some_and(|deadline| now >= deadline) {
            return Err(Error::AlreadyClosed);
        }
        let terms = storage::terms(&env);
        terms.from().require_auth();
        let deadline = now.saturating_add(terms.refund_waiting_period());
        storage::set_deadline(&env, deadline);
        storage::outlive_deadline(&env, &env.current_contract_address(), now, deadline);
        event::Close { effective_at_ledger: deadline }.publish(&env);
        Ok(())
    }

    /// Take back the balance after the wait; for the funder
    pub fn refund(env: Env) -> Result<(), Error> {
        let deadline = storage::deadline(&env).ok_or(Error::NotClosed)?;
        if env.ledger().sequence() < deadline {
            return Err(Error::RefundWaitingPeriodNotElapsed);
        }
        let terms = storage::terms(&env);
        let from = terms.from();
        from.require_auth();
        storage::set_final(&env);
        let token = TokenClient::new(&env, terms.token());
        let channel = env.current_contract_address();
        let balance = token.balance(&channel);
        if balance > 0 {
            token.transfer(&channel, from, &balance);
            event::Refund { from: from.clone(), amount: balance }.publish(&env);
        }
        Ok(())
    }

    /// Extend instance and code to 60 days; for anyone
    pub fn extend(env: Env) {
        storage::extend_instance_and_code(&env);
    }

    /// The bytes to sign for a total
    pub fn prepare_commitment(env: Env, amount: i128) -> Bytes {
        require_not_negative(&env, amount);
        commitment::to_bytes(&env, &env.current_contract_address(), amount)
    }

    /// The SEP-41 token that is paid in
    pub fn token(env: Env) -> Address {
        storage::terms(&env).token().clone()
    }

    /// The funder
    pub fn from(env: Env) -> Address {
        storage::terms(&env).from().clone()
    }

    /// The recipient
    pub fn to(env: Env) -> Address {
        storage::terms(&env).to().clone()
    }

    /// Ledgers from close_start to refund
    pub fn refund_waiting_period(env: Env) -> u32 {
        storage::terms(&env).refund_waiting_period()
    }

    /// The key that commitments are signed with
    pub fn commitment_key(env: Env) -> BytesN<32> {
        storage::commitment_key(&env)
    }

    /// The total that was deposited
    pub fn deposited(env: Env) -> i128 {
        storage::deposited(&env)
    }

    /// The total that was paid to the recipient
    pub fn withdrawn(env: Env) -> i128 {
        storage::withdrawn(&env)
    }

    /// The tokens that the channel holds
    pub fn balance(env: Env) -> i128 {
        balance(&env, &env.current_contract_address(), &storage::terms(&env))
    }

    /// The ledger from which refund works
    pub fn close_effective_at_ledger(env: Env) -> Option<u32> {
        storage::deadline(&env)
    }

    /// All of the channel at once
    pub fn state(env: Env) -> ChannelState {
        let terms = storage::terms(&env);
        ChannelState {
            balance: balance(&env, &env.current_contract_address(), &terms),
            close_effective_at_ledger: storage::deadline(&env),
            commitment_key: storage::commitment_key(&env),
            deposited: storage::deposited(&env),
            from: terms.from().clone(),
            refund_waiting_period: terms.refund_waiting_period(),
            refunded: storage::is_final(&env),
            to: terms.to().clone(),
            token: terms.token().clone(),
            withdrawn: storage::withdrawn(&env),
        }
    }
}

fn require_not_negative(env: &Env, amount: i128) {
    if amount < 0 {
        panic_with_error!(env, Error::NegativeAmount);
    }
}

fn require_not_final(env: &Env) {
    if storage::is_final(env) {
        panic_with_error!(env, Error::Refunded);
    }
}

fn balance(env: &Env, channel: &Address, terms: &Terms) -> i128 {
    TokenClient::new(env, terms.token()).balance(channel)
}

/// Moves a deposit of `amount` base units, which is already counted and not negative, from the funder to the channel.
fn take_deposit(env: &Env, channel: &Address, terms: &Terms, amount: i128) {
    if amount > 0 {
        let from = terms.from();
        TokenClient::new(env, terms.token()).transfer(from, channel, &amount);
        event::Deposit { from: from.clone(), amount }.publish(env);
    }
}

/// Ends the call unless `sig` is the commitment key's signature of `amount`. The host verifies as RFC 8032 says, and
/// refuses the encodings that RFC 8032 leaves open.
fn verify(env: &Env, channel: &Address, amount: i128, sig: &BytesN<64>) {
    env.crypto().ed25519_verify(&storage::commitment_key(env), &commitment::to_bytes(env, channel, amount), sig);
}

/// Pays the recipient `amount − withdrawn` base units. The caller has verified `amount`, and it is above `withdrawn`.
fn pay(env: &Env, channel: &Address, terms: &Terms, amount: i128, withdrawn: i128) {
    let Some(payout) = amount.checked_sub(withdrawn) else {
        panic_with_error!(env, Error::Overflow);
    };
    // The balance is read only when the deposits alone do not cover the commitment, because reading it is a call.
    if amount > storage::deposited(env) && payout > balance(env, channel, terms) {
        panic_with_error!(env, Error::InsufficientDeposit);
    }
    storage::set_withdrawn(env, amount);
    let to = terms.to();
    TokenClient::new(env, terms.token()).transfer(channel, to, &payout);
    event::Withdraw { to: to.clone(), amount: payout }.publish(env);
}
