//! Measures how fast commitments are accepted inside the process, compared with how fast a core checks signatures.
//!
//! `cargo bench -p paychan-watcher` prints, from one run on one machine:
//! - `verify_strict` alone on one core, with the same messages, signatures and decompressed keys;
//! - acceptance: 64 submitters, each on its own channel, wait for an answer before they submit again. Each commitment
//!   takes the daemon's own path: the view is asked, the signature is checked, the committer asks again, and the
//!   journal is synced.
//!
//! The journal is in cargo's target directory, so on a real disk if that is on one.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't run says where")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::VerifyingKey;
use paychan_channel::{
    AccountId, Address, Amount, ChannelState, Commitment, CommitmentSecret, ContractId, Layout, Ledger, Lives,
    Signature, Stroops, TokenKind, WasmHash,
};
use paychan_channel::{Payability, TokenRisk};
use paychan_rpc::SecretKey;
use paychan_store::{Admission, Offer, Options, RequestId, Store, WallClock};
use paychan_watcher::chain::{Head, LaneFacts, NetworkTerms, RpcChain};
use paychan_watcher::clock::{Clock, SystemClock};
use paychan_watcher::config::Config;
use paychan_watcher::daemon::{Inputs, assemble, gate_parts};
use paychan_watcher::view::View;

const SUBMITTERS: u8 = 64;
/// How many commitments each submitter submits, one after the other.
const EACH: u64 = 2_000;
/// How many signatures each of the two runs of `verify_strict` alone checks.
const CHECKS: usize = 60_000;
/// The design's goal: acceptance reaches at least this part of the rate of `verify_strict` alone.
const ASKED_PERCENT: u128 = 70;

const TOKEN: ContractId = ContractId([200; 32]);
const RECIPIENT: Address = Address::Account(AccountId([202; 32]));
const CODE: WasmHash = WasmHash([203; 32]);
const HEAD: Ledger = Ledger(1_000_000);

struct Funder {
    state: ChannelState,
    secret: CommitmentSecret,
    signed: Vec<(Commitment, Signature)>,
}

fn main() {
    // Cargo runs a benchmark for its tests too.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let config = Arc::new(Config::parse(&config_text()).unwrap());
    println!("signing {} commitments...", u64::from(SUBMITTERS) * EACH);
    let funders: Vec<Funder> = (1..=SUBMITTERS).map(|number| funder(number, &config)).collect();

    let before = verify_alone(&funders);
    let accepted = accept_all(&funders, &config);
    let after = verify_alone(&funders);
    // The faster of the two runs counts, since it is the harder goal.
    let alone = before.max(after);
    let percent = accepted.per_second * 100 / alone;
    println!("verify_strict alone, one core     {before:>8} /s before, {after} /s after");
    println!("accepted: verified and durable    {:>8} /s, {SUBMITTERS} submitters", accepted.per_second);
    println!("  that is of verify_strict alone  {percent:>8} %  (asked: {ASKED_PERCENT} %)");
    println!("  syncs                           {:>8} /s", accepted.syncs_per_second);
    println!(
        "  commitments in a batch          {:>8} on average, {} at most",
        accepted.mean_batch, accepted.largest_batch
    );
    println!("  cores                           {:>8}", cores());
    if percent < ASKED_PERCENT {
        println!("MISSED: {percent} % is below {ASKED_PERCENT} %");
    }
}

/// Only checks signatures, on this thread. Returns how many per second.
fn verify_alone(funders: &[Funder]) -> u128 {
    let prepared: Vec<_> = funders
        .iter()
        .flat_map(|funder| {
            let key = VerifyingKey::from_bytes(&funder.secret.public().to_bytes()).unwrap();
            funder.signed.iter().map(move |(commitment, signature)| {
                let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
                (key, commitment.to_bytes(), signature)
            })
        })
        .take(CHECKS)
        .collect();
    let start = Instant::now();
    for (key, message, signature) in &prepared {
        black_box(key.verify_strict(black_box(message), signature)).unwrap();
    }
    per_second(prepared.len() as u128, start.elapsed())
}

struct Figures {
    per_second: u128,
    syncs_per_second: u128,
    mean_batch: u64,
    largest_batch: u64,
}

