//! Any sequence of requests, restarts and power cuts, against a model that is obviously right.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use paychan_channel::{Amount, Ledger};
use paychan_store::{AcceptError, Accepted, Outcome, Store, StoreError};
use proptest::prelude::*;

use super::disk::{Disk, Loss};
use super::{Funder, Open, amount, id, network, settlement, small};

#[derive(Debug, Clone)]
enum Op {
    Admit(u8),
    /// Channel, amount, request id.
    Accept(u8, i128, u8),
    Fence(u8),
    Sign(u8, u8),
    Decide(u8),
    ConfirmRollback(u8, i128),
    Restart,
    DropIndex,
    /// Cut the power before so many steps more.
    Cut(usize, Loss),
}

fn losses() -> impl Strategy<Value = Loss> {
    prop_oneof![
        Just(Loss::Kill),
        Just(Loss::All),
        Just(Loss::None),
        (0..1_000_usize, any::<u32>()).prop_map(|(thousandths, names)| Loss::Part { thousandths, names }),
        (0..1_000_usize, any::<u32>()).prop_map(|(thousandths, names)| Loss::Zeros { thousandths, names }),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let channel = 0..3_u8;
    let op = prop_oneof![
        2 => channel.clone().prop_map(Op::Admit),
        12 => (channel.clone(), 0..40_i128, 0..12_u8)
            .prop_map(|(channel, units, request)| Op::Accept(channel, units, request)),
        1 => channel.clone().prop_map(Op::Fence),
        2 => (channel.clone(), 0..6_u8).prop_map(|(channel, number)| Op::Sign(channel, number)),
        2 => (0..6_u8).prop_map(Op::Decide),
        1 => (channel, 0..9_i128).prop_map(|(channel, units)| Op::ConfirmRollback(channel, units)),
        1 => Just(Op::Restart),
        1 => Just(Op::DropIndex),
        2 => (0..8_usize, losses()).prop_map(|(steps, loss)| Op::Cut(steps, loss)),
    ];
    prop::collection::vec(op, 1..60)
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Channel {
    /// Amount and id of each accepted commitment, in order.
    accepted: Vec<(i128, u8)>,
    fenced: bool,
    rollback: Option<i128>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    channels: BTreeMap<u8, Channel>,
    in_flight: Vec<u8>,
}

/// What the store should say.
#[derive(Debug, PartialEq)]
enum Said {
    Done,
    Accepted(Accepted),
    Refused(AcceptError),
    Unknown,
}

impl Model {
    fn apply(&mut self, op: &Op) -> Said {
        match op {
            Op::Admit(number) => {
                self.channels.entry(*number).or_default();
                Said::Done
            }
            Op::Accept(number, units, request) => self.accept(*number, *units, *request),
            Op::Fence(number) => self.with(*number, |channel| channel.fenced = true),
            Op::Sign(number, hash) => {
                if !self.channels.contains_key(number) {
                    // The hash is asked for first: what is in flight is written already.
                    return if self.in_flight.contains(hash) { Said::Done } else { Said::Unknown };
                }
                if !self.in_flight.contains(hash) {
                    self.in_flight.push(*hash);
                }
                Said::Done
            }
            Op::Decide(hash) => match self.in_flight.iter().position(|one| one == hash) {
                None => Said::Unknown,
                Some(position) => {
                    self.in_flight.remove(position);
                    Said::Done
                }
            },
            Op::ConfirmRollback(number, units) => self.with(*number, |channel| {
                channel.rollback = channel.rollback.max(Some(*units));
            }),
            Op::Restart | Op::DropIndex | Op::Cut(..) => Said::Done,
        }
    }

    fn with(&mut self, number: u8, change: impl FnOnce(&mut Channel)) -> Said {
        match self.channels.get_mut(&number) {
            None => Said::Unknown,
            Some(channel) => {
                change(channel);
                Said::Done
            }
        }
    }

    fn accept(&mut self, number: u8, units: i128, request: u8) -> Said {
        let Some(channel) = self.channels.get_mut(&number) else {
            let unknown = AcceptError::UnknownChannel(Funder::number(number).channel);
            return Said::Refused(unknown);
        };
        let highest = channel.accepted.last().map_or(0, |(units, _)| *units);
        let remembered = channel.accepted.iter().rev().take(4);
        let used = remembered.clone().find(|(_, id)| *id == request);
        match used {
            Some((was, _)) if *was == units => Said::Accepted(Accepted { highest: amount(units), replay: true }),
            Some((was, _)) => Said::Refused(AcceptError::RequestIdReused {
                request_id: id(&format!("r{request}")),
                offered: amount(units),
                accepted: amount(*was),
            }),
            None if units == highest && units > 0 => {
                Said::Refused(AcceptError::AlreadyHeld { highest: amount(highest) })
            }
            None if channel.fenced => Said::Refused(AcceptError::Fenced { highest: amount(highest) }),
            None if units <= highest => {
                Said::Refused(AcceptError::NotHigher { offered: amount(units), highest: amount(highest) })
            }
            None => {
                channel.accepted.push((units, request));
                Said::Accepted(Accepted { highest: amount(units), replay: false })
            }
        }
    }

    /// What the store shows, in the model's words; of the accepted ones only how many and the last.
    fn shown(store: &Store) -> BTreeMap<u8, (u64, Amount, bool, Option<Amount>)> {
        store
            .all_held()
            .into_iter()
            .map(|held| {
                let seen = (held.accepted, held.highest_amount(), held.fence.is_some(), held.rollback_confirmed);
                (held.channel().0[0], seen)
            })
            .collect()
    }

    fn agrees(&self, store: &Store) -> bool {
        let expected: BTreeMap<_, _> = self
            .channels
            .iter()
            .map(|(number, channel)| {
                let highest = channel.accepted.last().map_or(0, |(units, _)| *units);
                let seen =
                    (channel.accepted.len() as u64, amount(highest), channel.fenced, channel.rollback.map(amount));
                (*number, seen)
            })
            .collect();
        let in_flight: Vec<u8> = store.in_flight().iter().map(|one| one.hash[0]).collect();
        Self::shown(store) == expected && in_flight == self.in_flight
    }
}

async fn ask(store: &Store, op: &Op) -> Result<Said, StoreError> {
    let done = |answer: Result<(), StoreError>| match answer {
        Ok(()) => Ok(Said::Done),
        Err(StoreError::UnknownChannel(_) | StoreError::UnknownTransaction(_)) => Ok(Said::Unknown),
        Err(other) => Err(other),
    };
    match op {
        Op::Admit(number) => {
            let admission = Funder::number(*number).admission();
            done(store.admit(admission).await.map(drop))
        }
        Op::Accept(number, units, request) => {
            let offer = Funder::number(*number).offer(*units, &format!("r{request}"));
            match store.accept(offer).await {
                Ok(accepted) => Ok(Said::Accepted(accepted)),
                Err(AcceptError::Store(error)) => Err(error),
                Err(refused) => Ok(Said::Refused(refused)),
            }
        }
        Op::Fence(number) => {
            let channel = Funder::number(*number).channel;
            done(store.fence(channel).await.map(drop))
        }
        Op::Sign(number, hash) => {
            let channel = Funder::number(*number).channel;
            done(store.record_signed(settlement(*hash, channel, 1)).await)
        }
        Op::Decide(hash) => {
            let outcome = Outcome::Expired { at: Ledger(1) };
            done(store.record_outcome([*hash; 32], outcome).await)
        }
        Op::ConfirmRollback(number, units) => {
            let channel = Funder::number(*number).channel;
            done(store.confirm_rollback(channel, amount(*units)).await)
        }
        Op::Restart | Op::DropIndex | Op::Cut(..) => Ok(Said::Done),
    }
}

fn begin(dir: &Path, disk: &Disk) -> Result<Store, StoreError> {
    let (store, _) = Store::open_on(dir, disk.journal(), &network(), small())?;
    assert!(store.set_gate(Arc::new(Open)).is_ok());
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
                match ask(&store, asked).await {
                    Ok(said) => {
                        assert_eq!(said, expected, "{asked:?} on {model:?}");
                        model = with;
                        assert!(model.agrees(&store), "after {asked:?}: {model:?}");
                    }
                    Err(StoreError::Failed(_)) => {
                        assert!(store.shutdown().await.is_err());
                        store = begin_again(dir.path(), &mut disk, next_loss);
                        // Nobody was told, so either is right.
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
