//! One command's dealings with a network: reading, and one signed transaction after another.

use std::fmt;
use std::time::Duration;

use paychan_channel::xdr::{HostFunction, LedgerKey, OperationBody, ScVal, TransactionEnvelope};
use paychan_channel::{AccountId, Address, ChannelState, ContractId, Ledger, NetworkId, Stroops};
use paychan_rpc::submit::{Call, Prepared, SubmitError, SubmitOptions, Submitted, Submitter};
use paychan_rpc::{
    AccountError, CallFailure, Client, Draft, Entry, ErrorKind, Parties, ReadError, RpcError, SecretKey, operations,
    read_channel,
};
use serde::Serialize;

use crate::authorization::{Meaning, check};
use crate::error::{Failure, Kind, bail};
use crate::network::NetworkArgs;
use crate::output::Output;
use crate::signers::TransactArgs;

/// A person waits for a public endpoint at the other end of the world, but not for long.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How often a node is asked whether a ledger has closed. Ledgers take seconds; local ones less.
const POLL: Duration = Duration::from_millis(250);

/// How often to ask a node behind a load balancer for a ledger that another one has announced.
const CATCH_UP_TRIES: u32 = 40;

/// The most that a call costs unless the person allows more: opening on testnet took 516,444 stroops (most of it rent for
/// the network's least life of an entry, which is 17 times as long on the public network); all other calls less.
const USUAL_CALL_FEE: Stroops = Stroops(20_000_000);

/// The same for an upload: 12,274 bytes took 7,414,934 stroops on testnet, nearly all of it rent.
const USUAL_UPLOAD_FEE: Stroops = Stroops(200_000_000);
const _: () = assert!(USUAL_CALL_FEE.0 > 516_444 * 17 && USUAL_UPLOAD_FEE.0 > 7_414_934 * 17);

/// Nobody's account, the source of simulated questions: simulation looks at no signature and no sequence.
const NOBODY: AccountId = AccountId([0; 32]);

/// A network that has been checked to be the one named.
pub(crate) struct Session {
    client: Client,
    pub(crate) network: NetworkId,
    pub(crate) output: Output,
    /// What the person allows; `None` leaves it to the purpose.
    max_fee: Option<Stroops>,
}

/// A transaction that worked.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Receipt {
    /// The transaction's hash.
    pub(crate) hash: String,
    pub(crate) ledger: Ledger,
    /// Stroops, after what was given back.
    pub(crate) fee_charged: String,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ledger {}, fee {} stroops, transaction {}", self.ledger, self.fee_charged, self.hash)
    }
}

impl Receipt {
    /// What came after this transaction. A failure says that the transaction worked, and which it is.
    pub(crate) fn after<T>(&self, channel: &ContractId, came: Result<T, Failure>) -> Result<T, Failure> {
        came.map_err(|failure| {
            failure
                .after(self, &format_args!("look with paychan inspect {channel}"))
                .with("channel", channel.to_string())
                .with("transaction", self.hash.clone())
                .with("ledger", self.ledger.get())
                .with("fee_charged", self.fee_charged.clone())
        })
    }
}

impl Session {
    /// For commands that send transactions.
    pub(crate) async fn connect(args: &TransactArgs, output: Output) -> Result<Self, Failure> {
        Ok(Self { max_fee: args.max_fee.map(Stroops), ..Self::connect_to_read(&args.network, output).await? })
    }

    /// For commands that only look.
    pub(crate) async fn connect_to_read(args: &NetworkArgs, output: Output) -> Result<Self, Failure> {
        let endpoint = args.endpoint()?;
        let options = paychan_rpc::Options { timeout: TIMEOUT, ..paychan_rpc::Options::default() };
        let client = Client::new(&endpoint.rpc_url, options).map_err(rpc_failure)?;
        let network = client.check_network(&endpoint.passphrase).await.map_err(rpc_failure)?;
        Ok(Self { client, network, output, max_fee: None })
    }

