//! Another endpoint of the same network, which answers rightly whatever the first one does.

use paychan_channel::xdr::TransactionEnvelope;
use paychan_channel::{AccountId, Address, Amount, ContractId, Payability, SacAsset, TokenRisk};
use paychan_watcher::chain::{
    Asking, CallRequest, Chain, ChainError, ChannelRead, CloseHints, EventsFrom, Found, Head, InclusionFees,
    KnownChannel, LaneAccount, NetworkTerms, Prepared, Sent,
};

use super::{Faults, SimChain};

/// An endpoint without faults of its own. What the network itself does to transactions holds here too.
pub struct HonestEndpoint(pub SimChain);

impl HonestEndpoint {
    async fn ask<T>(&self, question: Asking<'_, T>) -> Result<T, ChainError> {
        self.0.may_die().await;
        let (faults, counts) = {
            let mut network = self.0.network();
            let honest = Faults {
                market: network.faults.market,
                entrance: network.faults.entrance,
                close_fails: network.faults.close_fails,
                payability: network.faults.payability.clone(),
                issuer: network.faults.issuer,
                ..Faults::default()
            };
            (std::mem::replace(&mut network.faults, honest), std::mem::take(&mut network.death.counts))
        };
        // It is answered at once, so that nobody else meets these faults.
        let answer = question.await;
        let mut network = self.0.network();
        network.faults = faults;
        network.death.counts = counts;
        answer
    }
}

impl Chain for HonestEndpoint {
    fn head(&self) -> Asking<'_, Head> {
        Box::pin(self.ask(self.0.head()))
    }

    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints> {
        Box::pin(self.ask(self.0.closes(since)))
    }

    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>> {
        Box::pin(self.ask(self.0.read_channels(channels)))
    }

    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead> {
        Box::pin(self.ask(self.0.first_read(channel)))
    }

    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk> {
        Box::pin(self.ask(self.0.token_facts(asset)))
    }

    fn payability<'a>(
        &'a self,
        token: &'a ContractId,
        asset: Option<&'a SacAsset>,
        facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability> {
        Box::pin(self.ask(self.0.payability(token, asset, facts, to)))
    }

    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>> {
        Box::pin(self.ask(self.0.token_balance(token, holder)))
    }

    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>> {
        Box::pin(self.ask(self.0.meets_archived(channel)))
    }

    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>> {
        Box::pin(self.ask(self.0.lane_account(account)))
    }

    fn settings(&self) -> Asking<'_, NetworkTerms> {
        Box::pin(self.ask(self.0.settings()))
    }

    fn inclusion_fees(&self) -> Asking<'_, InclusionFees> {
        Box::pin(self.ask(self.0.inclusion_fees()))
    }

    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared> {
        Box::pin(self.ask(self.0.prepare(request)))
    }

    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent> {
        Box::pin(self.ask(self.0.send(envelope)))
    }

    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found> {
        Box::pin(self.ask(self.0.outcome(hash)))
    }
}
