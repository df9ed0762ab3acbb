//! `paychan close`: the recipient's end of a channel.

use std::fmt;

use clap::Args;
use paychan_channel::{Amount, ChannelState, ContractId, Layout, Signature, calls};
use paychan_rpc::meaning::Authorization;
use paychan_watcher_api::{ClientError, ProblemKind, SignedAmount, WatcherUrl};
use serde::Serialize;

use crate::commitment::{CommitmentArgs, Given};
use crate::error::{Failure, Kind, bail};
use crate::output::{Output, table};
use crate::secret::only_one_stdin;
use crate::session::{Receipt, Session};
use crate::signers::TransactArgs;
use crate::token::Token;
use crate::watcher::{TokenArgs, watcher_failure};

/// Pay out and end the channel, by its recipient
///
/// The command pays the commitment, sends the rest back to the funder and ends the channel for good: no later
/// commitment is paid. So give the highest one, or name the watcher with --watcher: if it holds a higher one, that one
/// is paid. (A watcher that has the recipient's key closes by itself, and takes no commitment that arrives meanwhile.)
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan close --commitment newest.json --network testnet --secret-file recipient.key
  paychan close CCHANNEL... --amount 70000000 --signature 5be1... --network testnet --secret-file recipient.key
  paychan close CCHANNEL... --watcher http://127.0.0.1:8790 --token-file watcher.token --network testnet \\
    --secret-file recipient.key
  paychan close CCHANNEL... --without-commitment --network testnet --secret-file recipient.key")]
pub(crate) struct Close {
    #[command(flatten)]
    commitment: CommitmentArgs,

    /// End the channel with what was paid so far: every unsettled commitment is given up
    #[arg(long, conflicts_with_all = ["commitment", "amount", "signature"], help_heading = "Commitment")]
    without_commitment: bool,

    /// The watcher's address; the command asks it for a higher commitment
    #[arg(long, value_name = "URL", env = "PAYCHAN_WATCHER", help_heading = "Commitment")]
    watcher: Option<WatcherUrl>,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    transact: TransactArgs,
}

#[derive(Serialize)]
struct Closed {
    channel: ContractId,
    /// What this transaction paid the recipient.
    paid: Amount,
    /// What went back to the funder.
    returned: Amount,
    withdrawn: Amount,
    /// What stayed in the channel: tokens that were sent without `top_up`, or a return that failed. The funder gets it
    /// with `refund`.
    balance: Amount,
    transaction: Receipt,
    #[serde(skip)]
    token: Token,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![
            ("channel", format!("{}, closed for good", self.channel)),
            ("paid now", self.token.show(self.paid)),
            ("withdrawn", format!("{} in total", self.token.show(self.withdrawn))),
            ("returned", format!("{} to the funder", self.token.show(self.returned))),
        ];
        if !self.balance.is_zero() {
            rows.push(("left", format!("{}; the funder gets it with paychan refund", self.token.show(self.balance))));
        }
        rows.push(("close", self.transaction.to_string()));
        table(f, rows)
    }
}

impl Close {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        only_one_stdin(&[
            ("--secret-file", self.transact.reads_stdin()),
            ("--commitment", self.commitment.reads_stdin()),
            ("--token-file", self.token.reads_stdin()),
        ])?;
        let asks_watcher = self.watcher.is_some() && !self.without_commitment;
        let (channel, given) = if self.without_commitment || asks_watcher {
            self.commitment.read()?
        } else {
            let (channel, given) = self.commitment.read_signed().map_err(|failure| Failure {
                message: format!(
                    "{}. To end the channel without one and give up what is unsettled, use --without-commitment",
                    failure.message
                ),
                ..failure
            })?;
            (channel, Some(given))
        };
        let secret = self.transact.account_secret()?;
        let session = Session::connect(&self.transact, output).await?;
        let before = session.channel(&channel).await?;
        session.must_be("recipient", &before.to, &secret)?;
        if before.is_final() {
            bail!(Kind::Refused, "the channel {channel} is closed for good already");
        }
        let given = match self.watcher.as_ref().filter(|_| asks_watcher) {
            Some(watcher) => higher(given, self.token.client(watcher, output)?.highest(&channel).await, output)?,
            None => given,
        };
        if given.is_none() && !self.without_commitment {
            bail!(
                Kind::Refused,
                "the watcher holds no commitment of {channel}; to end the channel without one, use --without-commitment"
            );
        }
        let (amount, signature) = what_to_close_with(&session, &before, given.as_ref())?;
        let token = Token::of_channel(&session, &before).await?;
        output.progress(format_args!(
            "closing: {} in total to the recipient, the rest back to the funder ...",
            token.show(amount.max(before.withdrawn))
        ));
        let call = calls::close(&channel, amount, &signature);
        let receipt = session.call(&secret, &before, call, Authorization::by_source()).await?;
        let after = session.channel_after(&channel, &receipt).await?;
        let paid = after.withdrawn.saturating_sub(before.withdrawn);
        let result = Closed {
            channel,
            paid,
            returned: before.balance.saturating_sub(paid).saturating_sub(after.balance),
            withdrawn: after.withdrawn,
            balance: after.balance,
            transaction: receipt.clone(),
            token,
        };
        receipt.after(&channel, output.result(&result))
    }
}

/// The higher one of the commitment that was given and the one that the watcher holds.
fn higher(
    given: Option<Given>,
    held: Result<Option<SignedAmount>, ClientError>,
    output: Output,
) -> Result<Option<Given>, Failure> {
    let held = match held {
        Ok(held) => held.map(Given::of_watcher),
        // The watcher answered that it does not watch this channel.
        Err(error) if error.problem().is_some_and(|problem| problem.kind == ProblemKind::UnknownChannel) => None,
        Err(error) => {
            let failure = watcher_failure(&error);
            let message = format!(
                "{}. Nothing was sent: the watcher may hold a higher commitment. To close without asking it, leave out \
                 --watcher (PAYCHAN_WATCHER)",
                failure.message
            );
            // Asking the watcher changes nothing, so the outcome is known.
            let kind = if failure.kind == Kind::OutcomeUnknown { Kind::WatcherNotReady } else { failure.kind };
            return Err(Failure { message, kind, ..failure });
        }
    };
    let given_amount = given.as_ref().map(|given| given.amount);
    match held {
        Some(held) if given_amount.is_none_or(|given| held.amount > given) => {
            output.progress(format_args!("using the watcher's commitment for {} base units", held.amount));
            Ok(Some(held))
        }
        _ => Ok(given),
    }
}

fn what_to_close_with(
    session: &Session,
    before: &ChannelState,
    given: Option<&Given>,
) -> Result<(Amount, Signature), Failure> {
    match given {
        Some(given) => {
            given.check(&session.network, before)?;
            given.check_coverage(before)?;
            Ok((given.amount, given.signature))
        }
        // Our contract checks no signature when the amount is at most what is withdrawn.
        None if before.layout == Layout::Paychan => Ok((before.withdrawn, Signature([0; 64]))),
        None => bail!(
            Kind::Refused,
            "the contract of {} wants a signed commitment for every close; --without-commitment works with Paychan's own only",
            before.channel
        ),
    }
}
