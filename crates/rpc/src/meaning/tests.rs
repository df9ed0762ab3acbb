#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use paychan_channel::{
    AccountId, Address, Amount, ChannelState, ContractId, Layout, Ledger, Lives, SacAsset, Signature, TokenKind,
    WasmHash, calls, ledger_keys,
};
use stellar_xdr::{
    ContractDataDurability, ContractExecutable, Hash, HostFunction, InvokeContractArgs, LedgerKey,
    LedgerKeyContractData, ScVal, SorobanAddressCredentials, SorobanAuthorizedFunction, SorobanAuthorizedInvocation,
    SorobanCredentials, SorobanResourcesExtV0,
};

use super::*;
use crate::{Simulated, assemble, operations};

const CHANNEL: ContractId = ContractId([7; 32]);
const TOKEN: ContractId = ContractId([8; 32]);
const CODE: WasmHash = WasmHash([9; 32]);
const FUNDER: AccountId = AccountId([1; 32]);
const RECIPIENT: AccountId = AccountId([2; 32]);
const ISSUER: AccountId = AccountId([3; 32]);
const LANE: AccountId = AccountId([4; 32]);
const STRANGER: AccountId = AccountId([66; 32]);

fn asset() -> SacAsset {
    SacAsset::Asset { code: "USDC".to_owned(), issuer: ISSUER }
}

fn state() -> ChannelState {
    ChannelState {
        channel: CHANNEL,
        layout: Layout::Paychan,
        wasm_hash: CODE,
        token: TOKEN,
        token_kind: TokenKind::Asset(asset()),
        from: Address::Account(FUNDER),
        to: Address::Account(RECIPIENT),
        commitment_key: [5; 32],
        refund_waiting_period: 17_280,
        deposited: Some(Amount::from(100)),
        withdrawn: Amount::ZERO,
        close_effective_at: None,
        refunded: false,
        balance: Amount::from(100),
        balance_authorized: true,
        balance_clawback: false,
        lives: Lives::default(),
        read_at: Ledger(1),
    }
}

fn settle() -> HostFunction {
    calls::settle(&CHANNEL, Amount::from(5), &Signature([6; 64]))
}

fn top_up() -> HostFunction {
    calls::top_up(&CHANNEL, Amount::from(5))
}

fn transfer(amount: u64) -> HostFunction {
    let (from, to) = (Address::Account(FUNDER), Address::Contract(CHANNEL));
    calls::token_transfer(&TOKEN, &from, &to, Amount::from(amount))
}

fn draft(operation: Operation, soroban: Option<SorobanTransactionData>) -> Draft {
    Draft {
        source: LANE,
        sequence: 42,
        operations: vec![operation],
        ledger_bounds: None,
        time_bounds: None,
        inclusion_fee: Stroops(100),
        soroban,
    }
}

fn call(function: HostFunction) -> Draft {
    draft(operations::invoke(None, function), None)
}

/// An honest node's simulation of a settlement: it reads the code and the token, and writes the channel, its balance
/// and the recipient's trustline.
fn honest() -> Simulated {
    let channel = Address::Contract(CHANNEL);
    let trustline = ledger_keys::trustline(&RECIPIENT, &asset().to_xdr().unwrap()).unwrap();
    let read_only = vec![ledger_keys::code(&CODE), ledger_keys::instance(&TOKEN), ledger_keys::account(&ISSUER)];
    let read_write = vec![ledger_keys::instance(&CHANNEL), ledger_keys::token_balance(&TOKEN, &channel), trustline];
    let mut data = operations::footprint(read_only, read_write).unwrap();
    data.resource_fee = 60_000;
    Simulated { data, auth: Vec::new(), return_value: None, restore_first: false }
}

fn settling() -> Meaning {
    Meaning {
        authorization: Authorization::Nobody,
        entries: Entries::of_channel(&state()),
        max_resource_fee: ResourceFeeCaps::USUAL.call,
    }
}

fn topping_up() -> Meaning {
    let within = vec![transfer(5)];
    Meaning { authorization: Authorization::Call { within, signers: Vec::new() }, ..settling() }
}

/// Checks the transaction that a simulation gives.
fn verdict(meaning: &Meaning, draft: &Draft, simulated: &Simulated) -> Result<(), NotMeant> {
    let transaction = assemble(draft, simulated, ExtraWrites::NONE).unwrap();
    meaning.check(draft, ExtraWrites::NONE, &transaction)
}

fn node(function: &HostFunction, below: Vec<SorobanAuthorizedInvocation>) -> SorobanAuthorizedInvocation {
    let HostFunction::InvokeContract(args) = function else { panic!("not a call") };
    let function = SorobanAuthorizedFunction::ContractFn(args.clone());
    SorobanAuthorizedInvocation { function, sub_invocations: below.try_into().unwrap() }
}

