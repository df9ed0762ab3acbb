//! The servers. Each of them runs in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use paychan_channel::{Amount, ContractId};
use paychan_mpp::seller::{Charges, Seller, SellerOptions};
use paychan_mpp::wire::{ChallengeSecret, ChallengeSecrets, NetworkName};
use paychan_watcher::api::{self, Limits};
use paychan_watcher_api::{Client, Token};

use super::payers::{CHANNELS, PASSPHRASE, PRICE, key};
use super::watcher;

/// As many connections as a watcher takes unless it is configured otherwise.
const MAX_CONNECTIONS: usize = 256;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Mppx,
    InProcess,
    Beside,
    Watcher,
    Free,
    FreeNode,
}

impl Kind {
    /// The servers that are measured. A watcher alone is not measured, since it is only a part of a server.
    pub(crate) const ALL: [Self; 5] = [Self::Mppx, Self::InProcess, Self::Beside, Self::Free, Self::FreeNode];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mppx => "mppx",
            Self::InProcess => "in-process",
            Self::Beside => "beside",
            Self::Watcher => "watcher",
            Self::Free => "free",
            Self::FreeNode => "free-node",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Mppx => "a seller with mppx, totals in memory",
            Self::InProcess => "our seller, watcher in the same process",
            Self::Beside => "our seller, watcher in a process beside it",
            Self::Watcher => "a watcher",
            Self::Free => "the same handler without payment (axum)",
            Self::FreeNode => "the same handler without payment (Node)",
        }
    }

    pub(crate) fn is_paid(self) -> bool {
        !matches!(self, Self::Free | Self::FreeNode)
    }

    /// How many requests a measurement has. On a quiet machine it takes about a second. With one connection there are fewer,
    /// since each request waits for the disk.
    pub(crate) fn requests(self, connections: usize) -> usize {
        match self {
            Self::Mppx => 1_500,
            Self::Free | Self::FreeNode => 20_000,
            _ if connections == 1 => 600,
            _ => 6_000,
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Watcher].into_iter().chain(Self::ALL);
        all.into_iter().find(|kind| kind.name() == name).ok_or_else(|| format!("no server is called {name}"))
    }
}

/// Serves until the process is killed. `at` is the folder of the journal or the address of the watcher, whichever the kind
/// needs.
pub(crate) async fn run(kind: Kind, at: Option<&String>) {
    let folder = || Path::new(at.unwrap());
    let app = match kind {
        Kind::Free => Router::new().route("/time", get(answer)),
        Kind::InProcess => selling(watcher::InProcess(Arc::new(watcher::start(folder()).await))),
        Kind::Beside => {
            let token = Token::new(watcher::TOKEN.to_owned().into()).unwrap();
            selling(Client::new(at.unwrap().parse().unwrap(), token).unwrap())
        }
        Kind::Watcher => watcher::router(watcher::start(folder()).await),
        Kind::Mppx | Kind::FreeNode => unreachable!("Node serves it"),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    if kind == Kind::Watcher {
        // A watcher serves its API within limits of its own.
        let (_never, stopped) = tokio::sync::watch::channel(false);
        return api::serve(listener, app, Limits::of(MAX_CONNECTIONS), stopped).await;
    }
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| stream.set_nodelay(true).unwrap()), app)
        .await
        .unwrap();
}

async fn answer() -> &'static str {
    "Thu, 26 Nov 2026 03:14:15 GMT"
}

fn selling(charges: impl Charges) -> Router {
    let secret = ChallengeSecret::new("a benchmark's secret of 32 bytes and more".to_owned().into()).unwrap();
    let network = NetworkName::of_passphrase(PASSPHRASE);
    let options = SellerOptions::new("bench.example.com", network, ChallengeSecrets::new(secret));
    let seller = Seller::new(charges, options).unwrap();
    Router::new().route("/time", get(answer).route_layer(seller.price(Amount::from(PRICE))))
}

/// The command that starts a server in Node. It is `None` when mppx is not installed.
pub(crate) fn node(kind: Kind) -> Option<Command> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../mppx").canonicalize().ok()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop/mppx");
    let keys: serde_json::Map<String, serde_json::Value> = (1..=CHANNELS)
        .map(|number| (ContractId([number; 32]).to_string(), key(number).public().to_string().into()))
        .collect();
    // Node looks for packages in the script's folder, so the scripts are copied to the folder of mppx.
    for name in ["bench-server.mjs", "stellar-channel.mjs"] {
        std::fs::copy(script.join(name), folder.join(name)).ok()?;
    }
    let mut command = Command::new("node");
    command
        .arg(folder.join("bench-server.mjs"))
        .env("NODE_ENV", "production")
        .env("KEYS", serde_json::Value::from(keys).to_string())
        .env("PASSPHRASE", PASSPHRASE)
        .env("NETWORK", NetworkName::of_passphrase(PASSPHRASE).as_str())
        .env("PRICE", PRICE.to_string())
        .env("FREE", if kind == Kind::FreeNode { "1" } else { "" });
    folder.join("node_modules/mppx").is_dir().then_some(command)
}
