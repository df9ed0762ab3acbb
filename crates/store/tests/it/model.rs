//! Compares the store with a simple model under any sequence of requests, restarts and power cuts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use paychan_channel::{Amount, Ledger};
use paychan_store::{
    AcceptError, Accepted, ChargeError, Charged, CloseError, CreditError, Credited, DropError, Health, Held, Outcome,
    Store, StoreError,
};
use proptest::prelude::*;

use super::disk::{Disk, Loss};
use super::{Funder, Open, amount, network, settlement, small};

#[derive(Debug, Clone)]
enum Op {
    Admit(u8),
    /// Channel, amount, request id.
    Accept(u8, i128, u8),
    /// Channel, price, total of the commitment, request id.
    Charge(u8, i128, Option<i128>, u8),
    /// Channel, amount, request id.
    Credit(u8, i128, u8),
    Fence(u8),
    /// Channel, agreed amount, what the chain has paid.
    Close(u8, i128, i128),
    /// Channel, what the chain has paid.
    Drop(u8, i128),
    Sign(u8, u8),
    Decide(u8),
    ConfirmRollback(u8, i128),
    Restart,
    DropIndex,
    /// Cut the power before the step that comes after so many more steps.
    Cut(usize, Loss),
}

fn losses() -> impl Strategy<Value = Loss> {
    prop_oneof![
        Just(Loss::Kill),
        Just(Loss::All),
        Just(Loss::None),
        (0..1_000_usize, any::<u32>()).prop_map(|(thousandths, names)| Loss::Part { thousandths, names }),
        (0..1_000_usize, any::<u32>()).prop_map(|(thousandths, names)| Loss::Zeros { thousandths, names }),
        any::<(u32, u32)>().prop_map(|(sectors, names)| Loss::Holes { sectors, names }),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let channel = 0..3_u8;
    let op = prop_oneof![
        2 => channel.clone().prop_map(Op::Admit),
        12 => (channel.clone(), 0..40_i128, 0..12_u8)
            .prop_map(|(channel, units, request)| Op::Accept(channel, units, request)),
        12 => (channel.clone(), 0..12_i128, prop::option::of(0..60_i128), 0..12_u8)
            .prop_map(|(channel, price, total, request)| Op::Charge(channel, price, total, request)),
        4 => (channel.clone(), 0..12_i128, 0..12_u8)
            .prop_map(|(channel, units, request)| Op::Credit(channel, units, request)),
        1 => channel.clone().prop_map(Op::Fence),
        1 => (channel.clone(), 1..40_i128, 0..10_i128)
            .prop_map(|(channel, units, withdrawn)| Op::Close(channel, units, withdrawn)),
        1 => (channel.clone(), 0..40_i128).prop_map(|(channel, withdrawn)| Op::Drop(channel, withdrawn)),
        2 => (channel.clone(), 0..6_u8).prop_map(|(channel, number)| Op::Sign(channel, number)),
        2 => (0..6_u8).prop_map(Op::Decide),
        1 => (channel, 0..9_i128).prop_map(|(channel, units)| Op::ConfirmRollback(channel, units)),
        1 => Just(Op::Restart),
        1 => Just(Op::DropIndex),
        2 => (0..8_usize, losses()).prop_map(|(steps, loss)| Op::Cut(steps, loss)),
    ];
    prop::collection::vec(op, 1..60)
}

/// A request that was taken.
#[derive(Debug, Clone, PartialEq)]
struct Request {
    id: u8,
    price: Option<i128>,
    offered: Option<i128>,
    previous: i128,
    highest: i128,
    spent: i128,
    credited: Option<i128>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Channel {
    requests: Vec<Request>,
    highest: i128,
    spent: i128,
    /// The amount that a close carries.
    fenced: Option<i128>,
    rollback: Option<i128>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    channels: BTreeMap<u8, Channel>,
    /// The hash and the channel of each.
    in_flight: Vec<(u8, u8)>,
}

/// What the store should answer.
#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    Accepted(Accepted),
    Charged(Charged),
    Credited(Credited),
    Claim(i128),
    /// The kind of a refusal.
    Refused(&'static str),
    Unknown,
}

impl Model {
    fn apply(&mut self, op: &Op) -> Answer {
        match op {
            Op::Admit(number) => {
                self.channels.entry(*number).or_default();
                Answer::Done
            }
            Op::Accept(number, units, request) => {
                self.with(*number, |channel| channel.accept(*units, *request).unwrap_or_else(Answer::Refused))
            }
            Op::Charge(number, price, total, request) => {
                self.with(*number, |channel| channel.charge(*price, *total, *request).unwrap_or_else(Answer::Refused))
            }
            Op::Credit(number, units, request) => {
                self.with(*number, |channel| channel.credit(*units, *request).unwrap_or_else(Answer::Refused))
            }
            Op::Fence(number) => self.with(*number, |channel| {
                let highest = channel.highest;
                channel.fenced.get_or_insert(highest);
                Answer::Done
            }),
            Op::Close(number, units, withdrawn) => {
                self.with(*number, |channel| channel.close(*units, *withdrawn).unwrap_or_else(Answer::Refused))
            }
            Op::Drop(number, withdrawn) => {
                let in_flight = self.in_flight.iter().any(|(_, of)| of == number);
                let said = self.with(*number, |channel| match channel.fenced.unwrap_or(channel.highest) {
                    owed if owed > *withdrawn => Answer::Refused("still_owed"),
                    _ if in_flight => Answer::Refused("in_flight"),
                    _ => Answer::Done,
                });
                if said == Answer::Done {
                    self.channels.remove(number);
                }
                said
            }
            Op::Sign(number, hash) => {
                // The store checks the hash first, since a transaction in flight is written already.
                let is_known = self.in_flight.iter().any(|(one, _)| one == hash);
                if !is_known && !self.channels.contains_key(number) {
                    return Answer::Unknown;
                }
                if !is_known {
                    self.in_flight.push((*hash, *number));
                }
                Answer::Done
            }
            Op::Decide(hash) => match self.in_flight.iter().position(|(one, _)| one == hash) {
                None => Answer::Unknown,
                Some(position) => {
                    self.in_flight.remove(position);
                    Answer::Done
                }
            },
            Op::ConfirmRollback(number, units) => self.with(*number, |channel| {
                channel.rollback = channel.rollback.max(Some(*units));
                channel.spent = channel.spent.max(*units);
                Answer::Done
            }),
            Op::Restart | Op::DropIndex | Op::Cut(..) => Answer::Done,
        }
    }

    fn with(&mut self, number: u8, ask: impl FnOnce(&mut Channel) -> Answer) -> Answer {
        self.channels.get_mut(&number).map_or(Answer::Unknown, ask)
    }

    /// What the store shows of each channel: how many requests, the highest, what is spent, the amount of a close, the
    /// rollback.
    fn shown(store: &Store) -> BTreeMap<u8, Shown> {
        let shown = |held: Held| {
            let fenced = held.fence.map(|_| held.claim_amount());
            (held.accepted, held.highest_amount(), held.spent, fenced, held.rollback_confirmed)
        };
        store.all_held().into_iter().map(|held| (held.channel().0[0], shown(held))).collect()
    }

    fn agrees(&self, store: &Store) -> bool {
        let shown = |channel: &Channel| {
            let (fenced, rollback) = (channel.fenced.map(amount), channel.rollback.map(amount));
            (channel.requests.len() as u64, amount(channel.highest), amount(channel.spent), fenced, rollback)
        };
        let expected: BTreeMap<_, _> =
            self.channels.iter().map(|(number, channel)| (*number, shown(channel))).collect();
        let in_flight: Vec<u8> = store.in_flight().iter().map(|one| one.hash[0]).collect();
        let hashes: Vec<u8> = self.in_flight.iter().map(|(hash, _)| *hash).collect();
        Self::shown(store) == expected && in_flight == hashes
    }
}

type Shown = (u64, Amount, Amount, Option<Amount>, Option<Amount>);

impl Channel {
    /// With `small()`, the last four requests keep their ids.
    fn remembered(&mut self, id: u8) -> Option<&mut Request> {
        self.requests.iter_mut().rev().take(4).find(|request| request.id == id)
    }

    fn accept(&mut self, units: i128, id: u8) -> Result<Answer, &'static str> {
        if let Some(used) = self.remembered(id) {
            if (used.price, used.offered) != (None, Some(units)) {
                return Err("request_id_reused");
            }
            return Ok(used.accepted(true));
        }
        if units == self.highest && units > 0 {
            return Err("already_held");
        }
        if self.fenced.is_some() {
            return Err("closing");
        }
        if units <= self.highest.max(self.spent) {
            return Err("not_higher");
        }
        Ok(self.take(id, None, Some(units), units).accepted(false))
    }

    fn charge(&mut self, price: i128, total: Option<i128>, id: u8) -> Result<Answer, &'static str> {
        if price == 0 {
            return Err("no_price");
        }
        if let Some(used) = self.remembered(id) {
            if (used.price, used.offered) != (Some(price), total) {
                return Err("request_id_reused");
            }
            return Ok(used.charged(true));
        }
        if self.fenced.is_some() {
            return Err("closing");
        }
        let highest = self.highest.max(total.unwrap_or(0));
        if self.spent + price > highest {
            return Err("insufficient");
        }
        Ok(self.take(id, Some(price), total, highest).charged(false))
    }

    fn take(&mut self, id: u8, price: Option<i128>, offered: Option<i128>, highest: i128) -> Request {
        self.spent += price.unwrap_or(0);
        let previous = std::mem::replace(&mut self.highest, highest);
        let request = Request { id, price, offered, previous, highest, spent: self.spent, credited: None };
        self.requests.push(request.clone());
        request
    }

    fn credit(&mut self, units: i128, id: u8) -> Result<Answer, &'static str> {
        let spent = self.spent;
        let charge = self.remembered(id).filter(|request| request.price.is_some()).ok_or("unknown_charge")?;
        match charge.credited {
            Some(credited) if credited != units => return Err("already_credited"),
            Some(_) => {
                return Ok(Answer::Credited(Credited { amount: amount(units), spent: amount(spent), replayed: true }));
            }
            None => {}
        }
        if units == 0 || Some(units) > charge.price {
            return Err("credit_out_of_range");
        }
        charge.credited = Some(units);
        self.spent -= units;
        Ok(Answer::Credited(Credited { amount: amount(units), spent: amount(self.spent), replayed: false }))
    }

    fn close(&mut self, units: i128, withdrawn: i128) -> Result<Answer, &'static str> {
        match self.fenced {
            Some(agreed) if agreed != units => return Err("closing"),
            Some(_) => return Ok(Answer::Claim(units)),
            None => {}
        }
        if units > self.highest {
            return Err("close_above_highest");
        }
        if units < self.spent.max(withdrawn) {
            return Err("close_too_low");
        }
        self.fenced = Some(units);
        Ok(Answer::Claim(units))
    }
}

