//! Tests the README's recipe: its commands, unchanged, sell an API call and buy it on a local network.

use std::net::TcpListener;

use paychan_tests::programs::{contract_wasm, program};
use tokio::process::Command;

const README: &str = include_str!("../../README.md");

/// The shell commands of a section, without its first block, which builds the programs.
fn commands(section: &str) -> String {
    let (_, text) = README.split_once(section).expect("the README has the section");
    let (text, _) = text.split_once("\n## ").expect("another section follows");
    let blocks = text.split("```sh\n").skip(2).map(|block| block.split_once("```").expect("the block ends").0);
    blocks.collect()
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_readme_sells_an_api_call_and_buys_it() {
    let folder = tempfile::tempdir().unwrap();
    let [network, watcher, seller] = [free_port(), free_port(), free_port()];
    let mut script = commands("## Sell an API call and buy it in five minutes");
    assert!(script.contains("paychan pay") && script.contains("--repeat 1000"));
    // Other tests may run at the same time, so the test uses free ports.
    for (usual, port) in [("8000", network), ("8790", watcher), ("8080", seller)] {
        script = script.replace(&format!("127.0.0.1:{usual}"), &format!("127.0.0.1:{port}"));
    }
    script = script.replace("paychan-localnet >", &format!("paychan-localnet --rpc-port {network} >"));
    let programs = program("paychan").parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-e", "-c", &format!("trap 'kill $(jobs -p)' EXIT\n{script}")])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("PAYCHAN_WASM", contract_wasm())
        .env("PAYCHAN_NETWORK", "local")
        .env("PAYCHAN_RPC_URL", format!("http://127.0.0.1:{network}"))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let log = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let all = format!("{stdout}\n{stderr}\n{}{}", log("watcher.log"), log("seller.log"));
    assert!(output.status.success(), "{all}");
    for said in [
        "HTTP/1.1 402 Payment Required",
        "session/channel-required",
        "1000, of which 1000 succeeded",
        "10000000 base units",
        "1001 payments, 10010000 base units signed away in all",
        "10010000 base units in total",
        "closed; the rest of the deposit is back at the funder",
    ] {
        assert!(stdout.contains(said), "{said:?} is not in {all}");
    }
    assert!(stderr.contains("paid 10000 base units through C"), "{all}");
}
