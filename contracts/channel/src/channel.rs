//! The contract's functions. Their rules are in the crate's docs, with the reasons.

use soroban_sdk::{Address, Bytes, BytesN, Env, contract, contractimpl, token::TokenClient};

use crate::storage::{self, Terms};
use crate::{ChannelState, Error, MAX_REFUND_WAITING_PERIOD, commitment, event, weak_key};

/// A one-way payment channel.
#[contract]
pub struct Channel;

// The first line of each function's docs travels in the Wasm's spec, where stellar-cli shows it and every byte is paid
// for: one line each, the rules are in the docs of the crate.
#[contractimpl]
impl Channel {
    /// Open a channel, deposit amount
    pub fn __constructor(
        env: Env,
        token: Address,
        from: Address,
        commitment_key: BytesN<32>,
        to: Address,
        amount: i128,
        refund_waiting_period: u32,
    ) -> Result<(), Error> {
        not_negative(amount)?;
        if refund_waiting_period > MAX_REFUND_WAITING_PERIOD {
            return Err(Error::RefundWaitingPeriodTooLong);
        }
        if weak_key::is_weak(&commitment_key) {
            return Err(Error::WeakCommitmentKey);
        }
        from.require_auth();
        let terms = Terms::new(from, to, token, refund_waiting_period);
        let channel = env.current_contract_address();
        storage::open(&env, &terms, &commitment_key, amount);
        storage::extend_instance(&env, &channel);
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
        Ok(())
    }

    /// Deposit more, by the funder
    pub fn top_up(env: Env, amount: i128) -> Result<(), Error> {
        not_negative(amount)?;
        if storage::deadline(&env).is_some() {
            return Err(Error::AlreadyClosed);
        }
        let terms = storage::terms(&env);
        terms.from().require_auth();
        let deposited = storage::deposited(&env).checked_add(amount).ok_or(Error::Overflow)?;
        let channel = env.current_contract_address();
        storage::set_deposited(&env, deposited);
        storage::extend_instance(&env, &channel);
        take_deposit(&env, &channel, &terms, amount);
        Ok(())
    }

    /// Pay the recipient up to a signed total, by anyone
    pub fn settle(env: Env, amount: i128, sig: BytesN<64>) -> Result<(), Error> {
        not_negative(amount)?;
        not_final(&env)?;
        let channel = env.current_contract_address();
        verify(&env, &channel, amount, &sig);
        storage::extend_instance(&env, &channel);
        let withdrawn = storage::withdrawn(&env);
        if amount > withdrawn {
            pay(&env, &channel, &storage::terms(&env), amount, withdrawn)?;
        }
        Ok(())
    }

    /// Settle and end the channel, by the recipient
    pub fn close(env: Env, amount: i128, sig: BytesN<64>) -> Result<(), Error> {
        not_negative(amount)?;
        not_final(&env)?;
        let terms = storage::terms(&env);
        terms.to().require_auth();
        let channel = env.current_contract_address();
        let withdrawn = storage::withdrawn(&env);
        if amount > withdrawn {
            verify(&env, &channel, amount, &sig);
            pay(&env, &channel, &terms, amount, withdrawn)?;
        }

        storage::set_final(&env);
        let now = env.ledger().sequence();
        if storage::deadline(&env).is_none_or(|deadline| now < deadline) {
            storage::set_deadline(&env, now);
            event::Close { effective_at_ledger: now }.publish(&env);
        }

        // What no commitment claimed, not the balance: with the balance, one unit sent here after simulation would need
        // a ledger entry that the transaction's footprint lacks, and such a failure can't be caught.
        let unclaimed = storage::deposited(&env).saturating_sub(amount.max(withdrawn));
        let from = terms.from();
        if unclaimed > 0 && TokenClient::new(&env, terms.token()).try_transfer(&channel, from, &unclaimed).is_ok() {
            event::Refund { from: from.clone(), amount: unclaimed }.publish(&env);
        }
        Ok(())
    }

