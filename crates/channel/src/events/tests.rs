#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use super::*;
use crate::AccountId;
use crate::scval::{amount, bytes, symbol};
use stellar_xdr::ScMapEntry;

const FROM: Address = Address::Account(AccountId([3; 32]));
const TO: Address = Address::Contract(ContractId([4; 32]));
const TOKEN: ContractId = ContractId([2; 32]);

fn data(fields: Vec<(&'static str, ScVal)>) -> ScVal {
    let entries: Vec<_> = fields.into_iter().map(|(name, val)| ScMapEntry { key: symbol(name), val }).collect();
    ScVal::Map(Some(ScMap(entries.try_into().unwrap())))
}

fn address(address: impl Into<Address>) -> ScVal {
    ScVal::Address(address.into().to_sc())
}

fn nine() -> Amount {
    Amount::new(9).unwrap()
}

fn terms() -> Vec<(&'static str, ScVal)> {
    vec![
        ("amount", amount(nine())),
        ("commitment_key", bytes([6; 32])),
        ("refund_waiting_period", ScVal::U32(100)),
        ("token", address(TOKEN)),
    ]
}

#[test]
fn both_layouts_of_an_event_are_read_alike() {
    let open = ChannelEvent::Open {
        from: FROM,
        to: TO,
        commitment_key: [6; 32],
        token: TOKEN,
        amount: nine(),
        refund_waiting_period: 100,
    };
    let topics = [symbol("open"), address(FROM), address(TO)];
    assert_eq!(decode(&topics, &data(terms())), Ok(Some(open.clone())));
    let mut all = terms();
    all.extend([("from", address(FROM)), ("to", address(TO))]);
    assert_eq!(decode(&[symbol("open")], &data(all)), Ok(Some(open)));

    let paid = data(vec![("amount", amount(nine()))]);
    for (name, party, event) in [
        ("withdraw", "to", ChannelEvent::Withdraw { to: FROM, amount: nine() }),
        ("refund", "from", ChannelEvent::Refund { from: FROM, amount: nine() }),
        ("deposit", "from", ChannelEvent::Deposit { from: FROM, amount: nine() }),
    ] {
        assert_eq!(decode(&[symbol(name), address(FROM)], &paid), Ok(Some(event.clone())));
        let flat = data(vec![("amount", amount(nine())), (party, address(FROM))]);
        assert_eq!(decode(&[symbol(name)], &flat), Ok(Some(event)));
    }
}

#[test]
fn a_close_tells_the_deadline() {
    let close = data(vec![("effective_at_ledger", ScVal::U32(77))]);
    let event = ChannelEvent::Close { effective_at: Ledger(77) };
    assert_eq!(decode(&[symbol("close")], &close), Ok(Some(event)));
}

#[test]
fn an_event_of_another_name_is_none_of_ours() {
    assert_eq!(decode(&[symbol("transfer"), address(FROM), address(TO)], &ScVal::Void), Ok(None));
    assert_eq!(decode(&[], &ScVal::Void), Ok(None));
    assert_eq!(decode(&[ScVal::U32(1)], &ScVal::Void), Ok(None));
}

#[test]
fn an_event_of_our_name_with_other_contents_is_an_error_that_names_it() {
    let error = decode(&[symbol("close")], &ScVal::Void).unwrap_err();
    assert_eq!(error.to_string(), "an event `close` that no channel emits: `data` should be a map");
    let error = decode(&[symbol("close"), address(FROM)], &data(vec![])).unwrap_err();
    assert_eq!(error.event, "close");
    let negative = data(vec![("amount", ScVal::from(-1i128))]);
    let error = decode(&[symbol("withdraw"), address(TO)], &negative).unwrap_err();
    assert_eq!(error.source, ValueError::Negative { name: "amount", value: -1 });
}
