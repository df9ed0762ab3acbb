//! `paychan close`: the recipient's end of a channel.

use std::fmt;

use clap::Args;
use paychan_channel::{Amount, ChannelState, ContractId, Layout, Signature, calls};
use paychan_rpc::meaning::Authorization;
use paychan_watcher_api::{
    ClientError, CloseState, ClosingAgreed, LONGEST_CLOSE_WAIT, ProblemKind, SignedAmount, WatcherUrl,
};
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
/// is paid, and if a lower one was agreed with it, that one is paid. From then on, the watcher takes no commitment of the
/// channel. A watcher that has the recipient's key closes the channel by itself.
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
    /// The transaction that this command sent. Null when the watcher has closed the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<Receipt>,
    /// The hash of the transaction with which the watcher has closed the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_by_watcher: Option<String>,
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
        rows.extend(self.transaction.iter().map(|receipt| ("close", receipt.to_string())));
        rows.extend(
            self.closed_by_watcher.iter().map(|hash| ("closed", format!("by the watcher, in transaction {hash}"))),
        );
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
        let token = Token::of_channel(&session, &before).await?;
        let (given, closed_by_watcher) = match self.watcher.as_ref().filter(|_| asks_watcher) {
            Some(watcher) => {
                let watcher = self.token.client(watcher, output)?;
                let given = higher(given, watcher.highest(&channel).await, output)?;
                if given.is_none() {
                    bail!(
                        Kind::Refused,
                        "the watcher holds no commitment of {channel}; to end the channel without one, use --without-commitment"
                    );
                }
                // Before the watcher is told to take nothing more.
                what_to_close_with(&session, &before, given.as_ref())?;
                output.progress(format_args!("telling the watcher to take no later commitment ..."));
                through_watcher(given, watcher.close(&channel, None, LONGEST_CLOSE_WAIT).await, output)?
            }
            None => (given, None),
        };
        // The watcher may have settled or closed the channel meanwhile.
        let now = session.channel(&channel).await?;
        if now.is_final() {
            let result = Closed::between(&before, &now, None, closed_by_watcher, token);
            return output.result(&result);
        }
        let (amount, signature) = what_to_close_with(&session, &now, given.as_ref())?;
        output.progress(format_args!(
            "closing: {} in total to the recipient, the rest back to the funder ...",
            token.show(amount.max(now.withdrawn))
        ));
        let call = calls::close(&channel, amount, &signature);
        let receipt = session.call(&secret, &now, call, Authorization::by_source()).await?;
        let after = session.channel_after(&channel, &receipt).await?;
        let result = Closed::between(&before, &after, Some(receipt.clone()), None, token);
        receipt.after(&channel, output.result(&result))
    }
}

impl Closed {
    /// What happened to the channel between these two states.
    fn between(
        before: &ChannelState,
        after: &ChannelState,
        transaction: Option<Receipt>,
        closed_by_watcher: Option<String>,
        token: Token,
    ) -> Self {
        let paid = after.withdrawn.saturating_sub(before.withdrawn);
        Self {
            channel: before.channel,
            paid,
            returned: before.balance.saturating_sub(paid).saturating_sub(after.balance),
            withdrawn: after.withdrawn,
            balance: after.balance,
            transaction,
            closed_by_watcher,
            token,
        }
    }
}

/// What to close with after the watcher was told to take no later commitment, and the hash of the transaction with which it
/// has closed the channel by itself, if it has.
///
/// What was agreed with the watcher may be below its highest commitment. Nothing else may be claimed then.
fn through_watcher(
    given: Option<Given>,
    told: Result<ClosingAgreed, ClientError>,
    output: Output,
) -> Result<(Option<Given>, Option<String>), Failure> {
    let closing = match told {
        Ok(closing) => closing,
        // The watcher does not watch the channel, so it takes no commitment of it.
        Err(error) if is_unknown(&error) => return Ok((given, None)),
        Err(error) => return Err(not_told(&error)),
    };
    let claim =
        closing.signature.map(|signature| Given::of_watcher(SignedAmount { amount: closing.amount, signature }));
    let by_watcher = closing.transaction.filter(|_| closing.state == CloseState::Closed);
    let agreed_on_less = closing.amount < closing.highest;
    match given {
        Some(given) if !agreed_on_less && given.amount >= closing.amount => Ok((Some(given), by_watcher)),
        _ if agreed_on_less => {
            output.progress(format_args!("closing with the {} base units that were agreed", closing.amount));
            Ok((claim, by_watcher))
        }
        given => Ok((claim.or(given), by_watcher)),
    }
}

fn is_unknown(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.kind == ProblemKind::UnknownChannel)
}

/// The watcher could not be told, so it may still take a commitment that the close would lose.
fn not_told(error: &ClientError) -> Failure {
    let failure = watcher_failure(error);
    let message = format!(
        "{}. Nothing was sent: the watcher may hold a higher commitment. To close without asking it, leave out \
         --watcher (PAYCHAN_WATCHER)",
        failure.message
    );
    // Nothing on chain has changed, and asking again is safe, so the outcome is known.
    let kind = if failure.kind == Kind::OutcomeUnknown { Kind::WatcherNotReady } else { failure.kind };
    Failure { message, kind, ..failure }
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
        Err(error) if is_unknown(&error) => None,
        Err(error) => return Err(not_told(&error)),
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
