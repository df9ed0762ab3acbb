//! One world: a seed draws it, it runs ledger by ledger, and every promise is checked.

mod dangers;
mod faults;
mod kinds;
mod memory;
mod overlap;
mod payers;
mod plan;
mod process;
mod requests;
mod trouble;

use std::fmt;

use fastrand::Rng;
use paychan_channel::{IssuerFlags, Ledger};
use paychan_store::Health;

use crate::alarms::Alarms;
use crate::network::{SimChain, Trace};
use crate::report::Totals;
use crate::setup::{id, lane, open_channel_to};
use dangers::Dangers;
use memory::Memory;
use overlap::Overlap;
pub use plan::{Limits, Plan};
use process::Process;
use trouble::Trouble;

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

/// The result of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lived {
    pub plan: Plan,
    pub totals: Totals,
    /// The first promises that were broken. It is empty if the watcher kept all.
    pub violations: Vec<Violation>,
    /// What happened, one line for each event. The same seed gives the same lines.
    pub diary: Vec<String>,
    /// What the contracts did.
    pub trace: Trace,
}

/// Everything in one world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Rng,
    /// Draws what was added later, so that the worlds without it stay as they were.
    later: Rng,
    pub(crate) chain: SimChain,
    pub(crate) process: Process,
    pub(crate) memory: Memory,
    pub(crate) totals: Totals,
    pub(crate) violations: Vec<Violation>,
    pub(crate) diary: Vec<String>,
    /// The faults that are on, each with the ledger at which it ends.
    pub(crate) trouble: Trouble,
    pub(crate) alarms: Alarms,
    pub(crate) dangers: Dangers,
    overlap: Overlap,
}

/// When the process dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    Never,
    /// Before a question or at a write, which counts the questions or the writes until then.
    Within,
    /// Before the poll with this number, or after the last one.
    AtPoll(u32),
    /// After its rounds.
    Later,
}

/// Runs the world of this seed, which is no larger than `limits`.
pub fn run(seed: u64, limits: Limits) -> Lived {
    let (alarms, _listening) = Alarms::listen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, limits, alarms).await;
        world.live().await;
        world.totals.alarms = u64::try_from(world.alarms.count()).unwrap();
        world.totals.worlds = 1;
        world.totals.overlapping = u64::from(world.plan.overlaps);
        world.process.end().await;
        let trace = std::mem::take(&mut world.chain.network().trace);
        let World { plan, totals, violations, diary, .. } = world;
        Lived { plan, totals, violations, diary, trace }
    })
}

