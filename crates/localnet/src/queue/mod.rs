//! Transactions that wait for the next ledger, one for each source account; and which of them the next ledger takes.
//!
//! The rules and their order are stellar-core's (herder: TransactionQueue, TxQueueLimiter, surge pricing).

mod demand;

use std::collections::HashMap;

use stellar_xdr::{DiagnosticEvent, TransactionResult, TransactionResultResult};

pub(crate) use self::demand::Demand;
use crate::{
    capacity::{Capacity, Phase},
    ledger::{
        accounts::{available_balance, find_account},
        entries::Entries,
    },
    settings::{BASE_FEE, Config},
    transaction::{
        envelope::Submitted,
        fees::{self, Bid},
        results, soroban_limits,
        validate::{Moment, check},
    },
};

/// For how many ledgers a transaction waits before it is dropped (stellar-core: `TRANSACTION_QUEUE_TIMEOUT_LEDGERS`).
const MAX_AGE: u32 = 4;
/// For how many ledgers the hash of a dropped transaction is refused (stellar-core: `TRANSACTION_QUEUE_BAN_LEDGERS`).
const BAN_LEDGERS: u32 = 10;
/// The queue holds as much as this many ledgers (stellar-core: `TRANSACTION_QUEUE_SIZE_MULTIPLIER`).
const QUEUE_LEDGERS: u64 = 2;
/// A transaction that waits is replaced by a fee bump that bids this many times as much for an operation (stellar-core:
/// `FEE_MULTIPLIER`).
const REPLACE_FACTOR: i64 = 10;

/// The queue's answer to a submission.
#[derive(Debug)]
pub(crate) enum Answer {
    Pending,
    /// The same transaction waits already.
    Duplicate,
    /// Another transaction of this account waits, or the hash was dropped lately.
    TryAgainLater,
    Error {
        result: Box<TransactionResult>,
        diagnostics: Vec<DiagnosticEvent>,
    },
}

#[derive(Debug)]
struct Waiting {
    tx: Submitted,
    /// How many ledgers have closed without it.
    age: u32,
}

/// The waiting transactions.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// The transactions, in the order of their arrival.
    waiting: Vec<Waiting>,
    /// Hashes, and the ledger from which they may come again.
    banned: HashMap<[u8; 32], u32>,
    /// The highest bid that had to leave the full queue since the last ledger, for each phase. Later transactions must
    /// bid more, even if there is room again.
    evicted: [Option<Bid>; 2],
    /// The demand of other people's transactions.
    pub(crate) demand: Demand,
}

/// The transactions of one phase of a ledger, and the price of inclusion in stroops for one operation.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) transactions: Vec<Submitted>,
    pub(crate) price: u32,
}

impl Queue {
    /// Takes a transaction, or says why not. `moment` is that of the next ledger.
    pub(crate) fn submit(&mut self, tx: Submitted, entries: &Entries, config: &Config, moment: Moment) -> Answer {
        if self.banned.get(&tx.hash()).is_some_and(|until| moment.ledger < *until) {
            return Answer::TryAgainLater;
        }
        if tx.inclusion_fee() < 0 {
            return refuse(fees::required_fee(&tx), TransactionResultResult::TxMalformed);
        }
        let source = tx.source();
        let place = self.waiting.iter().position(|waiting| waiting.tx.source() == source);
        if let Some(waiting) = place.and_then(|place| self.waiting.get(place))
            && let Err(answer) = may_replace(&tx, &waiting.tx, config)
        {
            return answer;
        }
        let leaving = match self.make_room(&tx, place, config) {
            Ok(leaving) => leaving,
            Err(due) => {
                self.ban(tx.hash(), moment.ledger);
                return refuse(due, TransactionResultResult::TxInsufficientFee);
            }
        };
        if let Err(invalid) = check(&tx, entries, config, moment) {
            // stellar-core does this too, since the same bytes would be too cheap again.
            if matches!(invalid.result.result, TransactionResultResult::TxInsufficientFee) {
                self.ban(tx.hash(), moment.ledger);
            }
            return Answer::Error { result: Box::new(invalid.result), diagnostics: invalid.diagnostics };
        }
        if !self.fee_source_can_pay(&tx, place, entries) {
            return refuse(fees::required_fee(&tx), TransactionResultResult::TxInsufficientBalance);
        }
        match place.and_then(|place| self.waiting.get_mut(place)) {
            Some(waiting) => waiting.tx = tx,
            None => self.waiting.push(Waiting { tx, age: 0 }),
        }
        for hash in leaving {
            self.evict(hash, moment.ledger);
        }
        Answer::Pending
    }

