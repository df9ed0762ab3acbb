//! A network under test, and a client for it that hides nothing: what is sent and what comes back is JSON and XDR.

use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};
use paychan_localnet::{Localnet, Options};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stellar_xdr::*;

/// A network that closes ledgers when told, and a client.
pub struct Net {
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
        stellar_strkey::ed25519::PublicKey(self.public())
            .to_string()
            .to_string()
    }

    pub fn key(&self) -> LedgerKey {
        LedgerKey::Account(LedgerKeyAccount {
            account_id: self.id(),
        })
    }
}

/// An answer of JSON-RPC: a result, or code and message of an error.
pub type Answer = Result<Value, (i64, String)>;

impl Net {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// Ledgers close when told, whatever the options say.
    pub fn with(options: Options) -> Self {
        let options = Options {
            manual: true,
            ..options
        };
        let id = Sha256::digest(&options.passphrase).into();
        Self {
            localnet: Localnet::start(options).unwrap(),
            http: reqwest::Client::new(),
            id,
        }
    }

    pub async fn post(&self, body: String) -> reqwest::Response {
        self.http
            .post(self.localnet.rpc_url())
            .body(body)
            .send()
            .await
            .unwrap()
    }

    pub async fn call(&self, method: &str, params: Value) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let answer: Value = self.post(body.to_string()).await.json().await.unwrap();
        assert_eq!(
            (&answer["jsonrpc"], &answer["id"]),
            (&json!("2.0"), &json!(7)),
            "{answer}"
        );
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => {
                let error = &answer["error"];
                Err((
                    error["code"].as_i64().unwrap(),
                    error["message"].as_str().unwrap().to_owned(),
                ))
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

    /// The entries under these keys that exist, as getLedgerEntries tells them.
    pub async fn entries(&self, keys: &[LedgerKey]) -> Vec<Value> {
        let keys: Vec<_> = keys.iter().map(base64).collect();
        let answer = self.ok("getLedgerEntries", json!({"keys": keys})).await;
        answer["entries"].as_array().unwrap().clone()
    }

    /// An entry's data, if it exists.
    pub async fn entry(&self, key: &LedgerKey) -> Option<LedgerEntryData> {
        self.entries(std::slice::from_ref(key))
            .await
            .first()
            .map(|entry| xdr(&entry["xdr"]))
    }

    /// The last ledger at which the entry is live; 0 when archived, `None` when missing.
    pub async fn live_until(&self, key: &LedgerKey) -> Option<u64> {
        self.entries(std::slice::from_ref(key))
            .await
            .first()
            .and_then(|entry| entry["liveUntilLedgerSeq"].as_u64())
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
        let operations: Vec<_> = operations
            .into_iter()
            .map(|body| Operation {
                source_account: None,
                body,
            })
            .collect();
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
        let unsigned = TransactionV1Envelope {
            tx: tx.clone(),
            signatures: VecM::default(),
        };
        let hash = TransactionEnvelope::Tx(unsigned.clone())
            .hash(self.id)
            .unwrap();
        let signatures: Vec<_> = keys
            .iter()
            .map(|key| DecoratedSignature {
                hint: SignatureHint(key.public()[28..].try_into().unwrap()),
                signature: Signature(key.0.sign(&hash).to_bytes().to_vec().try_into().unwrap()),
            })
            .collect();
        TransactionEnvelope::Tx(TransactionV1Envelope {
            signatures: signatures.try_into().unwrap(),
            ..unsigned
        })
    }

    /// sendTransaction.
    pub async fn send(&self, envelope: &TransactionEnvelope) -> Value {
        self.ok("sendTransaction", json!({"transaction": base64(envelope)}))
            .await
    }

    /// sendTransaction of a transaction that is refused: its result.
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
        assert_eq!(
            sent["status"],
            "PENDING",
            "{sent} {:?}",
            sent.get("errorResultXdr").map(xdr::<TransactionResult>)
        );
        self.close();
        Closed(self.get(&sent["hash"]).await)
    }

    /// Drafts, signs, sends, closes.
    pub async fn run(&self, source: &Key, operations: Vec<OperationBody>) -> Closed {
        let tx = self.draft(source, operations).await;
        self.include(&self.sign(&tx, &[source])).await
    }

    /// simulateTransaction.
    pub async fn simulate(&self, tx: &Transaction) -> Value {
        let envelope = TransactionEnvelope::Tx(TransactionV1Envelope {
            tx: tx.clone(),
            signatures: VecM::default(),
        });
        self.ok(
            "simulateTransaction",
            json!({"transaction": base64(&envelope)}),
        )
        .await
    }