fn entry(credentials: SorobanCredentials, root: SorobanAuthorizedInvocation) -> SorobanAuthorizationEntry {
    SorobanAuthorizationEntry { credentials, root_invocation: root }
}

fn by_source(root: SorobanAuthorizedInvocation) -> SorobanAuthorizationEntry {
    entry(SorobanCredentials::SourceAccount, root)
}

fn by(account: AccountId, root: SorobanAuthorizedInvocation) -> SorobanAuthorizationEntry {
    let address = Address::Account(account).to_sc();
    entry(SorobanCredentials::Address(SorobanAddressCredentials { address, ..Default::default() }), root)
}

fn with_auth(auth: Vec<SorobanAuthorizationEntry>) -> Simulated {
    Simulated { auth, ..honest() }
}

fn with_writes(more: Vec<LedgerKey>) -> Simulated {
    let mut simulated = honest();
    let mut keys = simulated.data.resources.footprint.read_write.to_vec();
    keys.extend(more);
    simulated.data.resources.footprint.read_write = keys.try_into().unwrap();
    simulated
}

#[test]
fn an_honest_simulation_passes() {
    assert_eq!(verdict(&settling(), &call(settle()), &honest()), Ok(()));
    let deposit = by_source(node(&top_up(), vec![node(&transfer(5), vec![])]));
    assert_eq!(verdict(&topping_up(), &call(top_up()), &with_auth(vec![deposit])), Ok(()));
    assert_eq!(
        verdict(&topping_up(), &call(top_up()), &honest()),
        Ok(()),
        "fewer authorizations pass, since the call then fails on chain"
    );
}

#[test]
fn a_transfer_added_anywhere_below_the_root_is_refused() {
    let stolen = [
        vec![node(&transfer(6), vec![])],
        vec![node(&transfer(5), vec![]), node(&transfer(5), vec![])],
        vec![node(&transfer(5), vec![node(&transfer(5), vec![])])],
        vec![node(&settle(), vec![])],
    ];
    for below in stolen {
        let simulated = with_auth(vec![by_source(node(&top_up(), below))]);
        let refused = verdict(&topping_up(), &call(top_up()), &simulated);
        assert!(matches!(refused, Err(NotMeant::Call { .. })), "{refused:?}");
    }
}

#[test]
fn another_root_is_refused() {
    let simulated = with_auth(vec![by_source(node(&transfer(5), vec![]))]);
    let refused = verdict(&topping_up(), &call(top_up()), &simulated).unwrap_err();
    assert!(refused.to_string().contains("transfer(3 arguments) of"), "{refused}");
}

#[test]
fn a_settlement_that_anyone_may_send_authorizes_nothing() {
    let simulated = with_auth(vec![by_source(node(&settle(), vec![]))]);
    assert!(matches!(verdict(&settling(), &call(settle()), &simulated), Err(NotMeant::Call { .. })));
}

#[test]
fn one_call_means_one_authorization_of_the_source() {
    let deposit = || by_source(node(&top_up(), vec![]));
    let twice = with_auth(vec![deposit(), deposit()]);
    assert_eq!(verdict(&topping_up(), &call(top_up()), &twice), Err(NotMeant::ManyAuthorizations(2)));
}

#[test]
fn only_the_signers_named_sign_entries_of_their_own_and_each_once() {
    let meaning =
        |signers| Meaning { authorization: Authorization::Call { within: vec![transfer(5)], signers }, ..settling() };
    let tree = || node(&top_up(), vec![node(&transfer(5), vec![])]);
    let one = with_auth(vec![by(FUNDER, tree())]);
    assert_eq!(verdict(&meaning(vec![FUNDER]), &call(top_up()), &one), Ok(()));
    assert!(matches!(verdict(&meaning(vec![]), &call(top_up()), &one), Err(NotMeant::Signer { .. })));
    let two = with_auth(vec![by(FUNDER, tree()), by(FUNDER, tree())]);
    assert!(matches!(verdict(&meaning(vec![FUNDER]), &call(top_up()), &two), Err(NotMeant::Signer { .. })));
    let below = with_auth(vec![by(FUNDER, node(&top_up(), vec![node(&transfer(6), vec![])]))]);
    assert!(matches!(verdict(&meaning(vec![FUNDER]), &call(top_up()), &below), Err(NotMeant::Call { .. })));
    // A source signs the transaction. Anyone who saw a signed entry of its own could use it apart from the transaction.
    let lane = with_auth(vec![by(LANE, tree())]);
    assert!(matches!(verdict(&meaning(vec![FUNDER]), &call(top_up()), &lane), Err(NotMeant::Signer { .. })));
}

