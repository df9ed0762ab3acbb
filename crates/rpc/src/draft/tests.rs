#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use paychan_channel::{Amount, ContractId, WasmHash, calls, ledger_keys};
use stellar_xdr::{HostFunction, Limits, WriteXdr};

use super::*;
use crate::operations;

const TESTNET: &str = "Test SDF Network ; September 2015";
const CHANNEL: &str = "CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ";

// Made with @stellar/stellar-sdk 14.6.1: a `settle` of [`draft`], footprint and resources of [`simulated`] with 564
// write bytes and a resource fee of 60,219, ledger bounds 0 to 1005 and no other precondition (without the SDK's
// `minSeqNum` of 0, which would allow skipped sequence numbers), signed by the accounts of seeds 1... and 2...
const SDK_HASH: &str = "7915fd25378f6c5d4b2c5c1b17aeba03dc092f7f27d13ea15d15ca7c48f1d3e1";
const SDK_ENVELOPE: &str = "AAAAAgAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAA7yMAAAAAAAAAKgAAAAIAAAAAAAAAAQAAAAAAAAPtAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAQAAAAEAAAAAgTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5QAAAAYAAAAAAAAAAGq1pVAumTDQvWIFMrk3YLX\
    F7p3fXYzyBwJ4PSRBtHdjAAAAAZzZXR0bGUAAAAAAAIAAAAKAAAAAAAAAAAAAAAAAFuNgAAAAA0AAABAAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD\
    AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwAAAAAAAAABAAAAAAAAAAEAAAAHBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF\
    BQUFBQUFBQUAAAABAAAABgAAAAGq1pVAumTDQvWIFMrk3YLXF7p3fXYzyBwJ4PSRBtHdjAAAABQAAAABAA9CQAAAAAAAAAI0AAAAAAAA6zsAAAAC\
    tA9vXAAAAEAp8c22t1XhOCUPUL+RvUeJBuxCFEo1rGt4gEXe1PHXwvwYs/KWaF6Hneq6wnjrTV24y0mAHHdp1aKFlzpJHnsAj8mzlAAAAEDxB9kW\
    gU+jE04FsqMNmLUJS4t0aXwU58tyRHsMbVLrqrhFyJjQceyyoPYITwrBHUS/jcIR20PpklyW6oJ3enYD";

fn lane() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn recipient() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

fn settle() -> HostFunction {
    let channel: ContractId = CHANNEL.parse().unwrap();
    calls::settle(&channel, Amount::new(6_000_000).unwrap(), &paychan_channel::Signature([3; 64]))
}

fn draft() -> Draft {
    Draft {
        source: lane().account(),
        sequence: 42,
        operations: vec![operations::invoke(Some(recipient().account()), settle())],
        ledger_bounds: Some(LedgerBounds { min_ledger: 0, max_ledger: 1005 }),
        time_bounds: None,
        inclusion_fee: Stroops(1000),
        soroban: None,
    }
}

fn simulated() -> Simulated {
    let channel: ContractId = CHANNEL.parse().unwrap();
    let mut data =
        operations::footprint(vec![ledger_keys::code(&WasmHash([5; 32]))], vec![ledger_keys::instance(&channel)])
            .unwrap();
    data.resources.instructions = 1_000_000;
    data.resources.write_bytes = 500;
    data.resource_fee = 60_000;
    Simulated { data, auth: vec![], return_value: None, restore_first: false }
}

#[test]
fn a_settlement_is_the_same_bytes_and_hash_as_the_javascript_sdk_makes() {
    let extra = ExtraWrites::for_channels(1, Stroops(3500)).unwrap();
    let mut envelope = assemble(&draft(), &simulated(), extra).unwrap().into();
    let network = NetworkId::of(TESTNET);
    let hash = sign(&mut envelope, &network, &[&lane(), &recipient()]).unwrap();
    assert_eq!(envelope.to_xdr_base64(Limits::none()).unwrap(), SDK_ENVELOPE);
    assert_eq!(hash.to_string(), SDK_HASH);
}

#[test]
fn the_fee_is_inclusion_plus_resources_plus_what_the_extra_bytes_cost() {
    // ceil(64 × 3500 / 1024) = ceil(218.75)
    let extra = ExtraWrites::for_channels(1, Stroops(3500)).unwrap();
    assert_eq!((extra.bytes(), extra.fee()), (64, Stroops(219)));
    let transaction = assemble(&draft(), &simulated(), extra).unwrap();
    let TransactionExt::V1(data) = &transaction.ext else { panic!("no resources") };
    assert_eq!((data.resources.write_bytes, data.resource_fee), (564, 60_219));
    assert_eq!(transaction.fee, 61_219);
}

