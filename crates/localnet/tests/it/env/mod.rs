//! A network under test, and a client of it that shows the JSON and the XDR as they are sent and received.

mod build;
mod closed;

use ed25519_dalek::{Signer, SigningKey};
use paychan_localnet::{Localnet, Options};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stellar_xdr::*;

pub use self::{build::*, closed::Closed};

/// A network that closes ledgers on request, and a client.
pub struct TestEnv {
    pub localnet: Localnet,
    http: reqwest::Client,
    pub id: [u8; 32],
}

/// A key and its account.
#[derive(Clone)]
pub struct Key(pub SigningKey);

impl Key {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub fn id(&self) -> AccountId {
        AccountId(PublicKey::PublicKeyTypeEd25519(Uint256(self.public())))
    }

    pub fn muxed(&self) -> MuxedAccount {
        MuxedAccount::Ed25519(Uint256(self.public()))
    }

    pub fn address(&self) -> ScAddress {
        ScAddress::Account(self.id())
    }

    pub fn strkey(&self) -> String {
        stellar_strkey::ed25519::PublicKey(self.public()).to_string().to_string()
    }

    pub fn signature(&self, hash: &[u8; 32]) -> DecoratedSignature {
        DecoratedSignature {
            hint: SignatureHint(self.public()[28..].try_into().unwrap()),
            signature: Signature(self.0.sign(hash).to_bytes().to_vec().try_into().unwrap()),
        }
    }

    pub fn key(&self) -> LedgerKey {
        LedgerKey::Account(LedgerKeyAccount { account_id: self.id() })
    }
}

/// An answer of JSON-RPC: a result, or code and message of an error.
pub type Answer = Result<Value, (i64, String)>;

impl TestEnv {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// Starts a network whose ledgers close only on request, whatever the options say.
    pub fn with(options: Options) -> Self {
        let options = Options { manual: true, ..options };
        let id = Sha256::digest(&options.passphrase).into();
        Self {
            localnet: Localnet::start(options).unwrap(),
            http: paychan_rpc::http::client_of_this_machine(Default::default()).unwrap(),
            id,
        }
    }

    pub async fn post(&self, body: String) -> reqwest::Response {
        self.post_to("", body).await
    }

    /// Posts to a path of the RPC port.
    pub async fn post_to(&self, path: &str, body: String) -> reqwest::Response {
        self.http.post(format!("{}{path}", self.localnet.rpc_url())).body(body).send().await.unwrap()
    }

