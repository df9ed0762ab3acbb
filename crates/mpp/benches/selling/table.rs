//! Prints the table.

use super::client::Asking;
use super::server::Kind;
use super::{ASKED_TIMES, CONNECTIONS};

/// The rates of one server for one way of paying. There is one rate for each number of connections.
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) asking: Asking,
    pub(crate) rates: [u64; CONNECTIONS.len()],
}

pub(crate) fn print(rows: &[Row]) {
    let heads = CONNECTIONS.map(|connections| format!("{connections:>16}")).join("");
    println!("{:<46}{heads}", "answers per second, by number of connections");
    for asking in Asking::ALL {
        println!("{}", asking.title());
        let of_mppx = rows.iter().find(|row| row.kind == Kind::Mppx && row.asking == asking);
        for row in rows.iter().filter(|row| row.asking == asking) {
            let cells = row.rates.iter().enumerate().map(|(at, rate)| {
                let times = of_mppx.filter(|_| row.kind != Kind::Mppx).map(|mppx| tenths(*rate, mppx.rates[at]));
                format!("{:>9}{:>7}", rate, times.map_or(String::new(), |times| format!(" ×{times}")))
            });
            println!("  {:<44}{}", row.kind.title(), cells.collect::<String>());
        }
    }
    for row in rows.iter().filter(|row| matches!(row.kind, Kind::InProcess | Kind::Beside)) {
        let Some(mppx) = rows.iter().find(|other| other.kind == Kind::Mppx && other.asking == row.asking) else {
            continue;
        };
        for (at, connections) in CONNECTIONS.iter().enumerate().filter(|(_, connections)| **connections > 1) {
            if row.rates[at] < mppx.rates[at] * ASKED_TIMES {
                let times = tenths(row.rates[at], mppx.rates[at]);
                println!(
                    "MISSED: {}, {}, {connections} connections: {times} times as many as mppx, and {ASKED_TIMES} times were asked for",
                    row.kind.title(),
                    row.asking.title()
                );
            }
        }
    }
}

fn tenths(rate: u64, other: u64) -> String {
    let tenths = rate * 10 / other.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}
