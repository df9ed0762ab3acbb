//! A channel, its configuration and its view, of which a unit test changes one part.
#![allow(clippy::unwrap_used, reason = "a fixture that fails is a failing test")]

use std::time::Duration;

use paychan_channel::{
    AccountId, Address, Amount, ChannelState, CommitmentSecret, ContractId, Layout, Ledger, Lives, SacAsset, Signature,
    Stroops, TokenKind, WasmHash,
};

use crate::chain::{Head, LaneFacts, NetworkTerms};
use crate::config::Config;
use crate::view::{ChannelView, View};
use paychan_channel::{IssuerFlags, Payability, TokenRisk};
use paychan_store::{Admission, Held, HeldCommitment, RequestId};

pub(crate) const CHANNEL: ContractId = ContractId([1; 32]);
pub(crate) const TOKEN: ContractId = ContractId([2; 32]);
pub(crate) const FUNDER: Address = Address::Account(AccountId([3; 32]));
pub(crate) const RECIPIENT: Address = Address::Account(AccountId([4; 32]));
pub(crate) const CODE: WasmHash = WasmHash([5; 32]);
pub(crate) const ISSUER: AccountId = AccountId([6; 32]);
pub(crate) const LANE: AccountId = AccountId([7; 32]);
pub(crate) const SEED: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// The time now, by the wall clock and since boot.
pub(crate) const WALL_MS: u64 = 1_800_000_000_000;
pub(crate) const BOOT: Duration = Duration::from_secs(3_600);
pub(crate) const HEAD: Ledger = Ledger(1_000_000);

pub(crate) fn units(n: u64) -> Amount {
    Amount::from(n)
}

pub(crate) fn secret() -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(SEED).unwrap()
}

/// A configuration that admits [`state`], with `more` at its end.
pub(crate) fn config_text(more: &str) -> String {
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
code = "USDC"
decimals = 7
minimum_deposit = "10000000"
dust = "100000"
stroops_per_unit = "40000000"

[lane]
secret = {{ file = "/nowhere/lane" }}
{more}"#
    )
}

pub(crate) fn config() -> Config {
    Config::parse(&config_text("")).unwrap()
}

/// An open channel with 100 tokens that has paid nothing yet.
pub(crate) fn state() -> ChannelState {
    let far = Some(Ledger(HEAD.0 + 1_000_000));
    ChannelState {
        channel: CHANNEL,
        layout: Layout::Paychan,
        wasm_hash: CODE,
        token: TOKEN,
        token_kind: TokenKind::Asset(SacAsset::Asset { code: "USDC".to_owned(), issuer: ISSUER }),
        from: FUNDER,
        to: RECIPIENT,
        commitment_key: secret().public().to_bytes(),
        refund_waiting_period: 17_280,
        deposited: Some(units(1_000_000_000)),
        withdrawn: Amount::ZERO,
        close_effective_at: None,
        refunded: false,
        balance: units(1_000_000_000),
        balance_authorized: true,
        balance_clawback: false,
        lives: Lives { instance: far, code: far, token_balance: far, token_instance: far, token_code: None },
        read_at: HEAD,
    }
}

pub(crate) fn held(highest: u64) -> Held {
    let state = state();
    let mut held = Held::new(Admission::of(&state));
    if highest > 0 {
        held.accepted = 1;
        held.highest = Some(HeldCommitment {
            amount: units(highest),
            signature: Signature([0; 64]),
            request_id: RequestId::new("one").unwrap(),
            accepted_at_ms: WALL_MS,
        });
    }
    held
}

pub(crate) fn channel_view(state: ChannelState) -> ChannelView {
    ChannelView {
        deadline: state.deadline(),
        close_agreed: state.deadline().is_some(),
        ended: state.is_final(),
        gap_free_to: state.read_at,
        trouble: None,
        state,
    }
}

pub(crate) const NETWORK_TERMS: NetworkTerms = NetworkTerms { target_close_ms: 5_000, max_entry_ttl: 3_110_400 };

pub(crate) fn lane(spendable: i64) -> LaneFacts {
    LaneFacts { account: LANE, balance: Stroops(spendable + 10_000_000), spendable: Stroops(spendable), read_at: HEAD }
}

/// A view in which the channel of [`state`] takes commitments.
pub(crate) fn view() -> View {
    let view = View::new();
    view.set_network(NETWORK_TERMS);
    view.set_head(Head { ledger: HEAD, closed_at_unix_ms: Some(WALL_MS) }, BOOT);
    view.merge_channel(state());
    view.set_lane(lane(1_000_000_000));
    let flags = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: false };
    view.set_token(&TOKEN, TokenRisk::Asset { issuer: ISSUER, flags: Some(flags) }, HEAD);
    view.set_payability(&TOKEN, &RECIPIENT, Payability::Room(Amount::MAX), HEAD, Amount::ZERO);
    view
}