#[test]
fn a_foreign_key_in_the_footprint_is_refused() {
    let elsewhere = ContractId([77; 32]);
    let temporary = LedgerKey::ContractData(LedgerKeyContractData {
        contract: elsewhere.to_sc(),
        key: ScVal::Void,
        durability: ContractDataDurability::Temporary,
    });
    let foreign = [
        ledger_keys::account(&STRANGER),
        ledger_keys::trustline(&STRANGER, &asset().to_xdr().unwrap()).unwrap(),
        ledger_keys::code(&WasmHash([78; 32])),
        ledger_keys::instance(&elsewhere),
        ledger_keys::token_balance(&TOKEN, &Address::Contract(elsewhere)),
        temporary,
    ];
    for key in foreign {
        let simulated = with_writes(vec![key.clone()]);
        let refused = verdict(&settling(), &call(settle()), &simulated);
        assert!(matches!(refused, Err(NotMeant::Entry { access: "write", .. })), "{refused:?}");
        let anything = Meaning { entries: Entries::Any, ..settling() };
        assert_eq!(verdict(&anything, &call(settle()), &simulated), Ok(()));
    }
}

#[test]
fn a_close_may_touch_the_funders_trustline() {
    let trustline = ledger_keys::trustline(&FUNDER, &asset().to_xdr().unwrap()).unwrap();
    assert_eq!(verdict(&settling(), &call(settle()), &with_writes(vec![trustline])), Ok(()));
}

#[test]
fn a_token_with_code_of_its_own_may_keep_its_entries_where_it_likes() {
    let state = ChannelState { token_kind: TokenKind::Wasm(WasmHash([10; 32])), ..state() };
    assert_eq!(Entries::of_channel(&state), Entries::Any);
    assert_eq!(Entries::of_channels(None, [&self::state(), &state]), Entries::Any);
}

#[test]
fn a_resource_fee_of_hundreds_of_xlm_is_refused() {
    let mut simulated = honest();
    simulated.data.resource_fee = 4_000_000_000;
    let refused = verdict(&settling(), &call(settle()), &simulated).unwrap_err();
    assert!(refused.to_string().contains("4000000000 stroops (400 XLM)"), "{refused}");
    simulated.data.resource_fee = ResourceFeeCaps::USUAL.call.0;
    assert_eq!(verdict(&settling(), &call(settle()), &simulated), Ok(()));
    simulated.data.resource_fee += 1;
    assert!(verdict(&settling(), &call(settle()), &simulated).is_err());
    let mut transaction = assemble(&call(settle()), &honest(), ExtraWrites::NONE).unwrap();
    let TransactionExt::V1(data) = &mut transaction.ext else { panic!("resources") };
    data.resource_fee = -1;
    transaction.fee = 99;
    let refused = settling().check(&call(settle()), ExtraWrites::NONE, &transaction);
    assert!(matches!(refused, Err(NotMeant::ResourceFee { .. })), "{refused:?}");
}

#[test]
fn a_transaction_that_differs_from_its_draft_is_refused() {
    let draft = call(settle());
    let good = assemble(&draft, &honest(), ExtraWrites::NONE).unwrap();
    type Change = fn(&mut Transaction);
    let changes: [(&str, Change); 7] = [
        ("an operation replaced", |tx| {
            tx.operations = vec![operations::invoke(None, calls::refund(&CHANNEL))].try_into().unwrap();
        }),
        ("an operation added", |tx| {
            let more = operations::invoke(None, calls::refund(&CHANNEL));
            tx.operations = [tx.operations.to_vec(), vec![more]].concat().try_into().unwrap();
        }),
        ("another source of the operation", |tx| {
            tx.operations = vec![operations::invoke(Some(STRANGER), settle())].try_into().unwrap();
        }),
        ("another source", |tx| tx.source_account = STRANGER.to_muxed()),
        ("another sequence number", |tx| tx.seq_num.0 += 1),
        ("a higher fee", |tx| tx.fee += 1),
        ("a memo", |tx| tx.memo = stellar_xdr::Memo::Id(1)),
    ];
    for (what, change) in changes {
        let mut transaction = good.clone();
        change(&mut transaction);
        let refused = settling().check(&draft, ExtraWrites::NONE, &transaction);
        assert!(matches!(refused, Err(NotMeant::Transaction(_))), "{what}: {refused:?}");
    }
}

