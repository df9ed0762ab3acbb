//! `paychan refund` gives the funder what is left.

use std::fmt;

use clap::Args;
use paychan_channel::{Amount, ChannelState, ContractId, calls};
use paychan_rpc::meaning::Authorization;
use serde::Serialize;

use crate::error::{Failure, Kind, bail};
use crate::output::{Output, table};
use crate::session::{Receipt, Session};
use crate::signers::TransactArgs;
use crate::token::Token;

/// Take back what is left after the waiting period, as the funder
///
/// A refund ends the channel. It can be repeated for tokens that arrive later.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan refund CCHANNEL... --network testnet --secret-file funder.key")]
pub(crate) struct Refund {
    /// The channel's address (C...)
    #[arg(value_name = "CHANNEL")]
    channel: ContractId,

    #[command(flatten)]
    transact: TransactArgs,
}

#[derive(Serialize)]
struct Refunded {
    channel: ContractId,
    /// What went back to the funder.
    refunded: Amount,
    /// What the recipient got over the channel's life.
    withdrawn: Amount,
    transaction: Receipt,
    #[serde(skip)]
    token: Token,
}

impl fmt::Display for Refunded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(
            f,
            [
                ("channel", self.channel.to_string()),
                ("refunded", format!("{} to the funder", self.token.show(self.refunded))),
                ("withdrawn", format!("{} by the recipient, in total", self.token.show(self.withdrawn))),
                ("refund", self.transaction.to_string()),
            ],
        )
    }
}

impl Refund {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        let secret = self.transact.account_secret()?;
        let session = Session::connect(&self.transact, output).await?;
        let before = session.channel(&self.channel).await?;
        session.must_be("funder", &before.from, &secret)?;
        refundable(&before)?;
        let token = Token::of_channel(&session, &before).await?;
        output.progress(format_args!("taking back {} ...", token.show(before.balance)));
        let call = calls::refund(&self.channel);
        let receipt = session.call(&secret, &before, call, Authorization::by_source()).await?;
        let after = session.channel_after(&self.channel, &receipt).await?;
        let paid_meanwhile = after.withdrawn.saturating_sub(before.withdrawn);
        let result = Refunded {
            channel: self.channel,
            refunded: before.balance.saturating_sub(paid_meanwhile).saturating_sub(after.balance),
            withdrawn: after.withdrawn,
            transaction: receipt.clone(),
            token,
        };
        receipt.after(&self.channel, output.result(&result))
    }
}

/// Refuses when the contract would refuse, and when there is nothing to take back.
fn refundable(channel: &ChannelState) -> Result<(), Failure> {
    if channel.is_final() {
        if channel.balance.is_zero() {
            bail!(
                Kind::Refused,
                "the channel {} is closed for good and empty: there is nothing to refund",
                channel.channel
            );
        }
        return Ok(());
    }
    let Some(deadline) = channel.deadline() else {
        bail!(
            Kind::Refused,
            "the channel is open; announce the close first with paychan close-start {}, and wait {} ledgers",
            channel.channel,
            channel.refund_waiting_period
        );
    };
    // The refund gets into the next ledger at the earliest.
    let next = channel.read_at.saturating_add(1);
    if next < deadline {
        bail!(
            Kind::Refused,
            "refund is possible from ledger {deadline}; the network is at {}, {} ledgers to go",
            channel.read_at,
            deadline.since(channel.read_at)
        );
    }
    Ok(())
}
