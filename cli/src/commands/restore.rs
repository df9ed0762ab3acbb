//! `paychan restore` brings archived entries of a channel back.

use std::fmt;

use clap::Args;
use paychan_channel::xdr::LedgerKey;
use paychan_channel::{ChannelKeys, ChannelState, ContractId, Ledger, Life};
use serde::Serialize;

use crate::error::{Failure, Kind};
use crate::output::{Output, table};
use crate::session::{Receipt, Session};
use crate::signers::TransactArgs;

/// Bring a channel's archived entries back, so that it can be settled
///
/// An entry whose life has ended is archived: its content is safe, but no transaction can use it until it is restored.
/// Anyone may restore it. When nothing is archived, nothing is sent.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan restore CCHANNEL... --network testnet --secret-file fees.key")]
pub(crate) struct Restore {
    /// The channel's address (C...)
    #[arg(value_name = "CHANNEL")]
    channel: ContractId,

    #[command(flatten)]
    transact: TransactArgs,
}

#[derive(Serialize)]
struct Restored {
    channel: ContractId,
    /// The entries that were archived, by name.
    restored: Vec<&'static str>,
    /// The last ledger at which all entries are live.
    live_until: Option<Ledger>,
    /// Null when nothing was archived and nothing was sent.
    transaction: Option<Receipt>,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let restored = match self.restored.is_empty() {
            true => "nothing: no entry is archived".to_owned(),
            false => self.restored.join(", "),
        };
        let mut rows = vec![("channel", self.channel.to_string()), ("restored", restored)];
        rows.extend(self.live_until.map(|until| ("live until", format!("ledger {until}"))));
        rows.extend(self.transaction.as_ref().map(|receipt| ("restore", receipt.to_string())));
        table(f, rows)
    }
}

impl Restore {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        let secret = self.transact.account_secret()?;
        let session = Session::connect(&self.transact, output).await?;
        let before = session.channel(&self.channel).await?;
        let (restored, keys): (Vec<_>, Vec<_>) = archived(&before).into_iter().unzip();
        if keys.is_empty() {
            let live_until = before.lives.earliest();
            return output.result(&Restored { channel: self.channel, restored, live_until, transaction: None });
        }
        output.progress(format_args!("restoring {} ...", restored.join(", ")));
        let receipt = session.restore(&secret, keys).await?;
        let after = session.channel_after(&self.channel, &receipt).await?;
        let still: Vec<_> = archived(&after).into_iter().map(|(name, _)| name).collect();
        if !still.is_empty() {
            let trouble = format!("these entries are still archived: {}", still.join(", "));
            return receipt.after(&self.channel, Err(Failure::new(Kind::ResultUnread, trouble)));
        }
        let live_until = after.lives.earliest();
        let result = Restored { channel: self.channel, restored, live_until, transaction: Some(receipt.clone()) };
        receipt.after(&self.channel, output.result(&result))
    }
}

/// The channel's archived entries, by name.
pub(crate) fn archived(channel: &ChannelState) -> Vec<(&'static str, LedgerKey)> {
    let token_code = channel.token_kind.code();
    let keys = ChannelKeys::of(&channel.channel, &channel.wasm_hash, &channel.token, token_code.as_ref());
    let lives = &channel.lives;
    let entries = [
        ("instance", Some(keys.instance), lives.instance),
        ("code", Some(keys.code), lives.code),
        ("token balance", Some(keys.token_balance), lives.token_balance),
        ("token instance", Some(keys.token_instance), lives.token_instance),
        ("token code", keys.token_code, lives.token_code),
    ];
    let archived = |until| Life::of(until, channel.read_at) == Life::Archived;
    entries
        .into_iter()
        .filter(|(_, _, until)| archived(*until))
        .filter_map(|(name, key, _)| Some((name, key?)))
        .collect()
}

/// Adds to a failure which entries are archived and how to restore them, if that is why the transaction failed.
pub(crate) fn archived_hint(channel: &ChannelState, failure: Failure) -> Failure {
    let names: Vec<_> = archived(channel).into_iter().map(|(name, _)| name).collect();
    if names.is_empty() || failure.kind != Kind::FailedOnChain {
        return failure;
    }
    let message = format!(
        "{}. The channel's {} are archived; bring them back with paychan restore {}, then run this again",
        failure.message,
        names.join(", "),
        channel.channel
    );
    Failure { message, ..failure }.with("archived", names)
}
