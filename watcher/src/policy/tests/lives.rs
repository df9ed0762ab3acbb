//! Tests which entries are extended and restored.

use super::*;

type SetLife = fn(&mut ChannelState, Option<Ledger>);

/// The entries of [`state`], with a function that sets until when each lives.
fn entries_of_state() -> [(LedgerKey, SetLife); 4] {
    let holder = paychan_channel::Address::Contract(CHANNEL);
    [
        (ledger_keys::instance(&CHANNEL), |state, until| state.lives.instance = until),
        (ledger_keys::code(&CODE), |state, until| state.lives.code = until),
        (ledger_keys::token_balance(&TOKEN, &holder), |state, until| state.lives.token_balance = until),
        (ledger_keys::instance(&TOKEN), |state, until| state.lives.token_instance = until),
    ]
}

#[test]
fn each_entry_below_the_floor_is_extended_and_only_that() {
    for (key, set) in entries_of_state() {
        let mut short = state();
        set(&mut short, Some(Ledger(HEAD.0 + 999)));
        assert_eq!(Case::of(short.clone(), 0).decide(), Action::Extend { keys: vec![key] });
        set(&mut short, Some(Ledger(HEAD.0 + 1_000)));
        assert_eq!(Case::of(short, 0).decide(), Action::Wait);
    }
}

#[test]
fn the_entries_of_a_channel_that_can_not_be_read_are_not_extended_again_and_again() {
    let mut short = state();
    short.lives.instance = Some(Ledger(HEAD.0 + 999));
    let mut case = Case::of(short, 0);
    let extensions = |case: &Case| plan(&[case.known()], &limits(), Turn::default()).extensions().count();
    assert_eq!(extensions(&case), 1);
    case.unreadable = true;
    assert_eq!((case.decide(), extensions(&case)), (Action::Wait, 0));
}

#[test]
fn a_tokens_own_code_is_kept_alive_too() {
    let hash = WasmHash([9; 32]);
    let mut short = state();
    short.token_kind = TokenKind::Wasm(hash);
    short.lives.token_code = Some(Ledger(HEAD.0 + 1));
    assert_eq!(Case::of(short, 0).decide(), Action::Extend { keys: vec![ledger_keys::code(&hash)] });
}

#[test]
fn an_archived_entry_cannot_be_extended_and_is_reported() {
    for until in [0, HEAD.0 - 1] {
        let mut archived = state();
        archived.lives.token_balance = Some(Ledger(until));
        assert_eq!(
            Case::of(archived.clone(), 0).decide(),
            Action::Report(Report::Archived { entries: vec!["token balance"] })
        );
        archived.lives.code = Some(Ledger(HEAD.0 + 5));
        let others = Action::Extend { keys: vec![ledger_keys::code(&CODE)] };
        assert_eq!(Case::of(archived, 0).decide(), others, "the others are extended first");
    }
}

#[test]
fn an_entry_is_archived_once_the_head_is_above_its_last_ledger_even_if_it_was_read_before() {
    let mut read_before = state();
    read_before.read_at = Ledger(HEAD.0 - 10);
    read_before.lives.code = Some(Ledger(HEAD.0 - 1));
    assert!(has_archived(&channel_view(read_before.clone()), HEAD));
    read_before.lives.code = Some(HEAD);
    assert!(!has_archived(&channel_view(read_before), HEAD));
}

#[test]
fn an_entry_that_does_not_exist_needs_nothing() {
    let mut empty = state();
    empty.lives.token_balance = None;
    assert_eq!(Case::of(empty, 0).decide(), Action::Wait);
}

/// An empty store.
fn store() -> (tempfile::TempDir, paychan_store::Store) {
    let dir = tempfile::tempdir().unwrap();
    let options = paychan_store::Options::default();
    let (store, _) = paychan_store::Store::open_for_operator(dir.path(), &config().network_id(), options).unwrap();
    (dir, store)
}

#[test]
fn the_networks_longest_life_bounds_extensions_and_their_floor() {
    let (_dir, store) = store();
    let (config, view, past) = (config(), view(), Past::default());
    let (store, view, past) = (&store, &view, &past);
    let sources = SurveySources { config: &config, store, view, promised_fees: None, past, now_ms: WALL_MS };
    view.set_network(NetworkTerms { max_entry_ttl: 1_001, ..NETWORK_TERMS });
    let limits = sources.limits().unwrap();
    assert_eq!(limits.extend_to, 1_000);
    assert_eq!(limits.life_floor, 500, "an entry just extended is not due again");
    view.set_network(NETWORK_TERMS);
    view.set_settle_resource_fee(Stroops(77));
    let limits = sources.limits().unwrap();
    assert_eq!((limits.extend_to, limits.life_floor), (518_400, 51_840));
    assert_eq!(limits.resource_fee, Stroops(77));
}