    /// A Soroban transaction with the resources, the fee and the authorization that simulation found.
    pub async fn prepared(&self, source: &Key, operation: OperationBody) -> Transaction {
        let tx = self.draft(source, vec![operation]).await;
        let simulation = self.simulate(&tx).await;
        assert!(simulation.get("error").is_none(), "{simulation}");
        assemble(tx, &simulation)
    }

    /// Prepares, signs, sends, closes.
    pub async fn invoke(&self, source: &Key, operation: OperationBody) -> Closed {
        let tx = self.prepared(source, operation).await;
        self.include(&self.sign(&tx, &[source])).await
    }

    /// An operation on the lives of these entries: extension where `extend_to` is given, restoration otherwise.
    pub async fn change_lives(
        &self,
        source: &Key,
        keys: Vec<LedgerKey>,
        extend_to: Option<u32>,
    ) -> Closed {
        let (body, footprint) = match extend_to {
            Some(extend_to) => (
                OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp {
                    ext: ExtensionPoint::V0,
                    extend_to,
                }),
                LedgerFootprint {
                    read_only: keys.try_into().unwrap(),
                    read_write: VecM::default(),
                },
            ),
            None => (
                OperationBody::RestoreFootprint(RestoreFootprintOp {
                    ext: ExtensionPoint::V0,
                }),
                LedgerFootprint {
                    read_only: VecM::default(),
                    read_write: keys.try_into().unwrap(),
                },
            ),
        };
        let mut tx = self.draft(source, vec![body]).await;
        tx.ext = TransactionExt::V1(SorobanTransactionData {
            ext: SorobanTransactionDataExt::V0,
            resources: SorobanResources {
                footprint,
                instructions: 0,
                disk_read_bytes: 0,
                write_bytes: 0,
            },
            resource_fee: 0,
        });
        let simulation = self.simulate(&tx).await;
        assert!(simulation.get("error").is_none(), "{simulation}");
        let tx = assemble(tx, &simulation);
        self.include(&self.sign(&tx, &[source])).await
    }

    /// A test asset with its contract: issuer, and holders with trustlines and 1,000 units of 10^7 each.
    pub async fn asset(&self, issuer: &Key, holders: &[&Key]) -> TestAsset {
        let asset = Asset::CreditAlphanum4(AlphaNum4 {
            asset_code: AssetCode4(*b"USDC"),
            issuer: issuer.id(),
        });
        for holder in holders {
            self.run(holder, vec![change_trust(&asset, i64::MAX)])
                .await
                .succeeded();
            self.run(issuer, vec![payment(holder, &asset, 1_000 * UNIT)])
                .await
                .succeeded();
        }
        self.invoke(issuer, create_asset_contract(&asset))
            .await
            .succeeded();
        let preimage = HashIdPreimage::ContractId(HashIdPreimageContractId {
            network_id: Hash(self.id),
            contract_id_preimage: ContractIdPreimage::Asset(asset.clone()),
        });
        let contract = ContractId(Hash(
            Sha256::digest(preimage.to_xdr(Limits::none()).unwrap()).into(),
        ));
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
        let arguments = vec![
            ScVal::Address(from.clone()),
            ScVal::Address(to.clone()),
            i128_val(i128::from(units)),
        ];
        call_contract(&self.contract, "transfer", arguments)
    }

    pub fn instance(&self) -> LedgerKey {
        instance(&self.contract)
    }

    /// Where the contract keeps a contract's balance.
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
        LedgerKey::Trustline(LedgerKeyTrustLine {
            account_id: holder.id(),
            asset,
        })
    }
}

/// A transaction as getTransaction tells it.
pub struct Closed(pub Value);

impl Closed {
    pub fn result(&self) -> TransactionResult {
        xdr(&self.0["resultXdr"])
    }

