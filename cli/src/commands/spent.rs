//! `paychan spent` shows what was paid, to whom and for what.

use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use paychan_channel::Amount;
use paychan_mpp::buyer::{Answered, Record, Signed, Store};
use serde::Serialize;

use super::pay::{FolderArgs, unpaid};
use crate::error::Failure;
use crate::output::Output;

/// Show what was paid, to whom and for what
///
/// The command reads what paychan pay wrote down. The table adds up the payments to each address; --json and --csv list
/// each payment.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan spent
  paychan spent --payments payments --csv > payments.csv")]
pub(crate) struct Spent {
    /// List each payment as comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    #[command(flatten)]
    folder: FolderArgs,
}

/// One payment. Amounts are base units.
#[derive(Serialize)]
struct Payment {
    at: String,
    host: String,
    method: String,
    url: String,
    channel: String,
    price: Amount,
    /// What the receipt says was charged; null without a receipt.
    charged: Option<Amount>,
    /// The total that was signed.
    total: Amount,
    /// The answer's status; null when none came.
    status: Option<u16>,
    reference: Option<String>,
}

#[derive(Serialize)]
struct Report {
    payments: Vec<Payment>,
    /// The sum of all signed amounts: the most that recipients may have.
    signed: Amount,
    #[serde(skip)]
    csv: bool,
}

impl Spent {
    pub(crate) fn run(&self, output: Output) -> Result<(), Failure> {
        let folder = self.folder.folder()?;
        let records = Store::read(&folder).map_err(|error| unpaid(error.into()))?;
        if records.is_empty() {
            output.warn(format_args!("no payments are in {}; --payments names another folder", folder.display()));
        }
        output.result(&Report::of(&records, self.csv))
    }
}

impl Report {
    fn of(records: &[Record], csv: bool) -> Self {
        let answers: BTreeMap<u64, &Answered> = records
            .iter()
            .filter_map(|record| match record {
                Record::Answered(answered) => Some((answered.id, answered)),
                _ => None,
            })
            .collect();
        let signed: Vec<&Signed> = records
            .iter()
            .filter_map(|record| match record {
                Record::Signed(signed) => Some(signed),
                _ => None,
            })
            .collect();
        let payment = |signed: &&Signed| {
            let answered = answers.get(&signed.id);
            let receipt = answered.and_then(|answered| answered.receipt.as_ref());
            Payment {
                at: signed.at.clone(),
                host: signed.host.clone(),
                method: signed.method.clone(),
                url: signed.url.clone(),
                channel: signed.channel.to_string(),
                price: signed.price,
                charged: receipt.map(|receipt| receipt.charged.unwrap_or(signed.price)),
                total: signed.total,
                status: answered.and_then(|answered| answered.status),
                reference: receipt.map(|receipt| receipt.reference.clone()),
            }
        };
        Self {
            payments: signed.iter().map(payment).collect(),
            signed: records.iter().map(Record::signed_away).fold(Amount::ZERO, Amount::saturating_add),
            csv,
        }
    }

    fn write_csv(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at,host,method,url,channel,price,charged,total,status,reference")?;
        for payment in &self.payments {
            let charged = payment.charged.map(|amount| amount.to_string()).unwrap_or_default();
            let status = payment.status.map(|status| status.to_string()).unwrap_or_default();
            let (price, total) = (payment.price.to_string(), payment.total.to_string());
            let fields = [
                payment.at.as_str(),
                &payment.host,
                &payment.method,
                &payment.url,
                &payment.channel,
                &price,
                &charged,
                &total,
                &status,
                payment.reference.as_deref().unwrap_or_default(),
            ];
            write!(f, "\n{}", fields.map(csv_field).join(","))?;
        }
        Ok(())
    }
}

/// A field in the form of RFC 4180. The reference comes from a server, so a spreadsheet must not take it for a formula.
fn csv_field(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.csv {
            return self.write_csv(f);
        }
        let mut by_address: BTreeMap<(String, String), (u64, Amount, u64)> = BTreeMap::new();
        for payment in &self.payments {
            let key = (format!("{} {}", payment.method, payment.url), payment.channel.clone());
            let (count, charged, open) = by_address.entry(key).or_default();
            *count = count.saturating_add(1);
            *charged = charged.saturating_add(payment.charged.unwrap_or(Amount::ZERO));
            *open = open.saturating_add(u64::from(payment.charged.is_none()));
        }
        for ((what, channel), (count, charged, open)) in &by_address {
            writeln!(f, "{what}")?;
            writeln!(f, "  through {channel}: {count} payments, {charged} base units, {open} without a receipt")?;
        }
        write!(f, "{} payments, {} base units signed away in all", self.payments.len(), self.signed)
    }
}
