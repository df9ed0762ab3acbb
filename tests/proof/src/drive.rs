//! Applies a sequence to the model and to the chain. After each step it compares the answer, the error's number, the events,
//! the storage and the balances, and checks the rules of [`crate::invariants`].

use std::{collections::BTreeMap, fmt::Write as _};

use stellar_xdr::ScAddress;

use crate::{
    answer::Answer,
    chain::{Chain, Prepared},
    invariants::{Fact, Invariants},
    model::{Call, Claim, Model, Party, Rules},
    moves::{Move, Sequence, Step},
    network::Network,
    observed::Observed,
    script::{self, Action, Given},
    token::{LineChange, Touched},
};

/// How often each call was answered in each way. It shows what the sequences reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    fn count(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Adds the counts of another tally.
    pub fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }
}

/// The first difference, and the steps that led to it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How the chain differs from the model, or which rule it breaks.
    pub difference: String,
    /// The steps up to it, one line for each.
    pub log: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, line) in self.log.iter().enumerate() {
            writeln!(f, "{:>3}. {line}", number + 1)?;
        }
        write!(f, "  => {}", self.difference)
    }
}

/// Runs a sequence.
///
/// # Errors
/// The chain differs from the model, the chain breaks a rule, or the driver is broken.
pub fn drive(net: &Network, rules: Rules, sequence: &Sequence) -> Result<Tally, Box<Failure>> {
    let mut log = Vec::new();
    let outcome = Driver::start(net, rules, sequence).and_then(|mut driver| {
        let outcome = driver.run(sequence);
        log = std::mem::take(&mut driver.log);
        outcome.map(|()| driver.tally)
    });
    outcome.map_err(|difference| Box::new(Failure { difference, log }))
}

/// A transaction that is ready to be sent, and what the model knows of it.
struct Planned {
    prepared: Prepared,
    by: Party,
    what: What,
    /// The transaction's line in the log.
    line: usize,
}

enum What {
    Call(Call, Touched),
    Line(LineChange),
}

struct Driver<'n> {
    chain: Chain<'n>,
    model: Model,
    given: Given,
    invariants: Invariants,
    log: Vec<String>,
    tally: Tally,
}

type Outcome<T = ()> = Result<T, String>;

impl<'n> Driver<'n> {
    fn start(net: &'n Network, rules: Rules, sequence: &Sequence) -> Outcome<Self> {
        let funds = if sequence.rich { i64::MAX } else { 1_000_000 };
        let mut chain = Chain::new(net, rules, [funds, 0, 1_000])?;
        let model = chain.model()?;
        let observed = chain.observe()?;
        let parties = chain.names().parties;
        Ok(Self {
            invariants: Invariants::new(parties, address(&chain), observed),
            chain,
            model,
            given: Given::default(),
            log: Vec::new(),
            tally: Tally::default(),
        })
    }

    fn run(&mut self, sequence: &Sequence) -> Outcome {
        for early in &sequence.before {
            self.alone(early)?;
        }
        self.alone(&Move::Open { by: Party::Funder, terms: sequence.terms })?;
        for step in &sequence.steps {
            self.step(step)?;
        }
        self.claimable()?;
        self.state_agrees_with_the_model()
    }

    /// Makes a move with nothing between its simulation and its inclusion.
    fn alone(&mut self, main: &Move) -> Outcome {
        self.step(&Step { main: *main, gap: Vec::new(), together: false })
    }

    fn step(&mut self, step: &Step) -> Outcome {
        if matches!(step.main, Move::Line { .. }) && !step.gap.is_empty() {
            // A change of a trustline is not simulated, so no move can come in between, and its figures are of the
            // present state.
            return self.alone(&step.main);
        }
        let Some(main) = self.plan(&step.main, "")? else {
            return Ok(());
        };
        let mut together = Vec::new();
        for between in &step.gap {
            let Some(planned) = self.plan(between, "  meanwhile: ")? else {
                continue;
            };
            if step.together && step.gap.len() == 1 && !planned.prepared.collides_with(&main.prepared) {
                together.push(planned);
            } else {
                self.include(vec![planned])?;
            }
        }
        together.push(main);
        self.include(together)
    }