#[test]
fn extensions_may_cost_what_the_promises_leave_over_and_nothing_before_these_are_counted() {
    let (_dir, store) = store();
    let (config, view, past) = (config(), view(), Past::default());
    let (store, view, past) = (&store, &view, &past);
    let spare = |promised_fees| {
        let sources = SurveySources { config: &config, store, view, promised_fees, past, now_ms: WALL_MS };
        sources.limits().unwrap().spare
    };
    assert_eq!(spare(Some(Stroops(400_000_000))), Stroops(600_000_000));
    assert_eq!(spare(None), Stroops(0));
}

#[test]
fn shared_entries_are_extended_once_and_many_channels_go_together() {
    let near = Some(Ledger(HEAD.0 + 10));
    let cases: Vec<Case> = (11..=70u8)
        .map(|id| {
            let mut short = ChannelState { channel: ContractId([id; 32]), ..state() };
            short.lives =
                Lives { instance: near, code: near, token_balance: near, token_instance: near, token_code: None };
            let mut case = Case::of(short, 0);
            case.held.admission.channel = ContractId([id; 32]);
            case
        })
        .collect();
    let known: Vec<Known<'_>> = cases.iter().map(Case::known).collect();
    let plan = plan(&known, &limits(), Turn::default());
    let extensions: Vec<&Extension> = plan.extensions().collect();
    let keys: Vec<&LedgerKey> = extensions.iter().flat_map(|extension| &extension.keys).collect();
    let unique: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(keys.len(), 60 + 60 + 2, "instances and balances of each, code and token once");
    assert_eq!(unique.len(), keys.len());
    assert_eq!(extensions.len(), 2);
    for extension in extensions {
        assert!(extension.keys.len() <= ENTRIES_PER_EXTENSION);
        assert_eq!((extension.extend_to, extension.bid), (50_000, Stroops(200)));
        assert!(!extension.channels.is_empty());
    }
}

#[test]
fn nobody_pays_rent_for_a_channel_that_owes_nothing_and_is_idle() {
    let mut short = state();
    short.lives.instance = Some(Ledger(HEAD.0 + 10));
    let used = Case::of(ChannelState { withdrawn: units(5_000_000), ..short }, 5_000_000).since(10 * DAY);
    assert_eq!(used.decide(), Action::Report(Report::Idle));
    let planned = plan(&[used.known()], &limits(), Turn::default());
    assert_eq!((planned.items.len(), planned.drops.len()), (0, 0));
}

#[test]
fn an_archived_entry_is_restored_by_a_settlement_when_something_is_unsettled_for_a_while() {
    let mut archived = state();
    archived.lives.instance = Some(Ledger(0));
    let hour = Duration::from_secs(3_600);
    let case = Case::of(archived.clone(), 5_000_000).since(hour - Duration::from_secs(1));
    assert_eq!(case.decide(), Action::Report(Report::Archived { entries: vec!["instance"] }));
    assert_eq!(Case::of(archived.clone(), 5_000_000).since(hour).decide(), settle(5_000_000, 200, Reason::Archived));
    assert!(matches!(Case::of(archived, 0).decide(), Action::Report(Report::Archived { .. })), "nothing to settle");
}

#[test]
fn an_archived_entry_of_a_channel_in_use_is_restored_when_no_settlement_will_do_it() {
    let mut archived = ChannelState { withdrawn: units(5_000_000), ..state() };
    (archived.lives.instance, archived.lives.code) = (Some(Ledger(0)), Some(Ledger(HEAD.0 - 1)));
    let keys = vec![ledger_keys::instance(&CHANNEL), ledger_keys::code(&CODE)];
    let mut case = Case::of(archived.clone(), 5_000_000);
    assert_eq!(case.decide(), Action::Restore { keys: keys.clone() });
    let restorations: Vec<Restoration> =
        plan(&[case.known()], &limits(), Turn::default()).restorations().cloned().collect();
    let expected =
        Restoration { keys, channels: vec![CHANNEL], bid: Stroops(200), worth: limits().spare, not_before: Ledger(0) };
    assert_eq!(restorations, [expected]);
    // An endpoint that always says that live entries are archived must not empty the fee account.
    case.tried.extension.failures = 4;
    assert_eq!(case.decide(), Action::Report(Report::Archived { entries: vec!["instance", "code"] }));
    assert_eq!(plan(&[case.known()], &limits(), Turn::default()).items, []);
    // For dust no settlement is made, so none restores the entries. At the dust limit one will.
    for (paid, restored) in [(4_900_001, true), (4_900_000, false)] {
        let case = Case::of(ChannelState { withdrawn: units(paid), ..archived.clone() }, 5_000_000);
        assert_eq!(matches!(case.decide(), Action::Restore { .. }), restored, "{paid} are paid");
    }
    // Channels that were never used, are idle or are ending are not restored.
    let idle = Case::of(archived.clone(), 5_000_000).since(10 * DAY);
    let ends = Case::of(ChannelState { close_effective_at: Some(Ledger(HEAD.0 + 50)), ..archived.clone() }, 5_000_000);
    let unused = Case::of(ChannelState { withdrawn: Amount::ZERO, ..archived }, 0);
    for case in [idle, ends, unused] {
        assert_eq!(plan(&[case.known()], &limits(), Turn::default()).restorations().count(), 0);
    }
}

