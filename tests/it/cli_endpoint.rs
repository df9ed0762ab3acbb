//! `paychan` against an endpoint that lies: what it answers to a simulation is what gets signed, so it is not believed.

use std::sync::{Arc, Mutex};

use paychan_channel::xdr::{
    HostFunction, Limits, Operation, OperationBody, ReadXdr, ScVal, SorobanAddressCredentials,
    SorobanAuthorizationEntry, SorobanAuthorizedFunction, SorobanAuthorizedInvocation, SorobanCredentials,
    SorobanTransactionData, TransactionEnvelope, WriteXdr,
};
use paychan_channel::{Amount, calls};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::{Scene, assert_refused};

/// Stands between a program and the real endpoint, and changes what that answers to one method.
pub(crate) struct Liar {
    pub(crate) url: String,
    /// What was asked, in order.
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Liar {
    /// Changes the first simulation, and sticks to that answer from then on.
    async fn start(real: &str, lie: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::lying(real, "simulateTransaction", true, lie).await
    }

    /// Changes each answer to `method`.
    pub(crate) async fn about_each(
        real: &str,
        method: &'static str,
        lie: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Self {
        Self::lying(real, method, false, lie).await
    }

    async fn lying(
        real: &str,
        method: &'static str,
        sticks: bool,
        lie: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (real, log, lie) = (real.to_owned(), asked.clone(), Arc::new(lie));
        let told: Arc<Mutex<Option<Value>>> = Arc::default();
        tokio::spawn(async move {
            let http = paychan_rpc::http::client_of_this_machine(Default::default()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (http, real, log) = (http.clone(), real.clone(), log.clone());
                let (lie, told) = (lie.clone(), told.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let request = read_request(&mut stream).await;
                    let answer = http.post(&real).json(&request).send().await.unwrap();
                    let mut answer: Value = answer.json().await.unwrap();
                    if request["method"] == method {
                        let mut told = told.lock().unwrap();
                        if !sticks {
                            *told = None;
                        }
                        let lied = told.get_or_insert_with(|| {
                            lie(&mut answer["result"]);
                            answer["result"].clone()
                        });
                        answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": lied });
                    }
                    log.lock().unwrap().push(request);
                    let body = answer.to_string();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                         content-length: {}\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                });
            }
        });
        Self { url, asked }
    }

    pub(crate) fn times_asked(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request["method"] == method).count()
    }
}

/// What a request carries of authorizations: whoever sees a signed one can use it.
fn authorizations(request: &Value) -> usize {
    let text = request["params"]["transaction"].as_str().unwrap();
    let TransactionEnvelope::Tx(envelope) = TransactionEnvelope::from_xdr_base64(text, Limits::none()).unwrap() else {
        panic!("a plain transaction was built")
    };
    let count = |operation: &Operation| match &operation.body {
        OperationBody::InvokeHostFunction(call) => call.auth.len(),
        _ => 0,
    };
    envelope.tx.operations.iter().map(count).sum()
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// All that the funder has, to the stranger.
fn theft(scene: &Scene) -> SorobanAuthorizedInvocation {
    let transfer = calls::token_transfer(
        &scene.usdc.contract,
        &scene.funder.address(),
        &scene.stranger.address(),
        Amount::from(9_000_000_000),
    );
    let HostFunction::InvokeContract(transfer) = transfer else { panic!("a transfer is a call") };
    SorobanAuthorizedInvocation {
        function: SorobanAuthorizedFunction::ContractFn(transfer),
        sub_invocations: Vec::new().try_into().unwrap(),
    }
}

fn entry(answer: &Value) -> SorobanAuthorizationEntry {
    let text = answer["results"][0]["auth"][0].as_str().unwrap();
    SorobanAuthorizationEntry::from_xdr_base64(text, Limits::none()).unwrap()
}

fn replace_entry(answer: &mut Value, entry: &SorobanAuthorizationEntry) {
    answer["results"][0]["auth"] = json!([entry.to_xdr_base64(Limits::none()).unwrap()]);
}

/// Tops up through an endpoint that lies so: it must be refused, with nothing sent and nothing paid.
async fn top_up_is_refused(scene: &Scene, lie: impl Fn(&mut Value) + Send + Sync + 'static, kind: &str, said: &str) {
    let channel = scene.channel().await;
    let before = scene.usdc_of(&scene.funder).await;
    let liar = Liar::start(&scene.network.rpc_url, lie).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--rpc-url", &liar.url];
    let ran = scene.run_as(&scene.funder, &top_up).await;
    assert_refused(&ran, 1, kind, said);
    assert!(liar.times_asked("simulateTransaction") > 0, "the lie was never told");
    assert_eq!(liar.times_asked("sendTransaction"), 0);
    let asked = liar.asked.lock().unwrap().clone();
    for request in asked.iter().filter(|request| request["method"] == "simulateTransaction") {
        assert_eq!(authorizations(request), 0, "an authorization was given away: {request}");
    }
    assert_eq!(scene.usdc_of(&scene.funder).await, before);
}

#[tokio::test]
async fn an_honest_endpoint_behind_the_same_proxy_is_believed() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let proxy = Liar::start(&scene.network.rpc_url, |_| {}).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--rpc-url", &proxy.url];
    let topped = scene.run_as(&scene.funder, &top_up).await.ok();
    assert_eq!(topped["deposited"], "135000000");
    assert!(proxy.times_asked("sendTransaction") > 0);
}

#[tokio::test]
async fn another_call_than_the_one_meant_is_not_authorised() {
    let scene = Scene::new().await;
    let stolen =
        SorobanAuthorizationEntry { credentials: SorobanCredentials::SourceAccount, root_invocation: theft(&scene) };
    let lie = move |answer: &mut Value| replace_entry(answer, &stolen);
    top_up_is_refused(&scene, lie, "authorization", "transfer(3 arguments)").await;
}

#[tokio::test]
async fn a_call_that_is_hidden_below_the_one_meant_is_not_authorised() {
    let scene = Scene::new().await;
    let theft = theft(&scene);
    let lie = move |answer: &mut Value| {
        let mut honest = entry(answer);
        let mut below = honest.root_invocation.sub_invocations.to_vec();
        below.push(theft.clone());
        honest.root_invocation.sub_invocations = below.try_into().unwrap();
        replace_entry(answer, &honest);
    };
    top_up_is_refused(&scene, lie, "authorization", "transfer(3 arguments)").await;
}

#[tokio::test]
async fn an_authorization_that_could_be_used_apart_from_the_transaction_is_not_given() {
    let scene = Scene::new().await;
    let stolen = SorobanAuthorizationEntry {
        credentials: SorobanCredentials::Address(SorobanAddressCredentials {
            address: scene.funder.id.to_sc(),
            nonce: 1,
            signature_expiration_ledger: 0,
            signature: ScVal::Void,
        }),
        root_invocation: theft(&scene),
    };
    let lie = move |answer: &mut Value| replace_entry(answer, &stolen);
    top_up_is_refused(&scene, lie, "authorization", "").await;
}

#[tokio::test]
async fn a_fee_beyond_what_is_usual_is_not_paid_without_asking() {
    let scene = Scene::new().await;
    let lie = |answer: &mut Value| {
        let text = answer["transactionData"].as_str().unwrap();
        let mut data = SorobanTransactionData::from_xdr_base64(text, Limits::none()).unwrap();
        data.resource_fee = 30_000_000;
        answer["transactionData"] = json!(data.to_xdr_base64(Limits::none()).unwrap());
    };
    top_up_is_refused(&scene, lie, "fee_too_high", "--max-fee 20000000").await;
}
