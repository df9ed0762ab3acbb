//! A recipient with several channels in one token, and the batch contract.

use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};
use paychan_batch::{Batch, BatchClient, Settlement};
use paychan_contract::{Channel, ChannelArgs, ChannelClient};
use soroban_sdk::testutils::{Address as _, EnvTestConfig, Ledger as _};
use soroban_sdk::token::{StellarAssetClient, TokenClient};
use soroban_sdk::{Address, BytesN, Env, Vec as HostVec};

/// Each channel's deposit, in base units.
pub(crate) const DEPOSIT: i128 = 1_000;

/// What runs behind the addresses of the batch contract and of the channels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    Native,
    Wasm,
}

pub(crate) struct TestEnv {
    pub(crate) env: Env,
    pub(crate) batch: BatchClient<'static>,
    pub(crate) channels: Vec<ChannelClient<'static>>,
    pub(crate) token: TokenClient<'static>,
    pub(crate) recipient: Address,
    pub(crate) key: SigningKey,
}

pub(crate) fn wasm(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/contracts").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run scripts/build-contracts.sh", path.display()))
}

impl TestEnv {
    /// A network with this many channels of [`DEPOSIT`] each. From here on nobody authorizes anything.
    pub(crate) fn new(code: Code, channels: usize) -> Self {
        let env = Env::new_with_config(EnvTestConfig { capture_snapshot_at_drop: false });
        env.ledger().with_mut(|ledger| ledger.sequence_number = 1_000);
        env.mock_all_auths();
        let asset = env.register_stellar_asset_contract_v2(Address::generate(&env));
        let (funder, recipient) = (Address::generate(&env), Address::generate(&env));
        StellarAssetClient::new(&env, &asset.address()).mint(&funder, &1_000_000);
        let key = SigningKey::from_bytes(&[7; 32]);
        let batch = match code {
            Code::Native => env.register(Batch, ()),
            Code::Wasm => env.register(wasm("paychan_batch.wasm").as_slice(), ()),
        };
        let token = asset.address();
        let commitment_key = BytesN::from_array(&env, &key.verifying_key().to_bytes());
        let open = || {
            let args = ChannelArgs::__constructor(&token, &funder, &commitment_key, &recipient, &DEPOSIT, &100);
            let at = Address::generate(&env);
            let channel = match code {
                Code::Native => env.register_at(&at, Channel, args),
                Code::Wasm => env.register_at(&at, wasm("paychan_contract.wasm").as_slice(), args),
            };
            ChannelClient::new(&env, &channel)
        };
        let channels = std::iter::repeat_with(open).take(channels).collect();
        env.set_auths(&[]);
        Self {
            batch: BatchClient::new(&env, &batch),
            channels,
            token: TokenClient::new(&env, &token),
            recipient,
            key,
            env,
        }
    }

    /// A settlement of this channel with a commitment to `amount`.
    pub(crate) fn settlement(&self, channel: usize, amount: i128) -> Settlement {
        let channel = &self.channels[channel];
        let bytes: Vec<u8> = channel.prepare_commitment(&amount).iter().collect();
        let signature = BytesN::from_array(&self.env, &self.key.sign(&bytes).to_bytes());
        Settlement(channel.address.clone(), amount, signature)
    }

    /// A settlement of any contract, with bytes that are no signature of anything.
    pub(crate) fn of(&self, contract: &Address) -> Settlement {
        let nothing = BytesN::from_array(&self.env, &[0; 64]);
        Settlement(contract.clone(), 5, nothing)
    }

    pub(crate) fn settle(&self, settlements: &[Settlement]) -> Vec<bool> {
        let settlements = HostVec::from_slice(&self.env, settlements);
        self.batch.settle_many(&settlements).iter().collect()
    }

    /// What each channel has paid so far, in base units.
    pub(crate) fn withdrawn(&self) -> Vec<i128> {
        self.channels.iter().map(ChannelClient::withdrawn).collect()
    }

    pub(crate) fn received(&self) -> i128 {
        self.token.balance(&self.recipient)
    }
}
