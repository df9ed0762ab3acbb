//! What a run takes from its environment: the Wasm, the rules, the number of sequences and the seed.

use std::{env, path::Path};

use paychan_proof::model::Rules;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

use paychan_proof::{
    drive::{Tally, drive},
    moves::{HEADER, MAX_STEPS, STEP, Sequence, Step},
    network::Network,
};

/// The Wasm that is tested: ours, or the one that `PAYCHAN_PROOF_WASM` names.
pub(crate) fn wasm() -> Vec<u8> {
    env::var_os("PAYCHAN_PROOF_WASM").map_or_else(ours, |path| read(path.as_ref()))
}

/// Our Wasm, as scripts/build-contracts.sh left it.
pub(crate) fn ours() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    read(&root.join("target/contracts/paychan_contract.wasm"))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}; run scripts/build-contracts.sh", path.display()))
}

/// The rules that the Wasm must follow: `PAYCHAN_PROOF_RULES`.
pub(crate) fn rules() -> Rules {
    match env::var("PAYCHAN_PROOF_RULES").as_deref() {
        Err(_) | Ok("paychan") => Rules::Paychan,
        Ok("reference") => Rules::Reference,
        Ok("fork") => Rules::Fork,
        Ok(other) => panic!("PAYCHAN_PROOF_RULES is {other}; expected paychan, reference or fork"),
    }
}

/// The number of sequences in all: `PAYCHAN_SEQUENCES`.
pub(crate) fn sequences() -> u64 {
    env::var("PAYCHAN_SEQUENCES").map_or(2_000, |text| text.parse().expect("PAYCHAN_SEQUENCES is a number"))
}

/// The number of sequences that one seed makes, which share a network. It is small, so that a failed batch is quick to
/// run again.
const BATCH: u64 = 25;

/// Any sequence of the alphabet. It shrinks to fewer steps and smaller bytes.
pub(crate) fn any_sequence() -> impl Strategy<Value = Sequence> {
    let steps = prop::collection::vec(any::<[u8; STEP]>(), 1..=MAX_STEPS);
    (any::<[u8; HEADER]>(), steps)
        .prop_map(|(header, steps)| Sequence::new(header, steps.iter().map(Step::decode).collect()))
}

/// Runs about `count` sequences, in batches of random seeds, or the one batch of `PAYCHAN_SEED`.
pub(crate) fn run(count: u64) {
    let mut tally = Tally::default();
    if let Ok(seed) = env::var("PAYCHAN_SEED") {
        batch(parse(&seed), BATCH, &mut tally);
        return;
    }
    let mut left = count;
    while left > 0 {
        let size = left.min(BATCH);
        batch(rand_seed(), size, &mut tally);
        left -= size;
        if env::var_os("PAYCHAN_PROGRESS").is_some() && (left / BATCH).is_multiple_of(40) {
            eprintln!("{} of {count} sequences", count - left);
        }
    }
    for (what, times) in &tally.0 {
        println!("{times:>8}  {what}");
    }
}

fn batch(seed: [u8; 32], size: u64, tally: &mut Tally) {
    let (wasm, rules) = (wasm(), rules());
    let net = std::cell::RefCell::new(Network::start(&wasm).unwrap());
    let tallied = std::cell::RefCell::new(Tally::default());
    let config = Config {
        cases: u32::try_from(size).unwrap(),
        max_shrink_iters: 3_000,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let outcome = TestRunner::new_with_rng(config, rng).run(&any_sequence(), |sequence| {
        if net.borrow().is_spent() {
            *net.borrow_mut() = Network::start(&wasm).unwrap();
        }
        let counts =
            drive(&net.borrow(), rules, &sequence).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
        tallied.borrow_mut().add(counts);
        Ok(())
    });
    tally.add(tallied.into_inner());
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, sequence)) => panic!(
            "{reason}\n\nThe shortest sequence that shows it:\n{sequence:#?}\n\nAgain: PAYCHAN_SEED={}",
            text(seed)
        ),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// A seed that is different each time.
fn rand_seed() -> [u8; 32] {
    use std::hash::BuildHasher as _;
    let mut seed = [0; 32];
    for part in seed.chunks_mut(8) {
        // The standard library seeds each of these from the system.
        let random = std::hash::RandomState::new().hash_one(0_u8);
        part.copy_from_slice(&random.to_be_bytes());
    }
    seed
}

fn text(seed: [u8; 32]) -> String {
    seed.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(text: &str) -> [u8; 32] {
    let bytes: Vec<u8> =
        (0..text.len() / 2).map(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).unwrap()).collect();
    bytes.try_into().expect("PAYCHAN_SEED is 64 hexadecimal digits")
}
