//! Records a total, signs it, and counts the payment as under way.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use paychan_channel::{Amount, Commitment};
use reqwest::Request;

use super::error::PayError;
use super::events::Event;
use super::offer::Payable;
use super::order::{Order, Purpose, UnderWay, Written};
use super::pay::Buyer;
use super::without_query;
use crate::wire::headers::{AUTHORIZATION, PAYMENT_AUTHORIZATION};
use crate::wire::{Action, Credential, Payload};

/// A payment that is under way.
pub(super) struct Voucher {
    pub(super) id: u64,
    pub(super) payable: Payable,
    pub(super) total: Amount,
    /// By how much the total is above all that was signed before.
    pub(super) raise: Amount,
    /// Whether the server can take it as a payment. One that asks for a proof with a total that was signed before gives it nothing.
    pub(super) pays: bool,
    pub(super) header: (HeaderName, HeaderValue),
    /// It ends with the voucher.
    _under_way: Option<UnderWay>,
}

impl Buyer {
    /// Records a total and signs it.
    pub(super) async fn voucher(
        &self,
        request: &Request,
        host: &str,
        payable: Payable,
        purpose: Purpose,
    ) -> Result<Voucher, PayError> {
        let channel = payable.channel();
        let over = self.with_store(|store| store.left(&channel).map(str::to_owned));
        if let Some(why) = over {
            return Err(PayError::ChannelOver { channel, why });
        }
        let (store, state) = (Arc::clone(&self.store), Arc::clone(&self.state));
        let order = Order {
            host: host.to_owned(),
            method: request.method().to_string(),
            url: without_query(request.url()),
            payable: payable.clone(),
            purpose,
            caps: self.options.caps,
            resync_up_to: self.options.resync_up_to,
        };
        // Writing waits for the disk, which must not delay other tasks.
        let written = tokio::task::spawn_blocking(move || order.write(&store, &state)).await;
        let Written { id, total, raise, under_way } = written
            .unwrap_or_else(|error| Err(PayError::NoAnswer { host: host.to_owned(), why: error.to_string() }))?;
        let action = match purpose {
            Purpose::Close(_) => {
                self.tell(&Event::Closing { channel, total });
                Action::Close
            }
            _ => {
                self.tell(&Event::Paying { channel, total, raise });
                Action::Voucher
            }
        };
        let header = self.sign(&payable, action, total).await?;
        let pays = !(matches!(purpose, Purpose::Proof(_)) && raise.is_zero());
        Ok(Voucher { id, payable, total, raise, pays, header, _under_way: under_way })
    }

    /// Signs a total, and writes the header that carries it.
    pub(super) async fn sign(
        &self,
        payable: &Payable,
        action: Action,
        total: Amount,
    ) -> Result<(HeaderName, HeaderValue), PayError> {
        let pinned = &payable.pinned;
        let commitment = Commitment { network: pinned.network.id(), channel: pinned.channel, amount: total };
        let signature = pinned.signer.sign(&commitment).await?;
        commitment.verify(&pinned.signer.public(), &signature).map_err(|_| PayError::WrongSignature)?;
        let payload = Payload { action, amount: total, signature };
        let text = Credential::new(payable.challenge.clone(), &payload)?.to_header()?;
        let name = match payable.challenge.terms.header {
            Some(_) => HeaderName::from_static(PAYMENT_AUTHORIZATION),
            None => HeaderName::from_static(AUTHORIZATION),
        };
        let mut value = HeaderValue::try_from(text).map_err(|error| crate::wire::WireError::Json(error.to_string()))?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}
