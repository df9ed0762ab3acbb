//! The worlds of the simulator (`tests/sim`) on the real host: what its model of the contract and of the token did must be what
//! the real ones do.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use fastrand::Rng;
use paychan_channel::{Address, ChannelState, ContractId};
use paychan_proof::call::{Call, Claim, Event, Party, Refusal, Signature};
use paychan_proof::ground::{Deed, Ground, Seen};
use paychan_proof::network::Network;
use paychan_proof::token::Purse;
use paychan_sim::network as sim;
use paychan_sim::setup::{DEPOSIT, WAITING, id, lane, open_channel};
use paychan_sim::world::{Limits, run};

use crate::support::ours;

/// How much was compared.
#[derive(Debug, Default)]
struct Compared {
    /// How often each call came out in each way.
    calls: BTreeMap<String, u64>,
    /// The ledgers after which states and balances were compared.
    ledgers: u64,
}

impl Compared {
    fn count(&self, call: &str) -> u64 {
        self.calls.iter().filter(|(what, _)| what.starts_with(call)).map(|(_, times)| times).sum()
    }
}

/// Runs what happened in a world on the real host, and describes the first difference.
fn replay(net: &Network, trace: &sim::Trace, compared: &mut Compared) -> Result<(), String> {
    let recipients: Vec<Address> =
        trace.opened.iter().map(|state| state.to).collect::<BTreeSet<_>>().into_iter().collect();
    let place_of = |to: &Address| recipients.iter().position(|it| it == to).unwrap();
    let channels: Vec<ContractId> = trace.opened.iter().map(|state| state.channel).collect();
    let mut by_ledger: BTreeMap<u32, Vec<&sim::Step>> = BTreeMap::new();
    for step in &trace.steps {
        by_ledger.entry(step.ledger).or_default().push(step);
    }
    // Before each call, its recipient may be frozen or authorized, and get another limit. Before all calls of a ledger, the
    // funder may remove or create its trustline.
    let most = by_ledger.values().map(Vec::len).max().unwrap_or(1);
    let deposits: i128 = trace.opened.iter().map(|state| state.deposited.unwrap().get()).sum();
    let holdings = i64::try_from(sim::HOLDINGS).unwrap();
    let mut ground = Ground::new(net, recipients.len(), 3 * most + 1, holdings, i64::try_from(deposits).unwrap())?;
    for state in &trace.opened {
        ground.open(place_of(&state.to), state.deposited.unwrap().get(), state.refund_waiting_period)?;
    }
    // The simulator's channels are open after its second ledger.
    let later = net.ledger()?.checked_sub(sim::FIRST + 1).ok_or("the host's ledgers are before the simulator's")?;
    let mut frozen = vec![false; recipients.len()];
    let mut limits = vec![i64::MAX; recipients.len()];
    // What the funder sent away before it removed its trustline, while it has none.
    let mut sent_away = None;
    let mut newest: BTreeMap<ContractId, ChannelState> = BTreeMap::new();
    for (ledger, steps) in by_ledger {
        let mut deeds = Vec::new();
        let mut calls = Vec::new();
        let has_trustline = steps[0].funder_has_trustline;
        match sent_away {
            None if !has_trustline => {
                let units = ground.funder()?.ok_or("the funder's trustline is missing before it is removed")?.balance;
                sent_away = Some(units);
                deeds.push(Deed::RemoveTrustline { units });
            }
            Some(units) if has_trustline => {
                sent_away = None;
                deeds.push(Deed::CreateTrustline { units });
            }
            _ => {}
        }
        for step in &steps {
            if step.funder_has_trustline != has_trustline {
                return Err(format!("in ledger {ledger}, the funder's trustline changes between two calls"));
            }
            let recipient = place_of(&step.after.to);
            if frozen[recipient] != step.recipient_frozen {
                frozen[recipient] = step.recipient_frozen;
                deeds.push(Deed::AuthorizeRecipient { recipient, authorized: !step.recipient_frozen });
            }
            let limit = step.recipient_limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap());
            if limits[recipient] != limit {
                limits[recipient] = limit;
                deeds.push(Deed::Limit { recipient, limit });
            }
            calls.push(deeds.len());
            let channel = channels.iter().position(|it| *it == step.channel).unwrap();
            deeds.push(Deed::Call { channel, by: party(step.by), call: call(step.call) });
        }
        net.pass(ledger + later - 1)?;
        let answers = ground.act(&deeds)?;
        for (deed, answer) in deeds.iter().zip(&answers) {
            if !matches!(deed, Deed::Call { .. })
                && let Err(refusal) = &answer.result
            {
                return Err(format!("in ledger {ledger}, the host refuses {deed:?}: {refusal:?}"));
            }
        }
        for (step, at) in steps.iter().zip(calls) {
            let expected = outcome(step, later);
            let what = format!("{:?}", step.call);
            let name = what.split('(').next().unwrap().to_owned();
            let how = match &expected {
                Ok(events) if events.is_empty() => "done, without an event".to_owned(),
                Ok(_) => "done".to_owned(),
                Err(refusal) => format!("{refusal:?}"),
            };
            let how = if has_trustline { how } else { format!("{how}; the funder has no trustline") };
            *compared.calls.entry(format!("{name}: {how}")).or_default() += 1;
            if answers[at].result != expected {
                return Err(format!(
                    "ledger {ledger}, {:?}: the model says {expected:?}, the host says {:?}; before it, in this ledger: {:?}",
                    (step.by, step.call),
                    answers[at].result,
                    &deeds[..at]
                ));
            }
            newest.insert(step.channel, step.after.clone());
        }
        compared.ledgers += 1;
        for (state, place) in newest.values().map(|state| (state, channels.iter().position(|it| *it == state.channel)))
        {
            let (expected, seen) = (seen(state, later), ground.see(place.unwrap())?);
            if expected != seen {
                return Err(format!("after ledger {ledger}: the model has {expected:?}, the host has {seen:?}"));
            }
        }
        // Each account's newest figure counts.
        let holdings: BTreeMap<Address, i128> = steps.iter().flat_map(|step| step.holdings).collect();
        for (holder, expected) in holdings {
            let balance = match recipients.iter().position(|it| *it == holder) {
                Some(place) => ground.recipient(place)?.balance,
                None => {
                    let line = ground.funder()?;
                    if line.is_some() != has_trustline {
                        return Err(format!(
                            "after ledger {ledger}: on the host, the funder has the trustline {line:?}"
                        ));
                    }
                    line.map_or(0, |line| line.balance)
                }
            };
            if i128::from(balance) != expected {
                return Err(format!(
                    "after ledger {ledger}: {holder} holds {expected} in the model and {balance} on the host"
                ));
            }
        }
    }
    Ok(())
}

