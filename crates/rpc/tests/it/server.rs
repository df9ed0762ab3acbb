//! A server that gives each method the answers of the test, and remembers the requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use paychan_rpc::{Client, Options};
use serde_json::{Value, json};

/// One answer.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A JSON-RPC result.
    Result(Value),
    /// A JSON-RPC error.
    Refusal(i64, String),
    /// An HTTP status with headers and a body.
    Http(StatusCode, Vec<(&'static str, &'static str)>, Vec<u8>),
    /// No answer, for longer than any client waits.
    Silence,
}

#[derive(Default)]
struct Inner {
    replies: HashMap<String, VecDeque<Reply>>,
    asked: Vec<(String, Value)>,
    headers: Vec<HeaderMap>,
}

/// The server, which runs as long as the test.
#[derive(Clone)]
pub(crate) struct Server {
    inner: Arc<Mutex<Inner>>,
    url: String,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret-path?api-key=hidden", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner::default()));
        let app = Router::new().route("/{*any}", post(answer)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Server { inner, url }
    }

    /// Answers `method` with these replies, one after the other, and then always with the last one.
    pub(crate) fn on(&self, method: &str, replies: impl IntoIterator<Item = Reply>) -> &Server {
        self.inner.lock().unwrap().replies.insert(method.to_owned(), replies.into_iter().collect());
        self
    }

    pub(crate) fn results(&self, method: &str, results: impl IntoIterator<Item = Value>) -> &Server {
        self.on(method, results.into_iter().map(Reply::Result))
    }

    /// What was asked so far: the parameters of each call of `method`.
    pub(crate) fn asked(&self, method: &str) -> Vec<Value> {
        let inner = self.inner.lock().unwrap();
        inner.asked.iter().filter(|(name, _)| name == method).map(|(_, params)| params.clone()).collect()
    }

    /// The values of this header in all requests so far.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let inner = self.inner.lock().unwrap();
        inner.headers.iter().filter_map(|headers| Some(headers.get(name)?.to_str().unwrap().to_owned())).collect()
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(Options::default())
    }

    pub(crate) fn client_with(&self, options: Options) -> Client {
        Client::new(&self.url, options).unwrap()
    }

    pub(crate) fn impatient_client(&self) -> Client {
        self.client_with(Options { timeout: Duration::from_millis(200), ..Options::default() })
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let method = request["method"].as_str().unwrap().to_owned();
    let reply = {
        let mut inner = inner.lock().unwrap();
        inner.headers.push(headers);
        inner.asked.push((method.clone(), request["params"].clone()));
        let replies = inner.replies.get_mut(&method);
        let replies = replies.unwrap_or_else(|| panic!("the test has no answer for {method}"));
        match replies.len() {
            1 => replies[0].clone(),
            _ => replies.pop_front().unwrap(),
        }
    };
    let id = &request["id"];
    let json = |value: Value| (StatusCode::OK, vec![], serde_json::to_vec(&value).unwrap());
    let (status, headers, body) = match reply {
        Reply::Result(result) => json(json!({ "jsonrpc": "2.0", "id": id, "result": result })),
        Reply::Refusal(code, message) => {
            json(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
        }
        Reply::Http(status, headers, body) => (status, headers, body),
        Reply::Silence => std::future::pending().await,
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}