    /// The hashes of the transactions that must leave so that this one has room.
    ///
    /// # Errors
    /// The transaction bids too little. The error is the full fee that would be enough, in stroops.
    fn make_room(&self, tx: &Submitted, replaced: Option<usize>, config: &Config) -> Result<Vec<[u8; 32]>, i64> {
        let bid = Bid::of(tx);
        let to_beat = |other: Bid| Err(other.beaten_by(bid.operations).saturating_add(tx.resource_fee()));
        let price = self.demand.price();
        if price > BASE_FEE && bid < Bid::per_operation(price) {
            return Err(fees::inclusion_cost(tx, price).saturating_add(tx.resource_fee()));
        }
        let phase = Phase::of(tx);
        if let Some(evicted) = self.evicted[phase as usize]
            && bid <= evicted
        {
            return to_beat(evicted);
        }
        let limit = Capacity::of_ledger(phase, config).times(QUEUE_LEDGERS);
        let mut others: Vec<&Submitted> = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(place, waiting)| Some(*place) != replaced && Phase::of(&waiting.tx) == phase)
            .map(|(_, waiting)| &waiting.tx)
            .collect();
        let mut used = others.iter().fold(Capacity::used_by(tx), |sum, other| sum.plus(Capacity::used_by(other)));
        // The lowest bid leaves first; of equal bids, the one that came last.
        others.reverse();
        others.sort_by_key(|other| Bid::of(other));
        let mut leaving = Vec::new();
        for other in others {
            if limit.holds(used) {
                break;
            }
            if Bid::of(other) >= bid {
                return to_beat(Bid::of(other));
            }
            used = used.minus(Capacity::used_by(other));
            leaving.push(other.hash());
        }
        Ok(leaving)
    }

    /// Whether the fee source can pay for this transaction and for all waiting ones whose fees it pays.
    fn fee_source_can_pay(&self, tx: &Submitted, replaced: Option<usize>, entries: &Entries) -> bool {
        let payer = tx.fee_source();
        let promised = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(place, waiting)| Some(*place) != replaced && waiting.tx.fee_source() == payer)
            .fold(tx.full_fee(), |sum, (_, waiting)| sum.saturating_add(waiting.tx.full_fee()));
        find_account(entries, &payer).is_some_and(|account| available_balance(account) >= promised)
    }

    fn evict(&mut self, hash: [u8; 32], ledger: u32) {
        let Some(place) = self.waiting.iter().position(|waiting| waiting.tx.hash() == hash) else {
            return;
        };
        let tx = self.waiting.remove(place).tx;
        let evicted = &mut self.evicted[Phase::of(&tx) as usize];
        *evicted = (*evicted).max(Some(Bid::of(&tx)));
        self.ban(hash, ledger);
    }

    /// Takes out the transactions for the ledger of `moment`, the highest bids first. Transactions that are not valid
    /// then are dropped. Those that do not fit wait on, until they are too old. `closed` is how many ledgers close with
    /// this one, including it.
    pub(crate) fn choose(&mut self, entries: &Entries, config: &Config, moment: Moment, closed: u32) -> [Chosen; 2] {
        self.evicted = [None; 2];
        let waiting = std::mem::take(&mut self.waiting);
        let (valid, invalid): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|waiting| {
            check(&waiting.tx, entries, config, moment)
                .inspect_err(|invalid| {
                    let hash = hex::encode(waiting.tx.hash());
                    tracing::info!(%hash, result = ?invalid.result.result, "dropped an invalid transaction");
                })
                .is_ok()
        });
        for waiting in invalid {
            self.ban(waiting.tx.hash(), moment.ledger);
        }
        let (classic, soroban): (Vec<_>, Vec<_>) =
            valid.into_iter().partition(|waiting| Phase::of(&waiting.tx) == Phase::Classic);
        let chosen = [(Phase::Classic, classic), (Phase::Soroban, soroban)].map(|(phase, waiting)| {
            let (chosen, left) = fill(waiting, Capacity::of_ledger(phase, config), self.demand);
            self.waiting.extend(left);
            chosen
        });
        self.demand.pass(closed);
        self.grow_older(moment.ledger, closed);
        chosen
    }

    fn grow_older(&mut self, ledger: u32, closed: u32) {
        for waiting in &mut self.waiting {
            waiting.age = waiting.age.saturating_add(closed);
        }
        let (waiting, too_old): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.age < MAX_AGE);
        self.waiting = waiting;
        for waiting in too_old {
            tracing::info!(hash = %hex::encode(waiting.tx.hash()), "dropped a transaction that no ledger took");
            self.ban(waiting.tx.hash(), ledger);
        }
    }

    /// Refuses a dropped transaction's hash for a while.
    fn ban(&mut self, hash: [u8; 32], ledger: u32) {
        self.banned.retain(|_, until| ledger < *until);
        self.banned.insert(hash, ledger.saturating_add(BAN_LEDGERS));
    }

    /// The number of transactions that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// A refusal by the queue itself. It refuses the whole envelope: with a fee bump, the fee bump.
