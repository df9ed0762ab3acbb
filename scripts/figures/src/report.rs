//! The figures as tables or JSON, and the goals they are held against.

use paychan_tests::table::table;
use serde_json::{Value, json};

use crate::batch::Batch;
use crate::calls::Calls;
use crate::lives::Lives;
use crate::reference::{FORK, MAKEFILE, OPTIMISED, PLAIN, Reference};

/// The calls whose instructions have a goal.
const GOAL_CALLS: [&str; 5] = ["settle", "close", "close_start", "refund", "top_up"];
/// The most instructions, in percent of the reference's.
const GOAL_PERCENT: u64 = 75;
/// The most bytes of Wasm.
const GOAL_BYTES: usize = 12_000;
/// The fewest channels that one transaction settles.
const GOAL_CHANNELS: usize = 30;
/// Channels that share the code, in the table of lives.
const SHARED_BY: i64 = 1_000;

/// The other contracts, the one that goals are held against first.
const BUILDS: [&Reference; 4] = [&MAKEFILE, &OPTIMISED, &PLAIN, &FORK];

/// All that was measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) calls: Option<Calls>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) lives: Option<Lives>,
}

/// A goal and whether it is met.
pub(crate) struct Goal {
    what: String,
    figure: String,
    pub(crate) met: bool,
}

impl Report {
    /// Every goal that can be held against what was measured.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        if let Some(calls) = &self.calls {
            for name in GOAL_CALLS {
                goals.extend(instruction_goal(calls, name));
            }
            for name in GOAL_CALLS {
                goals.extend(earlier_goal(calls, name));
            }
            for (name, _) in calls.rows.iter().filter(|(name, _)| *name != "upload") {
                goals.extend(fee_goal(calls, name));
            }
            goals.push(Goal {
                what: format!("Wasm at most {} bytes", number(GOAL_BYTES)),
                figure: number(calls.wasm_bytes),
                met: calls.wasm_bytes <= GOAL_BYTES,
            });
        }
        for batch in &self.batches {
            goals.push(Goal {
                what: format!("{}: {GOAL_CHANNELS} channels a transaction", batch.asset),
                figure: batch.most.to_string(),
                met: batch.most >= GOAL_CHANNELS,
            });
            if let Some(each) = batch.per_channel(GOAL_CHANNELS) {
                goals.push(Goal {
                    what: format!("{}: at most half the fee each", batch.asset),
                    figure: percent(each, batch.single.fee),
                    met: each.saturating_mul(2) <= batch.single.fee,
                });
            }
        }
        goals
    }

    /// Prints tables. `compare`: beside the reference.
    pub(crate) fn print(&self, compare: bool) {
        if let Some(calls) = &self.calls {
            print_calls(calls, compare);
        }
        for batch in &self.batches {
            print_batch(batch);
        }
        if let Some(lives) = &self.lives {
            print_lives(lives);
        }
        let goals = self.goals();
        if compare && !goals.is_empty() {
            println!("\nGoals\n");
            let all_met = goals.iter().all(|goal| goal.met);
            let rows = goals
                .into_iter()
                .map(|goal| {
                    let verdict = if goal.met { "met" } else { "MISSED" };
                    vec![goal.what, goal.figure, verdict.to_owned()]
                })
                .collect::<Vec<_>>();
            table(&["", "figure", ""], &rows);
            if !all_met {
                println!("\n  Why some are missed is told in the contracts' READMEs (Cost; How many, for how much).");
            }
        }
    }

    /// The same for programs.
    pub(crate) fn json(&self, compare: bool) -> Value {
        let goals = self.goals().into_iter().filter(|_| compare);
        let goals =
            goals.map(|goal| json!({ "goal": goal.what, "figure": goal.figure, "met": goal.met })).collect::<Vec<_>>();
        json!({
            "calls": self.calls,
            "batches": self.batches,
            "rent_for_a_month": self.lives,
            "goals": goals,
        })
    }
}

fn instruction_goal(calls: &Calls, name: &str) -> Option<Goal> {
    let (ours, theirs) = (calls.get(name)?, MAKEFILE.get(name)?);
    Some(at_most(
        format!("{name}: at most {GOAL_PERCENT} % of the reference's instructions"),
        u64::from(ours.instructions),
        u64::from(theirs.instructions),
    ))
}

/// The same where the goal was set: on protocol 25, beside the build that was measured then.
fn earlier_goal(calls: &Calls, name: &str) -> Option<Goal> {
    let (_, ours) = calls.on_protocol_25.iter().find(|(row, _)| *row == name)?;
    Some(at_most(
        format!("{name}: the same on protocol 25, beside its cargo build"),
        *ours,
        PLAIN.on_protocol_25(name)?,
    ))
}

fn at_most(what: String, ours: u64, theirs: u64) -> Goal {
    Goal { what, figure: percent(ours, theirs), met: ours.saturating_mul(100) <= theirs.saturating_mul(GOAL_PERCENT) }
}

fn fee_goal(calls: &Calls, name: &str) -> Option<Goal> {
    let (ours, theirs) = (calls.get(name)?.fee, MAKEFILE.get(name)?.fee);
    Some(Goal {
        what: format!("{name}: fee without rent not above the reference's"),
        figure: percent(ours, theirs),
        met: ours <= theirs,
    })
}