    /// Simulates a move. The answer is `None` where there is nothing to include, because the move is off chain, makes no
    /// sense in this state, or is refused.
    fn plan(&mut self, what: &Move, prefix: &str) -> Outcome<Option<Planned>> {
        let Some(action) = script::action(what, &self.model, &self.given) else {
            return Ok(None);
        };
        let line = self.log.len();
        self.log.push(format!("{prefix}{}", describe(&action, &self.model)));
        match action {
            Action::Give(total) => {
                self.given.push(total);
                Ok(None)
            }
            Action::Jump(ledgers) => {
                self.model.ledger = self.chain.jump(ledgers)?;
                self.compare_state(&[])?;
                Ok(None)
            }
            Action::Line(of, change) => {
                let held = self.model.lines[of.index()];
                Ok(Some(Planned {
                    prepared: self.chain.prepare_line(of, change, held)?,
                    by: of,
                    what: What::Line(change),
                    line,
                }))
            }
            Action::Call(by, call) => self.plan_call(by, call, line),
        }
    }

    fn plan_call(&mut self, by: Party, call: Call, line: usize) -> Outcome<Option<Planned>> {
        if let Some(total) = good(&call) {
            self.given.push(total);
        }
        let expected = self.model.simulate(by, &call);
        match (expected, self.chain.prepare(by, &call)?) {
            (Ok(touched), Ok(prepared)) => Ok(Some(Planned { prepared, by, what: What::Call(call, touched), line })),
            (Err(expected), Err(refusal)) if expected == refusal => {
                self.note(line, &call, &format!("{refusal:?} at simulation"));
                Ok(None)
            }
            (expected, actual) => {
                Err(format!("simulation: the model says {expected:?}, the chain says {:?}", actual.map(|_| ())))
            }
        }
    }

    /// Closes a ledger with these transactions, in this order.
    fn include(&mut self, planned: Vec<Planned>) -> Outcome {
        let mut hashes = Vec::new();
        for it in &planned {
            hashes.push(self.chain.submit(&it.prepared)?);
        }
        self.model.ledger = self.chain.close_ledger()?;
        let mut answers = Vec::new();
        for (it, hash) in planned.iter().zip(hashes) {
            let was_open = self.model.channel.is_some();
            let answer = self.chain.answer(&it.prepared, hash)?;
            self.compare_answer(it, &answer)?;
            if !was_open && self.model.channel.is_some() {
                self.invariants.opened(address(&self.chain));
            }
            answers.push(answer);
        }
        let facts: Vec<_> = planned
            .iter()
            .zip(&answers)
            .map(|(it, answer)| Fact {
                by: it.by,
                call: match &it.what {
                    What::Call(call, _) => Some(call),
                    What::Line(_) => None,
                },
                answer,
                used: self.used(it),
            })
            .collect();
        self.compare_state(&facts)
    }

    /// The total that a transaction claims, if its signature verifies off chain.
    fn used(&self, planned: &Planned) -> Option<i128> {
        match &planned.what {
            What::Call(Call::Settle(claim) | Call::Close(claim), _) => {
                let signature = self.chain.signer.signature(claim);
                self.chain.signer.verifies(claim.amount, &signature).then_some(claim.amount)
            }
            _ => None,
        }
    }

    fn compare_answer(&mut self, planned: &Planned, answer: &Answer) -> Outcome {
        match &planned.what {
            What::Line(change) => {
                let expected = self.model.change_line(planned.by, *change);
                if expected != answer.result.is_ok() {
                    return Err(format!(
                        "the model says that {change:?} works: {expected}; the chain: {:?}",
                        answer.result
                    ));
                }
                Ok(())
            }
            What::Call(call, touched) => {
                let expected = self.model.execute(planned.by, call, touched);
                let events = expected.as_ref().map(|done| &done.events);
                if events != answer.result.as_ref() {
                    return Err(format!("the model says {events:?}, the chain says {:?}", answer.result));
                }
                let how = match &answer.result {
                    Ok(_) => "done".to_owned(),
                    Err(refusal) => format!("{refusal:?}"),
                };
                self.note(planned.line, call, &how);
                if let Ok(done) = expected {
                    self.model = done.model;
                }
                Ok(())
            }
        }
    }

