//! `--close` has the server close the channel with what was spent.

use std::fmt;
use std::sync::Arc;

use paychan_mpp::buyer::{Buyer, Ended, PayError, PayFailure, PinnedChannel};
use paychan_mpp::wire::NetworkName;
use paychan_watcher_api::CloseState;
use reqwest::Request;
use serde::Serialize;

use super::Pay;
use super::report::{pay_failure, unpaid};
use crate::error::{Failure, Kind};
use crate::output::{Output, table};

impl Pay {
    pub(super) async fn close(&self, buyer: &mut Buyer, request: Request, output: Output) -> Result<(), Failure> {
        if self.channel.is_none() && self.policy.is_none() {
            let opened = buyer.openings_for(request.url()).map_err(unpaid)?;
            let missing = || {
                let folder = self.folder.folder().map(|folder| folder.display().to_string()).unwrap_or_default();
                let what = "no channel for this server that paychan pay --open has opened and that has not ended";
                Failure::new(Kind::Usage, format!("the payments in {folder} name {what}; name one with --channel"))
            };
            let channel = opened.first().ok_or_else(missing)?.channel;
            let network = NetworkName::of_passphrase(&self.network.passphrase()?);
            buyer.add_channel(PinnedChannel { channel, network, signer: Arc::new(self.seed()?), hosts: Vec::new() });
        }
        let ended = buyer.end(request).await.map_err(|failed| not_closed(&failed))?;
        if !ended.state.is_over() {
            let told = format!(
                "the server has agreed to close {} with {} base units in total, and has not done it yet; paychan inspect {} \
                 shows when it is done",
                ended.channel, ended.amount, ended.channel
            );
            return Err(Failure::new(Kind::OutcomeUnknown, told)
                .with("channel", ended.channel.to_string())
                .with("amount", ended.amount.to_string()));
        }
        output.result(&Closed(ended))
    }
}

/// The failure of a close. If the server may want one price more for it, it says how to allow that.
fn not_closed(failed: &PayFailure) -> Failure {
    let mut failure = pay_failure(failed);
    if let PayError::CloseRefused { price, .. } = &*failed.why {
        let other_way = "take the deposit back with paychan close-start and, after the waiting period, paychan refund";
        failure.message.push_str(&match price {
            Some(price) => format!(
                ". Servers that are built with Stellar's TypeScript SDK close only for one more price, which is {price} base units \
                 here: to pay it, add --max-close-price {price}. Or {other_way}"
            ),
            None => format!(". You can also {other_way}"),
        });
    }
    failure
}

#[derive(Serialize)]
#[serde(transparent)]
struct Closed(Ended);

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ended) = self;
        let state = match ended.state {
            CloseState::Settled => "paid out; take the rest back with paychan close-start and paychan refund",
            _ => "closed; the rest of the deposit is back at the funder",
        };
        let mut rows = vec![
            ("channel", ended.channel.to_string()),
            ("recipient", format!("{} base units in total", ended.amount)),
            ("the server says", state.to_owned()),
        ];
        rows.extend(ended.transaction.clone().map(|hash| ("transaction", hash)));
        table(f, rows)
    }
}
