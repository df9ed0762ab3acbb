//! A network with one token and one channel.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use ed25519_dalek::{Signer, SigningKey};
use paychan_contract::{Channel, ChannelArgs, ChannelClient, Error};
use soroban_sdk::testutils::{
    Address as _, AuthorizedInvocation, EnvTestConfig, Events as _, IssuerFlags, Ledger as _, StellarAssetContract,
};
use soroban_sdk::token::{StellarAssetClient, TokenClient};
use soroban_sdk::xdr::{self, ScVal, VecM};
use soroban_sdk::{Address, BytesN, Env, InvokeError, String as SorobanString};

/// sha256 of the passphrase `Standalone Network ; February 2017`.
pub(crate) const NETWORK: &str = "baefd734b8d3e48472cff83912375fedbc7573701912fe308af730180f97d74a";
/// The address of every channel in these tests, unless it was deployed.
pub(crate) const CHANNEL: &str = "CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ";
/// The ledger that a test starts in.
pub(crate) const START: u32 = 1_000;
/// The base units that the funder holds before it opens a channel.
pub(crate) const FUNDS: i128 = 1_000_000;

/// The code that runs at the channel's address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    Native,
    Wasm,
}

/// The Wasm that scripts/build-contracts.sh built.
pub(crate) fn wasm() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/contracts/paychan_contract.wasm");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run scripts/build-contracts.sh", path.display()))
}

/// A call's answer, or how the call was refused.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// How a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The contract refused the call.
    Contract(Error),
    /// The host or the token refused it, for its authorization, its signature or a transfer.
    Host,
}

/// Flattens the result of a `try_` call of the client: `E` is [`Error`] where the spec names it as the function's
/// result, and the SDK's own error everywhere else.
pub(crate) fn answer<T, C: Debug, E>(result: Result<Result<T, C>, Result<E, InvokeError>>) -> Answer<T>
where
    Error: TryFrom<E>,
{
    match result {
        Ok(value) => Ok(value.unwrap()),
        Err(Ok(error)) => Err(Error::try_from(error).map_or(Refusal::Host, Refusal::Contract)),
        Err(Err(_)) => Err(Refusal::Host),
    }
}

pub(crate) fn refused<T>(error: Error) -> Answer<T> {
    Err(Refusal::Contract(error))
}

/// The arguments of an opening.
pub(crate) struct Terms {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) amount: i128,
    pub(crate) refund_waiting_period: u32,
    pub(crate) commitment_key: [u8; 32],
}

pub(crate) struct TestEnv {
    pub(crate) env: Env,
    pub(crate) code: Code,
    pub(crate) channel: ChannelClient<'static>,
    pub(crate) token: TokenClient<'static>,
    pub(crate) asset: StellarAssetContract,
    pub(crate) issuer: StellarAssetClient<'static>,
    pub(crate) funder: Address,
    pub(crate) recipient: Address,
    pub(crate) key: SigningKey,
}

impl TestEnv {
    /// A network without a channel, where the funder holds [`FUNDS`] of the token and every authorization is given.
    pub(crate) fn without_channel(code: Code) -> Self {
        let env = Env::new_with_config(EnvTestConfig { capture_snapshot_at_drop: false });
        env.ledger().with_mut(|ledger| {
            ledger.sequence_number = START;
            ledger.network_id = hex::decode(NETWORK).unwrap().try_into().unwrap();
        });
        env.mock_all_auths();
        let asset = env.register_stellar_asset_contract_v2(Address::generate(&env));
        // Only balances that are created while this flag is set can be clawed back.
        asset.issuer().set_flag(IssuerFlags::RevocableFlag);
        asset.issuer().set_flag(IssuerFlags::ClawbackEnabledFlag);
        let channel = Address::from_string(&SorobanString::from_str(&env, CHANNEL));
        let test = Self {
            channel: ChannelClient::new(&env, &channel),
            token: TokenClient::new(&env, &asset.address()),
            issuer: StellarAssetClient::new(&env, &asset.address()),
            asset,
            funder: Address::generate(&env),
            recipient: Address::generate(&env),
            key: SigningKey::from_bytes(&[7; 32]),
            code,
            env,
        };
        test.issuer.mint(&test.funder, &FUNDS);
        test
    }

    /// A network with a channel that has this deposit and a waiting period of 100 ledgers.
    pub(crate) fn open(code: Code, amount: i128) -> Self {
        let test = Self::without_channel(code);
        let terms = Terms { amount, ..test.terms() };
        test.open_with(&terms);
        test
    }

