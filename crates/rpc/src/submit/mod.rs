//! Submits transactions for a command line: it simulates, assembles, signs and sends them, and waits until the network
//! has decided.
//!
//! It writes nothing to disk. The order keeps money safe: it never sends another transaction before this one is in a
//! ledger or can no longer get into one.

use std::time::Duration;

use paychan_channel::{AccountId, ContractId, Ledger, NetworkId, Stroops};
use stellar_xdr::{
    HostFunction, LedgerBounds, Operation, ScVal, SorobanAuthorizationEntry, SorobanTransactionData,
    TransactionEnvelope, TransactionResult, TransactionResultResult,
};
use tokio::time::{Instant, sleep};

use crate::auth::{needs_signature, sign_auth_entries};
use crate::fees::raised_bid;
use crate::meaning::{Authorization, Entries, Meaning};
use crate::{
    Account, AccountError, AuthError, BuildError, CallFailure, Client, Draft, ErrorKind, ExtraWrites, FeeStats,
    Parties, SecretKey, SendStatus, Simulated, TransactionAnswer, TxHash, assemble, operations, read_account, sign,
};

mod error;

pub use error::{SubmitError, Submitted};
use error::{failed, submitted};

/// How many ledgers a transaction waits in a node's queue before the node drops it (stellar-core, `TransactionQueue`).
const QUEUE_AGE_LIMIT: u32 = 4;
/// For how many ledgers a node then refuses the hash (stellar-core, `HerderImpl.cpp`).
const BAN_LEDGERS: u32 = 10;

/// In how many ledgers a transaction may be included, counted from the one at which it was built.
///
/// This is long enough to be dropped, to be refused for a while, and to wait in the queue a second time. A person at a
/// terminal would rather wait once than type the command again.
pub const INCLUSION_LEDGERS: u32 = QUEUE_AGE_LIMIT + BAN_LEDGERS + QUEUE_AGE_LIMIT + 2;
const _: () = assert!(INCLUSION_LEDGERS > QUEUE_AGE_LIMIT + BAN_LEDGERS);

/// How a transaction is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmitOptions {
    /// The most that is bid for inclusion, per operation. The bid is what 95 of 100 paid lately.
    pub max_inclusion_fee: Stroops,
    /// The least that is bid for inclusion, per operation, such as what the network asked for before.
    pub least_inclusion_fee: Stroops,
    /// Nothing is built on a state before this ledger: a node that is behind it is asked again.
    pub not_before: Ledger,
    /// The time between two requests to the node.
    pub poll: Duration,
    /// When to stop asking a node whose ledger does not advance. The transaction may then still be included.
    pub give_up: Duration,
}

impl Default for SubmitOptions {
    fn default() -> SubmitOptions {
        SubmitOptions {
            max_inclusion_fee: Stroops(1_000_000),
            least_inclusion_fee: Stroops::BASE_FEE,
            not_before: Ledger(0),
            poll: Duration::from_millis(500),
            give_up: Duration::from_secs(300),
        }
    }
}

/// A call to submit.
#[derive(Debug, Clone)]
pub struct Call {
    /// The host function to call.
    pub function: HostFunction,
    /// The account that authorizes by being the operation's source, when it is not the transaction's source.
    pub operation_source: Option<AccountId>,
    /// The channel that is called. Its errors are then put in words, and room is left for what may be written to it.
    pub channel: Option<ContractId>,
    /// The channel's token, whose errors are then put in words.
    pub token: Option<ContractId>,
    /// What the call is meant to do. Nothing that does more is signed.
    pub meaning: Meaning,
}

/// Signs and submits, and waits until the transaction is decided.
#[derive(Clone, Copy)]
pub struct Submitter<'a> {
    /// The client of the endpoint.
    pub client: &'a Client,
    /// The network for which the signatures are.
    pub network: &'a NetworkId,
    /// Who pays the fee.
    pub source: &'a SecretKey,
    /// The keys of the others who must authorize.
    pub signers: &'a [&'a SecretKey],
    /// How to submit.
    pub options: SubmitOptions,
}

