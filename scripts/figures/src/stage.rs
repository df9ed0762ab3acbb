//! A network with a funder, a recipient and a token, and transactions whose cost is told.

use paychan_channel::calls::{self, OpenTerms};
use paychan_channel::xdr::{self, HostFunction, TransactionEnvelope, TransactionExt};
use paychan_channel::{Address, Amount, Commitment, CommitmentSecret, ContractId, NetworkId, Signature, WasmHash};
use paychan_rpc::submit::{Call, SubmitError, Submitted};
use paychan_rpc::{ResourceFees, SecretKey};
use paychan_tests::network::{Network, NetworkOptions, Person};
use serde::Serialize;
use tempfile::TempDir;

/// Ledgers between `close_start` and the deadline.
pub(crate) const WAITING_PERIOD: u32 = 20;
/// What a channel is opened with: 100 units.
pub(crate) const DEPOSIT: i128 = 1_000_000_000;

/// What channels pay in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asset {
    /// XLM.
    Native,
    /// An issued asset, as USDC is.
    Usdc,
}

impl Asset {
    /// Its code.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "XLM",
            Self::Usdc => "USDC",
        }
    }
}

/// What one transaction cost. Instructions are the declared ones: what simulation said, its margin included.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) instructions: u32,
    /// Stroops: instructions, entries, bytes, events, size. Neither rent nor the bid for inclusion.
    pub(crate) fee: i64,
    /// Stroops.
    pub(crate) rent: i64,
}

/// Everything that a measurement needs.
pub(crate) struct Stage {
    _folder: TempDir,
    pub(crate) network: Network,
    pub(crate) id: NetworkId,
    pub(crate) funder: Person,
    pub(crate) recipient: Person,
    pub(crate) asset: Asset,
    pub(crate) token: ContractId,
    secret: CommitmentSecret,
}

impl Stage {
    /// Starts the network and brings everyone on.
    pub(crate) async fn set(asset: Asset) -> Self {
        let folder = TempDir::with_prefix("paychan-figures-").expect("a temporary folder");
        let network = Network::start(NetworkOptions::default()).await;
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

    /// Runs a call as `source` and tells what it cost.
    pub(crate) async fn try_run(
        &self,
        source: &SecretKey,
        function: HostFunction,
    ) -> Result<(Cost, Submitted), SubmitError> {
        let submitter = self.network.submitter(source, &self.id);
        // No bytes are added to what simulation says: both contracts are measured as they are.
        let prepared = submitter.prepare_call(&call(function)).await?;
        let instructions = declared_instructions(&prepared.envelope);
        let submitted = submitter.send(&prepared).await?;
        let fees = submitted.resource_fees.expect("the local network says what resources cost");
        Ok((cost(instructions, fees), submitted))
    }

    /// Runs a call that has to work.
    pub(crate) async fn run(&self, source: &SecretKey, function: HostFunction) -> Cost {
        match self.try_run(source, function).await {
            Ok((cost, _)) => cost,
            Err(error) => panic!("a call that is to be measured failed: {error}"),
        }
    }

    /// Uploads code.
    pub(crate) async fn upload(&self, wasm: &[u8]) -> (WasmHash, Cost) {
        let upload = calls::upload(wasm.to_vec()).expect("contracts are smaller than 4 GiB");
        (WasmHash::of(wasm), self.run(&self.funder.secret, upload).await)
    }

    /// Opens a channel of [`DEPOSIT`] from funder to recipient.
    pub(crate) async fn open(&self, code: &WasmHash, number: u8) -> (ContractId, Cost) {
        let deployer = self.funder.address();
        let salt = [number; 32];
        let terms = OpenTerms {
            token: self.token,
            from: deployer,
            commitment_key: self.secret.public(),
            to: self.recipient.address(),
            amount: amount(DEPOSIT),
            refund_waiting_period: WAITING_PERIOD,
        };
        let create = calls::create(&deployer, salt, code, &terms);
        let cost = self.run(&self.funder.secret, create).await;
        (calls::channel_id(&self.id, &deployer, salt), cost)
    }

    /// The funder's signature of a total.
    pub(crate) fn sign(&self, channel: &ContractId, total: i128) -> (Amount, Signature) {
        let amount = amount(total);
        let commitment = Commitment { network: self.id, channel: *channel, amount };
        (amount, commitment.sign(&self.secret))
    }

    /// The address of what the funder deploys with `salt`.
    pub(crate) fn deployed(&self, salt: [u8; 32]) -> (Address, ContractId) {
        let deployer = self.funder.address();
        (deployer, calls::channel_id(&self.id, &deployer, salt))
    }
}

/// An amount written in this program.
pub(crate) fn amount(base_units: i128) -> Amount {
    Amount::new(base_units).expect("amounts written here are not negative")
}

fn call(function: HostFunction) -> Call {
    Call { function, operation_source: None, channel: None, token: None }
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

/// What is told of a transaction.
fn cost(instructions: u32, fees: ResourceFees) -> Cost {
    Cost { instructions, fee: fees.without_rent().0, rent: fees.rent.0 }
}
