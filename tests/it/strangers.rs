//! Tests that what was acknowledged is settled although strangers open connections to the API and keep them.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use paychan_channel::Amount;
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::Watcher;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

const WAITING_PERIOD: u32 = 200;

/// The number of file descriptors that the watcher may have.
const DESCRIPTORS: u32 = 200;

/// An endpoint that ends every connection after a moment, as a load balancer does before its restart. Its client needs
/// a new descriptor again and again.
async fn cutting_endpoint(real: SocketAddr) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = tokio::net::TcpStream::connect(real).await.unwrap();
                let _ = timeout(Duration::from_millis(500), copy_bidirectional(&mut from, &mut to)).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn silent_connections_up_to_the_limit_stop_neither_settlements_nor_the_operator() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let real = env.network.rpc_url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let mut options = env.watcher_options();
    options.rpc_url = Some(cutting_endpoint(real).await);
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.descriptors = Some(DESCRIPTORS);
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    assert_eq!(watcher.offer(&payer.channel, "500000", &payer.sign(500_000), "one").await.unwrap().0, 200);

    let address: SocketAddr = watcher.url.trim_start_matches("http://").parse().unwrap();
    let connecting = std::thread::spawn(move || {
        // Connections that the watcher has ended are opened again until the test ends.
        let mut held: Vec<TcpStream> = Vec::new();
        for _ in 0..20 {
            held.truncate(50);
            // When the system's queue is full, `connect` alone would wait for minutes.
            let moment = Duration::from_millis(100);
            held.extend((0..DESCRIPTORS).map_while(|_| TcpStream::connect_timeout(&address, moment).ok()));
            std::thread::sleep(Duration::from_millis(250));
        }
        held
    });
    sleep(Duration::from_millis(700)).await;
    env.as_funder("close-start", &payer.channel).await;
    let deadline = env.read(&payer.channel).await.deadline().unwrap();
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= 500_000).await;
    let state = env.read(&payer.channel).await;
    assert!(state.read_at < deadline, "settled by {}, the deadline was {deadline}", state.read_at);
    assert_eq!(env.usdc(&env.recipient).await, Amount::new(500_000).unwrap());

    let (code, status) = watcher.status(&["--json"]).await;
    assert_eq!(code, 0, "{status}");
    assert!(status.contains("\"running\":true") || status.contains("\"running\": true"), "{status}");
    drop(connecting.join().unwrap());
}