/// A transaction that is signed and not yet sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The signed transaction.
    pub envelope: TransactionEnvelope,
    /// Its hash.
    pub hash: TxHash,
    /// The ledger at which it was built.
    pub built_at: Ledger,
    /// The first ledger that it can't be in.
    pub bound: Ledger,
    /// The bid for inclusion, in stroops. The rest of the fee is for resources.
    pub bid: Stroops,
    operations: usize,
    parties: Parties,
}

impl Prepared {
    /// The most that it can cost: the bid and the fee for resources.
    #[must_use]
    pub fn fee(&self) -> Stroops {
        match &self.envelope {
            TransactionEnvelope::Tx(envelope) => Stroops(i64::from(envelope.tx.fee)),
            TransactionEnvelope::TxV0(envelope) => Stroops(i64::from(envelope.tx.fee)),
            TransactionEnvelope::TxFeeBump(envelope) => Stroops(envelope.tx.fee),
        }
    }
}

impl Submitter<'_> {
    /// Calls a contract, creates one, or uploads code.
    ///
    /// # Errors
    /// [`SubmitError`]; after `Undecided` the transaction may still be included.
    pub async fn call(&self, call: &Call) -> Result<Submitted, SubmitError> {
        let prepared = self.prepare_call(call).await?;
        self.send(&prepared).await
    }

    /// Submits classic operations: payments, trustlines, accounts.
    ///
    /// # Errors
    /// [`SubmitError`]; after `Undecided` the transaction may still be included.
    pub async fn classic(&self, operations: Vec<Operation>) -> Result<Submitted, SubmitError> {
        let count = i64::try_from(operations.len()).unwrap_or(i64::MAX);
        let usual = self.usual_fees().await?.map(|fees| fees.classic.p95);
        let bid = self.bid(usual).0.checked_mul(count).ok_or(BuildError::FeeTooLarge)?;
        let draft = self.draft(operations, Stroops(bid), None).await?;
        let prepared = self.finish(&draft, draft.build()?, Parties::default())?;
        self.send(&prepared).await
    }

    /// Extends or restores: [`operations::extend`] or [`operations::restore`] with its [`operations::footprint`], for a
    /// resource fee of at most `max_resource_fee` (see [`ResourceFeeCaps`](crate::ResourceFeeCaps)).
    ///
    /// # Errors
    /// [`SubmitError`]; after `Undecided` the transaction may still be included.
    pub async fn footprint(
        &self,
        operation: Operation,
        footprint: SorobanTransactionData,
        max_resource_fee: Stroops,
    ) -> Result<Submitted, SubmitError> {
        let prepared = self.prepare_footprint(operation, footprint, max_resource_fee).await?;
        self.send(&prepared).await
    }

    /// Simulates an extension or a restoration, checks that the result is meant, and signs it.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was sent.
    pub async fn prepare_footprint(
        &self,
        operation: Operation,
        footprint: SorobanTransactionData,
        max_resource_fee: Stroops,
    ) -> Result<Prepared, SubmitError> {
        let bid = self.bid(self.usual_fees().await?.map(|fees| fees.soroban.p95));
        let draft = self.draft(vec![operation], bid, Some(footprint)).await?;
        let simulated = self.simulate(&draft, &Parties::default()).await?;
        let transaction = assemble(&draft, &simulated, ExtraWrites::NONE)?;
        let meaning = Meaning { authorization: Authorization::Nobody, entries: Entries::Any, max_resource_fee };
        meaning.check(&draft, ExtraWrites::NONE, &transaction)?;
        self.finish(&draft, transaction.into(), Parties::default())
    }

    /// Simulates a call and returns what it returns. Nothing is sent, and nothing is paid.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn ask(&self, call: &Call) -> Result<Option<ScVal>, SubmitError> {
        let parties = Parties { channel: call.channel, token: call.token };
        let operation = operations::invoke(call.operation_source, call.function.clone());
        let draft = self.draft(vec![operation], Stroops::BASE_FEE, None).await?;
        Ok(self.simulate(&draft, &parties).await?.return_value)
    }

    /// Simulates a call, assembles it, checks that the result is meant, and signs it.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was sent.
    pub async fn prepare_call(&self, call: &Call) -> Result<Prepared, SubmitError> {
        let parties = Parties { channel: call.channel, token: call.token };
        let bid = self.bid(self.usual_fees().await?.map(|fees| fees.soroban.p95));
        let extra = match call.channel {
            Some(_) => room(&call.function, self.client.get_write_fee_per_kb().await?)?,
            None => ExtraWrites::NONE,
        };
        let operation = operations::invoke(call.operation_source, call.function.clone());
        let mut draft = self.draft(vec![operation], bid, None).await?;
        let mut simulated = self.simulate(&draft, &parties).await?;
        if simulated.auth.iter().any(needs_signature) {
            // The call is simulated again with the signatures, so that the fee also covers their verification.
            let bound = bound_of(&draft);
            call.meaning.check_auth(&draft, &simulated.auth)?;
            let auth = sign_auth_entries(&simulated.auth, self.signers, self.network, bound)?;
            set_auth(&mut draft, auth)?;
            simulated = self.simulate(&draft, &parties).await?;
        }
        let transaction = assemble(&draft, &simulated, extra)?;
        call.meaning.check(&draft, extra, &transaction)?;
        self.finish(&draft, transaction.into(), parties)
    }

    /// Sends a prepared transaction, again and again, until it is in a ledger or can no longer get into one.
    ///
    /// When the network asks for a higher fee, the transaction is signed again with that fee, if the bid stays within
    /// [`SubmitOptions::max_inclusion_fee`]. It then has another hash, which the answer names.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn send(&self, prepared: &Prepared) -> Result<Submitted, SubmitError> {
        let mut prepared = prepared.clone();
        loop {
            match self.send_as_it_is(&prepared).await {
                // It was refused when it was sent first, so it is in no queue, and another transaction may replace it.
                Err(SubmitError::Rejected { hash, result }) if is_fee_too_low(&result) => {
                    prepared = match self.raise(&prepared, Stroops(result.fee_charged))? {
                        Some(raised) => raised,
                        None => return Err(SubmitError::Rejected { hash, result }),
                    };
                }
                decided => return decided,
            }
        }
    }

    /// The same transaction, signed with the fee that the network asks for; `None` when that is more than may be bid.
    fn raise(&self, prepared: &Prepared, needed: Stroops) -> Result<Option<Prepared>, SubmitError> {
        let TransactionEnvelope::Tx(envelope) = &prepared.envelope else { return Err(BuildError::NotPlain.into()) };
        let count = i64::try_from(prepared.operations.max(1)).unwrap_or(i64::MAX);
        let cap = Stroops(self.options.max_inclusion_fee.0.saturating_mul(count));
        let fee = Stroops(i64::from(envelope.tx.fee));
        let Some(bid) = raised_bid(needed, fee, prepared.bid, cap) else { return Ok(None) };
        let mut transaction = envelope.tx.clone();
        let fee = fee.0.saturating_sub(prepared.bid.0).saturating_add(bid.0);
        transaction.fee = u32::try_from(fee).map_err(|_| BuildError::FeeTooLarge)?;
        let mut envelope = TransactionEnvelope::from(transaction);
        let signing = self.signing(&envelope)?;
        let hash = sign(&mut envelope, self.network, &signing)?;
        tracing::info!(%hash, %bid, "the network asked for a higher fee; signed again with it");
        Ok(Some(Prepared { envelope, hash, bid, ..prepared.clone() }))
    }

    async fn send_as_it_is(&self, prepared: &Prepared) -> Result<Submitted, SubmitError> {
        let started = Instant::now();
        // Whether a node may have the transaction. From then on a refusal decides nothing, since a refusal of a second
        // copy says nothing about the first.
        let mut may_be_in_flight = false;
        let mut sent_at: Option<Ledger> = None;
        let mut trouble = "the node's ledger does not advance".to_owned();
        loop {
            let mut pause = self.options.poll;
            match self.client.get_transaction(&prepared.hash).await {
                Ok(TransactionAnswer::Success(included)) => {
                    return Ok(submitted(prepared, included));
                }
                Ok(TransactionAnswer::Failed(included)) => return Err(failed(prepared, included)),
                Ok(TransactionAnswer::NotFound { latest, oldest }) => {
                    if latest >= prepared.bound {
                        return Err(self.out_of_bounds(prepared, oldest));
                    }
                    // The same bytes are sent once in each ledger.
                    if sent_at.is_none_or(|ledger| latest > ledger) {
                        may_be_in_flight = self.hand_over(prepared, may_be_in_flight).await?;
                        sent_at = Some(latest);
                    }
                }
                Err(error) if error.is_passing() => {
                    pause = pause.max(error.retry_after().unwrap_or_default());
                    trouble = error.to_string();
                }
                Err(error) if may_be_in_flight => trouble = error.to_string(),
                Err(error) => return Err(error.into()),
            }
            if started.elapsed() >= self.options.give_up {
                return Err(SubmitError::Undecided { hash: prepared.hash, bound: prepared.bound, why: trouble });
            }
            sleep(pause.min(self.options.give_up.saturating_sub(started.elapsed()))).await;
        }
    }

    /// Sends the transaction. Returns whether a node may have it now.
    async fn hand_over(&self, prepared: &Prepared, may_be_in_flight: bool) -> Result<bool, SubmitError> {
        match self.client.send(&prepared.envelope).await {
            Ok(answer) => match answer.status {
                SendStatus::Pending | SendStatus::Duplicate => Ok(true),
                SendStatus::TryAgainLater => Ok(may_be_in_flight),
                SendStatus::Error { .. } if may_be_in_flight => Ok(true),
                SendStatus::Error { result } => Err(SubmitError::Rejected { hash: prepared.hash, result }),
            },
            Err(error) if error.is_passing() || may_be_in_flight => {
                tracing::debug!(%error, hash = %prepared.hash, "handing a transaction over failed");
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn out_of_bounds(&self, prepared: &Prepared, oldest: Ledger) -> SubmitError {
        let Prepared { hash, bound, built_at, .. } = *prepared;
        if oldest <= built_at {
            return SubmitError::Expired { hash, bound };
        }
        let why = format!("the node holds no ledger before {oldest}");
        SubmitError::Undecided { hash, bound, why }
    }

    /// What others paid lately; `None` when the node has no such figures. The transaction is sent without them too,
    /// since the network says itself when a bid is too low.
    async fn usual_fees(&self) -> Result<Option<FeeStats>, SubmitError> {
        match self.client.get_fee_stats().await {
            Ok(fees) => Ok(Some(fees)),
            Err(error) if matches!(error.kind, ErrorKind::Refused { .. } | ErrorKind::BadAnswer(_)) => {
                tracing::warn!(%error, "the node does not say what inclusion costs; the lowest fee is bid first");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn bid(&self, usual: Option<Stroops>) -> Stroops {
        let least = self.options.least_inclusion_fee.max(Stroops::BASE_FEE);
        usual.unwrap_or_default().max(least).min(self.options.max_inclusion_fee)
    }

    /// Reads the source account from a node that has reached [`SubmitOptions::not_before`].
    async fn source_account(&self) -> Result<Account, SubmitError> {
        let started = Instant::now();
        loop {
            let account = read_account(self.client, &self.source.account()).await;
            match account {
                Ok(account) if account.read_at >= self.options.not_before => return Ok(account),
                Err(error @ AccountError::Rpc(_)) => return Err(error.into()),
                // If later ledgers are asked for, the node may not have seen yet that the account was created.
                Err(error) if self.options.not_before == Ledger(0) => return Err(error.into()),
                read => self.catch_up(started, read.map(|account| account.read_at).ok()).await?,
            }
        }
    }

    /// Waits a moment for a node that is behind, but no longer than [`SubmitOptions::give_up`] in total.
    async fn catch_up(&self, started: Instant, latest: Option<Ledger>) -> Result<(), SubmitError> {
        if started.elapsed() >= self.options.give_up {
            let asked = Some(self.options.not_before);
            return Err(self.client.error("getLedgerEntries", ErrorKind::NodeBehind { asked, latest }).into());
        }
        sleep(self.options.poll).await;
        Ok(())
    }

    async fn draft(
        &self,
        operations: Vec<Operation>,
        inclusion_fee: Stroops,
        soroban: Option<SorobanTransactionData>,
    ) -> Result<Draft, SubmitError> {
        let source = self.source_account().await?;
        Ok(Draft {
            source: source.id,
            sequence: source.sequence.saturating_add(1),
            operations,
            ledger_bounds: Some(LedgerBounds {
                min_ledger: 0,
                max_ledger: source.read_at.saturating_add(INCLUSION_LEDGERS).0,
            }),
            time_bounds: None,
            inclusion_fee,
            soroban,
        })
    }

    async fn simulate(&self, draft: &Draft, parties: &Parties) -> Result<Simulated, SubmitError> {
        let transaction = draft.build()?;
        let started = Instant::now();
        let simulation = loop {
            let simulation = self.client.simulate(&transaction).await?;
            if simulation.latest_ledger >= self.options.not_before {
                break simulation;
            }
            self.catch_up(started, Some(simulation.latest_ledger)).await?;
        };
        match simulation.outcome {
            Ok(simulated) if simulated.restore_first => Err(SubmitError::RestoreFirst),
            Ok(simulated) => Ok(simulated),
            Err(failure) => Err(SubmitError::WouldFail(CallFailure::of_simulation(&failure, parties))),
        }
    }

    fn keys(&self) -> Vec<&SecretKey> {
        std::iter::once(self.source).chain(self.signers.iter().copied()).collect()
    }

    /// Signs with the keys of the sources of the transaction and its operations, and with no others: the others have
    /// signed their authorization entries, and the network refuses signatures that it does not need.
    fn finish(
        &self,
        draft: &Draft,
        mut envelope: TransactionEnvelope,
        parties: Parties,
    ) -> Result<Prepared, SubmitError> {
        let signing = self.signing(&envelope)?;
        let hash = sign(&mut envelope, self.network, &signing)?;
        let bound = bound_of(draft);
        Ok(Prepared {
            envelope,
            hash,
            built_at: bound.saturating_sub(INCLUSION_LEDGERS),
            bound,
            bid: draft.inclusion_fee,
            operations: draft.operations.len(),
            parties,
        })
    }

    /// The keys that sign the transaction itself: its source's, and those of its operations' sources.
    fn signing(&self, envelope: &TransactionEnvelope) -> Result<Vec<&SecretKey>, SubmitError> {
        let TransactionEnvelope::Tx(envelope) = envelope else { return Err(BuildError::NotPlain.into()) };
        let mut signing = vec![self.source];
        for source in envelope.tx.operations.iter().filter_map(|operation| operation.source_account.as_ref()) {
            let key = self.keys().into_iter().find(|key| key.account().to_muxed() == *source);
            signing.push(key.ok_or_else(|| AuthError::KeyMissing(account_of(source)))?);
        }
        Ok(signing)
    }
}

fn is_fee_too_low(result: &TransactionResult) -> bool {
    matches!(result.result, TransactionResultResult::TxInsufficientFee)
}

/// What a call of a channel may write beyond its simulation.
fn room(function: &HostFunction, fee_per_kb: Stroops) -> Result<ExtraWrites, BuildError> {
    match function {
        HostFunction::InvokeContract(call) if call.function_name.as_slice() == b"close" => {
            ExtraWrites::for_close(fee_per_kb)
        }
        _ => ExtraWrites::for_channels(1, fee_per_kb),
    }
}

fn account_of(source: &stellar_xdr::MuxedAccount) -> AccountId {
    let stellar_xdr::AccountId(stellar_xdr::PublicKey::PublicKeyTypeEd25519(key)) = source.clone().account_id();
    AccountId(key.0)
}

fn bound_of(draft: &Draft) -> Ledger {
    Ledger(draft.ledger_bounds.as_ref().map_or(0, |bounds| bounds.max_ledger))
}

fn set_auth(draft: &mut Draft, auth: Vec<SorobanAuthorizationEntry>) -> Result<(), BuildError> {
    let auth: stellar_xdr::VecM<_> = auth.try_into().map_err(|_| BuildError::TooManyAuthorizations)?;
    for operation in &mut draft.operations {
        if let stellar_xdr::OperationBody::InvokeHostFunction(call) = &mut operation.body {
            call.auth = auth.clone();
        }
    }
    Ok(())
}