#[test]
fn an_archived_entry_is_restored_when_a_payout_failed_and_channels_that_share_it_go_together() {
    let case = |id: u8| {
        let mut archived = ChannelState { channel: ContractId([id; 32]), ..closing(1_000) };
        archived.lives.code = Some(Ledger(0));
        let mut case = Case::of(archived, 500_000_000);
        case.held.admission.channel = ContractId([id; 32]);
        case
    };
    let mut cases = [case(1), case(2)];
    let planned =
        |cases: &[Case; 2]| plan(&cases.iter().map(Case::known).collect::<Vec<_>>(), &limits(), Turn::default());
    assert_eq!(planned(&cases).restorations().count(), 0, "the settlements restore it");
    cases.iter_mut().for_each(|case| case.tried.payout.failures = 1);
    let plan = planned(&cases);
    let restorations: Vec<&Restoration> = plan.restorations().collect();
    assert_eq!(restorations.len(), 1);
    assert_eq!((restorations[0].keys.len(), restorations[0].channels.len()), (1, 2));
    assert_eq!(plan.payouts().count(), 2, "and the payouts are tried again");
    // What was archived when it was last read may be something else by now.
    cases.iter_mut().for_each(|case| case.unreadable = true);
    assert_eq!(planned(&cases).restorations().count(), 0);
    cases.iter_mut().for_each(|case| (case.unreadable, case.view.state.refunded) = (false, true));
    assert_eq!(planned(&cases).restorations().count(), 0, "they have ended");
}

/// Used channels with `id`s, each with its own archived instance, and with archived code that they share.
fn archived_channels(ids: std::ops::RangeInclusive<u8>, share_code: bool) -> Vec<Case> {
    let archived = |id| {
        let mut state = ChannelState { channel: ContractId([id; 32]), withdrawn: units(5_000_000), ..state() };
        state.lives.instance = Some(Ledger(0));
        if share_code {
            state.lives.code = Some(Ledger(0));
        }
        let mut case = Case::of(state, 5_000_000);
        case.held.admission.channel = ContractId([id; 32]);
        case
    };
    ids.map(archived).collect()
}

fn restorations_of(cases: &[Case]) -> Vec<Restoration> {
    let known: Vec<Known<'_>> = cases.iter().map(Case::known).collect();
    plan(&known, &limits(), Turn::default()).restorations().cloned().collect()
}

#[test]
fn only_channels_that_share_an_archived_entry_are_restored_together_and_not_too_many() {
    assert_eq!(restorations_of(&archived_channels(1..=3, false)).len(), 3);
    let many = restorations_of(&archived_channels(1..=150, true));
    assert_eq!(many.len(), 2);
    assert!(many.iter().all(|restoration| restoration.keys.len() <= ENTRIES_PER_EXTENSION));
}

#[test]
fn a_channel_whose_entry_can_not_be_brought_back_or_extended_keeps_no_other_from_it() {
    let mut cases = archived_channels(1..=3, true);
    cases[0].tried.extension = Retry { failures: 1, not_before: Ledger(HEAD.0 + 64) };
    let order: Vec<(Vec<u8>, Ledger)> = restorations_of(&cases)
        .into_iter()
        .map(|restoration| (restoration.channels.iter().map(|id| id.0[0]).collect(), restoration.not_before))
        .collect();
    assert_eq!(order, [(vec![2, 3], Ledger(0)), (vec![1], Ledger(HEAD.0 + 64))]);

    for case in &mut cases {
        case.view.state.lives = state().lives;
        case.view.state.lives.instance = Some(Ledger(HEAD.0 + 10));
    }
    let known: Vec<Known<'_>> = cases.iter().map(Case::known).collect();
    let planned = plan(&known, &limits(), Turn::default());
    let order: Vec<(usize, Ledger)> =
        planned.extensions().map(|extension| (extension.channels.len(), extension.not_before)).collect();
    assert_eq!(order, [(2, Ledger(0)), (1, Ledger(HEAD.0 + 64))]);
}

#[test]
fn a_closing_channel_with_money_in_it_is_kept_alive_too() {
    let mut short = closing(17_000);
    short.lives.instance = Some(Ledger(HEAD.0 + 10));
    let case = Case::of(short.clone(), 500_000_000);
    let plan_ = plan(&[case.known()], &limits(), Turn::default());
    assert!(matches!(&plan_.items[..], [Item::Pay(_), Item::Extend(_)]), "{:?}", plan_.items);
    let paid = Case::of(ChannelState { withdrawn: units(500_000_000), ..short }, 500_000_000);
    assert_eq!(plan(&[paid.known()], &limits(), Turn::default()).items, []);
}