    /// Posts to the control endpoint. Answers the status and the body.
    pub async fn control(&self, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.localnet.control_url());
        let answer = self.http.post(url).body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn call(&self, method: &str, params: Value) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let answer: Value = self.post(body.to_string()).await.json().await.unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => {
                let error = &answer["error"];
                Err((error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned()))
            }
        }
    }

    pub async fn ok(&self, method: &str, params: Value) -> Value {
        self.call(method, params).await.unwrap()
    }

    pub async fn friendbot(&self, address: &str) -> (u16, Value) {
        let url = format!("{}?addr={address}", self.localnet.friendbot_url());
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A new account with 10,000 XLM.
    pub async fn funded(&self, seed: u8) -> Key {
        let key = Key::new(seed);
        let (status, body) = self.friendbot(&key.strkey()).await;
        assert_eq!(status, 200, "{body}");
        key
    }

    pub fn close(&self) -> u32 {
        self.localnet.close_ledger().unwrap()
    }

    /// The entries under these keys that exist, as getLedgerEntries answers them.
    pub async fn entries(&self, keys: &[LedgerKey]) -> Vec<Value> {
        let keys: Vec<_> = keys.iter().map(base64).collect();
        let answer = self.ok("getLedgerEntries", json!({"keys": keys})).await;
        answer["entries"].as_array().unwrap().clone()
    }

    /// An entry's data, if it exists.
    pub async fn entry(&self, key: &LedgerKey) -> Option<LedgerEntryData> {
        self.entries(std::slice::from_ref(key)).await.first().map(|entry| xdr(&entry["xdr"]))
    }

    /// The last ledger at which the entry is live. It is 0 for an archived entry, and `None` for a missing one.
    pub async fn live_until(&self, key: &LedgerKey) -> Option<u64> {
        self.entries(std::slice::from_ref(key)).await.first().and_then(|entry| entry["liveUntilLedgerSeq"].as_u64())
    }

    pub async fn account(&self, key: &Key) -> AccountEntry {
        match self.entry(&key.key()).await {
            Some(LedgerEntryData::Account(account)) => account,
            other => panic!("no account: {other:?}"),
        }
    }

    pub async fn balance(&self, key: &Key) -> i64 {
        self.account(key).await.balance
    }

    /// A classic transaction of the next sequence number and the least fee, unsigned.
    pub async fn draft(&self, source: &Key, operations: Vec<OperationBody>) -> Transaction {
        let operations: Vec<_> = operations.into_iter().map(|body| Operation { source_account: None, body }).collect();
        Transaction {
            source_account: source.muxed(),
            fee: 100 * u32::try_from(operations.len()).unwrap(),
            seq_num: SequenceNumber(self.account(source).await.seq_num.0 + 1),
            cond: Preconditions::None,
            memo: Memo::None,
            operations: operations.try_into().unwrap(),
            ext: TransactionExt::V0,
        }
    }

    pub fn sign(&self, tx: &Transaction, keys: &[&Key]) -> TransactionEnvelope {
        let unsigned = TransactionV1Envelope { tx: tx.clone(), signatures: VecM::default() };
        let hash = TransactionEnvelope::Tx(unsigned.clone()).hash(self.id).unwrap();
        let signatures: Vec<_> = keys.iter().map(|key| key.signature(&hash)).collect();
        TransactionEnvelope::Tx(TransactionV1Envelope { signatures: signatures.try_into().unwrap(), ..unsigned })
    }

    /// A fee bump around a transaction, signed by the payer.
    pub fn fee_bump(&self, payer: &Key, inner: &TransactionEnvelope, fee: i64) -> TransactionEnvelope {
        let TransactionEnvelope::Tx(inner) = inner.clone() else { panic!("{inner:?}") };
        let tx = FeeBumpTransaction {
            fee_source: payer.muxed(),
            fee,
            inner_tx: FeeBumpTransactionInnerTx::Tx(inner),
            ext: FeeBumpTransactionExt::V0,
        };
        let bump =
            |signatures| TransactionEnvelope::TxFeeBump(FeeBumpTransactionEnvelope { tx: tx.clone(), signatures });
        let hash = bump(VecM::default()).hash(self.id).unwrap();
        bump(vec![payer.signature(&hash)].try_into().unwrap())
    }

    /// sendTransaction.
    pub async fn send(&self, envelope: &TransactionEnvelope) -> Value {
        self.ok("sendTransaction", json!({"transaction": base64(envelope)})).await
    }

    /// Sends a transaction that must be refused, and answers its result.
    pub async fn refused(&self, envelope: &TransactionEnvelope) -> TransactionResult {
        let answer = self.send(envelope).await;
        assert_eq!(answer["status"], "ERROR", "{answer}");
        xdr(&answer["errorResultXdr"])
    }

    /// getTransaction.
    pub async fn get(&self, hash: &Value) -> Value {
        self.ok("getTransaction", json!({"hash": hash})).await
    }

    /// Sends, closes a ledger, and answers getTransaction.
    pub async fn include(&self, envelope: &TransactionEnvelope) -> Closed {
        let sent = self.send(envelope).await;
        assert_eq!(sent["status"], "PENDING", "{sent} {:?}", sent.get("errorResultXdr").map(xdr::<TransactionResult>));
        self.close();
        Closed(self.get(&sent["hash"]).await)
    }

    /// Drafts, signs and sends a transaction, and closes a ledger.
    pub async fn run(&self, source: &Key, operations: Vec<OperationBody>) -> Closed {
        let tx = self.draft(source, operations).await;
        self.include(&self.sign(&tx, &[source])).await
    }

    /// simulateTransaction.
    pub async fn simulate(&self, tx: &Transaction) -> Value {
        let envelope = TransactionEnvelope::Tx(TransactionV1Envelope { tx: tx.clone(), signatures: VecM::default() });
        self.ok("simulateTransaction", json!({"transaction": base64(&envelope)})).await
    }

    /// A Soroban transaction with the resources, the fee and the authorization that simulation found.
    pub async fn prepared(&self, source: &Key, operation: OperationBody) -> Transaction {
        let tx = self.draft(source, vec![operation]).await;
        let simulation = self.simulate(&tx).await;
        assert!(simulation.get("error").is_none(), "{simulation}");
        assemble(tx, &simulation)
    }

    /// Prepares, signs and sends a transaction, and closes a ledger.
    pub async fn invoke(&self, source: &Key, operation: OperationBody) -> Closed {
        let tx = self.prepared(source, operation).await;
        self.include(&self.sign(&tx, &[source])).await
    }

    /// Extends these entries' lives if `extend_to` is given, and restores them otherwise.
    pub async fn change_lives(&self, source: &Key, keys: Vec<LedgerKey>, extend_to: Option<u32>) -> Closed {
        let (body, footprint) = match extend_to {
            Some(extend_to) => (
                OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp { ext: ExtensionPoint::V0, extend_to }),
                LedgerFootprint { read_only: keys.try_into().unwrap(), read_write: VecM::default() },
            ),
            None => (
                OperationBody::RestoreFootprint(RestoreFootprintOp { ext: ExtensionPoint::V0 }),
                LedgerFootprint { read_only: VecM::default(), read_write: keys.try_into().unwrap() },
            ),
        };
        let mut tx = self.draft(source, vec![body]).await;
        tx.ext = TransactionExt::V1(SorobanTransactionData {
            ext: SorobanTransactionDataExt::V0,
            resources: SorobanResources { footprint, instructions: 0, disk_read_bytes: 0, write_bytes: 0 },
            resource_fee: 0,
        });
        let simulation = self.simulate(&tx).await;
        assert!(simulation.get("error").is_none(), "{simulation}");
        let tx = assemble(tx, &simulation);
        self.include(&self.sign(&tx, &[source])).await
    }

    /// A test asset with its contract: issuer, and holders with trustlines and 1,000 units of 10^7 each.
    pub async fn asset(&self, issuer: &Key, holders: &[&Key]) -> TestAsset {
        let asset = Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USDC"), issuer: issuer.id() });
        for holder in holders {
            self.run(holder, vec![change_trust(&asset, i64::MAX)]).await.succeeded();
            self.run(issuer, vec![payment(holder, &asset, 1_000 * UNIT)]).await.succeeded();
        }
        self.invoke(issuer, create_asset_contract(&asset)).await.succeeded();
        self.contract_of(asset)
    }

    /// An asset with the address of its contract.
    pub fn contract_of(&self, asset: Asset) -> TestAsset {
        let preimage = HashIdPreimage::ContractId(HashIdPreimageContractId {
            network_id: Hash(self.id),
            contract_id_preimage: ContractIdPreimage::Asset(asset.clone()),
        });
        let contract = ContractId(Hash(Sha256::digest(preimage.to_xdr(Limits::none()).unwrap()).into()));
        TestAsset { asset, contract }
    }
}