impl World {
    async fn new(seed: u64, limits: Limits, alarms: Alarms) -> World {
        let mut random = Rng::with_seed(seed);
        // A source of its own, so that worlds in which nothing overlaps stay as they were.
        let mut later = Rng::with_seed(!seed);
        let mut latest = Rng::with_seed(seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
        let plan = Plan::draw(&mut random, &mut later, &mut latest, limits);
        let chain = SimChain::new(lane().account());
        for number in 1..=plan.channels {
            let mut state = open_channel_to(number, plan.recipient_of(number));
            state.balance_clawback = plan.issuer_acts;
            chain.network().open(state);
        }
        if plan.issuer_acts {
            let flags = IssuerFlags { requires_authorization: true, may_revoke: true, may_claw_back: true };
            chain.network().faults.issuer = Some(flags);
        }
        chain.close(1);
        let process = Process::first(&chain, &plan, later.fork()).await;
        let memory = Memory::of(plan.channels);
        let (totals, trouble) = (Totals::default(), Trouble::default());
        let mut world = World {
            plan,
            random,
            later: latest,
            chain,
            process,
            memory,
            totals,
            violations: Vec::new(),
            diary: Vec::new(),
            trouble,
            alarms,
            dangers: Dangers::default(),
            overlap: Overlap::of(later.u64(..)),
        };
        world.process.turn(&world.chain).await;
        for number in 1..=world.plan.channels {
            let watcher = world.process.watcher();
            watcher.run(watcher.channels.take(id(number))).await.unwrap();
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
        if self.plan.overlaps {
            self.diary.push(format!("since the last ledger ran, in this order: {}", self.overlap.order.join(", ")));
        }
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
            let dies = !must_answer && self.random.u32(..1_000) < self.plan.crashes;
            let death = if dies { self.choose_death() } else { Death::Never };
            let died = if self.plan.overlaps {
                let at_poll = if let Death::AtPoll(poll) = death { Some(poll) } else { None };
                self.overlap(must_answer, at_poll)
            } else {
                self.one_after_the_other().await
            };
            if died || self.process.disk.is_dead() {
                self.note("the process stopped in the middle of its work");
                self.crash().await;
            } else if matches!(death, Death::AtPoll(_) | Death::Later) {
                self.crash().await;
            }
            // If the store did not open, there is no process to judge.
            if self.violations.is_empty() {
                self.judge_store();
                self.judge().await;
            }
        }
    }

    /// A store whose disk takes every write must take requests. It gives up when a record contradicts what it holds.
    fn judge_store(&mut self) {
        if let Health::SettleOnly { why } = self.process.watcher().store.health()
            && !self.process.disk.has_refused()
        {
            self.violated(format!("the store only settles, although its disk takes every write: {why}"));
        }
    }

    /// Front ends ask, both loops have a round, and front ends ask again. Returns whether the process died.
    async fn one_after_the_other(&mut self) -> bool {
        self.front_ends_act().await;
        let died = self.process.disk.is_dead() || self.process.turn(&self.chain).await;
        if !died {
            self.front_ends_act().await;
        }
        died
    }

    /// Whether some channel is in the last third of its waiting period: then the endpoint answers, a bid at the cap is taken,
    /// and the process is not stopped any more (the fourth promise of the design).
    fn must_answer(&self) -> bool {
        !self.channels_near_their_deadlines().is_empty()
    }

    fn channels_near_their_deadlines(&self) -> Vec<u8> {
        let network = self.chain.network();
        let now = Ledger(network.ledger() + 1);
        let is_near = |number: &u8| {
            let state = &network.channels[&id(*number)];
            let third = state.refund_waiting_period / 3;
            !state.refunded && state.close_effective_at.is_some_and(|deadline| now.0 + third >= deadline.0)
        };
        (1..=self.plan.channels).filter(is_near).collect()
    }

    /// Chooses where the process dies: before the answer to a question of its loops, or before a poll where parts overlap; at
    /// a write; or after its rounds.
    fn choose_death(&mut self) -> Death {
        let (place, after, torn) = (self.random.u32(..3), self.random.u32(..16), self.random.u8(..));
        let (place, death) = match place {
            0 if self.plan.overlaps => ("poll", Death::AtPoll(8 * after + u32::from(torn % 8))),
            0 => {
                self.chain.network().death.after = Some(after);
                ("question", Death::Within)
            }
            1 => {
                self.process.disk.die_after(Some(after / 2), torn);
                ("write", Death::Within)
            }
            _ => return Death::Later,
        };
        let after = if let Death::AtPoll(poll) = death { poll } else { after };
        self.note(format_args!("the process is to die at {place} {after}"));
        death
    }

    /// Ends the process, by a signal or a power cut, and starts another one.
    async fn crash(&mut self) {
        self.totals.crashes += 1;
        let power = self.random.bool();
        self.note(if power { "the power fails" } else { "the process is killed" });
        {
            let mut network = self.chain.network();
            network.faults.hang = None;
            network.death.after = None;
            // A store that can't be written settles from memory. The next process does not know what that one has sent, and
            // may send another for the same sequence number. Only one of them can be included, so it is harmless.
            network.offered.retain(|_, offer| !offer.unrecorded);
        }
        self.trouble.blind_at = self.now();
        self.trouble.silent_at = self.now();
        self.trouble.crashed_at = self.now();
        self.change_nodes();
        if self.random.u32(..4) == 0 {
            self.process.lose_index();
        }
        // A source of its own draws the losses, so that their number does not change what happens later.
        let mut losses = Rng::with_seed(self.random.u64(..));
        match self.process.restart(&self.chain, power.then_some(&mut losses)).await {
            Ok(()) => self.judge_restart().await,
            Err(error) => self.violated(format!("the store does not open after a crash: {error}")),
        }
    }
}