fn refuse(fee: i64, result: TransactionResultResult) -> Answer {
    Answer::Error { result: Box::new(results::transaction(fee, result)), diagnostics: Vec::new() }
}

/// An account has one transaction in the queue. Only a fee bump for the same sequence number replaces it.
///
/// # Errors
/// The answer when the transaction does not replace it.
fn may_replace(tx: &Submitted, waiting: &Submitted, config: &Config) -> Result<(), Answer> {
    if waiting.hash() == tx.hash() || waiting.inner_hash() == tx.hash() {
        return Err(Answer::Duplicate);
    }
    if tx.tx().seq_num < waiting.tx().seq_num {
        return Err(refuse(fees::required_fee(tx), TransactionResultResult::TxBadSeq));
    }
    if tx.is_soroban()
        && let Err(reason) = soroban_limits::check(tx, config)
    {
        let result = results::of_inner(tx, fees::required_fee(tx), TransactionResultResult::TxSorobanInvalid);
        return Err(Answer::Error { result: Box::new(result), diagnostics: vec![reason.event()] });
    }
    if tx.fee_bump().is_none() || tx.tx().seq_num != waiting.tx().seq_num || tx.is_soroban() != waiting.is_soroban() {
        return Err(Answer::TryAgainLater);
    }
    let old = Bid::of(waiting);
    let needed = Bid { stroops: old.stroops.saturating_mul(REPLACE_FACTOR), ..old };
    if Bid::of(tx) < needed {
        let due = needed.matched_by(fees::paid_operations(tx)).saturating_add(tx.resource_fee());
        return Err(refuse(due, TransactionResultResult::TxInsufficientFee));
    }
    Ok(())
}

/// Fills one phase of a ledger, and answers the transactions that are left over. If not all of them fit, those in the
/// ledger pay what the lowest bid among them offers for an operation (surge pricing).
fn fill(mut waiting: Vec<Waiting>, limit: Capacity, demand: Demand) -> (Chosen, Vec<Waiting>) {
    waiting.sort_by_key(|waiting| std::cmp::Reverse(Bid::of(&waiting.tx)));
    let mut used = Capacity::default();
    let (mut transactions, mut left) = (Vec::new(), Vec::new());
    let mut lowest = None;
    for waiting in waiting {
        let bid = Bid::of(&waiting.tx);
        let with = used.plus(Capacity::used_by(&waiting.tx));
        if demand.leaves_room_for(bid) && limit.holds(with) {
            used = with;
            lowest = Some(bid);
            transactions.push(waiting.tx);
        } else {
            left.push(waiting);
        }
    }
    let price = match (demand.filled_at(), lowest) {
        (Some(others), _) => others,
        (None, Some(lowest)) if !left.is_empty() => u32::try_from(lowest.rate()).unwrap_or(u32::MAX),
        _ => BASE_FEE,
    };
    (Chosen { transactions, price: price.max(demand.price()) }, left)
}