/// The network's own formula over all bytes never gives more than the sum of the two parts that are paid here.
#[test]
fn extra_bytes_are_covered_whatever_was_simulated() {
    let ceil = |bytes: i64, rate: i64| (bytes * rate + 1023) / 1024;
    for rate in [0, 1, 7, 1000, 3500, 11_800] {
        for simulated in [0, 1, 500, 1023, 1024, 1025, 99_999] {
            for channels in [1u32, 2, 30] {
                let extra = ExtraWrites::for_channels(channels, Stroops(rate)).unwrap();
                let whole = ceil(simulated + i64::from(extra.bytes()), rate);
                assert!(ceil(simulated, rate) + extra.fee().0 >= whole, "{simulated} {rate} {channels}");
            }
        }
    }
}

#[test]
fn a_close_gets_room_for_the_balance_as_well() {
    // ceil((64 + 224) × 875 / 1024) = ceil(246.09)
    let extra = ExtraWrites::for_close(Stroops(875)).unwrap();
    assert_eq!((extra.bytes(), extra.fee()), (288, Stroops(247)));
}

#[test]
fn numbers_that_do_not_fit_are_errors_and_never_wrap() {
    assert_eq!(ExtraWrites::for_channels(u32::MAX, Stroops(1)), Err(BuildError::TooManyWriteBytes));
    assert_eq!(ExtraWrites::for_channels(1, Stroops(i64::MAX)), Err(BuildError::FeeTooLarge));
    let dear = Draft { inclusion_fee: Stroops(i64::from(u32::MAX)), ..draft() };
    assert_eq!(assemble(&dear, &simulated(), ExtraWrites::NONE).unwrap_err(), BuildError::FeeTooLarge);
    let dearer = Draft { inclusion_fee: Stroops(i64::MAX), ..draft() };
    assert_eq!(assemble(&dearer, &simulated(), ExtraWrites::NONE).unwrap_err(), BuildError::FeeTooLarge);
    let negative = Draft { inclusion_fee: Stroops(-1), ..draft() };
    assert_eq!(negative.build().unwrap_err(), BuildError::FeeTooLarge);
    let mut full = simulated();
    full.data.resources.write_bytes = u32::MAX;
    let extra = ExtraWrites::for_channels(1, Stroops(0)).unwrap();
    assert_eq!(assemble(&draft(), &full, extra).unwrap_err(), BuildError::TooManyWriteBytes);
}

#[test]
fn a_transaction_needs_operations_and_exactly_one_if_it_calls_a_contract() {
    let none = Draft { operations: vec![], ..draft() };
    assert_eq!(none.build().unwrap_err(), BuildError::Operations(0));
    let operation = operations::invoke(None, settle());
    let two = Draft { operations: vec![operation.clone(), operation.clone()], ..draft() };
    assert_eq!(assemble(&two, &simulated(), ExtraWrites::NONE).unwrap_err(), BuildError::Operations(2));
    let many = Draft { operations: vec![operation; 101], ..draft() };
    assert_eq!(many.build().unwrap_err(), BuildError::Operations(101));
}

#[test]
fn a_key_signs_once_however_often_it_is_given() {
    let mut envelope = draft().build().unwrap();
    let network = NetworkId::of(TESTNET);
    let first = sign(&mut envelope, &network, &[&lane(), &lane()]).unwrap();
    let again = sign(&mut envelope, &network, &[&lane()]).unwrap();
    let TransactionEnvelope::Tx(signed) = envelope else { panic!("not a plain transaction") };
    assert_eq!((signed.signatures.len(), first), (1, again));
    assert_eq!(signed.signatures[0].hint.0, lane().account().0[28..]);
}

#[test]
fn authorizations_of_the_simulation_are_taken_and_those_of_the_draft_are_kept() {
    use stellar_xdr::{
        SorobanAuthorizationEntry, SorobanAuthorizedFunction, SorobanAuthorizedInvocation, SorobanCredentials,
    };
    let HostFunction::InvokeContract(call) = settle() else { panic!("not a call") };
    let entry = SorobanAuthorizationEntry {
        credentials: SorobanCredentials::SourceAccount,
        root_invocation: SorobanAuthorizedInvocation {
            function: SorobanAuthorizedFunction::ContractFn(call),
            sub_invocations: VecM::default(),
        },
    };
    let auth_of = |draft: &Draft, auth: Vec<SorobanAuthorizationEntry>| {
        let simulated = Simulated { auth, ..simulated() };
        let transaction = assemble(draft, &simulated, ExtraWrites::NONE).unwrap();
        match &transaction.operations[0].body {
            OperationBody::InvokeHostFunction(call) => call.auth.to_vec(),
            _ => panic!("not a call"),
        }
    };
    assert_eq!(auth_of(&draft(), vec![entry.clone()]), vec![entry.clone()]);
    let mut own = draft();
    if let OperationBody::InvokeHostFunction(call) = &mut own.operations[0].body {
        call.auth = vec![entry.clone()].try_into().unwrap();
    }
    assert_eq!(auth_of(&own, vec![entry.clone(), entry.clone()]), vec![entry]);
}