    fn compare_state(&mut self, facts: &[Fact<'_>]) -> Outcome {
        let observed = self.chain.observe()?;
        // The rules come first, because a broken rule is worse than a difference.
        self.invariants.check(facts, &observed)?;
        let expected = Observed::of(&self.model);
        if observed != expected {
            return Err(format!("the model has {expected:?}, the ledger has {observed:?}"));
        }
        Ok(())
    }

    /// Checks that anybody can settle the highest commitment, where the ledger says that this must be possible: the
    /// channel is not final, its balance covers it, and the recipient can take it.
    fn claimable(&mut self) -> Outcome {
        let observed = self.chain.observe()?;
        let (Some(stored), Some(purse), Some(line), Some(total)) =
            (observed.stored, observed.purse, observed.lines[Party::Recipient.index()], self.given.highest())
        else {
            return Ok(());
        };
        let payout = total.saturating_sub(observed.withdrawn());
        let room = i128::from(line.limit) - i128::from(line.balance);
        let must = self.model.rules == Rules::Paychan
            && !stored.refunded
            && payout > 0
            && payout <= purse.amount
            && purse.authorized
            && line.authorized
            && payout <= room;
        if !must {
            return Ok(());
        }
        let claim = Claim { amount: total, signature: crate::model::Signature::Good };
        self.tally.count("claimable at the end".to_owned());
        match self.chain.prepare(Party::Stranger, &Call::Settle(claim))? {
            Ok(_) => Ok(()),
            Err(refusal) => Err(format!("4: {total} can't be settled though it is covered: {refusal:?}; {observed:?}")),
        }
    }

    /// Compares the answer of `state` with the model.
    fn state_agrees_with_the_model(&mut self) -> Outcome {
        let Some(channel) = self.model.channel else {
            return Ok(());
        };
        if self.model.rules != Rules::Paychan {
            return Ok(());
        }
        let state = self.chain.read("state")?;
        let amount = |name| crate::xdr::field(&state, name).and_then(crate::xdr::as_i128);
        let answered = (
            amount("balance"),
            amount("deposited"),
            amount("withdrawn"),
            crate::xdr::field(&state, "refunded").cloned(),
        );
        let expected = (
            Some(self.model.balance()),
            Some(channel.deposited),
            Some(channel.withdrawn),
            Some(stellar_xdr::ScVal::Bool(channel.is_final)),
        );
        if answered != expected {
            return Err(format!("state() answers {answered:?}, the model says {expected:?}"));
        }
        Ok(())
    }

    fn note(&mut self, line: usize, call: &Call, how: &str) {
        self.tally.count(format!("{}: {how}", name(call)));
        if let Some(line) = self.log.get_mut(line) {
            let _ = write!(line, " -> {how}");
        }
    }
}

fn address(chain: &Chain<'_>) -> ScAddress {
    ScAddress::Contract(chain.signer.channel.clone())
}

/// The total of a claim, if its signature is good.
fn good(call: &Call) -> Option<i128> {
    match call {
        Call::Settle(claim) | Call::Close(claim) if claim.is_good() => Some(claim.amount),
        _ => None,
    }
}

fn name(call: &Call) -> &'static str {
    match call {
        Call::Open(_) => "open",
        Call::TopUp(_) => "top_up",
        Call::Settle(_) => "settle",
        Call::Close(_) => "close",
        Call::CloseStart => "close_start",
        Call::Refund => "refund",
        Call::Extend => "extend",
        Call::Send(_) => "send",
        Call::Mint(_) => "mint",
        Call::Clawback(_) => "clawback",
        Call::Authorize(_) => "authorize",
    }
}

fn describe(action: &Action, model: &Model) -> String {
    let ledger = model.ledger;
    match action {
        Action::Call(by, call) => format!("ledger {ledger}: {by:?} {call:?}"),
        Action::Line(of, change) => format!("ledger {ledger}: {of:?}'s trustline {change:?}"),
        Action::Jump(ledgers) => format!("ledger {ledger}: {ledgers} ledgers pass"),
        Action::Give(total) => format!("the funder gives a commitment of {total}"),
    }
}