impl Request {
    fn accepted(&self, replayed: bool) -> Answer {
        Answer::Accepted(Accepted {
            previous: amount(self.previous),
            highest: amount(self.highest),
            spent: amount(self.spent),
            replayed,
        })
    }

    fn charged(&self, replayed: bool) -> Answer {
        Answer::Charged(Charged {
            price: amount(self.price.unwrap()),
            previous: amount(self.previous),
            highest: amount(self.highest),
            spent: amount(self.spent),
            credited: amount(self.credited.unwrap_or(0)),
            replayed,
        })
    }
}

async fn ask(store: &Store, op: &Op) -> Result<Answer, StoreError> {
    let done = |answer: Result<(), StoreError>| match answer {
        Ok(()) => Ok(Answer::Done),
        Err(StoreError::UnknownChannel(_) | StoreError::UnknownTransaction(_)) => Ok(Answer::Unknown),
        Err(other) => Err(other),
    };
    let refused = |kind| if kind == "unknown_channel" { Answer::Unknown } else { Answer::Refused(kind) };
    Ok(match op {
        Op::Admit(number) => done(store.admit(Funder::number(*number).admission()).await.map(drop))?,
        Op::Accept(number, units, request) => {
            let offer = Funder::number(*number).offer(*units, &format!("r{request}"));
            match store.accept(offer).await {
                Ok(accepted) => Answer::Accepted(accepted),
                Err(AcceptError::Store(error)) => return Err(error),
                Err(error) => refused(error.kind()),
            }
        }
        Op::Charge(number, price, total, request) => {
            let charge = Funder::number(*number).charge(*price, *total, &format!("r{request}"));
            match store.charge(charge).await {
                Ok(charged) => Answer::Charged(charged),
                Err(ChargeError::Store(error)) => return Err(error),
                Err(error) => refused(error.kind()),
            }
        }
        Op::Credit(number, units, request) => {
            let credit = Funder::number(*number).credit(*units, &format!("r{request}"));
            match store.credit(credit).await {
                Ok(credited) => Answer::Credited(credited),
                Err(CreditError::Store(error)) => return Err(error),
                Err(error) => refused(error.kind()),
            }
        }
        Op::Fence(number) => done(store.fence(Funder::number(*number).channel).await.map(drop))?,
        Op::Close(number, units, withdrawn) => {
            let funder = Funder::number(*number);
            match store.fence_for_close(funder.channel, funder.claim(*units), amount(*withdrawn)).await {
                Ok(claim) => Answer::Claim(claim.amount.get()),
                Err(CloseError::Store(error)) => return Err(error),
                Err(error) => refused(error.kind()),
            }
        }
        Op::Drop(number, withdrawn) => {
            match store.drop_channel(Funder::number(*number).channel, amount(*withdrawn)).await {
                Ok(()) => Answer::Done,
                Err(DropError::Store(error)) => return Err(error),
                Err(error) => refused(error.kind()),
            }
        }
        Op::Sign(number, hash) => {
            let channel = Funder::number(*number).channel;
            done(store.record_signed(settlement(*hash, channel, 1)).await)?
        }
        Op::Decide(hash) => done(store.record_outcome([*hash; 32], Outcome::Expired { at: Ledger(1) }).await)?,
        Op::ConfirmRollback(number, units) => {
            done(store.confirm_rollback(Funder::number(*number).channel, amount(*units)).await)?
        }
        Op::Restart | Op::DropIndex | Op::Cut(..) => Answer::Done,
    })
}