/// Base units in one unit of an asset.
pub const UNIT: i64 = 10_000_000;

/// An asset and its contract.
pub struct TestAsset {
    pub asset: Asset,
    pub contract: ContractId,
}

impl TestAsset {
    pub fn transfer(&self, from: &ScAddress, to: &ScAddress, units: i64) -> OperationBody {
        let arguments = vec![ScVal::Address(from.clone()), ScVal::Address(to.clone()), i128_val(i128::from(units))];
        call_contract(&self.contract, "transfer", arguments)
    }

    pub fn instance(&self) -> LedgerKey {
        instance(&self.contract)
    }

    /// The key of the entry in which the asset's contract keeps another contract's balance.
    pub fn balance_key(&self, holder: &ScAddress) -> LedgerKey {
        let key = vec![symbol("Balance"), ScVal::Address(holder.clone())];
        LedgerKey::ContractData(LedgerKeyContractData {
            contract: ScAddress::Contract(self.contract.clone()),
            key: ScVal::Vec(Some(ScVec(key.try_into().unwrap()))),
            durability: ContractDataDurability::Persistent,
        })
    }

    pub fn trustline(&self, holder: &Key) -> LedgerKey {
        let asset = match &self.asset {
            Asset::CreditAlphanum4(a) => TrustLineAsset::CreditAlphanum4(a.clone()),
            other => panic!("{other:?}"),
        };
        LedgerKey::Trustline(LedgerKeyTrustLine { account_id: holder.id(), asset })
    }
}
