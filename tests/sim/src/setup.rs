//! Keys, channels and the configuration of a simulated watcher.

use std::path::{Path, PathBuf};

use paychan_channel::{Address, Amount, ChannelState, CommitmentSecret, ContractId};
use paychan_rpc::SecretKey;
use paychan_store::Admission;

use crate::network as sim;

/// The number of ledgers between two sweeps.
pub const SWEEP_INTERVAL: u32 = 20;
/// The waiting period of every channel, in ledgers. It is the shortest that the configuration accepts.
pub const WAITING: u32 = 120;
/// The highest inclusion fee, in stroops.
pub const MAX_FEE: i64 = 1_000_000;
pub const DEPOSIT: i128 = 1_000_000_000;

pub fn lane() -> SecretKey {
    SecretKey::from_seed(&[21; 32])
}

/// The first recipient.
pub fn recipient() -> SecretKey {
    recipient_at(0)
}

/// The recipient with this number, counted from zero.
pub fn recipient_at(number: u8) -> SecretKey {
    SecretKey::from_seed(&[22 + number; 32])
}

pub fn funder(number: u8) -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(&hex::encode([number; 32])).unwrap()
}

pub fn id(number: u8) -> ContractId {
    ContractId([number; 32])
}

pub fn amount(units: i128) -> Amount {
    Amount::new(units).unwrap()
}

/// The channel with this number, counted from one, which pays the first recipient.
pub fn open_channel(number: u8) -> ChannelState {
    open_channel_to(number, 0)
}

/// The channel with this number, which pays the recipient with the number `to`.
pub fn open_channel_to(number: u8, to: u8) -> ChannelState {
    let to = Address::Account(recipient_at(to).account());
    sim::channel(number, to, &funder(number).public(), DEPOSIT, WAITING)
}

pub fn admission(state: &ChannelState) -> Admission {
    Admission::of(state)
}

/// The configuration of a watcher for the first recipient.
pub fn config_text(dir: &Path) -> String {
    config_text_for(dir, 1)
}

/// The configuration of a watcher for this number of recipients.
pub fn config_text_for(dir: &Path, recipients: u8) -> String {
    let data: PathBuf = dir.join("data");
    let to: String = (0..recipients)
        .map(|number| format!("[[recipients]]\naddress = \"{}\"\n\n", recipient_at(number).account()))
        .collect();
    format!(
        r#"
data_dir = {data:?}
token = {{ file = "/nowhere/token" }}
minimum_refund_waiting_period = {WAITING}

[network]
passphrase = "{passphrase}"
rpc_url = "http://127.0.0.1:1"

{to}[[trusted_code]]
wasm_hash = "{code}"
layout = "paychan"
settle_needs_recipient = false

[[tokens]]
contract = "{token}"
code = "USDC"
decimals = 7
minimum_deposit = "10000000"
dust = "100000"
stroops_per_unit = "40000000"

[lane]
secret = {{ file = "/nowhere/lane" }}

[fees]
max_inclusion_fee = "{MAX_FEE}"
assumed_resource_fee = "50000"

[reaction]
sweep_interval_ledgers = {SWEEP_INTERVAL}
sweep_ledgers = 1
node_lag_ledgers = 2
attempts = 3
confirm_ledgers = 2

[fresh]
ledgers = 6
seconds = 60

[life]
floor_ledgers = 1000
extend_to_ledgers = 5000
"#,
        passphrase = sim::PASSPHRASE,
        code = sim::CODE,
        token = sim::TOKEN,
    )
}
