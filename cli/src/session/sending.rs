//! Sends a transaction: it simulates, checks, signs and sends, and signs again with the fee that the network asks for.

use paychan_channel::xdr::{HostFunction, LedgerKey, TransactionEnvelope, TransactionExt};
use paychan_channel::{ChannelState, Stroops};
use paychan_rpc::meaning::{Authorization, Entries, Meaning, NotMeant};
use paychan_rpc::submit::{Call, Prepared, SubmitError, SubmitOptions, Submitted, Submitter};
use paychan_rpc::{AccountError, Parties, ResourceFeeCaps, SecretKey, operations};

use super::{POLL, Receipt, Session};
use crate::commands::restore::archived_hint;
use crate::error::{Failure, Kind, bail};

/// How many times a transaction is signed with ever higher fees. The network asks for a fee that is enough at that
/// moment, so a few times are enough unless the endpoint is dishonest.
const MAX_SIGNINGS: u32 = 8;

impl Session {
    /// Calls a channel whose state was read.
    pub(crate) async fn call(
        &self,
        secret: &SecretKey,
        channel: &ChannelState,
        function: HostFunction,
        authorization: Authorization,
    ) -> Result<Receipt, Failure> {
        let parties =
            Parties { channel: Some(channel.channel), token: channel.token_kind.asset().map(|_| channel.token) };
        let max_resource_fee = self.max_fee_of(&function);
        let meaning = Meaning { authorization, entries: Entries::of_channel(channel), max_resource_fee };
        let sent = self.transact(secret, function, Some(&parties), meaning).await;
        sent.map_err(|failure| archived_hint(channel, failure))
    }

    /// Calls a contract, creates one or uploads code, and waits for the outcome. Before it signs, it compares what the
    /// simulation adds to the transaction with `meaning`. `parties` are those of a channel's call.
    pub(crate) async fn transact(
        &self,
        secret: &SecretKey,
        function: HostFunction,
        parties: Option<&Parties>,
        meaning: Meaning,
    ) -> Result<Receipt, Failure> {
        let max_fee = self.max_fee_of(&function);
        let call = Call {
            function,
            operation_source: None,
            channel: parties.and_then(|parties| parties.channel),
            token: parties.and_then(|parties| parties.token),
            meaning,
        };
        self.send(secret, max_fee, async |submitter: &Submitter<'_>| submitter.prepare_call(&call).await).await
    }

    /// The most that the person allows for a call, or else the usual cap for such a call.
    pub(crate) fn max_fee_of(&self, function: &HostFunction) -> Stroops {
        self.max_fee.unwrap_or(match function {
            HostFunction::UploadContractWasm(_) => ResourceFeeCaps::USUAL.upload,
            _ => ResourceFeeCaps::USUAL.call,
        })
    }

    /// Restores archived entries, and waits for the outcome.
    pub(crate) async fn restore(&self, secret: &SecretKey, keys: Vec<LedgerKey>) -> Result<Receipt, Failure> {
        let max_fee = self.max_fee.unwrap_or(ResourceFeeCaps::USUAL.restore);
        let footprint =
            operations::footprint(Vec::new(), keys).map_err(|error| Failure::new(Kind::Refused, error.to_string()))?;
        self.send(secret, max_fee, async |submitter: &Submitter<'_>| {
            submitter.prepare_footprint(operations::restore(), footprint.clone(), max_fee).await
        })
        .await
    }

