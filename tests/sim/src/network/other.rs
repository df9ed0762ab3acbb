//! Another endpoint of the same network, which has its own faults, or none.

use paychan_channel::xdr::TransactionEnvelope;
use paychan_channel::{AccountId, Address, Amount, ContractId, Payability, SacAsset, TokenRisk};
use paychan_watcher::chain::{
    Asking, CallRequest, Chain, ChainError, ChannelRead, CloseHints, EventsFrom, Found, Head, InclusionFees,
    KnownChannel, LaneAccount, NetworkTerms, Prepared, Sent,
};

use super::{Faults, SimChain};

/// An endpoint beside the first one. What the network itself does to transactions holds here too.
pub struct OtherEndpoint {
    pub chain: SimChain,
    /// Its number. The first endpoint has the number zero.
    pub number: u32,
}

impl OtherEndpoint {
    async fn ask<T>(&self, question: Asking<'_, T>) -> Result<T, ChainError> {
        self.chain.may_die().await;
        let (faults, counts) = {
            let mut network = self.chain.network();
            let own = std::mem::take(network.faults_of(self.number));
            let own = Faults {
                market: network.faults.market,
                entrance: network.faults.entrance,
                close_fails: network.faults.close_fails,
                payability: network.faults.payability.clone(),
                issuer: network.faults.issuer,
                ..own
            };
            (std::mem::replace(&mut network.faults, own), std::mem::take(&mut network.death.counts))
        };
        // It is answered at once, so that nobody else meets these faults.
        let answer = question.await;
        let mut network = self.chain.network();
        let own = std::mem::replace(&mut network.faults, faults);
        *network.faults_of(self.number) = own;
        network.death.counts = counts;
        answer
    }
}

impl Chain for OtherEndpoint {
    fn head(&self) -> Asking<'_, Head> {
        Box::pin(self.ask(self.chain.head()))
    }

    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints> {
        Box::pin(self.ask(self.chain.closes(since)))
    }

    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>> {
        Box::pin(self.ask(self.chain.read_channels(channels)))
    }

    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead> {
        Box::pin(self.ask(self.chain.first_read(channel)))
    }

    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk> {
        Box::pin(self.ask(self.chain.token_facts(asset)))
    }

    fn payability<'a>(
        &'a self,
        token: &'a ContractId,
        asset: Option<&'a SacAsset>,
        facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability> {
        Box::pin(self.ask(self.chain.payability(token, asset, facts, to)))
    }

    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>> {
        Box::pin(self.ask(self.chain.token_balance(token, holder)))
    }

    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>> {
        Box::pin(self.ask(self.chain.meets_archived(channel)))
    }

    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>> {
        Box::pin(self.ask(self.chain.lane_account(account)))
    }

    fn settings(&self) -> Asking<'_, NetworkTerms> {
        Box::pin(self.ask(self.chain.settings()))
    }

    fn inclusion_fees(&self) -> Asking<'_, InclusionFees> {
        Box::pin(self.ask(self.chain.inclusion_fees()))
    }

    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared> {
        Box::pin(self.ask(self.chain.prepare(request)))
    }

    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent> {
        Box::pin(self.ask(self.chain.send(envelope)))
    }

    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found> {
        Box::pin(self.ask(self.chain.outcome(hash)))
    }
}