fn begin(dir: &Path, disk: &Disk) -> Result<Store, StoreError> {
    let (store, _) = Store::open_on(dir, disk.journal(), &network(), small(), Arc::new(Open))?;
    Ok(store)
}

/// Starts after a power cut, which may come again while starting.
fn begin_again(dir: &Path, disk: &mut Disk, loss: Loss) -> Store {
    loop {
        *disk = disk.after(loss);
        match begin(dir, disk) {
            Ok(store) => return store,
            Err(StoreError::Io { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

async fn run(ops: &[Op]) {
    let dir = tempfile::tempdir().unwrap();
    let mut disk = Disk::default();
    let mut store = begin(dir.path(), &disk).unwrap();
    let mut model = Model::default();
    let mut next_loss = Loss::All;
    for op in ops {
        match op {
            Op::Restart | Op::DropIndex => {
                let ended = store.shutdown().await;
                if matches!(op, Op::DropIndex) {
                    fs::remove_dir_all(dir.path().join("db")).unwrap();
                }
                store = match ended.and_then(|()| begin(dir.path(), &disk)) {
                    Ok(store) => store,
                    Err(_) => begin_again(dir.path(), &mut disk, next_loss),
                };
                assert!(model.agrees(&store), "after {op:?}: {model:?} {store:?}");
            }
            Op::Cut(steps, loss) => {
                next_loss = *loss;
                disk.cut_at(disk.steps() + steps);
            }
            asked => {
                let mut with = model.clone();
                let expected = with.apply(asked);
                let said = match (ask(&store, asked).await, store.health()) {
                    // A store that only settles has kept the transaction only in memory.
                    (Ok(_), Health::SettleOnly { why }) => Err(StoreError::Failed(why)),
                    (said, _) => said,
                };
                match said {
                    Ok(said) => {
                        assert_eq!(said, expected, "{asked:?} on {model:?}");
                        model = with;
                        assert!(model.agrees(&store), "after {asked:?}: {model:?}");
                    }
                    Err(StoreError::Failed(_)) => {
                        assert!(store.shutdown().await.is_err());
                        store = begin_again(dir.path(), &mut disk, next_loss);
                        // No caller got an answer, so both states are right.
                        if with.agrees(&store) {
                            model = with;
                        } else {
                            assert!(
                                model.agrees(&store),
                                "after a cut in {asked:?}: {model:?} {:?}",
                                Model::shown(&store)
                            );
                        }
                    }
                    Err(other) => panic!("{asked:?}: {other}"),
                }
            }
        }
    }
    let _ = store.shutdown().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_requests_restarts_and_power_cuts_does_what_the_model_does(ops in ops()) {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap()
            .block_on(run(&ops));
    }
}