fn party(by: sim::Caller) -> Party {
    match by {
        sim::Caller::Funder => Party::Funder,
        sim::Caller::Recipient => Party::Recipient,
        // The issuer is known by its calls.
        sim::Caller::Stranger | sim::Caller::Issuer => Party::Stranger,
    }
}

fn call(call: sim::Call) -> Call {
    let claim = |claim: sim::Claim| Claim {
        amount: claim.total,
        signature: if claim.signed { Signature::Good } else { Signature::OfOtherKey },
    };
    match call {
        sim::Call::TopUp(units) => Call::TopUp(units),
        sim::Call::Settle(it) => Call::Settle(claim(it)),
        sim::Call::Close(it) => Call::Close(claim(it)),
        sim::Call::CloseStart => Call::CloseStart,
        sim::Call::Refund => Call::Refund,
        sim::Call::Send(units) => Call::Send(units),
        sim::Call::Clawback(units) => Call::Clawback(units),
        sim::Call::Authorize(authorized) => Call::Authorize(authorized),
    }
}

fn outcome(step: &sim::Step, later: u32) -> Result<Vec<Event>, Refusal> {
    match &step.outcome {
        Ok(events) => Ok(events
            .iter()
            .map(|event| match event {
                sim::Event::Deposit(amount) => Event::Deposit { amount: *amount },
                sim::Event::Close(deadline) => Event::Close { effective_at_ledger: deadline.0 + later },
                sim::Event::Withdraw(amount) => Event::Withdraw { amount: *amount },
                sim::Event::Refund(amount) => Event::Refund { amount: *amount },
            })
            .collect()),
        Err(sim::Refusal::Contract(number)) => Err(Refusal::Contract(*number)),
        Err(sim::Refusal::Token(_)) => Err(Refusal::Token),
        Err(sim::Refusal::Authorization) => Err(Refusal::Auth),
        Err(sim::Refusal::Signature) => Err(Refusal::Signature),
    }
}

fn seen(state: &ChannelState, later: u32) -> Seen {
    Seen {
        deposited: state.deposited.unwrap().get(),
        withdrawn: state.withdrawn.get(),
        deadline: state.close_effective_at.map(|deadline| deadline.0 + later),
        refunded: state.refunded,
        purse: Purse { amount: state.balance.get(), authorized: state.balance_authorized },
    }
}

/// Compares the calls of many worlds, and panics at the first difference.
fn compare(traces: impl Iterator<Item = (String, sim::Trace)>) -> Compared {
    let wasm = ours();
    let mut net = Network::start(&wasm).unwrap();
    let mut compared = Compared::default();
    let mut worlds = 0;
    for (name, trace) in traces {
        if net.is_spent() {
            net = Network::start(&wasm).unwrap();
        }
        // The simulator's first ledger has the number 1,000.
        if net.ledger().unwrap() < 2 * sim::FIRST {
            net.pass(2 * sim::FIRST).unwrap();
        }
        if let Err(difference) = replay(&net, &trace, &mut compared) {
            panic!("{name}: {difference}");
        }
        worlds += 1;
    }
    println!("{worlds} worlds, {} ledgers with calls", compared.ledgers);
    for (what, times) in &compared.calls {
        println!("{times:>8}  {what}");
    }
    compared
}