#[test]
fn an_extension_extends_the_entries_asked_for_and_no_others() {
    let own = ledger_keys::instance(&CHANNEL);
    let foreign = ledger_keys::code(&WasmHash([78; 32]));
    let asked = operations::footprint(vec![own.clone()], Vec::new()).unwrap();
    let draft = draft(operations::extend(100_000), Some(asked));
    let meaning = Meaning {
        authorization: Authorization::Nobody,
        entries: Entries::Any,
        max_resource_fee: ResourceFeeCaps::USUAL.extend,
    };
    let told =
        |read_only, read_write| Simulated { data: operations::footprint(read_only, read_write).unwrap(), ..honest() };
    assert_eq!(verdict(&meaning, &draft, &told(vec![own.clone()], vec![])), Ok(()));
    let more = verdict(&meaning, &draft, &told(vec![own.clone(), foreign.clone()], vec![]));
    assert!(matches!(more, Err(NotMeant::Entry { access: "extend", .. })), "{more:?}");
    let written = verdict(&meaning, &draft, &told(vec![own], vec![foreign]));
    assert!(matches!(written, Err(NotMeant::Entry { access: "write", .. })), "{written:?}");
}

#[test]
fn a_restoration_restores_the_entries_asked_for_and_no_others() {
    let own = ledger_keys::instance(&CHANNEL);
    let foreign = ledger_keys::code(&WasmHash([78; 32]));
    let asked = operations::footprint(Vec::new(), vec![own.clone()]).unwrap();
    let draft = draft(operations::restore(), Some(asked));
    let meaning = Meaning { max_resource_fee: ResourceFeeCaps::USUAL.restore, ..settling() };
    let told = |read_write| Simulated { data: operations::footprint(vec![], read_write).unwrap(), ..honest() };
    assert_eq!(verdict(&meaning, &draft, &told(vec![own.clone()])), Ok(()));
    let more = verdict(&meaning, &draft, &told(vec![own, foreign]));
    assert!(matches!(more, Err(NotMeant::Entry { access: "restore", .. })), "{more:?}");
}

fn marked(marks: &[u32]) -> Simulated {
    let mut simulated = honest();
    let archived_soroban_entries = marks.to_vec().try_into().unwrap();
    simulated.data.ext = SorobanTransactionDataExt::V1(SorobanResourcesExtV0 { archived_soroban_entries });
    simulated
}

#[test]
fn marks_of_archived_entries_reach_the_transaction_and_malformed_ones_do_not() {
    // 0 and 1 are the channel's instance and balance; 2 is a trustline, which can't be archived.
    let simulated = marked(&[0, 1]);
    assert_eq!(verdict(&settling(), &call(settle()), &simulated), Ok(()));
    let transaction = assemble(&call(settle()), &simulated, ExtraWrites::NONE).unwrap();
    let TransactionExt::V1(data) = transaction.ext else { panic!("resources") };
    assert_eq!(data.ext, simulated.data.ext);
    assert_eq!(simulated.archived().count(), 2);
    for wrong in [&[1, 0][..], &[0, 0], &[2], &[3]] {
        let refused = verdict(&settling(), &call(settle()), &marked(wrong));
        assert!(matches!(refused, Err(NotMeant::ArchivedMarks(_))), "{wrong:?}: {refused:?}");
    }
}

#[test]
fn a_foreign_entry_cannot_be_restored_at_our_cost() {
    let mut simulated = with_writes(vec![ledger_keys::code(&WasmHash([78; 32]))]);
    simulated.data.ext = marked(&[3]).data.ext;
    assert!(matches!(verdict(&settling(), &call(settle()), &simulated), Err(NotMeant::Entry { .. })));
}

#[test]
fn an_unexpected_call_is_described_in_words() {
    let HostFunction::CreateContractV2(args) =
        calls::create_plain(&Address::Account(FUNDER), [0; 32], &WasmHash([1; 32]))
    else {
        panic!("not a creation")
    };
    assert_eq!(args.executable, ContractExecutable::Wasm(Hash([1; 32])));
    let root = SorobanAuthorizedInvocation {
        function: SorobanAuthorizedFunction::CreateContractV2HostFn(args),
        sub_invocations: Default::default(),
    };
    let refused = verdict(&topping_up(), &call(top_up()), &with_auth(vec![by_source(root)])).unwrap_err();
    assert!(refused.to_string().contains("the creation of a contract"), "{refused}");
    let odd = InvokeContractArgs {
        contract_address: CHANNEL.to_sc(),
        function_name: stellar_xdr::ScSymbol("a\nb".try_into().unwrap()),
        args: Default::default(),
    };
    let root = node(&HostFunction::InvokeContract(odd), vec![]);
    let refused = verdict(&topping_up(), &call(top_up()), &with_auth(vec![by_source(root)])).unwrap_err();
    assert!(!refused.to_string().contains('\n'), "{refused:?}");
}