    pub(crate) async fn entry(&self, key: &LedgerKey) -> Result<Option<Entry>, Failure> {
        let entries = self.client.get_ledger_entries(std::slice::from_ref(key)).await.map_err(rpc_failure)?;
        entries.get(key).map(|entry| entry.cloned()).map_err(|error| Failure::new(Kind::Network, error.to_string()))
    }

    /// The entries among `keys` that exist, in no particular order.
    pub(crate) async fn entries(&self, keys: &[LedgerKey]) -> Result<Vec<Entry>, Failure> {
        let entries = self.client.get_ledger_entries(keys).await.map_err(rpc_failure)?;
        Ok(entries.iter().map(|(_, entry)| entry.clone()).collect())
    }

    /// Asks a contract something. Nothing is sent.
    pub(crate) async fn view(&self, question: HostFunction) -> Result<ScVal, Failure> {
        let draft = Draft {
            source: NOBODY,
            sequence: 0,
            operations: vec![operations::invoke(None, question)],
            ledger_bounds: None,
            time_bounds: None,
            inclusion_fee: Stroops(100),
            soroban: None,
        };
        let envelope = draft.build().map_err(|e| Failure::new(Kind::Refused, e.to_string()))?;
        let simulation = self.client.simulate(&envelope).await.map_err(rpc_failure)?;
        let simulated = simulation.outcome.map_err(|failure| {
            let why = CallFailure::of_simulation(&failure, &Parties::default());
            Failure::new(Kind::FailedOnChain, format!("the contract does not answer: {why}"))
        })?;
        Ok(simulated.return_value.unwrap_or(ScVal::Void))
    }

    pub(crate) async fn channel(&self, channel: &ContractId) -> Result<ChannelState, Failure> {
        read_channel(&self.client, channel).await.map_err(|error| match error {
            ReadError::Rpc(error) => rpc_failure(error),
            error @ (ReadError::NotFound(_)
            | ReadError::NotAChannel(_)
            | ReadError::Changed { .. }
            | ReadError::Undecodable { .. }) => Failure::new(Kind::NotAChannel, error.to_string()),
        })
    }

    /// The channel as it is after a transaction of ours.
    ///
    /// A failure here says that the transaction worked, and which it is: whoever repeats the command would pay twice.
    pub(crate) async fn channel_after(&self, channel: &ContractId, receipt: &Receipt) -> Result<ChannelState, Failure> {
        let mut tries = 0;
        let trouble = loop {
            match self.channel(channel).await {
                Ok(state) if state.read_at >= receipt.ledger => return Ok(state),
                Ok(state) => {
                    tries += 1;
                    if tries >= CATCH_UP_TRIES {
                        let why = format!("the node is still at ledger {}", state.read_at);
                        break Failure::new(Kind::Network, why);
                    }
                    tokio::time::sleep(POLL).await;
                }
                Err(failure) => break failure,
            }
        };
        let message = format!("the channel could not be read afterwards: {}", trouble.message);
        receipt.after(channel, Err(Failure { message, ..trouble }))
    }

    /// Refuses when the secret given is not of the one who must act.
    pub(crate) fn must_be(&self, role: &str, expected: &Address, secret: &SecretKey) -> Result<(), Failure> {
        let given = secret.account();
        match expected {
            Address::Account(account) if *account == given => Ok(()),
            Address::Account(account) => bail!(
                Kind::Refused,
                "the secret given is of {given}, but this must be done by the channel's {role}, {account}"
            ),
            Address::Contract(contract) => bail!(
                Kind::Refused,
                "this must be done by the channel's {role}, which is the contract {contract}; this program signs for accounts \
                 (G...) only"
            ),
        }
    }

