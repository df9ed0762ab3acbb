//! Remembers what the watcher acknowledged, and compares it with what the watcher holds and pays.

use std::collections::BTreeMap;

use paychan_channel::{Amount, ChannelState, RequestId};
use paychan_store::Held;
use paychan_watcher_api::ChargeBody;

use super::World;
use super::dangers::DETECTION_SPARE;
use crate::network::SimChain;
use crate::setup::{SWEEP_INTERVAL, id};

/// The configuration's `dust`, in base units. A smaller amount is not worth a settlement.
const DUST: i128 = 100_000;

/// How many ledgers older than a sweep's interval the known coverage of a channel may be.
const COVERAGE_SPARE: u32 = 12;

/// What the watcher has promised.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The promises for each channel, by its number.
    pub(crate) channels: BTreeMap<u8, Promised>,
}

/// What the watcher has promised on one channel. Base units.
#[derive(Debug, Default)]
pub(crate) struct Promised {
    /// The highest commitment that was acknowledged.
    pub(crate) highest: i128,
    /// The total with which the recipient agreed to end the channel.
    pub(crate) agreed: Option<i128>,
    /// The totals that were offered for such an end and got no answer that says whether the watcher took them.
    pub(crate) perhaps_agreed: Vec<i128>,
    /// The charges that were acknowledged, each with the amount that was credited.
    pub(crate) charges: Vec<(ChargeBody, i128)>,
    /// The sums of the charges and of the credits whose outcome is not known, because the store failed meanwhile.
    pub(crate) perhaps_charged: i128,
    pub(crate) perhaps_credited: i128,
    /// The charges whose outcome is not known. Their front ends may bring them again.
    pub(crate) unanswered: Vec<ChargeBody>,
    /// The ledger at which the issuer clawed back a part of the balance.
    pub(crate) clawed_back_at: Option<u32>,
    /// The last ledger at which the channel held less than it owes, because of that clawback.
    pub(crate) uncovered_at: Option<u32>,
    /// The least that was both covered and held as a commitment in the last third of the waiting period.
    pub(crate) covered: Option<i128>,
    /// The ledger of the close that the funder announced.
    pub(crate) close_announced: Option<u32>,
    /// The ledger in which its payment was judged.
    pub(crate) judged_at: Option<u32>,
    /// The number of requests that were made, so that each has its own id.
    pub(crate) requests: u32,
}

impl Memory {
    pub(crate) fn of(channels: u8) -> Memory {
        Memory { channels: (1..=channels).map(|number| (number, Promised::default())).collect() }
    }

    pub(crate) fn channel(&mut self, number: u8) -> &mut Promised {
        self.channels.entry(number).or_default()
    }

    /// Whether some channel was not judged at its deadline yet.
    pub(crate) fn some_wait(&self, chain: &SimChain) -> bool {
        let network = chain.network();
        self.channels.iter().any(|(number, promised)| {
            promised.judged_at.is_none() && network.channels.get(&id(*number)).is_some_and(|state| !state.refunded)
        })
    }
}

impl Promised {
    /// The least that the recipient must get.
    pub(crate) fn owed(&self) -> i128 {
        self.agreed.unwrap_or(self.highest)
    }

    /// The least and the most that can be spent.
    fn spent(&self) -> (i128, i128) {
        let sum: i128 = self.charges.iter().map(|(charge, credited)| charge.price.get() - credited).sum();
        (sum - self.perhaps_credited, sum + self.perhaps_charged)
    }

    /// Remembers that a charge was acknowledged. Returns whether that is new.
    pub(crate) fn was_taken(&mut self, charge: &ChargeBody) -> bool {
        if self.charges.iter().any(|(known, _)| known.request_id == charge.request_id) {
            return false;
        }
        if let Some(at) = self.unanswered.iter().position(|known| known.request_id == charge.request_id) {
            self.unanswered.remove(at);
            self.perhaps_charged -= charge.price.get();
        }
        self.charges.push((charge.clone(), 0));
        true
    }

