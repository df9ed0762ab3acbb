//! Tests with a token that has code of its own. The standard (SEP-41) does not fix its storage, so the watcher compares
//! what it reads of the entries with what `balance` returns, over the real RPC.

use std::fs;

use paychan_channel::calls::{self, OpenTerms};
use paychan_channel::xdr::HostFunction;
use paychan_channel::{Amount, CommitmentSecret, ContractId, WasmHash};
use paychan_rpc::Meaning;
use paychan_rpc::submit::Call;
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::programs::contract_wasm;
use paychan_tests::watcher::Watcher;

const WAITING_PERIOD: u32 = 400;

/// The Wasm of a contract with one function, `balance`, that always returns `units`. It keeps no entries.
fn token_wasm(units: u8) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    let mut section = |id: u8, content: &[u8]| {
        wasm.extend([id, u8::try_from(content.len()).unwrap()]);
        wasm.extend(content);
    };
    // The interface's version, which the host requires: protocol 23, no pre-release (XDR SCEnvMetaEntry).
    let mut meta = vec![17];
    meta.extend(b"contractenvmetav0");
    meta.extend([0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 0]);
    section(0, &meta);
    // There is one type, i64 -> i64, one function of it, and its export.
    section(1, &[1, 0x60, 1, 0x7e, 1, 0x7e]);
    section(3, &[1, 0]);
    let mut export = vec![1, 7];
    export.extend(b"balance");
    export.extend([0, 0]);
    section(7, &export);
    // The value is an i64.const: the number, shifted left, with the tag of a small I128, 11 (CAP-46-01).
    let mut code = vec![0, 0x42];
    let mut value = (i64::from(units) << 8) | 11;
    while value >= 0x40 {
        code.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    code.extend([u8::try_from(value).unwrap(), 0x0b]);
    let mut body = vec![1, u8::try_from(code.len()).unwrap()];
    body.extend(code);
    section(10, &body);
    wasm
}

async fn as_funder(env: &TestEnv, function: HostFunction) {
    let id = env.network.id();
    let call =
        Call { function, operation_source: None, channel: None, token: None, meaning: Meaning::of_trusted_endpoint() };
    env.network.submitter(&env.funder.secret, &id).call(&call).await.expect("the funder's calls work");
}

async fn upload(env: &TestEnv, wasm: Vec<u8>) -> WasmHash {
    let hash = WasmHash::of(&wasm);
    as_funder(env, calls::upload(wasm).expect("small enough")).await;
    hash
}

/// A token whose `balance` returns this, and an empty channel in it.
async fn channel_in_token(env: &TestEnv, units: u8) -> (ContractId, ContractId) {
    let (id, deployer) = (env.network.id(), env.funder.address());
    let code = upload(env, token_wasm(units)).await;
    as_funder(env, calls::create_plain(&deployer, [1; 32], &code)).await;
    let token = calls::channel_id(&id, &deployer, [1; 32]);
    let channel_code = upload(env, fs::read(contract_wasm()).unwrap()).await;
    let terms = OpenTerms {
        token,
        from: deployer,
        commitment_key: CommitmentSecret::generate().unwrap().public(),
        to: env.recipient.address(),
        amount: Amount::ZERO,
        refund_waiting_period: WAITING_PERIOD,
    };
    as_funder(env, calls::create(&deployer, [2; 32], &channel_code, &terms)).await;
    (token, calls::channel_id(&id, &deployer, [2; 32]))
}

/// The kind of the refusal of the channel by a watcher that accepts the token.
async fn kind_of_refusal(units: u8) -> String {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let (token, channel) = channel_in_token(&env, units).await;
    let mut watcher: Watcher = env.watcher();
    let config = fs::read_to_string(&watcher.config).unwrap();
    let takes_it = config.replace(
        &format!("contract = \"{}\"", env.usdc.contract),
        &format!("contract = \"{token}\"\nissuer_may_claw_back = true\nissuer_may_revoke = true"),
    );
    assert_ne!(takes_it, config);
    fs::write(&watcher.config, takes_it).unwrap();
    watcher.start().await;
    let (status, body) = watcher.admit(&channel).await;
    assert_eq!(status, 422, "{body}");
    body["kind"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_that_says_another_balance_than_its_entries_is_refused() {
    assert_eq!(kind_of_refusal(100).await, "token_storage_unknown");
}

#[tokio::test]
async fn a_token_that_says_what_its_entries_say_goes_on_to_the_next_rule() {
    // The next rule refuses the channel, since it is empty.
    assert_eq!(kind_of_refusal(0).await, "coverage_too_low");
}
