//! One test for each rule: a channel that breaks only this rule is refused with its kind.

use paychan_channel::{Amount, ChannelState, ContractId, Layout, Ledger, WasmHash};
use paychan_watcher_api::ProblemKind;

use crate::channels::{Candidate, Refused, Rules, admit};
use crate::config::Config;
use crate::fixtures::{CHANNEL, CODE, FUNDER, HEAD, ISSUER, RECIPIENT, TOKEN, config, config_text, state, units};
use paychan_channel::{IssuerFlags, Payability, TokenRisk};
use paychan_store::Admission;

const NO_FLAGS: IssuerFlags = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: false };

fn token(flags: IssuerFlags) -> TokenRisk {
    TokenRisk::Asset { issuer: ISSUER, flags: Some(flags) }
}

fn candidate(state: ChannelState) -> Candidate {
    Candidate {
        state,
        token: token(NO_FLAGS),
        payability: Payability::Room(Amount::MAX),
        told_balance: None,
        proved_live: false,
    }
}

fn admit_under(config: &Config, candidate: Candidate) -> Result<Admission, Refused> {
    let floor = config.floor(5_000, 5, 1).unwrap();
    admit(candidate, &Rules { config, floor: &floor, shortest_watched: None, payable_elsewhere: Amount::ZERO })
}

fn refused(state: ChannelState) -> ProblemKind {
    let refused = admit_under(&config(), candidate(state)).expect_err("this channel must be refused");
    assert!(!refused.to_string().is_empty());
    refused.kind()
}

#[test]
fn a_channel_that_keeps_every_rule_is_admitted_as_it_was_read() {
    let admission = admit_under(&config(), candidate(state())).unwrap();
    assert_eq!(
        admission,
        Admission {
            channel: CHANNEL,
            token: TOKEN,
            from: FUNDER,
            to: RECIPIENT,
            commitment_key: state().commitment_key,
            refund_waiting_period: 17_280,
            wasm_hash: CODE,
            layout: Layout::Paychan,
            admitted_at: HEAD,
            paid_before: Amount::ZERO,
            clawback: false,
        }
    );
}

#[test]
fn foreign_code_is_refused_and_so_is_code_with_another_layout_than_trusted() {
    assert_eq!(refused(ChannelState { wasm_hash: WasmHash([9; 32]), ..state() }), ProblemKind::ForeignCode);
    assert_eq!(refused(ChannelState { layout: Layout::Reference, ..state() }), ProblemKind::ForeignLayout);
    let mut config = config();
    let other = WasmHash([8; 32]);
    config.trusted_code.push(crate::config::TrustedCode { wasm_hash: other, ..config.trusted_code[0] });
    let foreign = candidate(ChannelState { wasm_hash: WasmHash([9; 32]), ..state() });
    let text = admit_under(&config, foreign).unwrap_err().to_string();
    assert!(text.contains(&format!("trusted are {CODE}, {other}")), "{text}");
}

#[test]
fn a_channel_that_pays_somebody_else_is_refused() {
    assert_eq!(refused(ChannelState { to: FUNDER, ..state() }), ProblemKind::ForeignRecipient);
}

#[test]
fn a_channel_in_an_unlisted_token_is_refused() {
    assert_eq!(refused(ChannelState { token: ContractId([9; 32]), ..state() }), ProblemKind::UnlistedToken);
}

#[test]
fn code_that_wants_the_recipients_authorization_needs_the_recipients_key() {
    let wants = config_text("").replace("settle_needs_recipient = false", "settle_needs_recipient = true");
    let without = Config::parse(&wants).unwrap();
    let refused = admit_under(&without, candidate(state())).unwrap_err();
    assert_eq!(refused.kind(), ProblemKind::RecipientKeyMissing);
    let address = format!("address = \"{RECIPIENT}\"");
    let with = wants.replace(&address, &format!("{address}\nsecret = {{ file = \"/x\" }}"));
    assert!(admit_under(&Config::parse(&with).unwrap(), candidate(state())).is_ok());
}

#[test]
fn an_off_curve_and_a_weak_commitment_key_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(refused(ChannelState { commitment_key: identity, ..state() }), ProblemKind::WeakKey);
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert_eq!(refused(ChannelState { commitment_key: off_curve, ..state() }), ProblemKind::WeakKey);
}

#[test]
fn a_closing_and_a_final_channel_are_refused() {
    assert_eq!(refused(ChannelState { close_effective_at: Some(Ledger(9_999_999)), ..state() }), ProblemKind::Closing);
    assert_eq!(refused(ChannelState { refunded: true, ..state() }), ProblemKind::Final);
}

#[test]
fn a_channel_with_an_archived_entry_is_refused_until_it_is_restored() {
    let mut archived = state();
    archived.lives.code = Some(Ledger(0));
    assert_eq!(refused(archived.clone()), ProblemKind::Archived);
    // An endpoint that wrongly says that live entries are archived, as some do, locks nobody out.
    assert!(admit_under(&config(), Candidate { proved_live: true, ..candidate(archived) }).is_ok());
}

#[test]
fn a_coverage_below_the_minimum_deposit_is_refused_and_what_was_paid_out_counts() {
    let low = ChannelState { balance: units(9_999_999), ..state() };
    assert_eq!(refused(low.clone()), ProblemKind::CoverageTooLow);
    assert!(admit_under(&config(), candidate(ChannelState { withdrawn: units(1), ..low })).is_ok());
}