    /// Remembers that it is not known whether the watcher has taken a charge.
    pub(crate) fn may_have_taken(&mut self, charge: &ChargeBody) {
        let mut known = self.charges.iter().map(|(known, _)| known).chain(&self.unanswered);
        if known.all(|known| known.request_id != charge.request_id) {
            self.perhaps_charged += charge.price.get();
            self.unanswered.push(charge.clone());
        }
    }

    pub(crate) fn next_request(&mut self, number: u8) -> RequestId {
        self.requests += 1;
        RequestId::new(&format!("{number}-{}", self.requests)).unwrap()
    }
}

/// The highest commitment that the watcher holds, may claim, and this coverage can pay.
fn claimable(held: &Held, coverage: Amount) -> Amount {
    let claims = held.claim().into_iter().chain(held.ladder.iter().copied()).map(|claim| claim.amount);
    let most = coverage.min(held.claim_amount());
    claims.filter(|amount| *amount <= most).max().unwrap_or(Amount::ZERO)
}

impl World {
    /// Checks those promises of the design ("Must hold") that can be checked after each ledger.
    pub(crate) async fn judge(&mut self) {
        let violations = self.chain.network().violations.clone();
        for violation in violations {
            self.violated(format!("one transaction of a lane at a time: {violation}"));
        }
        for number in 1..=self.plan.channels {
            self.judge_held(number);
            self.judge_detection(number);
            self.judge_deadline(number);
        }
        self.judge_alarms();
    }

    /// The first and the second promise: nothing acknowledged is lost, amounts never go down, nothing is charged twice.
    fn judge_held(&mut self, number: u8) {
        let Some(held) = self.process.watcher().store.held(&id(number)) else {
            // The watcher dropped the channel. It may do so only if it acknowledged nothing.
            if self.memory.channel(number).highest > 0 {
                self.violated(format!("channel {number} with acknowledged commitments is not held any more"));
            }
            return;
        };
        let promised = self.memory.channel(number);
        let agreed = held.fence.and_then(|fence| fence.agreed).map(|claim| claim.amount.get());
        if promised.agreed.is_none() {
            promised.agreed = agreed.filter(|agreed| promised.perhaps_agreed.contains(agreed));
        }
        let (highest, spent) = (held.highest_amount().get(), held.spent.get());
        let (acknowledged, (least, most)) = (promised.highest, promised.spent());
        // The chain may have paid a total for which the watcher holds no commitment: before the admission, or because a
        // funder settled a commitment that no front end ever saw. Such a total counts as spent once.
        let paid_unseen = held.rollback_confirmed.unwrap_or(held.admission.paid_before).get();
        let most = most + paid_unseen;
        if highest < acknowledged {
            self.violated(format!("channel {number}: {acknowledged} was acknowledged, and {highest} is held"));
        }
        if spent > highest.max(paid_unseen) {
            self.violated(format!("channel {number}: {spent} is spent of {highest}"));
        }
        if spent < least || spent > most {
            self.violated(format!("channel {number}: {spent} is spent, and charges add up to {least} to {most}"));
        }
    }