    /// Prepares a transaction and sends it. While the network asks for a higher fee than was bid and `max_fee` allows
    /// it, the transaction is signed again, but only once the one before can no longer get into a ledger.
    async fn send(
        &self,
        secret: &SecretKey,
        max_fee: Stroops,
        prepare: impl AsyncFn(&Submitter<'_>) -> Result<Prepared, SubmitError>,
    ) -> Result<Receipt, Failure> {
        let mut options = SubmitOptions {
            max_inclusion_fee: max_fee,
            not_before: self.seen.get(),
            poll: POLL,
            ..SubmitOptions::default()
        };
        let mut signings = 0;
        loop {
            signings += 1;
            let submitter = Submitter {
                client: &self.client,
                network: &self.network,
                source: secret,
                // No other key has to sign.
                signers: &[],
                options,
            };
            let prepared = prepare(&submitter).await.map_err(submit_failure)?;
            let (fee, resource_fee) = fees(&prepared)?;
            let left_for_inclusion = Stroops(max_fee.get().saturating_sub(resource_fee.get()));
            if fee > max_fee {
                // Others paid more lately than is allowed here. The allowed fee may still be enough.
                if left_for_inclusion >= Stroops::BASE_FEE && options.max_inclusion_fee > left_for_inclusion {
                    options.max_inclusion_fee = left_for_inclusion;
                    continue;
                }
                return Err(too_dear("this may cost up to", fee, max_fee));
            }
            self.output.progress(format_args!(
                "sending transaction {}, waiting for ledger {} to close (until {} at most) ...",
                prepared.hash,
                prepared.built_at.saturating_add(1),
                prepared.bound
            ));
            // The submitter may sign the transaction again. Its inclusion fee and resources together stay below what is
            // allowed.
            let allowed = SubmitOptions { max_inclusion_fee: left_for_inclusion, ..options };
            let error = match (Submitter { options: allowed, ..submitter }).send(&prepared).await {
                Ok(Submitted { hash, ledger, fee_charged, .. }) => {
                    self.seen.set(self.seen.get().max(ledger));
                    let receipt = Receipt { hash: hash.to_string(), ledger, fee_charged: fee_charged.to_string() };
                    self.output.progress(format_args!("done: {receipt}"));
                    return Ok(receipt);
                }
                Err(error) => error,
            };
            match error.fee_asked() {
                Some(asked) if asked > max_fee => return Err(too_dear("the network asks for", asked, max_fee)),
                Some(asked) if asked > fee && signings < MAX_SIGNINGS => {
                    options.least_inclusion_fee = Stroops(asked.get().saturating_sub(resource_fee.get()));
                    self.output.progress(format_args!(
                        "the network is busy and asks for {asked} stroops instead of {fee}; signing again with that"
                    ));
                }
                _ => return Err(submit_failure(error)),
            }
        }
    }
}

fn soroban_data(prepared: &Prepared) -> Option<&paychan_channel::xdr::SorobanTransactionData> {
    match &prepared.envelope {
        TransactionEnvelope::Tx(envelope) => match &envelope.tx.ext {
            TransactionExt::V1(data) => Some(data),
            TransactionExt::V0 => None,
        },
        _ => None,
    }
}

/// The whole fee that a transaction allows, and the part of it that is for resources.
fn fees(prepared: &Prepared) -> Result<(Stroops, Stroops), Failure> {
    let (TransactionEnvelope::Tx(envelope), Some(data)) = (&prepared.envelope, soroban_data(prepared)) else {
        bail!(Kind::Authorization, "the transaction has an unexpected form; nothing was sent");
    };
    Ok((Stroops(i64::from(envelope.tx.fee)), Stroops(data.resource_fee)))
}

fn too_dear(what: &str, fee: Stroops, max_fee: Stroops) -> Failure {
    Failure::new(
        Kind::FeeTooHigh,
        format!(
            "{what} {fee} stroops ({} XLM), more than --max-fee {max_fee} allows; nothing was paid. Allow more, or wait for \
             quieter times",
            xlm(fee),
        ),
    )
    .with("fee", fee.to_string())
    .with("max_fee", max_fee.to_string())
}

/// Stroops as XLM, for a person.
fn xlm(fee: Stroops) -> String {
    paychan_channel::Amount::new(i128::from(fee.get()))
        .map_or_else(|_| fee.to_string(), |amount| amount.to_decimal(Stroops::DECIMALS))
}

fn submit_failure(error: SubmitError) -> Failure {
    let message = error.to_string();
    match error {
        SubmitError::Rpc(error) | SubmitError::Account(AccountError::Rpc(error)) => Failure::of_rpc(&error),
        SubmitError::Account(AccountError::NotFound(_)) | SubmitError::Build(_) => Failure::new(Kind::Refused, message),
        SubmitError::WouldFail(_) | SubmitError::RestoreFirst | SubmitError::Rejected { .. } => {
            Failure::new(Kind::FailedOnChain, message)
        }
        SubmitError::NotMeant(NotMeant::ResourceFee { asked, cap }) => too_dear("this may cost up to", asked, cap),
        SubmitError::Auth(_) | SubmitError::NotMeant(_) => Failure::new(Kind::Authorization, message),
        SubmitError::Failed { hash, ledger, fee_charged, .. } => Failure::new(Kind::FailedOnChain, message)
            .with("transaction", hash.to_string())
            .with("ledger", ledger.get())
            .with("fee_charged", fee_charged.to_string()),
        SubmitError::Expired { hash, .. } => Failure::new(Kind::Network, message).with("transaction", hash.to_string()),
        SubmitError::Undecided { hash, bound, .. } => Failure::new(Kind::OutcomeUnknown, message)
            .with("transaction", hash.to_string())
            .with("not_after_ledger", bound.get()),
    }
}
