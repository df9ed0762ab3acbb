//! One world: drawn from a seed, lived through ledger by ledger, and judged.

mod faults;
mod memory;
mod payers;
mod plan;
mod process;

use std::fmt;

use fastrand::Rng;
use paychan_channel::Ledger;

use crate::alarms::Alarms;
use crate::network::SimChain;
use crate::report::Totals;
use crate::setup::{id, lane, open_channel};
use memory::Memory;
pub use plan::{Limits, Plan};
use process::Process;

/// A promise that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The ledger at which it was seen.
    pub ledger: u32,
    /// What was promised and what was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at ledger {}: {}", self.ledger, self.what)
    }
}

/// What came of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lived {
    pub plan: Plan,
    pub totals: Totals,
    /// The first promises that did not hold; empty when all did.
    pub violations: Vec<Violation>,
    /// What happened, one line each: the same for the same seed.
    pub diary: Vec<String>,
}

/// Everything in one world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Rng,
    pub(crate) chain: SimChain,
    pub(crate) process: Process,
    pub(crate) memory: Memory,
    pub(crate) totals: Totals,
    pub(crate) violations: Vec<Violation>,
    pub(crate) diary: Vec<String>,
    /// The faults that are on, and until which ledger.
    pub(crate) trouble: faults::Trouble,
}

/// Lives through the world of this seed, no larger than `limits`.
pub fn run(seed: u64, limits: Limits) -> Lived {
    let (alarms, _listening) = Alarms::listen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, limits).await;
        world.live().await;
        world.totals.alarms = alarms.count();
        world.totals.worlds = 1;
        world.process.end().await;
        let World { plan, totals, violations, diary, .. } = world;
        Lived { plan, totals, violations, diary }
    })
}

impl World {
    async fn new(seed: u64, limits: Limits) -> World {
        let mut random = Rng::with_seed(seed);
        let plan = Plan::draw(&mut random, limits);
        let chain = SimChain::new(lane().account());
        for number in 1..=plan.channels {
            chain.network().open(open_channel(number));
        }
        chain.close(1);
        let process = Process::first(&chain, plan.holds_recipient_key).await;
        let memory = Memory::of(plan.channels);
        let (totals, trouble) = (Totals::default(), faults::Trouble::default());
        let mut world =
            World { plan, random, chain, process, memory, totals, violations: Vec::new(), diary: Vec::new(), trouble };
        world.process.turn(&world.chain).await;
        for number in 1..=world.plan.channels {
            world.process.watcher().channels.take(id(number)).await.unwrap();
        }
        world
    }

    /// The newest ledger of the network.
    pub(crate) fn now(&self) -> u32 {
        self.chain.network().ledger()
    }

    pub(crate) fn note(&mut self, what: impl fmt::Display) {
        let line = format!("{}: {what}", self.now());
        self.diary.push(line);
    }

    pub(crate) fn violated(&mut self, what: impl Into<String>) {
        let violation = Violation { ledger: self.now(), what: what.into() };
        self.diary.push(format!("VIOLATION {violation}"));
        self.violations.push(violation);
    }

    async fn live(&mut self) {
        let first = self.now();
        let last = first + self.plan.ledgers;
        while self.violations.is_empty() && (self.now() < last || self.memory.some_wait(&self.chain)) {
            let must_answer = self.must_answer();
            self.change_faults(must_answer);
            self.chain.close(1);
            self.totals.ledgers += 1;
            self.funders_act(self.now() >= last);
            self.front_ends_act().await;
            let hung = self.process.turn(&self.chain).await;
            self.front_ends_act().await;
            if hung {
                self.note("the process stopped in the middle of a call");
                self.crash().await;
            } else if !must_answer && self.random.u32(..1_000) < self.plan.crashes {
                self.crash().await;
            }
            // A store that does not open has left no process to look into.
            if self.violations.is_empty() {
                self.judge().await;
            }
        }
    }

    /// Whether some channel is in the last third of its waiting period: then the endpoint answers, a bid at the cap is taken,
    /// and the process is not stopped any more (the fourth promise of the design).
    fn must_answer(&self) -> bool {
        let network = self.chain.network();
        let now = Ledger(network.ledger() + 1);
        network.channels.values().any(|state| {
            !state.refunded
                && state
                    .close_effective_at
                    .is_some_and(|deadline| now.0 + state.refund_waiting_period / 3 >= deadline.0)
        })
    }

    /// The process dies, by a signal or with the power, and another starts.
    async fn crash(&mut self) {
        self.totals.crashes += 1;
        let power = self.random.bool();
        self.note(if power { "the power fails" } else { "the process is killed" });
        {
            let mut network = self.chain.network();
            network.faults.hang = None;
            // A store that can't be written settles from memory. The next process does not know what that one has sent, and
            // may send another for the same sequence number. Only one of them can be included, so it is harmless.
            network.offered.retain(|_, offer| !offer.unrecorded);
        }
        if self.random.u32(..4) == 0 {
            self.process.lose_index();
        }
        // What is lost is drawn from a source of its own: how much there is to draw does not change what happens later.
        let mut losses = Rng::with_seed(self.random.u64(..));
        match self.process.restart(&self.chain, power.then_some(&mut losses)).await {
            Ok(()) => self.judge_restart().await,
            Err(error) => self.violated(format!("the store does not open after a crash: {error}")),
        }
    }
}
