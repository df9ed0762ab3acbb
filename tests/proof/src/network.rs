//! A network that many sequences share: an asset whose issuer may revoke and claw back, and the contract's code.

use std::sync::atomic::{AtomicU64, Ordering};

use paychan_localnet::{Included, Localnet, Options, Simulated, Submission};
use sha2::{Digest, Sha256};
use stellar_xdr::{
    AccountFlags, AlphaNum4, Asset, AssetCode4, ChangeTrustAsset, ChangeTrustOp, ContractExecutable, ContractId,
    ContractIdPreimage, CreateAccountOp, CreateContractArgs, DecoratedSignature, Hash, HostFunction, LedgerEntryData,
    LedgerKey, LedgerKeyAccount, LedgerKeyTrustLine, Memo, Operation, OperationBody, PaymentOp, Preconditions,
    SequenceNumber, SetOptionsOp, SetTrustLineFlagsOp, Signature, SignatureHint, Transaction, TransactionEnvelope,
    TransactionExt, TransactionV1Envelope, TrustLineAsset, TrustLineFlags, VecM,
};

use crate::{keys::Key, xdr};

/// The number of sequences on one network. A new network costs some milliseconds, and an old one has more entries, which
/// make each ledger slower.
const SEQUENCES: u64 = 40;
/// A network whose ledger is past this gets no new sequence.
const LAST_START: u32 = 1_000_000;
/// The number of ledgers that every entry lives for. It is so large that no sequence meets an archived entry, and that
/// no `close_start` extends a life.
///
/// A `close_start` can come after the longest wait and all jumps of a sequence, and it asks for a life that outlasts
/// another such wait. If an extension became due between simulation and inclusion, the transaction would lack its rent.
/// Other tests are about lives (contracts/channel, crates/localnet, watcher).
const LIVES: u32 = 20_000_000;
const _: () = assert!(LIVES > LAST_START + 2 * crate::model::MAX_WAIT + 48 * 65_536 + 17_280);
/// The stroops of a new account: 10,000 XLM.
const COINS: i64 = 100_000_000_000;

/// A network that is ready for channels.
pub struct Network {
    pub(crate) localnet: Localnet,
    /// The network's id.
    pub(crate) id: [u8; 32],
    pub(crate) issuer: Key,
    pub(crate) asset: Asset,
    /// The asset's contract.
    pub(crate) token: ContractId,
    /// SHA-256 of the channel's code.
    pub(crate) code: Hash,
    /// The account that holds all coins.
    root: Key,
    sequences: AtomicU64,
}

/// A result that is an error only if the driver or the network is broken.
pub type Sure<T> = Result<T, String>;

impl Network {
    /// Starts a network that has this Wasm as the channel's code.
    ///
    /// # Errors
    /// The network does not work.
    pub fn start(wasm: &[u8]) -> Sure<Self> {
        let options =
            Options { manual: true, min_persistent_ttl: LIVES, max_entry_ttl: LIVES + 1, ..Options::default() };
        let id: [u8; 32] = Sha256::digest(&options.passphrase).into();
        let issuer = Key::of("issuer", 0);
        let asset = Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USDC"), issuer: issuer.id() });
        let network = Self {
            localnet: Localnet::start(options).map_err(|error| error.to_string())?,
            id,
            token: xdr::asset_contract(id, &asset),
            code: Hash(Sha256::digest(wasm).into()),
            root: Key(ed25519_dalek::SigningKey::from_bytes(&id)),
            issuer,
            asset,
            sequences: AtomicU64::new(0),
        };
        network.set_up(wasm)?;
        Ok(network)
    }

    fn set_up(&self, wasm: &[u8]) -> Sure<()> {
        let flags = AccountFlags::RevocableFlag as u32 | AccountFlags::ClawbackEnabledFlag as u32;
        let operations = vec![(&self.root, create(&self.issuer)), (&self.issuer, set_flags(flags))];
        self.run(&self.root, operations)?;
        let asset = HostFunction::CreateContract(CreateContractArgs {
            contract_id_preimage: ContractIdPreimage::Asset(self.asset.clone()),
            executable: ContractExecutable::StellarAsset,
        });
        let wasm = wasm.to_vec().try_into().map_err(|_| "the Wasm is too large")?;
        for function in [asset, HostFunction::UploadContractWasm(wasm)] {
            self.run_simulated(&self.issuer, xdr::host_function(function))?;
        }
        Ok(())
    }

