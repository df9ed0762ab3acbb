//! `paychan top-up` deposits more into a channel.

use std::fmt;

use clap::Args;
use paychan_channel::{Address, Amount, ChannelState, ContractId, Layout, calls};
use paychan_rpc::SecretKey;
use paychan_rpc::meaning::Authorization;
use serde::Serialize;

use crate::amounts;
use crate::error::{Failure, Kind, bail};
use crate::funding::funder_can_pay;
use crate::output::{Output, table};
use crate::session::{Receipt, Session};
use crate::signers::TransactArgs;
use crate::token::Token;

/// Deposit more into an open channel, as its funder
///
/// The deposit is added to what is there: if the command runs twice, it deposits twice. The result shows the total.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan top-up CCHANNEL... --amount 12.5 --network testnet --secret-file funder.key
  paychan top-up CCHANNEL... --amount 125000000 --base-units --network testnet --secret-file funder.key --json")]
pub(crate) struct TopUp {
    /// The channel's address (C...)
    #[arg(value_name = "CHANNEL")]
    channel: ContractId,

    /// How much to add in whole tokens, such as 12.5
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    amount: String,

    /// The amount is given in base units
    #[arg(long)]
    base_units: bool,

    #[command(flatten)]
    transact: TransactArgs,
}

/// A deposit that was made.
#[derive(Serialize)]
pub(crate) struct ToppedUp {
    channel: ContractId,
    /// What this transaction added.
    amount: Amount,
    /// Total over the channel's life; null where the contract keeps no record of it.
    deposited: Option<Amount>,
    coverage: Amount,
    transaction: Receipt,
    #[serde(skip)]
    token: Token,
}

impl fmt::Display for ToppedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![("channel", self.channel.to_string()), ("added", self.token.show(self.amount))];
        rows.extend(self.deposited.map(|deposited| ("deposited", self.token.show(deposited))));
        rows.push(("coverage", self.token.show(self.coverage)));
        rows.push(("top-up", self.transaction.to_string()));
        table(f, rows)
    }
}

impl TopUp {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        let secret = self.transact.account_secret()?;
        let session = Session::connect(&self.transact, output).await?;
        let before = session.channel(&self.channel).await?;
        let result = deposit(&session, &secret, &before, "--amount", &self.amount, self.base_units).await?;
        result.transaction.after(&self.channel, output.result(&result))
    }
}

/// Deposits more into a channel whose state was read. `option` is the name of the option for the amount.
pub(crate) async fn deposit(
    session: &Session,
    secret: &SecretKey,
    before: &ChannelState,
    option: &str,
    amount: &str,
    base_units: bool,
) -> Result<ToppedUp, Failure> {
    let channel = before.channel;
    session.must_be("funder", &before.from, secret)?;
    // The reference's contract takes deposits at any time.
    if before.layout != Layout::Reference && before.deadline().is_some() {
        bail!(
            Kind::Refused,
            "a close of {channel} has started (deadline: ledger {}); a closing channel takes no more deposits. Open a new one",
            before.deadline().unwrap_or_default()
        );
    }
    if before.is_final() {
        bail!(Kind::Refused, "the channel {channel} is closed for good; open a new one");
    }
    let token = Token::of_channel(session, before).await?;
    let amount = amounts::parse(option, amount, base_units, &token)?;
    funder_can_pay(session, secret.account(), &token, amount).await?;

    session.output.progress(format_args!("depositing {} ...", token.show(amount)));
    let call = calls::top_up(&channel, amount);
    let transfer = calls::token_transfer(&before.token, &before.from, &Address::Contract(channel), amount);
    let receipt = session
        .call(secret, before, call, Authorization::Call { within: vec![transfer], signers: Vec::new() })
        .await
        .map_err(|failure| failure.with("coverage_before", before.coverage().to_string()))?;
    let after = session.channel_after(&channel, &receipt).await?;
    Ok(ToppedUp {
        channel,
        amount,
        deposited: after.deposited,
        coverage: after.coverage(),
        transaction: receipt,
        token,
    })
}
