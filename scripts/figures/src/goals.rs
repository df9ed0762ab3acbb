//! The goals that the figures are compared with.

use crate::batch::Batch;
use crate::calls::{Calls, Costs, LIFE};
use crate::format::{number, percent};
use crate::reference::{MAKEFILE, PLAIN};
use crate::settings::Settings;

/// The calls that have a goal for their charge, rent included, and the highest charge, in percent of the reference's.
///
/// `top_up` and `refund` may cost more, because they store what the reference does not store.
const CHARGE_GOALS: [(&str, i64); 8] = [
    (LIFE, 105),
    ("open", 115),
    ("top_up", 130),
    ("settle, first", 115),
    ("settle", 115),
    ("close", 115),
    ("close_start", 115),
    ("refund", 130),
];
/// The calls whose instructions have a goal.
const INSTRUCTION_CALLS: [&str; 5] = ["settle", "close", "close_start", "refund", "top_up"];
/// The most instructions, in percent of the reference's.
const INSTRUCTION_PERCENT: u64 = 75;
/// The most bytes of Wasm.
const WASM_BYTES: usize = 12_000;
/// The fewest channels that one transaction has to settle.
pub(crate) const BATCH_CHANNELS: usize = 30;

/// A goal, the figure that is compared with it, and whether it is met.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) figure: String,
    pub(crate) met: bool,
}

/// The goals for the channel contract.
pub(crate) fn of_calls(calls: &Calls) -> Vec<Goal> {
    let mut goals = Vec::new();
    for settings in [Settings::Testnet, Settings::LongLives] {
        let days = settings.min_life() / (24 * 3600 / 5);
        for (name, percent) in CHARGE_GOALS {
            goals.extend(charge(calls.on(settings), settings, days, name, percent));
        }
    }
    for name in INSTRUCTION_CALLS {
        goals.extend(instructions(&calls.testnet, name));
    }
    for name in INSTRUCTION_CALLS {
        goals.extend(instructions_on_protocol_25(calls, name));
    }
    goals.push(Goal {
        what: format!("Wasm: at most {} bytes", number(WASM_BYTES)),
        figure: number(calls.wasm_bytes),
        met: calls.wasm_bytes <= WASM_BYTES,
    });
    goals
}

/// The goals for a batch.
pub(crate) fn of_batch(batch: &Batch) -> Vec<Goal> {
    let mut goals = vec![Goal {
        what: format!("{}: {BATCH_CHANNELS} channels a transaction", batch.asset),
        figure: batch.most.to_string(),
        met: batch.most >= BATCH_CHANNELS,
    }];
    if let Some(each) = batch.per_channel(BATCH_CHANNELS) {
        goals.push(Goal {
            what: format!("{}: at most half the fee each", batch.asset),
            figure: percent(each, batch.single.fee),
            met: each.saturating_mul(2) <= batch.single.fee,
        });
    }
    goals
}

fn charge(costs: &Costs, settings: Settings, days: u32, name: &str, most: i64) -> Option<Goal> {
    let (ours, theirs) = (costs.get(name)?.charged(), MAKEFILE.on(settings, name)?.charged());
    Some(Goal {
        what: format!("{name}: charged at most {most} % of the reference ({days} days)"),
        figure: percent(ours, theirs),
        met: ours.saturating_mul(100) <= theirs.saturating_mul(most),
    })
}

fn instructions(costs: &Costs, name: &str) -> Option<Goal> {
    let (ours, theirs) = (costs.get(name)?, MAKEFILE.on(Settings::Testnet, name)?);
    Some(instruction_goal(
        format!("{name}: at most {INSTRUCTION_PERCENT} % of the reference's instructions"),
        u64::from(ours.instructions),
        u64::from(theirs.instructions),
    ))
}

/// The same goal under the conditions for which it was set: on protocol 25, beside the build of the reference that was
/// measured then.
fn instructions_on_protocol_25(calls: &Calls, name: &str) -> Option<Goal> {
    let (_, ours) = calls.on_protocol_25.iter().find(|(row, _)| *row == name)?;
    Some(instruction_goal(
        format!("{name}: the same on protocol 25, beside its cargo build"),
        *ours,
        PLAIN.on_protocol_25(name)?,
    ))
}

fn instruction_goal(what: String, ours: u64, theirs: u64) -> Goal {
    let met = ours.saturating_mul(100) <= theirs.saturating_mul(INSTRUCTION_PERCENT);
    Goal { what, figure: percent(ours, theirs), met }
}
