//! `paychan close-start`: the funder announces that it wants to leave.

use std::fmt;

use clap::Args;
use paychan_channel::{ContractId, Ledger, calls};
use paychan_rpc::meaning::Authorization;
use serde::Serialize;

use crate::error::{Failure, Kind, bail};
use crate::output::{Output, table};
use crate::session::{Receipt, Session};
use crate::signers::TransactArgs;

/// Announce that the funder leaves: after the waiting period, refund takes back the rest
///
/// The recipient can settle during the waiting period and after it, until the refund is done.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan close-start CCHANNEL... --network testnet --secret-file funder.key")]
pub(crate) struct CloseStart {
    /// The channel's address (C...)
    #[arg(value_name = "CHANNEL")]
    channel: ContractId,

    /// Start the waiting period again although a close has started already; the refund comes later
    #[arg(long)]
    again: bool,

    #[command(flatten)]
    transact: TransactArgs,
}

#[derive(Serialize)]
struct Closing {
    channel: ContractId,
    /// The ledger from which refund is possible.
    deadline: Ledger,
    last_safe_ledger: Ledger,
    transaction: Receipt,
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(
            f,
            [
                ("channel", self.channel.to_string()),
                (
                    "refund from",
                    format!(
                        "ledger {}, {} ledgers after the close started",
                        self.deadline,
                        self.deadline.since(self.transaction.ledger)
                    ),
                ),
                ("close-start", self.transaction.to_string()),
            ],
        )
    }
}

impl CloseStart {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        let secret = self.transact.account_secret()?;
        let session = Session::connect(&self.transact, output).await?;
        let before = session.channel(&self.channel).await?;
        session.must_be("funder", &before.from, &secret)?;
        if before.is_final() {
            bail!(Kind::Refused, "the channel {} is closed for good already", self.channel);
        }
        if let Some(deadline) = before.deadline() {
            if before.read_at.saturating_add(1) >= deadline {
                bail!(
                    Kind::Refused,
                    "the waiting period is over since ledger {deadline}; take back the rest with paychan refund {}",
                    self.channel
                );
            }
            if !self.again {
                bail!(
                    Kind::Refused,
                    "a close has started already; refund is possible from ledger {deadline}, in {} ledgers. A new start \
                     begins the waiting period again; if that is what you want, add --again",
                    deadline.since(before.read_at)
                );
            }
        }
        output.progress("starting to close ...");
        let call = calls::close_start(&self.channel);
        let receipt = session.call(&secret, &before, call, Authorization::by_source()).await?;
        let after = session.channel_after(&self.channel, &receipt).await?;
        // The recipient may close the channel before we read it, and some contracts then forget the deadline.
        let no_deadline = || Failure::new(Kind::ResultUnread, "the channel shows no deadline now");
        let deadline = receipt.after(&self.channel, after.deadline().ok_or_else(no_deadline))?;
        let last_safe_ledger = receipt.after(&self.channel, after.last_safe_ledger().ok_or_else(no_deadline))?;
        let closing = Closing { channel: self.channel, deadline, last_safe_ledger, transaction: receipt.clone() };
        receipt.after(&self.channel, output.result(&closing))
    }
}
