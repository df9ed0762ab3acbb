//! The figures as tables or JSON.

use paychan_tests::table::table;
use serde_json::{Value, json};

use crate::batch::Batch;
use crate::calls::Calls;
use crate::env::Cost;
use crate::format::{number, percent};
use crate::goals::{self, BATCH_CHANNELS, Goal};
use crate::lives::Lives;
use crate::reference::{FORK, MAKEFILE, OPTIMISED, PLAIN, Reference};
use crate::settings::Settings;

/// The number of channels that share the code, in the table of lives.
const SHARED_BY: i64 = 1_000;

/// The other contracts. The first is the one that the goals name.
const BUILDS: [&Reference; 4] = [&MAKEFILE, &OPTIMISED, &PLAIN, &FORK];

/// Everything that this run measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) calls: Option<Calls>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) lives: Option<Lives>,
}

impl Report {
    /// The goals for the figures of this run.
    fn goals(&self) -> Vec<Goal> {
        let calls = self.calls.iter().flat_map(goals::of_calls);
        let batches = self.batches.iter().flat_map(goals::of_batch);
        calls.chain(batches).collect()
    }

    /// Prints tables. With `compare`, the reference's figures are beside ours.
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
                println!("\n  The contracts' READMEs say why some goals are missed (Cost; How many, for how much).");
            }
        }
    }

    /// The figures as JSON, for programs.
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

fn print_calls(calls: &Calls, compare: bool) {
    for settings in [Settings::Testnet, Settings::LongLives] {
        print_charges(calls, settings, compare);
    }
    print_long_waits(calls);
    print_without_rent(calls, compare);
    println!("\n  Wasm: {} bytes", number(calls.wasm_bytes));
    if compare {
        print_other_builds(calls);
    }
}

/// Prints what people pay: the fee with the rent.
fn print_charges(calls: &Calls, settings: Settings, compare: bool) {
    println!("\nWhat a call is charged with rent, where {} (XLM channel; stroops)\n", settings.title());
    let mut header = vec!["", "charged", "fee", "rent"];
    if compare {
        header.extend(["reference", "fee", "rent", "ours", "fork", "ours"]);
    }
    let mut rows = Vec::new();
    for (name, cost) in &calls.on(settings).rows {
        let mut row = vec![(*name).to_owned()];
        row.extend([number(cost.charged()), number(cost.fee), number(cost.rent)]);
        if let Some(theirs) = MAKEFILE.on(settings, name).filter(|_| compare) {
            row.extend([number(theirs.charged()), number(theirs.fee), number(theirs.rent)]);
            row.push(percent(cost.charged(), theirs.charged()));
        }
        if let Some(theirs) = FORK.on(settings, name).filter(|_| compare) {
            row.extend([number(theirs.charged()), percent(cost.charged(), theirs.charged())]);
        }
        rows.push(row);
    }
    table(&header, &rows);
}

fn print_long_waits(calls: &Calls) {
    println!("\nWhat close_start is charged for a long wait, where {} (stroops)\n", Settings::Testnet.title());
    let row = |(wait, cost): &(u32, Cost)| {
        vec![format!("{} ledgers", number(wait)), number(cost.charged()), number(cost.fee), number(cost.rent)]
    };
    table(&["", "charged", "fee", "rent"], &calls.long_waits.iter().map(row).collect::<Vec<_>>());
}

fn print_without_rent(calls: &Calls, compare: bool) {
    println!("\nWhat a call costs without rent (XLM channel; instructions as simulated, stroops as charged)\n");
    let mut header = vec!["", "instructions", "fee"];
    if compare {
        header.extend(["reference", "ours", "fee", "ours"]);
    }
    let mut rows = Vec::new();
    for (name, cost) in &calls.testnet.rows {
        let mut row = vec![(*name).to_owned(), number(cost.instructions), number(cost.fee)];
        if let Some(theirs) = MAKEFILE.on(Settings::Testnet, name).filter(|_| compare) {
            row.extend([
                number(theirs.instructions),
                percent(cost.instructions, theirs.instructions),
                number(theirs.fee),
                percent(cost.fee, theirs.fee),
            ]);
        }
        rows.push(row);
    }
    table(&header, &rows);
}

fn print_other_builds(calls: &Calls) {
    println!("\nInstructions, beside the builds of the reference and the fork\n");
    let ours = |name: &str| calls.testnet.get(name).map(|cost| u64::from(cost.instructions));
    let names = calls.testnet.rows.iter().map(|(name, _)| *name);
    compare_builds(names, ours, |build, name| {
        build.on(Settings::Testnet, name).map(|cost| u64::from(cost.instructions))
    });
    println!("\nFees without rent, beside the builds of the reference and the fork\n");
    let ours = |name: &str| calls.testnet.get(name).and_then(|cost| u64::try_from(cost.fee).ok());
    let names = calls.testnet.rows.iter().map(|(name, _)| *name);
    compare_builds(names, ours, |build, name| {
        build.on(Settings::Testnet, name).and_then(|cost| u64::try_from(cost.fee).ok())
    });
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
        "\nSettling many {} channels of one recipient in one transaction (stroops; the batch contract has {} bytes)\n",
        batch.asset,
        number(batch.batch_wasm_bytes)
    );
    let row = |name: String, channels: usize, cost: &Cost, each: i64| {
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
    println!("\n  The most channels at once: {}. With one more: {}", batch.most, batch.then);
    if let Some(bid) = batch.half_price_bid(BATCH_CHANNELS) {
        println!(
            "  The bid for inclusion comes on top, once for each transaction. From {} stroops on, {BATCH_CHANNELS} at once cost half of a \
             single settlement each.",
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
