//! One command's session with a network. It reads, and sends one signed transaction after another.

mod sending;

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use paychan_channel::xdr::{HostFunction, LedgerEntryData, LedgerKey, ScVal};
use paychan_channel::{AccountId, Address, ChannelState, ContractId, Ledger, NetworkId, Stroops};
use paychan_rpc::{CallFailure, Client, Draft, Entry, Parties, ReadError, SecretKey, operations, read_channel};
use serde::Serialize;

use crate::error::{Failure, Kind, bail};
use crate::network::NetworkArgs;
use crate::output::Output;
use crate::signers::TransactArgs;

/// How long one request may take. It is long enough for a public endpoint on another continent, and short enough for a
/// person who waits.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The time between two questions whether a ledger has closed. A ledger takes seconds, and less on a local network.
const POLL: Duration = Duration::from_millis(250);

/// How many times the endpoint is asked for a ledger that it has announced. Behind a load balancer, another node may
/// answer that is not there yet.
const CATCH_UP_TRIES: u32 = 40;

/// The source account of simulated questions. It need not exist, since simulation checks neither signature nor sequence
/// number.
const NOBODY: AccountId = AccountId([0; 32]);

/// A session with an endpoint, after a check that it serves the network that the command names.
pub(crate) struct Session {
    client: Client,
    pub(crate) network: NetworkId,
    pub(crate) output: Output,
    /// The highest fee that the person allows; `None` takes the default for the kind of transaction.
    max_fee: Option<Stroops>,
    /// The ledger of the last transaction. Nothing is built on an older state.
    seen: Cell<Ledger>,
}

/// A transaction that worked.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Receipt {
    /// The transaction's hash.
    pub(crate) hash: String,
    pub(crate) ledger: Ledger,
    /// Stroops, less what the network gave back.
    pub(crate) fee_charged: String,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ledger {}, fee {} stroops, transaction {}", self.ledger, self.fee_charged, self.hash)
    }
}

impl Receipt {
    /// Adds to a failure that came after this transaction that the transaction worked, and its hash.
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
    /// Connects for a command that sends transactions.
    pub(crate) async fn connect(args: &TransactArgs, output: Output) -> Result<Self, Failure> {
        Self::connect_to_send(&args.network, args.max_fee, output).await
    }

    /// Connects for a command that sends transactions. `max_fee` is in stroops.
    pub(crate) async fn connect_to_send(
        network: &NetworkArgs,
        max_fee: Option<i64>,
        output: Output,
    ) -> Result<Self, Failure> {
        Ok(Self { max_fee: max_fee.map(Stroops), ..Self::connect_to_read(network, output).await? })
    }

    /// Connects for a command that only reads.
    pub(crate) async fn connect_to_read(args: &NetworkArgs, output: Output) -> Result<Self, Failure> {
        let endpoint = args.endpoint()?;
        let options = paychan_rpc::Options { timeout: TIMEOUT, ..paychan_rpc::Options::default() };
        let client = endpoint.client(options)?;
        let network = client.check_network(&endpoint.passphrase).await.map_err(|error| endpoint.failure(&error))?;
        Ok(Self { client, network, output, max_fee: None, seen: Cell::new(Ledger(0)) })
    }

    pub(crate) async fn entry(&self, key: &LedgerKey) -> Result<Option<Entry>, Failure> {
        let entries =
            self.client.get_ledger_entries(std::slice::from_ref(key)).await.map_err(|error| Failure::of_rpc(&error))?;
        entries.get(key).map(|entry| entry.cloned()).map_err(|error| Failure::new(Kind::Network, error.to_string()))
    }

    /// The entries under these keys, in this order; `None` where there is none.
    pub(crate) async fn entries(&self, keys: &[LedgerKey]) -> Result<Vec<Option<LedgerEntryData>>, Failure> {
        let entries = self.client.get_ledger_entries(keys).await.map_err(|error| Failure::of_rpc(&error))?;
        let data = |key| match entries.get(key) {
            Ok(entry) => Ok(entry.map(|entry| entry.data.clone())),
            Err(error) => Err(Failure::new(Kind::Network, error.to_string())),
        };
        keys.iter().map(data).collect()
    }

    /// Asks a contract a question by simulating a call. Nothing is sent.
    pub(crate) async fn view(&self, question: HostFunction) -> Result<ScVal, Failure> {
        let draft = Draft {
            source: NOBODY,
            sequence: 0,
            operations: vec![operations::invoke(None, question)],
            ledger_bounds: None,
            time_bounds: None,
            inclusion_fee: Stroops::BASE_FEE,
            soroban: None,
        };
        let envelope = draft.build().map_err(|e| Failure::new(Kind::Refused, e.to_string()))?;
        let simulation = self.client.simulate(&envelope).await.map_err(|error| Failure::of_rpc(&error))?;
        let simulated = simulation.outcome.map_err(|failure| {
            let why = CallFailure::of_simulation(&failure, &Parties::default());
            Failure::new(Kind::FailedOnChain, format!("the contract does not answer: {why}"))
        })?;
        Ok(simulated.return_value.unwrap_or(ScVal::Void))
    }

    pub(crate) async fn channel(&self, channel: &ContractId) -> Result<ChannelState, Failure> {
        read_channel(&self.client, channel).await.map_err(|error| match error {
            ReadError::Rpc(error) => Failure::of_rpc(&error),
            error @ (ReadError::NotFound(_)
            | ReadError::NotAChannel(_)
            | ReadError::Changed { .. }
            | ReadError::Undecodable { .. }) => Failure::new(Kind::NotAChannel, error.to_string()),
        })
    }

    /// Reads the channel as it is after a transaction of ours.
    ///
    /// A failure here says that the transaction worked, and names it, since a repetition of the command would pay
    /// twice.
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

    /// Refuses when the given secret is not that of the account which must act.
    pub(crate) fn must_be(&self, role: &str, expected: &Address, secret: &SecretKey) -> Result<(), Failure> {
        let given = secret.account();
        match expected {
            Address::Account(account) if *account == given => Ok(()),
            Address::Account(account) => bail!(
                Kind::Refused,
                "the secret given is that of {given}, but this must be done by the channel's {role}, {account}"
            ),
            Address::Contract(contract) => bail!(
                Kind::Refused,
                "this must be done by the channel's {role}, which is the contract {contract}; this program signs for accounts \
                 (G...) only"
            ),
        }
    }
}
