//! Writes the report for people as plain text in columns.

use std::fmt::Write as _;

use paychan_channel::{Amount, Ledger, Stroops};
use paychan_watcher_api::{ChannelReport, ChannelStatus, LivesReport, Report};

/// The report as text. `now_unix_ms` is the wall time in milliseconds since the Unix epoch.
pub fn render(report: &Report, now_unix_ms: u64) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report, now_unix_ms);
    out
}

fn write(out: &mut String, report: &Report, now: u64) -> std::fmt::Result {
    heading(out, report, now)?;
    writeln!(out)?;
    if report.channels.is_empty() {
        writeln!(out, "no channel is watched yet")?;
    } else {
        channels(out, report)?;
    }
    if !report.lanes.is_empty() {
        writeln!(out)?;
        lanes(out, report)?;
    }
    Ok(())
}

fn heading(out: &mut String, report: &Report, now: u64) -> std::fmt::Result {
    let ago = |then: u64| format!("{} s ago", now.saturating_sub(then) / 1_000);
    if report.running {
        let ready = if report.not_ready.is_empty() { "takes commitments" } else { "takes NO commitments" };
        writeln!(out, "daemon   UP, {ready}")?;
        for reason in &report.not_ready {
            writeln!(out, "         because {reason}")?;
        }
    } else {
        writeln!(out, "daemon   DOWN: nothing is watched and nothing will be settled until it is started")?;
        let age = report
            .as_of_unix_ms
            .map_or("which holds no commitment".to_owned(), |then| format!("last written {}", ago(then)));
        writeln!(out, "         this report is from its journal, {age}")?;
    }
    writeln!(out, "network  {}", report.network)?;
    if let Some(head) = report.head {
        let closed = head.closed_at_unix_ms.map_or_else(|| "at an unknown time".to_owned(), &ago);
        writeln!(out, "ledger   {}, closed {closed}", head.ledger)?;
    }
    Ok(())
}

fn channels(out: &mut String, report: &Report) -> std::fmt::Result {
    let header = ["CHANNEL", "STATUS", "HIGHEST", "UNSETTLED", "COVERAGE", "DEADLINE"].map(str::to_owned);
    let rows: Vec<[String; 6]> = report
        .channels
        .iter()
        .map(|channel| {
            [
                channel.channel.to_string(),
                status(channel),
                amount(channel, Some(channel.highest)),
                amount(channel, Some(channel.unsettled)),
                amount(channel, channel.coverage),
                deadline(channel, report.target_close_ms),
            ]
        })
        .collect();
    let widths: [usize; 6] = std::array::from_fn(|column| {
        std::iter::once(&header).chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    line(out, &header, &widths)?;
    for (row, channel) in rows.iter().zip(&report.channels) {
        line(out, row, &widths)?;
        if let Some(lives) = &channel.lives {
            let head = report.head.map(|head| head.ledger);
            writeln!(out, "    lives  {}", lives_left(lives, head))?;
        }
        if let Some(error) = &channel.last_error {
            writeln!(out, "    error  {error}")?;
        }
        if let Some(outcome) = &channel.last_outcome {
            writeln!(out, "    last   {outcome}")?;
        }
        writeln!(
            out,
            "    next   {}",
            if report.running { &channel.next_action } else { "nothing while the daemon is down" }
        )?;
    }
    Ok(())
}

/// Writes a row: names are aligned to the left and amounts to the right.
fn line(out: &mut String, row: &[String; 6], widths: &[usize; 6]) -> std::fmt::Result {
    let [channel, status, highest, unsettled, coverage, deadline] = row;
    let [w0, w1, w2, w3, w4, _] = widths;
    let text = format!("{channel:<w0$}  {status:<w1$}  {highest:>w2$}  {unsettled:>w3$}  {coverage:>w4$}  {deadline}");
    writeln!(out, "{}", text.trim_end())
}

fn status(channel: &ChannelReport) -> String {
    let status = match channel.status {
        ChannelStatus::Open => "open",
        ChannelStatus::Closing => "CLOSING",
        ChannelStatus::Final => "final",
        ChannelStatus::Unread => "unread",
    };
    match channel.closing_with {
        Some(agreed) => format!("{status}, to be closed with {}", amount(channel, Some(agreed))),
        None => status.to_owned(),
    }
}

fn amount(channel: &ChannelReport, amount: Option<Amount>) -> String {
    let Some(amount) = amount else {
        return "?".to_owned();
    };
    match &channel.token_code {
        Some(code) => format!("{} {code}", amount.to_decimal(channel.decimals)),
        None => format!("{amount} base units"),
    }
}

fn deadline(channel: &ChannelReport, target_close_ms: Option<u32>) -> String {
    match (channel.deadline, channel.ledgers_left) {
        (None, _) => "-".to_owned(),
        (Some(deadline), None) => format!("ledger {deadline}"),
        (Some(deadline), Some(0)) => format!("ledger {deadline}, PASSED"),
        (Some(deadline), Some(left)) => {
            format!("ledger {deadline}, {}", ledgers(left, target_close_ms))
        }
    }
}

fn ledgers(left: u32, target_close_ms: Option<u32>) -> String {
    match target_close_ms {
        None => format!("{left} ledgers left"),
        Some(each) => {
            let minutes = u64::from(left) * u64::from(each) / 60_000;
            format!("{left} ledgers left, about {minutes} min")
        }
    }
}

fn lives_left(lives: &LivesReport, head: Option<Ledger>) -> String {
    let named = [
        ("instance", lives.instance),
        ("code", lives.code),
        ("token balance", lives.token_balance),
        ("token instance", lives.token_instance),
        ("token code", lives.token_code),
    ];
    let each: Vec<String> = named
        .into_iter()
        .filter_map(|(name, until)| Some((name, until?)))
        .map(|(name, until)| match head {
            _ if until == Ledger(0) => format!("{name} ARCHIVED"),
            Some(head) => format!("{name} {}", until.since(head)),
            None => format!("{name} until ledger {until}"),
        })
        .collect();
    let unit = if head.is_some() { " ledgers left" } else { "" };
    format!("{}{unit}", each.join(", "))
}

fn lanes(out: &mut String, report: &Report) -> std::fmt::Result {
    let xlm = |stroops: Stroops| {
        let amount = Amount::new(stroops.get().into()).unwrap_or(Amount::ZERO);
        format!("{} XLM", amount.to_decimal(Stroops::DECIMALS))
    };
    writeln!(out, "{:<56}  {:>20}  {:>20}  SEND", "FEE ACCOUNT", "BALANCE", "SPENDABLE")?;
    for lane in &report.lanes {
        let send = if lane.send > Stroops(0) { xlm(lane.send) } else { "nothing".to_owned() };
        writeln!(out, "{:<56}  {:>20}  {:>20}  {send}", lane.account, xlm(lane.balance), xlm(lane.spendable))?;
    }
    Ok(())
}
