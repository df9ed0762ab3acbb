//! `paychan settle` pays a commitment out; the channel stays open.

use std::fmt;

use clap::Args;
use paychan_channel::{Amount, ContractId, Layout, calls};
use paychan_rpc::meaning::Authorization;
use serde::Serialize;

use crate::commitment::CommitmentArgs;
use crate::error::{Failure, Kind, bail};
use crate::output::{Output, table};
use crate::secret::only_one_stdin;
use crate::session::{Receipt, Session};
use crate::signers::TransactArgs;
use crate::token::Token;

/// Pay a signed commitment out to the recipient; the channel stays open
///
/// Anyone may settle, since a settlement can only pay the recipient: any account that has XLM for the fee will do.
/// (Channels with the reference's or the fork's contract need the recipient's own secret.) Settling twice is harmless,
/// since the contract pays only the difference. If a commitment is paid already, nothing is sent and no fee is paid.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan settle --commitment newest.json --network testnet --secret-file fees.key
  paychan settle CCHANNEL... --amount 70000000 --signature 5be1... --network testnet --secret-file fees.key")]
pub(crate) struct Settle {
    #[command(flatten)]
    commitment: CommitmentArgs,

    #[command(flatten)]
    transact: TransactArgs,
}

#[derive(Serialize)]
struct Settled {
    channel: ContractId,
    /// What this transaction paid the recipient.
    paid: Amount,
    withdrawn: Amount,
    balance: Amount,
    /// Null when the commitment was paid before, so that nothing was sent.
    transaction: Option<Receipt>,
    #[serde(skip)]
    token: Token,
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(
            f,
            [
                ("channel", self.channel.to_string()),
                ("paid now", self.token.show(self.paid)),
                ("withdrawn", format!("{} in total", self.token.show(self.withdrawn))),
                ("balance", self.token.show(self.balance)),
                (
                    "settle",
                    self.transaction.as_ref().map_or_else(|| "not needed, paid before".to_owned(), Receipt::to_string),
                ),
            ],
        )
    }
}

impl Settle {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        only_one_stdin(&[
            ("--secret-file", self.transact.reads_stdin()),
            ("--commitment", self.commitment.reads_stdin()),
        ])?;
        let (channel, given) = self.commitment.read_signed()?;
        let secret = self.transact.account_secret()?;
        let session = Session::connect(&self.transact, output).await?;
        let before = session.channel(&channel).await?;
        given.check(&session.network, &before)?;
        let token = Token::of_channel(&session, &before).await?;
        if given.amount <= before.withdrawn {
            return output.result(&Settled {
                channel,
                paid: Amount::ZERO,
                withdrawn: before.withdrawn,
                balance: before.balance,
                transaction: None,
                token,
            });
        }
        if before.is_final() {
            bail!(
                Kind::Refused,
                "the channel {channel} is closed for good with {} withdrawn; this commitment can't be paid any more",
                token.show(before.withdrawn)
            );
        }
        given.check_coverage(&before)?;
        let call = calls::settle(&channel, given.amount, &given.signature);
        let authorization = match before.layout {
            Layout::Paychan => Authorization::Nobody,
            Layout::Reference | Layout::Fork => {
                session.must_be("recipient (its contract wants the recipient's authorization)", &before.to, &secret)?;
                Authorization::by_source()
            }
        };
        output.progress(format_args!("settling {} ...", token.show(given.amount.saturating_sub(before.withdrawn))));
        let receipt = session.call(&secret, &before, call, authorization).await?;
        let after = session.channel_after(&channel, &receipt).await?;
        let result = Settled {
            channel,
            paid: after.withdrawn.saturating_sub(before.withdrawn),
            withdrawn: after.withdrawn,
            balance: after.balance,
            transaction: Some(receipt.clone()),
            token,
        };
        receipt.after(&channel, output.result(&result))
    }
}