fn accept_all(funders: &[Funder], config: &Arc<Config>) -> Figures {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores()).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let gate_parts = gate_parts(Arc::clone(config), clock.clone());
        see_chain(&gate_parts.view, funders);
        let options = Options::default();
        let (store, _) = Store::open(dir.path(), &config.network_id(), options, gate_parts.gate.clone()).unwrap();
        for funder in funders {
            store.admit(admission(&funder.state)).await.unwrap();
        }
        gate_parts.promises.count(&store.all_held(), &gate_parts.view);
        // Nothing asks the chain here, since no channel is topped up meanwhile.
        let chain = Arc::new(RpcChain::new("http://127.0.0.1:1", Duration::from_secs(1)).unwrap());
        let parts = assemble(Inputs {
            config: Arc::clone(config),
            gate_parts,
            chain,
            store: store.clone(),
            clock,
            lane: SecretKey::from_seed(&[1; 32]),
            recipients: HashMap::new(),
        });
        let acceptance = Arc::new(parts.commitments);
        let before = store.counts();
        let start = Instant::now();
        let submitters: Vec<_> = funders
            .iter()
            .map(|funder| {
                let acceptance = Arc::clone(&acceptance);
                let signed = funder.signed.clone();
                tokio::spawn(async move {
                    for (commitment, signature) in signed {
                        let id = RequestId::new(&format!("request-{}", commitment.amount)).unwrap();
                        let Commitment { channel, amount, .. } = commitment;
                        let offer = Offer { channel, amount, signature, request_id: id };
                        let acknowledged = acceptance.offer(offer).await.unwrap();
                        assert_eq!(acknowledged.highest, commitment.amount);
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.await.unwrap();
        }
        let took = start.elapsed();
        let counts = store.counts();
        let (syncs, records) = (counts.syncs - before.syncs, counts.records - before.records);
        assert_eq!(records, u64::from(SUBMITTERS) * EACH, "every one was written");
        for funder in funders {
            let held = store.held(&funder.state.channel).unwrap();
            assert_eq!(held.highest_amount(), amount(EACH));
        }
        drop(acceptance);
        store.shutdown().await.unwrap();
        Figures {
            per_second: per_second(records.into(), took),
            syncs_per_second: per_second(syncs.into(), took),
            mean_batch: records / syncs.max(1),
            largest_batch: counts.largest_batch,
        }
    })
}

fn amount(units: u64) -> Amount {
    Amount::new(units.into()).unwrap()
}

fn per_second(count: u128, took: Duration) -> u128 {
    count * 1_000_000_000 / took.as_nanos().max(1)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn funder(number: u8, config: &Config) -> Funder {
    let secret = CommitmentSecret::from_seed_hex(&hex::encode([number; 32])).unwrap();
    let channel = ContractId([number; 32]);
    let signed = (1..=EACH)
        .map(|units| {
            let commitment = Commitment { network: config.network_id(), channel, amount: amount(units) };
            (commitment, commitment.sign(&secret))
        })
        .collect();
    let far = Some(Ledger(HEAD.0 + 1_000_000));
    let state = ChannelState {
        channel,
        layout: Layout::Paychan,
        wasm_hash: CODE,
        token: TOKEN,
        token_kind: TokenKind::Wasm(WasmHash([204; 32])),
        from: Address::Account(AccountId([201; 32])),
        to: RECIPIENT,
        commitment_key: secret.public().to_bytes(),
        refund_waiting_period: 17_280,
        deposited: Some(amount(1_000_000_000)),
        withdrawn: Amount::ZERO,
        close_effective_at: None,
        refunded: false,
        balance: amount(1_000_000_000),
        balance_authorized: true,
        balance_clawback: false,
        lives: Lives { instance: far, code: far, token_balance: far, token_instance: far, token_code: far },
        read_at: HEAD,
    };
    Funder { state, secret, signed }
}

fn admission(state: &ChannelState) -> Admission {
    Admission::of(state)
}

/// Puts everything into the view that a follower would have seen just now.
fn see_chain(view: &View, funders: &[Funder]) {
    let head = Head { ledger: HEAD, closed_at_unix_ms: Some(SystemClock.wall_unix_ms()) };
    view.set_head(head, SystemClock.boot());
    view.set_network(NetworkTerms { target_close_ms: 5_000, max_entry_ttl: 3_110_400 });
    view.set_lane(LaneFacts {
        account: AccountId([210; 32]),
        balance: Stroops(i64::MAX / 2),
        spendable: Stroops(i64::MAX / 2),
        read_at: HEAD,
    });
    view.set_token(&TOKEN, TokenRisk::Native, HEAD);
    view.set_payability(&TOKEN, &RECIPIENT, Payability::Room(Amount::MAX), HEAD, Amount::ZERO);
    for funder in funders {
        view.merge_channel(funder.state.clone());
    }
}

fn config_text() -> String {
    format!(
        r#"
data_dir = "/nowhere"
token = {{ file = "/nowhere/token" }}

[network]
passphrase = "Standalone Network ; February 2017"
rpc_url = "http://127.0.0.1:8000"

[[recipients]]
address = "{RECIPIENT}"

[[trusted_code]]
wasm_hash = "{CODE}"
layout = "paychan"
settle_needs_recipient = false

[[tokens]]
contract = "{TOKEN}"
code = "TEST"
decimals = 7
minimum_deposit = "10000000"
dust = "100000"
stroops_per_unit = "40000000"

[lane]
secret = {{ file = "/nowhere/lane" }}
"#
    )
}