    /// Ordinary terms. A test changes those that it is about.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            from: self.funder.clone(),
            to: self.recipient.clone(),
            amount: 1_000,
            refund_waiting_period: 100,
            commitment_key: self.key.verifying_key().to_bytes(),
        }
    }

    /// Opens the channel. Panics if the constructor refuses; see [`TestEnv::try_open`].
    pub(crate) fn open_with(&self, terms: &Terms) {
        let commitment_key = BytesN::from_array(&self.env, &terms.commitment_key);
        let args = ChannelArgs::__constructor(
            &self.token.address,
            &terms.from,
            &commitment_key,
            &terms.to,
            &terms.amount,
            &terms.refund_waiting_period,
        );
        match self.code {
            Code::Native => self.env.register_at(&self.channel.address, Channel, args),
            Code::Wasm => self.env.register_at(&self.channel.address, wasm().as_slice(), args),
        };
    }

    /// Deploys the channel as a transaction does, at another address than [`TestEnv::open_with`]: the SDK's shortcut gives
    /// the instance of a Wasm a life of one ledger.
    pub(crate) fn deploy(&mut self, terms: &Terms) {
        let Code::Wasm = self.code else { return self.open_with(terms) };
        let code = self.env.deployer().upload_contract_wasm(wasm().as_slice());
        let salt = BytesN::from_array(&self.env, &[0; 32]);
        let deployer = self.env.deployer().with_address(self.funder.clone(), salt);
        let commitment_key = BytesN::from_array(&self.env, &terms.commitment_key);
        let args = ChannelArgs::__constructor(
            &self.token.address,
            &terms.from,
            &commitment_key,
            &terms.to,
            &terms.amount,
            &terms.refund_waiting_period,
        );
        let channel = deployer.deploy_v2(code, args);
        self.channel = ChannelClient::new(&self.env, &channel);
    }

    /// Opens the channel, or answers why the constructor refused. The host hides a constructor's error from the deployer, so
    /// this reads it from the diagnostic events, as a person would.
    pub(crate) fn try_open(&self, terms: &Terms) -> Answer<()> {
        if catch_unwind(AssertUnwindSafe(|| self.open_with(terms))).is_ok() {
            return Ok(());
        }
        let own = ScVal::Address(self.channel.address.clone().into());
        let contract_error = self.env.host().get_diagnostic_events().unwrap().0.into_iter().find_map(|event| {
            let xdr::ContractEventBody::V0(body) = event.event.body;
            let contract = event.event.contract_id?;
            match body.topics.as_slice() {
                [_, ScVal::Error(xdr::ScError::Contract(code))]
                    if own == ScVal::Address(xdr::ScAddress::Contract(contract)) =>
                {
                    Some(*code)
                }
                _ => None,
            }
        });
        let own_error =
            contract_error.and_then(|code| Error::try_from(soroban_sdk::Error::from_contract_error(code)).ok());
        Err(own_error.map_or(Refusal::Host, Refusal::Contract))
    }

    /// The commitment key's signature of a total, over the bytes that the contract answers.
    pub(crate) fn sign(&self, amount: i128) -> BytesN<64> {
        self.sign_with(&self.key, amount)
    }

    pub(crate) fn sign_with(&self, key: &SigningKey, amount: i128) -> BytesN<64> {
        let bytes: Vec<u8> = self.channel.prepare_commitment(&amount).iter().collect();
        BytesN::from_array(&self.env, &key.sign(&bytes).to_bytes())
    }

    /// Bytes that are no signature of anything.
    pub(crate) fn no_signature(&self) -> BytesN<64> {
        BytesN::from_array(&self.env, &[0; 64])
    }

    pub(crate) fn settle(&self, amount: i128) -> Answer<()> {
        let signature = self.sign(amount);
        answer(self.channel.try_settle(&amount, &signature))
    }

    pub(crate) fn close(&self, amount: i128) -> Answer<()> {
        let signature = self.sign(amount);
        answer(self.channel.try_close(&amount, &signature))
    }

    pub(crate) fn close_start(&self) -> Answer<()> {
        answer(self.channel.try_close_start())
    }

    pub(crate) fn refund(&self) -> Answer<()> {
        answer(self.channel.try_refund())
    }

    pub(crate) fn top_up(&self, amount: i128) -> Answer<()> {
        answer(self.channel.try_top_up(&amount))
    }

    pub(crate) fn advance(&self, ledgers: u32) {
        self.env.ledger().with_mut(|ledger| ledger.sequence_number += ledgers);
    }

    pub(crate) fn balance_of(&self, holder: &Address) -> i128 {
        self.token.balance(holder)
    }

    /// What the funder, the recipient and the channel hold, in base units.
    pub(crate) fn holdings(&self) -> (i128, i128, i128) {
        let holders = [&self.funder, &self.recipient, &self.channel.address];
        let [funder, recipient, channel] = holders.map(|holder| self.balance_of(holder));
        (funder, recipient, channel)
    }

    /// Stops giving authorizations: from here on, none is given.
    pub(crate) fn without_authorization(&self) {
        self.env.set_auths(&[]);
    }

    /// Who authorized what in the last call.
    pub(crate) fn authorizations(&self) -> Vec<(Address, AuthorizedInvocation)> {
        self.env.auths()
    }

    /// The topics and the data of the channel's own events in the last call.
    pub(crate) fn events(&self) -> Vec<(Vec<ScVal>, ScVal)> {
        let events = self.env.events().all().filter_by_contract(&self.channel.address);
        events
            .events()
            .iter()
            .map(|event| {
                let xdr::ContractEventBody::V0(body) = event.body.clone();
                (body.topics.into_vec(), body.data)
            })
            .collect()
    }

    /// The channel's instance storage as it is in the ledger.
    pub(crate) fn instance_storage(&self) -> Vec<(ScVal, ScVal)> {
        let key = Rc::new(xdr::LedgerKey::ContractData(xdr::LedgerKeyContractData {
            contract: self.channel.address.clone().into(),
            key: ScVal::LedgerKeyContractInstance,
            durability: xdr::ContractDataDurability::Persistent,
        }));
        let (entry, _) = self.env.host().get_ledger_entry(&key).unwrap().unwrap();
        let xdr::LedgerEntryData::ContractData(data) = &entry.data else { panic!("no contract data: {entry:?}") };
        let ScVal::ContractInstance(instance) = &data.val else { panic!("no instance: {data:?}") };
        let entries: VecM<xdr::ScMapEntry> = instance.storage.clone().unwrap().0;
        entries.iter().map(|entry| (entry.key.clone(), entry.val.clone())).collect()
    }
}
