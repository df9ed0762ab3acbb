//! A network with a funder, a recipient and a token, on which transactions are run and their costs read.

use paychan_channel::calls::{self, OpenTerms};
use paychan_channel::xdr::{self, HostFunction, TransactionEnvelope, TransactionExt};
use paychan_channel::{Address, Amount, Commitment, CommitmentSecret, ContractId, NetworkId, Signature, WasmHash};
use paychan_rpc::submit::{Call, SubmitError, Submitted};
use paychan_rpc::{ResourceFees, SecretKey};
use paychan_tests::network::{Network, NetworkOptions, Person};
use serde::Serialize;
use tempfile::TempDir;

use crate::settings::Settings;

/// The usual waiting period: the ledgers between `close_start` and the deadline.
pub(crate) const WAITING_PERIOD: u32 = 20;
/// The deposit that a channel is opened with, in base units: 100 units.
pub(crate) const DEPOSIT: i128 = 1_000_000_000;

/// What channels pay in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asset {
    /// The native asset, XLM.
    Native,
    /// An issued asset, as USDC is.
    Usdc,
}

impl Asset {
    /// The asset's code.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "XLM",
            Self::Usdc => "USDC",
        }
    }
}

/// What one transaction cost.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The declared instructions: those that simulation counted, and its margin.
    pub(crate) instructions: u32,
    /// The charge for instructions, entries, bytes, events and size, in stroops. It includes neither the rent nor the
    /// bid for inclusion.
    pub(crate) fee: i64,
    /// The charge for rent, in stroops.
    pub(crate) rent: i64,
}

impl Cost {
    /// The whole charge without the bid for inclusion, in stroops.
    pub(crate) fn charged(self) -> i64 {
        self.fee.saturating_add(self.rent)
    }

    /// The costs of two transactions together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            instructions: self.instructions.saturating_add(other.instructions),
            fee: self.fee.saturating_add(other.fee),
            rent: self.rent.saturating_add(other.rent),
        }
    }
}

/// Everything that a measurement needs.
pub(crate) struct TestEnv {
    _folder: TempDir,
    pub(crate) network: Network,
    pub(crate) id: NetworkId,
    pub(crate) funder: Person,
    pub(crate) recipient: Person,
    pub(crate) asset: Asset,
    pub(crate) token: ContractId,
    secret: CommitmentSecret,
}

impl TestEnv {
    /// Starts the network, and gives the funder and the recipient an account and the token.
    pub(crate) async fn start(asset: Asset, settings: Settings) -> Self {
        let folder = TempDir::with_prefix("paychan-figures-").expect("a temporary folder");
        let options = NetworkOptions { min_persistent_ttl: settings.min_life(), ..NetworkOptions::default() };
        let network = Network::start(options).await;
        let funder = network.account(folder.path(), "funder").await;
        let recipient = network.account(folder.path(), "recipient").await;
        let id = network.id();
        let token = match asset {
            Asset::Native => calls::token_contract_id(&id, &xdr::Asset::Native),
            Asset::Usdc => {
                let usdc = network.issue_usdc(folder.path(), &[&funder, &recipient]).await;
                network.mint(&usdc, &funder, 10_000_000_000_000).await;
                usdc.contract
            }
        };
        Self {
            _folder: folder,
            network,
            id,
            funder,
            recipient,
            asset,
            token,
            secret: CommitmentSecret::generate().expect("the system has randomness"),
        }
    }

    /// Runs a call as `source` and returns its cost.
    pub(crate) async fn try_run(
        &self,
        source: &SecretKey,
        function: HostFunction,
    ) -> Result<(Cost, Submitted), SubmitError> {
        let submitter = self.network.submitter(source, &self.id);
        // Senders add bytes to what simulation says. Here none are added, so that each contract is measured as it is.
        let prepared = submitter.prepare_call(&call(function)).await?;
        let instructions = declared_instructions(&prepared.envelope);
        let submitted = submitter.send(&prepared).await?;
        let fees = submitted.resource_fees.expect("the local network says what resources cost");
        Ok((cost(instructions, fees), submitted))
    }

    /// Runs a call that has to succeed, and returns its cost.
    pub(crate) async fn run(&self, source: &SecretKey, function: HostFunction) -> Cost {
        match self.try_run(source, function).await {
            Ok((cost, _)) => cost,
            Err(error) => panic!("a call that this measures failed: {error}"),
        }
    }

    /// Uploads code, and returns its hash and the cost.
    pub(crate) async fn upload(&self, wasm: &[u8]) -> (WasmHash, Cost) {
        let upload = calls::upload(wasm.to_vec()).expect("contracts are smaller than 4 GiB");
        (WasmHash::of(wasm), self.run(&self.funder.secret, upload).await)
    }

    /// Opens a channel of [`DEPOSIT`] from the funder to the recipient, with a waiting period in ledgers. Each `number` gives
    /// another address.
    pub(crate) async fn open(&self, code: &WasmHash, number: u8, wait: u32) -> (ContractId, Cost) {
        let deployer = self.funder.address();
        let salt = [number; 32];
        let terms = OpenTerms {
            token: self.token,
            from: deployer,
            commitment_key: self.secret.public(),
            to: self.recipient.address(),
            amount: amount(DEPOSIT),
            refund_waiting_period: wait,
        };
        let create = calls::create(&deployer, salt, code, &terms);
        let cost = self.run(&self.funder.secret, create).await;
        (calls::channel_id(&self.id, &deployer, salt), cost)
    }

    /// The funder's signature of a total, in base units.
    pub(crate) fn sign(&self, channel: &ContractId, total: i128) -> (Amount, Signature) {
        let amount = amount(total);
        let commitment = Commitment { network: self.id, channel: *channel, amount };
        (amount, commitment.sign(&self.secret))
    }

    /// The funder's address, and the address of the contract that it deploys with `salt`.
    pub(crate) fn deployed(&self, salt: [u8; 32]) -> (Address, ContractId) {
        let deployer = self.funder.address();
        (deployer, calls::channel_id(&self.id, &deployer, salt))
    }
}

/// An amount that is written in this program, in base units.
pub(crate) fn amount(base_units: i128) -> Amount {
    Amount::new(base_units).expect("amounts written here are not negative")
}

fn call(function: HostFunction) -> Call {
    Call {
        function,
        operation_source: None,
        channel: None,
        token: None,
        meaning: paychan_rpc::Meaning::of_trusted_endpoint(),
    }
}

fn declared_instructions(envelope: &TransactionEnvelope) -> u32 {
    match envelope {
        TransactionEnvelope::Tx(envelope) => match &envelope.tx.ext {
            TransactionExt::V1(data) => data.resources.instructions,
            TransactionExt::V0 => 0,
        },
        TransactionEnvelope::TxV0(_) | TransactionEnvelope::TxFeeBump(_) => 0,
    }
}

/// The figures that are shown for a transaction.
fn cost(instructions: u32, fees: ResourceFees) -> Cost {
    Cost { instructions, fee: fees.without_rent().0, rent: fees.rent.0 }
}
