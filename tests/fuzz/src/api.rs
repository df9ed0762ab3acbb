//! The watcher's HTTP API, as a stranger or a mistaken front end calls it.

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use paychan_sim::disk::SimDisk;
use paychan_sim::network::SimChain;
use paychan_sim::setup::{config_text, id, lane, open_channel, recipient};
use paychan_store::{Options, Store};
use paychan_watcher::api::{Api, operator_router, router};
use paychan_watcher::clock::Clock;
use paychan_watcher::config::{ApiToken, Config};
use paychan_watcher::daemon::{Inputs, Parts, assemble, gate_parts};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use zeroize::Zeroizing;

use crate::pieces::Pieces;

const API_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Requests after which a watcher is replaced, so that an input does not depend on too many before it.
const REQUESTS_A_WATCHER: u32 = 2_000;

/// A watcher with one channel, and its API.
struct TestEnv {
    runtime: Runtime,
    api: Router,
    operator_api: Router,
    requests: u32,
    _folder: TempDir,
}

thread_local! {
    static ENV: RefCell<Option<TestEnv>> = const { RefCell::new(None) };
}

impl TestEnv {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let config = Arc::new(Config::parse(&config_text(folder.path())).unwrap());
        let chain = SimChain::new(lane().account());
        chain.network().open(open_channel(1));
        chain.close(1);
        let clock: Arc<dyn Clock> = chain.clock();
        let gate_parts = gate_parts(config.clone(), clock.clone());
        let options = Options { clock: clock.clone(), free_space_mark: 0, reserve_bytes: 0, ..Options::default() };
        let journal = SimDisk::default().journal();
        let (store, _) =
            Store::open_on(&config.data_dir, journal, &config.network_id(), options, gate_parts.gate.clone()).unwrap();
        let parts = assemble(Inputs {
            config,
            gate_parts,
            chain: Arc::new(chain.clone()),
            store,
            clock,
            lane: lane(),
            recipients: [(recipient().account(), recipient())].into(),
        });
        let Parts { mut follower, channels, commitments, pause, reporter, .. } = parts;
        runtime.block_on(async {
            follower.tick().await.unwrap();
            channels.take(id(1)).await.unwrap();
        });
        let token = ApiToken::new(Zeroizing::new(API_TOKEN.to_owned()));
        let parts = Arc::new(Api { token, channels, commitments, pause, reporter });
        let (api, operator_api) = (router(parts.clone()), operator_router(parts));
        Self { runtime, api, operator_api, requests: 0, _folder: folder }
    }
}

/// A request: its first byte picks the method and who calls, then come the path, the body, and header lines. Understood:
/// the answer is a success.
pub fn request(bytes: &[u8]) -> bool {
    let Some((choice, rest)) = bytes.split_first() else { return false };
    let mut pieces = Pieces::of(rest);
    let (path, body) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
    let method = if choice & 1 == 0 { Method::POST } else { Method::GET };
    let mut request = Request::builder().method(method).uri(path);
    if choice & 2 == 0 {
        request = request.header(AUTHORIZATION, format!("Bearer {API_TOKEN}"));
    }
    for line in pieces.take(8) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    // What is no request for HTTP's own types never gets to the API.
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return false };
    ENV.with_borrow_mut(|env| {
        let env = match env {
            Some(env) if env.requests < REQUESTS_A_WATCHER => env,
            env => env.insert(TestEnv::new()),
        };
        env.requests += 1;
        let api = if choice & 4 == 0 { env.api.clone() } else { env.operator_api.clone() };
        env.runtime.block_on(async {
            let response = api.oneshot(request).await.unwrap();
            let status = response.status();
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            assert_ne!(status.as_u16(), 500, "{}", String::from_utf8_lossy(&body));
            if !status.is_success() {
                let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem is JSON");
                // `/readyz` alone has a form of its own.
                if problem["ready"] == false {
                    return false;
                }
                assert_eq!(problem["status"], status.as_u16(), "{problem}");
                assert!(problem["kind"].is_string() && problem["detail"].is_string(), "{problem}");
            }
            status.is_success()
        })
    })
}
