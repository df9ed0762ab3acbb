//! The gap between a transaction's simulation and its inclusion: how others can make the transaction fail then, and
//! what a sender does about it.

use paychan_proof::{
    chain::{CLOSE_MARGIN, Chain, WRITE_MARGIN},
    model::{Call, Claim, Event, Opening, Party, Refusal, Rules, Signature},
    network::Network,
    token::LineChange,
};

use crate::support::ours;

/// A channel of ours with a deposit of 1,000 and a wait of 10 ledgers.
struct TestEnv<'n>(Chain<'n>);

type Answered = Result<Vec<Event>, Refusal>;

impl<'n> TestEnv<'n> {
    fn new(net: &'n Network) -> Self {
        let mut test = Self(Chain::new(net, Rules::Paychan, [1_000_000, 0, 1_000]).unwrap());
        let opening = Opening { amount: 1_000, wait: 10, weak_key: None };
        test.call(Party::Funder, Call::Open(opening)).unwrap();
        test
    }

    fn call(&mut self, by: Party, call: Call) -> Answered {
        self.across(by, call, |_| {})
    }

    /// Makes a call, with `gap` between its simulation and its inclusion.
    fn across(&mut self, by: Party, call: Call, gap: impl FnOnce(&mut Self)) -> Answered {
        let prepared = self.0.prepare(by, &call).unwrap()?;
        gap(self);
        let hash = self.0.submit(&prepared).unwrap();
        self.0.close_ledger().unwrap();
        self.0.answer(&prepared, hash).unwrap().result
    }

    fn line(&mut self, of: Party, change: LineChange) {
        let line = self.0.model().unwrap().lines[of.index()];
        let prepared = self.0.prepare_line(of, change, line).unwrap();
        let hash = self.0.submit(&prepared).unwrap();
        self.0.close_ledger().unwrap();
        self.0.answer(&prepared, hash).unwrap().result.unwrap();
    }
}

fn good(amount: i128) -> Claim {
    Claim { amount, signature: Signature::Good }
}

fn close_start(test: &mut TestEnv<'_>) {
    test.call(Party::Funder, Call::CloseStart).unwrap();
}

fn top_up(test: &mut TestEnv<'_>) {
    test.call(Party::Funder, Call::TopUp(1)).unwrap();
}

#[test]
fn only_the_margin_lets_a_settle_survive_a_close_start_in_the_gap() {
    let net = Network::start(&ours()).unwrap();
    for (margin, survives) in [(0, false), (WRITE_MARGIN, true)] {
        let mut test = TestEnv::new(&net);
        test.0.set_margins(margin, 0);
        let answered = test.across(Party::Stranger, Call::Settle(good(400)), close_start);
        let expected = if survives { Ok(vec![Event::Withdraw { amount: 400 }]) } else { Err(Refusal::Resources) };
        assert_eq!(answered, expected, "with {margin} bytes");
    }
}

#[test]
fn a_close_survives_tokens_a_settle_and_a_close_start_in_the_gap() {
    let net = Network::start(&ours()).unwrap();
    let mut test = TestEnv::new(&net);
    let answered = test.across(Party::Recipient, Call::Close(good(400)), |test| {
        test.call(Party::Stranger, Call::Send(1)).unwrap();
        test.call(Party::Stranger, Call::Settle(good(300))).unwrap();
        close_start(test);
    });
    let events = answered.unwrap();
    assert_eq!(events[0], Event::Withdraw { amount: 100 });
    assert_eq!(events[2], Event::Refund { amount: 600 });
}

/// The command line and the watcher use the margins that these tests prove.
#[test]
fn the_margins_are_the_senders_own() {
    assert_eq!(WRITE_MARGIN, paychan_rpc::WRITE_BYTES_PER_CHANNEL);
    assert_eq!(CLOSE_MARGIN, paychan_rpc::WRITE_BYTES_PER_CLOSE);
}

/// Simulation counts too few bytes here, with nothing in the gap: see [`CLOSE_MARGIN`].
#[test]
fn a_close_whose_refund_fails_needs_more_than_simulation_counts() {
    let net = Network::start(&ours()).unwrap();
    for (close_margin, works) in [(0, false), (CLOSE_MARGIN, true)] {
        let mut test = TestEnv::new(&net);
        test.line(Party::Funder, LineChange::Remove);
        test.0.set_margins(WRITE_MARGIN, close_margin);
        let answered = test.call(Party::Recipient, Call::Close(good(0)));
        assert_eq!(answered.is_ok(), works, "with {close_margin} bytes: {answered:?}");
    }
}

/// No margin helps here: a `close` that sends nothing back has no footprint for sending something back. So the funder
/// can spoil each `close` that it sees coming. It gains nothing, because `settle` still pays: see below.
#[test]
fn a_deposit_in_the_gap_spoils_a_close_that_had_nothing_to_send_back() {
    let net = Network::start(&ours()).unwrap();
    let mut test = TestEnv::new(&net);
    let closed = test.across(Party::Recipient, Call::Close(good(1_000)), top_up);
    assert_eq!(closed, Err(Refusal::Resources));
    let closed = test.call(Party::Recipient, Call::Close(good(1_000)));
    assert!(closed.is_ok(), "after a new simulation it works: {closed:?}");
}

#[test]
fn a_trustline_in_the_gap_spoils_a_close_whose_refund_would_have_failed() {
    let net = Network::start(&ours()).unwrap();
    let mut test = TestEnv::new(&net);
    test.line(Party::Funder, LineChange::Remove);
    let closed = test.across(Party::Recipient, Call::Close(good(400)), |test| {
        test.line(Party::Funder, LineChange::Restore);
    });
    assert_eq!(closed, Err(Refusal::Resources));
}

#[test]
fn nothing_that_the_funder_does_spoils_a_settle() {
    let net = Network::start(&ours()).unwrap();
    let spoils: [fn(&mut TestEnv<'_>); 4] = [
        close_start,
        top_up,
        |test| {
            test.call(Party::Funder, Call::Send(1)).unwrap();
        },
        |test| test.line(Party::Funder, LineChange::Remove),
    ];
    for spoil in spoils {
        let mut test = TestEnv::new(&net);
        let settled = test.across(Party::Recipient, Call::Settle(good(1_000)), spoil);
        assert_eq!(settled, Ok(vec![Event::Withdraw { amount: 1_000 }]));
    }
}

#[test]
fn nobody_opens_a_channel_in_a_victims_name() {
    let net = Network::start(&ours()).unwrap();
    let mut chain = TestEnv(Chain::new(&net, Rules::Paychan, [1_000, 0, 0]).unwrap());
    for amount in [0, 1_000] {
        let opening = Opening { amount, wait: 10, weak_key: None };
        let opened = chain.call(Party::Stranger, Call::Open(opening));
        assert_eq!(opened, Err(Refusal::Auth), "a deposit of {amount}");
    }
}

#[test]
fn a_leaked_commitment_pays_the_recipient_whoever_has_it() {
    let net = Network::start(&ours()).unwrap();
    let mut test = TestEnv::new(&net);
    test.call(Party::Stranger, Call::Settle(good(600))).unwrap();
    let held = test.0.observe().unwrap().lines.map(|line| line.unwrap().balance);
    assert_eq!(held, [999_000, 600, 1_000]);
    // The stranger can't end the channel early.
    let closed = test.call(Party::Stranger, Call::Close(good(600)));
    assert_eq!(closed, Err(Refusal::Auth));
}