    pub fn meta(&self) -> TransactionMetaV4 {
        match xdr(&self.0["resultMetaXdr"]) {
            TransactionMeta::V4(meta) => meta,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(
            self.0["status"],
            "SUCCESS",
            "{:?} {:?}",
            self.result(),
            self.meta().diagnostic_events
        );
        self
    }

    /// The result of the only operation of a transaction that failed.
    #[track_caller]
    pub fn failed_with(&self) -> OperationResultTr {
        assert_eq!(self.0["status"], "FAILED", "{}", self.0);
        match self.result().result {
            TransactionResultResult::TxFailed(operations) => match operations.as_slice() {
                [OperationResult::OpInner(inner)] => inner.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    pub fn return_value(&self) -> ScVal {
        self.meta()
            .soroban_meta
            .and_then(|meta| meta.return_value)
            .expect("a return value")
    }
}

pub fn assemble(mut tx: Transaction, simulation: &Value) -> Transaction {
    let data: SorobanTransactionData = xdr(&simulation["transactionData"]);
    assert_eq!(simulation["minResourceFee"], data.resource_fee.to_string());
    tx.fee = 100 + u32::try_from(data.resource_fee).unwrap();
    tx.ext = TransactionExt::V1(data);
    let mut operations = tx.operations.to_vec();
    if let OperationBody::InvokeHostFunction(op) = &mut operations[0].body
        && op.auth.is_empty()
    {
        let auth: Vec<SorobanAuthorizationEntry> = simulation["results"][0]["auth"]
            .as_array()
            .unwrap()
            .iter()
            .map(xdr)
            .collect();
        op.auth = auth.try_into().unwrap();
    }
    tx.operations = operations.try_into().unwrap();
    tx
}

pub fn base64(value: &impl WriteXdr) -> String {
    value.to_xdr_base64(Limits::none()).unwrap()
}

#[track_caller]
pub fn xdr<T: ReadXdr>(value: &Value) -> T {
    let text = value.as_str().unwrap_or_else(|| panic!("not XDR: {value}"));
    T::from_xdr_base64(text, Limits::none()).unwrap()
}

pub fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().unwrap()))
}

pub fn i128_val(n: i128) -> ScVal {
    ScVal::I128(Int128Parts {
        hi: (n >> 64) as i64,
        lo: n as u64,
    })
}

pub fn bytes(bytes: &[u8]) -> ScVal {
    ScVal::Bytes(ScBytes(bytes.to_vec().try_into().unwrap()))
}

pub fn payment(to: &Key, asset: &Asset, amount: i64) -> OperationBody {
    OperationBody::Payment(PaymentOp {
        destination: to.muxed(),
        asset: asset.clone(),
        amount,
    })
}

pub fn create_account(to: &Key, starting_balance: i64) -> OperationBody {
    OperationBody::CreateAccount(CreateAccountOp {
        destination: to.id(),
        starting_balance,
    })
}

pub fn change_trust(asset: &Asset, limit: i64) -> OperationBody {
    let line = match asset {
        Asset::Native => ChangeTrustAsset::Native,
        Asset::CreditAlphanum4(a) => ChangeTrustAsset::CreditAlphanum4(a.clone()),
        Asset::CreditAlphanum12(a) => ChangeTrustAsset::CreditAlphanum12(a.clone()),
    };
    OperationBody::ChangeTrust(ChangeTrustOp { line, limit })
}

pub fn set_flags(flags: u32) -> OperationBody {
    OperationBody::SetOptions(SetOptionsOp {
        set_flags: Some(flags),
        ..no_options()
    })
}

pub fn no_options() -> SetOptionsOp {
    SetOptionsOp {
        inflation_dest: None,
        clear_flags: None,
        set_flags: None,
        master_weight: None,
        low_threshold: None,
        med_threshold: None,
        high_threshold: None,
        home_domain: None,
        signer: None,
    }
}

pub fn host_function(host_function: HostFunction) -> OperationBody {
    OperationBody::InvokeHostFunction(InvokeHostFunctionOp {
        host_function,
        auth: VecM::default(),
    })
}

pub fn call_contract(
    contract: &ContractId,
    function: &str,
    arguments: Vec<ScVal>,
) -> OperationBody {
    host_function(HostFunction::InvokeContract(InvokeContractArgs {
        contract_address: ScAddress::Contract(contract.clone()),
        function_name: ScSymbol(function.try_into().unwrap()),
        args: arguments.try_into().unwrap(),
    }))
}

pub fn create_asset_contract(asset: &Asset) -> OperationBody {
    host_function(HostFunction::CreateContract(CreateContractArgs {
        contract_id_preimage: ContractIdPreimage::Asset(asset.clone()),
        executable: ContractExecutable::StellarAsset,
    }))
}

pub fn instance(contract: &ContractId) -> LedgerKey {
    LedgerKey::ContractData(LedgerKeyContractData {
        contract: ScAddress::Contract(contract.clone()),
        key: ScVal::LedgerKeyContractInstance,
        durability: ContractDataDurability::Persistent,
    })
}

/// The channel contract's Wasm.
pub fn channel_wasm() -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/contracts/paychan_contract.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run scripts/build-contracts.sh",
            path.display()
        )
    })
}