    /// Simulates, checks what would be authorised and what it would cost, signs, sends, and waits until it is decided.
    pub(crate) async fn transact(
        &self,
        secret: &SecretKey,
        call: &Call,
        meaning: &Meaning,
    ) -> Result<Receipt, Failure> {
        let max_fee = self.max_fee.unwrap_or(match call.function {
            HostFunction::UploadContractWasm(_) => USUAL_UPLOAD_FEE,
            _ => USUAL_CALL_FEE,
        });
        let submitter = Submitter {
            client: &self.client,
            network: &self.network,
            source: secret,
            // No other key signs anything.
            signers: &[],
            options: SubmitOptions {
                max_inclusion_fee: SubmitOptions::default().max_inclusion_fee.min(max_fee),
                poll: POLL,
                ..SubmitOptions::default()
            },
        };
        let prepared = submitter.prepare_call(call).await.map_err(submit_failure)?;
        approve(&prepared, call, meaning, max_fee)?;
        self.output.progress(format_args!(
            "sending transaction {}, waiting for ledger {} to close (until {} at most) ...",
            prepared.hash,
            prepared.built_at.saturating_add(1),
            prepared.bound
        ));
        let Submitted { hash, ledger, fee_charged, .. } = submitter.send(&prepared).await.map_err(submit_failure)?;
        let receipt = Receipt { hash: hash.to_string(), ledger, fee_charged: fee_charged.to_string() };
        self.output.progress(format_args!("done: {receipt}"));
        Ok(receipt)
    }
}

/// The last look at what is signed and not yet sent: the call that was meant, its authorizations, its fee.
fn approve(prepared: &Prepared, call: &Call, meaning: &Meaning, max_fee: Stroops) -> Result<(), Failure> {
    let TransactionEnvelope::Tx(envelope) = &prepared.envelope else {
        bail!(Kind::Authorization, "the transaction has an unexpected form; nothing was sent");
    };
    let [operation] = envelope.tx.operations.as_slice() else {
        bail!(Kind::Authorization, "the transaction has more than one operation; nothing was sent");
    };
    match &operation.body {
        OperationBody::InvokeHostFunction(invoke) if invoke.host_function == call.function => {
            check(&invoke.auth, meaning)?
        }
        _ => bail!(Kind::Authorization, "the transaction is not the one that was meant; nothing was sent"),
    }
    let fee = Stroops(i64::from(envelope.tx.fee));
    if fee > max_fee {
        return Err(Failure::new(
            Kind::FeeTooHigh,
            format!(
                "this may cost up to {fee} stroops ({} XLM), more than --max-fee {max_fee} allows; nothing was sent. Allow \
                 more, or wait for quieter times",
                xlm(fee),
            ),
        )
        .with("fee", fee.to_string())
        .with("max_fee", max_fee.to_string()));
    }
    Ok(())
}

/// A call of a channel that was read.
pub(crate) fn call_to(channel: &ChannelState, function: HostFunction) -> Call {
    Call {
        function,
        operation_source: None,
        channel: Some(channel.channel),
        token: channel.token_kind.asset().map(|_| channel.token),
        // [`approve`] compares what is signed with what is meant.
        meaning: paychan_rpc::Meaning::of_trusted_endpoint(),
    }
}

/// Stroops as XLM, for a person.
fn xlm(fee: Stroops) -> String {
    paychan_channel::Amount::new(i128::from(fee.get()))
        .map_or_else(|_| fee.to_string(), |amount| amount.to_decimal(Stroops::DECIMALS))
}

fn rpc_failure(error: RpcError) -> Failure {
    let kind = match error.kind {
        ErrorKind::WrongNetwork { .. } => Kind::WrongNetwork,
        ErrorKind::BadUrl(_) => Kind::Usage,
        ErrorKind::NodeBehind { .. }
        | ErrorKind::HistoryGone { .. }
        | ErrorKind::Busy { .. }
        | ErrorKind::Refused { .. }
        | ErrorKind::Unauthorized { .. }
        | ErrorKind::Transport(_)
        | ErrorKind::Timeout(_)
        | ErrorKind::BadAnswer(_) => Kind::Network,
    };
    Failure::new(kind, error.to_string())
}

fn submit_failure(error: SubmitError) -> Failure {
    let message = error.to_string();
    match error {
        SubmitError::Rpc(error) | SubmitError::Account(AccountError::Rpc(error)) => rpc_failure(error),
        SubmitError::Account(AccountError::NotFound(_)) | SubmitError::Build(_) => Failure::new(Kind::Refused, message),
        SubmitError::WouldFail(_) | SubmitError::RestoreFirst | SubmitError::Rejected { .. } => {
            Failure::new(Kind::FailedOnChain, message)
        }
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