fn print_calls(calls: &Calls, compare: bool) {
    println!("\nWhat a call costs (XLM channel; instructions as simulated, stroops as charged)\n");
    let mut header = vec!["", "instructions", "fee", "rent"];
    if compare {
        header.extend(["reference", "ours", "fee", "ours", "rent"]);
    }
    let mut rows = Vec::new();
    for (name, cost) in &calls.rows {
        let mut row = vec![(*name).to_owned()];
        row.extend([number(cost.instructions), number(cost.fee), number(cost.rent)]);
        if let Some(theirs) = MAKEFILE.get(name).filter(|_| compare) {
            row.extend([
                number(theirs.instructions),
                percent(cost.instructions, theirs.instructions),
                number(theirs.fee),
                percent(cost.fee, theirs.fee),
                number(theirs.rent),
            ]);
        }
        rows.push(row);
    }
    table(&header, &rows);
    println!("\n  Wasm: {} bytes", number(calls.wasm_bytes));
    if compare {
        print_other_builds(calls);
    }
}

fn print_other_builds(calls: &Calls) {
    println!("\nBeside other builds, and the fork (instructions)\n");
    let ours = |name: &str| calls.get(name).map(|cost| u64::from(cost.instructions));
    let names = calls.rows.iter().map(|(name, _)| *name);
    compare_builds(names, ours, |build, name| build.get(name).map(|cost| u64::from(cost.instructions)));
    println!("\nThe same (fees without rent)\n");
    let ours = |name: &str| calls.get(name).and_then(|cost| u64::try_from(cost.fee).ok());
    let names = calls.rows.iter().map(|(name, _)| *name);
    compare_builds(names, ours, |build, name| build.get(name).and_then(|cost| u64::try_from(cost.fee).ok()));
    println!(
        "\nOn the host of protocol 25, which charges for each byte of a module that it loads (instructions, no margin)\n"
    );
    let earlier = &calls.on_protocol_25;
    let ours = |name: &str| earlier.iter().find(|(row, _)| *row == name).map(|row| row.1);
    let names = earlier.iter().map(|(name, _)| *name);
    compare_builds(names, ours, Reference::on_protocol_25);
    println!();
    for build in BUILDS {
        let bytes = number(build.wasm_bytes);
        println!("  {}: {}; {bytes} bytes", build.name, build.how);
    }
}

fn compare_builds<'a>(
    names: impl Iterator<Item = &'a str>,
    ours: impl Fn(&str) -> Option<u64>,
    theirs: impl Fn(&Reference, &str) -> Option<u64>,
) {
    let mut header = vec!["", "ours"];
    for build in BUILDS {
        header.extend([build.name, "ours"]);
    }
    let rows = names
        .filter_map(|name| {
            let ours = ours(name)?;
            let mut row = vec![name.to_owned(), number(ours)];
            for theirs in BUILDS.iter().filter_map(|build| theirs(build, name)) {
                row.extend([number(theirs), percent(ours, theirs)]);
            }
            Some(row)
        })
        .collect::<Vec<_>>();
    table(&header, &rows);
}

fn print_batch(batch: &Batch) {
    println!(
        "\nSettling many {} channels of one recipient in one transaction (stroops; rent apart; batch contract {} bytes)\n",
        batch.asset,
        number(batch.batch_wasm_bytes)
    );
    let row = |name: String, channels: usize, cost: &crate::stage::Cost, each: i64| {
        vec![
            name,
            number(channels),
            number(cost.instructions),
            number(cost.fee),
            number(each),
            percent(each, batch.single.fee),
            number(cost.rent),
        ]
    };
    let mut rows = vec![row("settle".to_owned(), 1, &batch.single, batch.single.fee)];
    for (channels, cost) in &batch.sizes {
        let each = batch.per_channel(*channels).unwrap_or_default();
        rows.push(row("settle_many".to_owned(), *channels, cost, each));
    }
    table(&["", "channels", "instructions", "fee", "each", "of a single", "rent"], &rows);
    println!("\n  The most: {}. One more: {}", batch.most, batch.then);
    if let Some(bid) = batch.half_price_bid(GOAL_CHANNELS) {
        println!(
            "  The bid for inclusion comes on top, once a transaction: from {} stroops on, {GOAL_CHANNELS} at once cost half \
             of a single each.",
            number(bid)
        );
    }
}

fn print_lives(lives: &Lives) {
    println!("\nWhat a month of life costs (30 days of 5-second ledgers, USDC channel; rent in stroops)\n");
    let shared = lives.code.saturating_add(SHARED_BY - 1) / SHARED_BY;
    let own = lives.instance.saturating_add(lives.balance);
    let rows = vec![
        vec!["instance".to_owned(), number(lives.instance), number(lives.instance)],
        vec!["balance".to_owned(), number(lives.balance), number(lives.balance)],
        vec!["code".to_owned(), number(lives.code), number(shared)],
        vec!["all".to_owned(), number(own.saturating_add(lives.code)), number(own.saturating_add(shared))],
    ];
    table(&["", "one channel", "each of 1,000"], &rows);
}

/// Digits in groups of three.
fn number(value: impl ToString) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share in tenths of a percent, rounded up so that nothing looks cheaper than it is.
fn percent<T>(part: T, whole: T) -> String
where
    i128: TryFrom<T>,
{
    let (Ok(part), Ok(whole)) = (i128::try_from(part), i128::try_from(whole)) else {
        return String::new();
    };
    if whole <= 0 {
        return String::new();
    }
    let tenths = (part.saturating_mul(1_000).saturating_add(whole - 1)) / whole;
    format!("{}.{} %", tenths / 10, tenths % 10)
}