    /// The fourth promise: at the last safe ledger everything above dust is paid.
    fn judge_deadline(&mut self, number: u8) {
        let (now, state, has_trustline) = {
            let network = self.chain.network();
            let state = network.channels[&id(number)].clone();
            let has_trustline = network.has_trustline(&state.from);
            (network.ledger(), state, has_trustline)
        };
        let promised = self.memory.channel(number);
        if promised.judged_at.is_some() {
            return;
        }
        let withdrawn = state.withdrawn.get();
        let owed = promised.owed();
        if state.refunded {
            // The recipient's close has ended it.
            promised.judged_at = Some(now);
            if withdrawn < owed {
                self.violated(format!("channel {number} has ended with {withdrawn} of {owed} paid"));
            }
            return;
        }
        let is_near = state.close_effective_at.is_some_and(|at| now + state.refund_waiting_period / 3 >= at.0);
        if promised.clawed_back_at.is_some() && owed > state.coverage().get() {
            promised.uncovered_at = Some(now);
        }
        if is_near && promised.uncovered_at.is_some() {
            let held = self.process.watcher().store.held(&id(number));
            let covered = held.map_or(0, |held| claimable(&held, state.coverage()).get());
            promised.covered = Some(promised.covered.map_or(covered, |least| least.min(covered)));
        }
        let Some(deadline) = state.close_effective_at else { return };
        if now + 1 < deadline.0 {
            return;
        }
        promised.judged_at = Some(now);
        // Tokens that are not there can't be paid. What remains covers a lower commitment.
        let uncovered = promised.uncovered_at.is_some_and(|at| at + state.refund_waiting_period / 3 >= deadline.0);
        let owed = if uncovered { promised.covered.unwrap_or(0) } else { owed };
        self.totals.deadlines += 1;
        self.totals.without_trustline += u64::from(!has_trustline);
        self.totals.clawed_back += u64::from(uncovered && owed > 0);
        if owed - withdrawn >= DUST {
            self.violated(format!("channel {number}: {withdrawn} of {owed} is paid at the deadline {deadline}"));
        }
        self.note(format_args!("channel {number}: {withdrawn} of {owed} is paid at the deadline"));
    }

    /// The shortest accepted waiting period depends on this: the watcher knows a close that the entries show after a
    /// sweep's interval, even if events or dates hide it.
    fn judge_detection(&mut self, number: u8) {
        let (now, state) = {
            let network = self.chain.network();
            (network.ledger(), network.channels[&id(number)].clone())
        };
        let Some(announced) = self.memory.channel(number).close_announced else { return };
        let visible_since = announced.max(self.trouble.blind_at + 1);
        if state.refunded || now < visible_since + SWEEP_INTERVAL + DETECTION_SPARE {
            return;
        }
        let watcher = self.process.watcher();
        let known = watcher.view.channel(&id(number)).and_then(|known| known.deadline);
        if known.is_none() && watcher.store.held(&id(number)).is_some() {
            self.violated(format!("the close of channel {number}, announced at {announced}, is not known"));
        }
    }

    /// Checks after a restart that the watcher knows a charge by its id and does not take it again.
    pub(crate) async fn judge_restart(&mut self) {
        self.dangers.process_started();
        for number in 1..=self.plan.channels {
            self.judge_held(number);
            let charges = &self.memory.channel(number).charges;
            if charges.is_empty() {
                continue;
            }
            let (charge, _) = charges[self.random.usize(..charges.len())].clone();
            let watcher = self.process.watcher();
            match watcher.run(watcher.commitments.charge(id(number), charge.clone())).await {
                Ok(again) if again.replayed && again.price == charge.price => {}
                other => self.violated(format!("channel {number}: the charge {charge:?} is answered with {other:?}")),
            }
        }
    }

    /// The third promise: what is acknowledged is what the chain would pay, or has paid. `state` is the channel when it was
    /// acknowledged.
    pub(crate) fn judge_acknowledged(&mut self, number: u8, amount: Amount, state: &ChannelState) {
        // A commitment may have reached the disk without an answer. Once the chain has paid it, the recipient can sell for it,
        // even if the channel has ended.
        if state.refunded && amount > state.withdrawn {
            let paid = state.withdrawn;
            self.violated(format!("channel {number} has ended with {paid} paid, and {amount} was acknowledged"));
        }
        let clawed_back = self.memory.channel(number).clawed_back_at;
        let is_recent = clawed_back.is_some_and(|at| self.now() < at + SWEEP_INTERVAL + COVERAGE_SPARE);
        if amount > state.coverage() && !is_recent {
            self.violated(format!("channel {number} covers {}, and {amount} was acknowledged", state.coverage()));
        }
    }
}