/// The simulator's worlds. `PAYCHAN_HOST_WORLDS` is their number.
#[test]
fn the_calls_of_simulated_worlds_do_the_same_on_the_real_host() {
    let worlds =
        env::var("PAYCHAN_HOST_WORLDS").map_or(40, |text| text.parse().expect("PAYCHAN_HOST_WORLDS is a number"));
    let traces = (1..=worlds).map(|seed| (format!("seed {seed}"), run(seed, Limits::default()).trace));
    let compared = compare(traces);
    // Traces without calls would be the same everywhere.
    for what in ["Settle: done", "Close: done", "CloseStart: done", "Refund: done", "TopUp: done", "TopUp: Contract(4)"]
    {
        assert!(compared.count(what) > worlds / 4, "{what}: {compared:?}");
    }
    let without_trustline: u64 =
        compared.calls.iter().filter(|(what, _)| what.ends_with("no trustline")).map(|(_, times)| times).sum();
    assert!(without_trustline > worlds / 4, "{compared:?}");
}

/// Calls that nobody in a world makes, in any order: the model must be right where worlds rarely go, too.
#[test]
fn any_calls_do_the_same_in_the_model_and_on_the_real_host() {
    let worlds =
        env::var("PAYCHAN_HOST_WORLDS").map_or(40, |text| text.parse().expect("PAYCHAN_HOST_WORLDS is a number"));
    let compared = compare((1..=worlds).map(|seed| (format!("calls of seed {seed}"), any_calls(seed))));
    for what in [
        "TopUp: Contract(4)",
        "Settle: Contract(5)",
        "Settle: Contract(6)",
        "Settle: Token",
        "Settle: Signature",
        "Close: done",
        "Close: Token",
        "Close: Auth",
        "Refund: Contract(3)",
        "Refund: Token",
        "Refund: done, without an event",
        "CloseStart: Contract(4)",
        "Send: Token",
        "Clawback: Token",
        "TopUp: Token; the funder has no trustline",
        "TopUp: done, without an event; the funder has no trustline",
        "Send: Token; the funder has no trustline",
        "Settle: done; the funder has no trustline",
        "Close: done; the funder has no trustline",
        "Refund: Token; the funder has no trustline",
        "Refund: done, without an event; the funder has no trustline",
    ] {
        assert!(compared.count(what) > 0, "no {what}: {compared:?}");
    }
}

/// Forty calls of two channels, by all parties, some of them with a figure that is just too large. The funder removes its
/// trustline and creates it again now and then.
fn any_calls(seed: u64) -> sim::Trace {
    let mut random = Rng::with_seed(seed);
    let mut trustlines = Rng::with_seed(!seed);
    let mut network = sim::Network::new(lane().account());
    for number in 1..=2 {
        network.open(open_channel(number));
    }
    network.close_ledger();
    for _ in 0..40 {
        let channel = id(random.u8(1..=2));
        let state = network.channels[&channel].clone();
        let holds = state.balance.get();
        let edge = random.i128(-1..=1);
        let units = [random.i128(0..=DEPOSIT), holds + edge, 0, 1][random.usize(..4)].max(0);
        let totals = [
            random.i128(0..=2 * DEPOSIT),
            state.withdrawn.get() + edge,
            state.withdrawn.get() + holds + edge,
            state.deposited.unwrap().get() + edge,
            random.i128(0..=DEPOSIT / 10),
        ];
        let claim = sim::Claim { total: totals[random.usize(..5)], signed: random.u32(..8) > 0 };
        // A source of its own, so that the calls stay as they were.
        if trustlines.u32(..20) == 0 {
            let change =
                if network.has_trustline(&state.from) { sim::Trustline::Remove } else { sim::Trustline::Create };
            network.change_trustline(state.from, change);
        }
        let call = match random.u32(..24) {
            0..=2 => sim::Call::TopUp(units),
            3..=7 => sim::Call::Settle(claim),
            8 | 9 => sim::Call::Close(claim),
            10..=12 => sim::Call::CloseStart,
            13..=16 => sim::Call::Refund,
            17 | 18 => sim::Call::Send(units),
            19 | 20 => sim::Call::Clawback(units),
            21 => sim::Call::Authorize(random.bool()),
            22 => {
                match network.frozen_recipients.contains(&state.to) {
                    true => network.frozen_recipients.remove(&state.to),
                    false => network.frozen_recipients.insert(state.to),
                };
                continue;
            }
            _ => {
                for _ in 0..[1, WAITING / 2, WAITING][random.usize(..3)] {
                    network.close_ledger();
                }
                continue;
            }
        };
        let by = match call {
            sim::Call::Clawback(_) | sim::Call::Authorize(_) => sim::Caller::Issuer,
            sim::Call::Send(_) => sim::Caller::Funder,
            _ if random.u32(..6) == 0 => sim::Caller::Stranger,
            sim::Call::Close(_) => sim::Caller::Recipient,
            _ => sim::Caller::Funder,
        };
        let _ = network.call(channel, by, call);
        if random.u32(..3) > 0 {
            network.close_ledger();
        }
    }
    network.trace
}