    /// Start the wait for a refund, by the funder
    pub fn close_start(env: Env) -> Result<(), Error> {
        let now = env.ledger().sequence();
        if storage::deadline(&env).is_some_and(|deadline| now >= deadline) {
            return Err(Error::AlreadyClosed);
        }
        let terms = storage::terms(&env);
        terms.from().require_auth();
        let deadline = now.saturating_add(terms.refund_waiting_period());
        storage::set_deadline(&env, deadline);
        storage::extend_instance(&env, &env.current_contract_address());
        event::Close { effective_at_ledger: deadline }.publish(&env);
        Ok(())
    }

    /// Take back the balance after the wait, by the funder
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

    /// Extend instance and code to 60 days, by anyone
    pub fn extend(env: Env) {
        storage::extend_instance_and_code(&env);
    }

    /// Bytes to sign for a total
    pub fn prepare_commitment(env: Env, amount: i128) -> Result<Bytes, Error> {
        not_negative(amount)?;
        Ok(commitment::to_bytes(&env, &env.current_contract_address(), amount))
    }

    /// SEP-41 token paid in
    pub fn token(env: Env) -> Address {
        storage::terms(&env).token().clone()
    }

    /// Funder
    pub fn from(env: Env) -> Address {
        storage::terms(&env).from().clone()
    }

    /// Recipient
    pub fn to(env: Env) -> Address {
        storage::terms(&env).to().clone()
    }

    /// Ledgers from close_start to refund
    pub fn refund_waiting_period(env: Env) -> u32 {
        storage::terms(&env).refund_waiting_period()
    }

    /// Key that commitments are signed with
    pub fn commitment_key(env: Env) -> BytesN<32> {
        storage::commitment_key(&env)
    }

    /// Total deposited
    pub fn deposited(env: Env) -> i128 {
        storage::deposited(&env)
    }

    /// Total paid to the recipient
    pub fn withdrawn(env: Env) -> i128 {
        storage::withdrawn(&env)
    }

    /// Tokens held now
    pub fn balance(env: Env) -> i128 {
        balance(&env, &env.current_contract_address(), &storage::terms(&env))
    }

    /// Ledger from which refund works
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

fn not_negative(amount: i128) -> Result<(), Error> {
    if amount < 0 { Err(Error::NegativeAmount) } else { Ok(()) }
}

fn not_final(env: &Env) -> Result<(), Error> {
    if storage::is_final(env) { Err(Error::Refunded) } else { Ok(()) }
}

fn balance(env: &Env, channel: &Address, terms: &Terms) -> i128 {
    TokenClient::new(env, terms.token()).balance(channel)
}

/// Moves a deposit of `amount` ≥ 0 that is already counted from the funder to the channel.
fn take_deposit(env: &Env, channel: &Address, terms: &Terms, amount: i128) {
    if amount > 0 {
        let from = terms.from();
        TokenClient::new(env, terms.token()).transfer(from, channel, &amount);
        event::Deposit { from: from.clone(), amount }.publish(env);
    }
}

/// Ends the call unless `sig` is the commitment key's signature of `amount`: RFC 8032 and stricter, as the host has it.
fn verify(env: &Env, channel: &Address, amount: i128, sig: &BytesN<64>) {
    env.crypto().ed25519_verify(&storage::commitment_key(env), &commitment::to_bytes(env, channel, amount), sig);
}

/// Pays the recipient `amount − withdrawn`, for a verified `amount` above `withdrawn`.
fn pay(env: &Env, channel: &Address, terms: &Terms, amount: i128, withdrawn: i128) -> Result<(), Error> {
    let payout = amount.checked_sub(withdrawn).ok_or(Error::Overflow)?;
    // The balance is read only when the deposits alone don't cover the commitment: the read is a call.
    if amount > storage::deposited(env) && payout > balance(env, channel, terms) {
        return Err(Error::InsufficientDeposit);
    }
    storage::set_withdrawn(env, amount);
    let to = terms.to();
    TokenClient::new(env, terms.token()).transfer(channel, to, &payout);
    event::Withdraw { to: to.clone(), amount: payout }.publish(env);
    Ok(())
}