    /// Whether the next sequence should start on a new network.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.sequences.load(Ordering::Relaxed) >= SEQUENCES || self.ledger().is_ok_and(|ledger| ledger > LAST_START)
    }

    /// Creates the accounts of a sequence, with trustlines and with this many units.
    pub(crate) fn parties(&self, holdings: [i64; 3]) -> Sure<([Key; 3], u64)> {
        let number = self.next_number();
        let parties = ["funder", "recipient", "stranger"].map(|name| Key::of(name, number));
        let mut operations = Vec::new();
        for party in &parties {
            operations.push((&self.root, create(party)));
            operations.push((party, self.change_trust(i64::MAX)));
        }
        for (party, units) in parties.iter().zip(holdings) {
            if units > 0 {
                operations.push((&self.issuer, self.payment(party, units)));
            }
        }
        self.run(&self.root, operations)?;
        Ok((parties, number))
    }

    /// A number that no other sequence on this network has.
    pub(crate) fn next_number(&self) -> u64 {
        self.sequences.fetch_add(1, Ordering::Relaxed)
    }

    /// Creates accounts without trustlines.
    pub(crate) fn create_accounts(&self, accounts: &[Key]) -> Sure<()> {
        self.run(&self.root, accounts.iter().map(|account| (&self.root, create(account))).collect())
    }

    /// Creates an account with a trustline and this many units.
    pub(crate) fn create_holder(&self, account: &Key, units: i64) -> Sure<()> {
        let operations = vec![
            (&self.root, create(account)),
            (account, self.change_trust(i64::MAX)),
            (&self.issuer, self.payment(account, units)),
        ];
        self.run(&self.root, operations)
    }

    /// Simulates a host function, and includes it.
    pub(crate) fn run_simulated(&self, source: &Key, body: OperationBody) -> Sure<()> {
        let tx = self.draft(source, vec![(None, body)])?;
        let tx = self.simulated(tx)?.map_err(|failed| format!("set-up: {:?}", failed.error))?;
        self.include(&tx, &[source])
    }

    pub(crate) fn change_trust(&self, limit: i64) -> OperationBody {
        let line = match &self.asset {
            Asset::Native => ChangeTrustAsset::Native,
            Asset::CreditAlphanum4(asset) => ChangeTrustAsset::CreditAlphanum4(asset.clone()),
            Asset::CreditAlphanum12(asset) => ChangeTrustAsset::CreditAlphanum12(asset.clone()),
        };
        OperationBody::ChangeTrust(ChangeTrustOp { line, limit })
    }

    pub(crate) fn payment(&self, to: &Key, amount: i64) -> OperationBody {
        OperationBody::Payment(PaymentOp { destination: to.muxed(), asset: self.asset.clone(), amount })
    }

    /// The operation with which the issuer authorizes a trustline or revokes the authorization.
    pub(crate) fn authorize(&self, holder: &Key, authorized: bool) -> OperationBody {
        let flag = TrustLineFlags::AuthorizedFlag as u32;
        OperationBody::SetTrustLineFlags(SetTrustLineFlagsOp {
            trustor: holder.id(),
            asset: self.asset.clone(),
            clear_flags: if authorized { 0 } else { flag },
            set_flags: if authorized { flag } else { 0 },
        })
    }

    pub(crate) fn trustline(&self, holder: &Key) -> LedgerKey {
        let asset = match &self.asset {
            Asset::Native => TrustLineAsset::Native,
            Asset::CreditAlphanum4(asset) => TrustLineAsset::CreditAlphanum4(asset.clone()),
            Asset::CreditAlphanum12(asset) => TrustLineAsset::CreditAlphanum12(asset.clone()),
        };
        LedgerKey::Trustline(LedgerKeyTrustLine { account_id: holder.id(), asset })
    }

    /// The ledger that closed last.
    ///
    /// # Errors
    /// The network is broken.
    pub fn ledger(&self) -> Sure<u32> {
        let status = self.localnet.status().map_err(|error| error.to_string())?;
        Ok(status.ledger)
    }

    /// Lets ledgers pass until this one has closed.
    ///
    /// # Errors
    /// The network is broken, or the ledger is in the past.
    pub fn pass(&self, until: u32) -> Sure<()> {
        let ledgers = until.checked_sub(self.ledger()?).ok_or("this ledger has closed before")?;
        if ledgers > 0 {
            self.localnet.jump_within(ledgers, 0).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    pub(crate) fn close(&self) -> Sure<u32> {
        self.localnet.close_ledger().map_err(|error| error.to_string())
    }

    /// An unsigned transaction with the source's next sequence number.
    pub(crate) fn draft(&self, source: &Key, operations: Vec<(Option<&Key>, OperationBody)>) -> Sure<Transaction> {
        let key = LedgerKey::Account(LedgerKeyAccount { account_id: source.id() });
        let entries = self.localnet.entries(vec![key]).map_err(|e| e.to_string())?;
        let Some(Some(LedgerEntryData::Account(account))) =
            entries.first().map(|entry| entry.as_ref().map(|it| &it.data))
        else {
            return Err("an account is missing".to_owned());
        };
        let operations: Vec<_> = operations
            .into_iter()
            .map(|(source, body)| Operation { source_account: source.map(Key::muxed), body })
            .collect();
        Ok(Transaction {
            source_account: source.muxed(),
            fee: 10_000,
            seq_num: SequenceNumber(account.seq_num.0 + 1),
            cond: Preconditions::None,
            memo: Memo::None,
            operations: operations.try_into().map_err(|_| "more than 100 operations")?,
            ext: TransactionExt::V0,
        })
    }

    pub(crate) fn sign(&self, tx: &Transaction, keys: &[&Key]) -> Sure<TransactionEnvelope> {
        let unsigned = TransactionV1Envelope { tx: tx.clone(), signatures: VecM::default() };
        let hash = TransactionEnvelope::Tx(unsigned.clone()).hash(self.id).map_err(|error| error.to_string())?;
        let mut signatures = Vec::new();
        for key in keys {
            let [.., a, b, c, d] = key.public();
            signatures.push(DecoratedSignature {
                hint: SignatureHint([a, b, c, d]),
                signature: Signature(key.sign(&hash).to_vec().try_into().map_err(|_| "64 bytes are no signature")?),
            });
        }
        Ok(TransactionEnvelope::Tx(TransactionV1Envelope {
            signatures: signatures.try_into().map_err(|_| "too many signatures")?,
            ..unsigned
        }))
    }

    pub(crate) fn simulate(&self, tx: &Transaction) -> Sure<Simulated> {
        let unsigned = self.sign(tx, &[])?;
        self.localnet.simulate(unsigned).map_err(|error| error.to_string())
    }

    /// The transaction with the footprint, the resources, the fee and the authorization that its simulation found.
    pub(crate) fn simulated(&self, mut tx: Transaction) -> Sure<Result<Transaction, Box<Simulated>>> {
        let mut simulated = self.simulate(&tx)?;
        let Some(data) = simulated.data.take().filter(|_| simulated.error.is_none()) else {
            return Ok(Err(Box::new(simulated)));
        };
        tx.fee = u32::try_from(data.resource_fee)
            .ok()
            .and_then(|fee| fee.checked_add(100))
            .ok_or("a fee above what a transaction can bid")?;
        tx.ext = TransactionExt::V1(data);
        let mut operations = tx.operations.to_vec();
        if let Some(OperationBody::InvokeHostFunction(op)) = operations.first_mut().map(|operation| &mut operation.body)
        {
            op.auth = simulated.auth.try_into().map_err(|_| "too many authorizations")?;
        }
        tx.operations = operations.try_into().map_err(|_| "too many operations")?;
        Ok(Ok(tx))
    }

    /// Submits a transaction for the next ledger.
    pub(crate) fn submit(&self, tx: &Transaction, keys: &[&Key]) -> Sure<[u8; 32]> {
        let envelope = self.sign(tx, keys)?;
        match self.localnet.submit(envelope).map_err(|e| e.to_string())? {
            Submission::Pending(hash) => Ok(hash),
            other => Err(format!("the network refuses a transaction: {other:?}")),
        }
    }

    pub(crate) fn included(&self, hash: [u8; 32]) -> Sure<Included> {
        let included = self.localnet.transaction(hash);
        included.map_err(|error| error.to_string())?.ok_or_else(|| "a transaction was dropped".to_owned())
    }

    /// Submits a transaction, closes a ledger, and expects that the transaction succeeded.
    fn include(&self, tx: &Transaction, keys: &[&Key]) -> Sure<()> {
        let hash = self.submit(tx, keys)?;
        self.close()?;
        let included = self.included(hash)?;
        if included.successful { Ok(()) } else { Err(format!("set-up: {:?}", included.result)) }
    }

    /// Runs classic operations in one transaction, each with its source.
    fn run(&self, source: &Key, operations: Vec<(&Key, OperationBody)>) -> Sure<()> {
        let mut signers = vec![source];
        for (key, _) in &operations {
            if signers.iter().all(|signer| signer.public() != key.public()) {
                signers.push(key);
            }
        }
        let operations = operations.into_iter().map(|(key, body)| (Some(key), body)).collect();
        self.include(&self.draft(source, operations)?, &signers)
    }
}

fn create(account: &Key) -> OperationBody {
    OperationBody::CreateAccount(CreateAccountOp { destination: account.id(), starting_balance: COINS })
}

fn set_flags(flags: u32) -> OperationBody {
    OperationBody::SetOptions(SetOptionsOp {
        inflation_dest: None,
        clear_flags: None,
        set_flags: Some(flags),
        master_weight: None,
        low_threshold: None,
        med_threshold: None,
        high_threshold: None,
        home_domain: None,
        signer: None,
    })
}