#[test]
fn a_short_waiting_period_is_refused_by_the_configured_minimum_and_by_the_floor() {
    assert_eq!(refused(ChannelState { refund_waiting_period: 17_279, ..state() }), ProblemKind::WaitingPeriodTooShort);

    let config = config();
    let floor = config.floor(5_000, 5, 4_000).unwrap();
    assert!(floor.waiting_period > 17_280);
    let refused = admit(
        candidate(state()),
        &Rules { config: &config, floor: &floor, shortest_watched: None, payable_elsewhere: Amount::ZERO },
    )
    .unwrap_err();
    assert_eq!(refused, Refused::WaitingPeriodTooShort { found: 17_280, minimum: floor.waiting_period });
}

#[test]
fn one_channel_more_is_refused_when_it_would_make_the_others_wait_too_long() {
    let config = config();
    let floor = config.floor(5_000, 5, 4_000).unwrap();
    let long = ChannelState { refund_waiting_period: 6_307_200, ..state() };
    let rules = |shortest| Rules {
        config: &config,
        floor: &floor,
        shortest_watched: Some(shortest),
        payable_elsewhere: Amount::ZERO,
    };
    let refused = admit(candidate(long.clone()), &rules(17_280)).unwrap_err();
    assert_eq!(refused, Refused::TooManyChannels { floor: floor.waiting_period, shortest: 17_280 });
    assert!(admit(candidate(long), &rules(floor.waiting_period)).is_ok());
}

#[test]
fn an_issuer_that_can_take_or_freeze_is_refused_unless_the_list_says_so() {
    let claw_back = token(IssuerFlags { may_claw_back: true, ..NO_FLAGS });
    let revoke = token(IssuerFlags { may_revoke: true, ..NO_FLAGS });
    let kind = |config: &Config, token: TokenRisk, state: ChannelState| {
        admit_under(config, Candidate { token, ..candidate(state) }).err().map(|refused| refused.kind())
    };
    let strict = config();
    assert_eq!(kind(&strict, claw_back, state()), Some(ProblemKind::IssuerMayClawBack));
    assert_eq!(kind(&strict, revoke, state()), Some(ProblemKind::IssuerMayRevoke));
    let marked = ChannelState { balance_clawback: true, ..state() };
    assert_eq!(
        kind(&strict, token(NO_FLAGS), marked.clone()),
        Some(ProblemKind::IssuerMayClawBack),
        "the balance keeps the mark"
    );
    assert_eq!(kind(&strict, TokenRisk::Opaque, state()), Some(ProblemKind::OpaqueToken));
    assert_eq!(kind(&strict, TokenRisk::Native, state()), None);
    assert_eq!(kind(&strict, TokenRisk::Asset { issuer: ISSUER, flags: None }, state()), None);

    let risky =
        config_text("").replace("decimals = 7", "decimals = 7\nissuer_may_claw_back = true\nissuer_may_revoke = true");
    let risky = Config::parse(&risky).unwrap();
    for token in [claw_back, revoke, TokenRisk::Opaque] {
        assert_eq!(kind(&risky, token, marked.clone()), None);
    }
    for one in ["issuer_may_claw_back", "issuer_may_revoke"] {
        let text = config_text("").replace("decimals = 7", &format!("decimals = 7\n{one} = true"));
        let half = Config::parse(&text).unwrap();
        assert_eq!(kind(&half, TokenRisk::Opaque, state()), Some(ProblemKind::OpaqueToken), "{one} alone");
    }
    let frozen = ChannelState { balance_authorized: false, ..state() };
    assert_eq!(
        kind(&risky, revoke, frozen),
        Some(ProblemKind::BalanceFrozen),
        "the list does not allow a balance that is frozen already"
    );
}

#[test]
fn a_recipient_that_cannot_be_paid_the_whole_balance_is_refused() {
    let balance = state().balance;
    let less = balance.saturating_sub(units(1));
    for payability in
        [Payability::AccountMissing, Payability::TrustlineMissing, Payability::NotAuthorized, Payability::Room(less)]
    {
        let refused = admit_under(&config(), Candidate { payability, ..candidate(state()) }).unwrap_err();
        assert_eq!(refused, Refused::RecipientUnpayable { balance, elsewhere: Amount::ZERO, payability });
    }
    assert!(admit_under(&config(), Candidate { payability: Payability::Room(balance), ..candidate(state()) }).is_ok());
}

#[test]
fn room_that_other_channels_of_the_recipient_need_is_not_counted() {
    let config = config();
    let floor = config.floor(5_000, 5, 1).unwrap();
    let admit_beside = |elsewhere| {
        let rules =
            Rules { config: &config, floor: &floor, shortest_watched: None, payable_elsewhere: units(elsewhere) };
        admit(Candidate { payability: Payability::Room(units(1_500_000_000)), ..candidate(state()) }, &rules)
    };
    assert!(admit_beside(500_000_000).is_ok());
    assert_eq!(admit_beside(500_000_001).unwrap_err().kind(), ProblemKind::RecipientUnpayable);
}

#[test]
fn a_token_whose_entries_disagree_with_its_balance_function_is_refused() {
    let told = |told_balance| admit_under(&config(), Candidate { told_balance, ..candidate(state()) });
    assert!(told(Some(Some(state().balance))).is_ok());
    for other in [None, Some(Amount::ZERO), Some(state().balance.saturating_add(units(1)))] {
        assert_eq!(told(Some(other)).unwrap_err().kind(), ProblemKind::TokenStorageUnknown);
    }
}
