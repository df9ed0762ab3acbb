//! Lets the loops of the watcher and the requests of front ends run at the same time, in an order that the seed draws.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use fastrand::Rng;
use tokio::sync::oneshot;

use super::World;
use super::process::Watcher;
use super::requests::{Answer, Request, ask_together, mark_races};
use crate::executor::{Executor, Step};
use crate::setup::id;

/// What overlaps from one ledger to the next.
#[derive(Debug)]
pub(super) struct Overlap {
    /// Draws the order of the polls.
    random: Rng,
    /// Whether the settler has not had its round for the last head yet.
    settler_is_late: bool,
    /// The order of the polls since the last ledger, for the diary.
    pub(super) order: Vec<String>,
}

/// What a future was for.
enum Done {
    Round,
    /// The answers to the requests at these places.
    Answered(Vec<(usize, Answer)>),
}

impl Overlap {
    pub(super) fn of(seed: u64) -> Overlap {
        Overlap { random: Rng::with_seed(seed), settler_is_late: false, order: Vec::new() }
    }
}

impl World {
    /// Runs a round of both loops, and the requests that front ends bring meanwhile. Returns whether the process died, at the
    /// latest before the poll with the number `dies_at`.
    ///
    /// As in the daemon, the settler begins its round once the follower has ended its own. If it is late, its round takes
    /// place while the follower is at the next head. The next ledger may close in the middle of all that.
    pub(super) fn overlap(&mut self, must_answer: bool, dies_at: Option<u32>) -> bool {
        let requests = self.draw_overlapping();
        let (chain, disk) = (self.chain.clone(), self.process.disk.clone());
        let Overlap { random, settler_is_late, order } = &mut self.overlap;
        order.clear();
        let is_late = !must_answer && random.u32(..3) == 0;
        let was_late = std::mem::replace(settler_is_late, is_late);
        let spread = [0, 20, 100][random.usize(..3)];
        // How often the store is served before all wait for it.
        let served_once_in = [2, 10, u32::MAX][random.usize(..3)];
        let begun: Vec<Cell<bool>> = requests.iter().map(|_| Cell::new(false)).collect();
        let mut closes_at = (!must_answer && random.u32(..4) == 0).then(|| random.u32(..40));
        let mut answers = Vec::new();

        let Watcher { driven, follower, settler, commitments, channels, .. } = self.process.running();
        let driven = driven.as_mut().expect("parts overlap only where the store is driven");
        let (followed, follows) = oneshot::channel();
        let mut parts = Executor::new();
        parts.add("follower", 0, async move {
            // Errors of the chain are expected here: the world makes them.
            let _ = follower.tick().await;
            let _ = followed.send(());
            Done::Round
        });
        parts.add("settler", 0, async move {
            if was_late {
                settler.tick().await;
            }
            let _ = follows.await;
            if !is_late {
                settler.tick().await;
            }
            Done::Round
        });
        // A front end may ask for several charges in one call.
        let is_together = random.u32(..3) == 0;
        let (together, alone): (Vec<_>, Vec<_>) =
            requests.iter().enumerate().partition(|(_, request)| is_together && request.is_charge());
        let (commitments, channels, begun) = (&*commitments, &*channels, &begun);
        for (at, request) in alone {
            parts.add(request.to_string(), random.u32(..=spread), async move {
                begun[at].set(true);
                Done::Answered(vec![(at, request.ask(commitments, channels).await)])
            });
        }
        if !together.is_empty() {
            parts.add(format!("{} charges together", together.len()), random.u32(..=spread), async move {
                let (places, charges): (Vec<_>, Vec<_>) = together.into_iter().unzip();
                places.iter().for_each(|at| begun[*at].set(true));
                let answers = ask_together(&charges, commitments).await;
                Done::Answered(places.into_iter().zip(answers).collect())
            });
        }
        let mut closed = 0;
        let mut hung = pin!(chain.hung());
        let died = loop {
            if disk.is_dead() || is_ready(hung.as_mut()) || dies_at.is_some_and(|poll| parts.polls() >= poll) {
                break true;
            }
            if closes_at.is_some_and(|poll| parts.polls() >= poll) {
                closes_at = None;
                chain.close(1);
                closed += 1;
                order.push("the ledger closes".to_owned());
            }
            if random.u32(..served_once_in) == 0 && driven.get_mut().serve() {
                order.push("store".to_owned());
                continue;
            }
            match parts.step(random, order) {
                Step::Waits | Step::Done(Done::Round) => {}
                Step::Done(Done::Answered(all)) => {
                    for (at, answer) in all {
                        let state = chain.network().channels[&id(requests[at].channel)].clone();
                        answers.push((at, answer, state));
                    }
                }
                Step::Over => break false,
                Step::Stuck if driven.get_mut().serve() => order.push("store".to_owned()),
                Step::Stuck => panic!("nothing can go on: {:?}", parts.half_way()),
            }
        };
        let (polls, half_way) = (parts.polls(), parts.half_way().join(", "));
        drop(parts);
        self.totals.ledgers += closed;
        if died {
            self.note(format_args!("the process stops before poll {polls}; half-way are: {half_way}"));
            let unanswered = |at: &usize| begun[*at].get() && !answers.iter().any(|(other, ..)| other == at);
            for at in (0..requests.len()).filter(unanswered) {
                self.unanswered(&requests[at]);
            }
        }
        for (at, answer, state) in answers {
            self.answered(&requests[at], answer, &state);
        }
        died
    }

    fn draw_overlapping(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        for _ in 0..self.random.u32(..=3 * self.plan.busy) {
            let number = self.random.u8(1..=self.plan.channels);
            let closing = self.memory.channel(number).close_announced.is_some();
            if closing && !self.plan.races && self.random.u32(..10) > 0 {
                continue;
            }
            if self.process.watcher().store.held(&id(number)).is_none() && self.random.bool() {
                requests.push(self.admission(number));
            }
            let twins = self.random.u32(..8) == 0;
            requests.extend(if twins { self.draw_twins(number) } else { self.draw_requests(number) });
        }
        mark_races(&mut requests);
        requests
    }
}

fn is_ready(future: Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}
