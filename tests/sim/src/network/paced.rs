//! An endpoint whose answers take time, so that other parts of the watcher run between a question and its answer.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use fastrand::Rng;
use paychan_channel::xdr::TransactionEnvelope;
use paychan_channel::{AccountId, Address, Amount, ContractId, Payability, SacAsset, TokenRisk};
use paychan_watcher::chain::{
    Agreement, Asking, CallRequest, Chain, ChainError, ChannelRead, CloseHints, EventsFrom, Found, Head, InclusionFees,
    KnownChannel, LaneAccount, NetworkTerms, Prepared, Sent,
};

/// The most times that a question waits before the endpoint has it, and that its answer waits on the way back.
const LONGEST: u32 = 3;

/// Asks the endpoints behind it. Each question waits at least once before it gets there or its answer comes back.
pub struct Paced {
    endpoints: Arc<dyn Chain>,
    random: Mutex<Rng>,
}

impl Paced {
    pub fn new(endpoints: Arc<dyn Chain>, random: Rng) -> Self {
        Paced { endpoints, random: Mutex::new(random) }
    }

    async fn ask<T>(&self, question: Asking<'_, T>) -> Result<T, ChainError> {
        let (before, after) = {
            let mut random = self.random.lock().unwrap();
            (random.u32(..=LONGEST), random.u32(1..=LONGEST))
        };
        wait(before).await;
        let answer = question.await;
        wait(after).await;
        answer
    }
}

/// Lets others run this many times.
async fn wait(mut times: u32) {
    poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Chain for Paced {
    fn serves<'a>(&'a self, passphrase: &'a str) -> Asking<'a, ()> {
        Box::pin(self.ask(self.endpoints.serves(passphrase)))
    }

    fn agreement(&self) -> Agreement {
        self.endpoints.agreement()
    }

    fn head(&self) -> Asking<'_, Head> {
        Box::pin(self.ask(self.endpoints.head()))
    }

    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints> {
        Box::pin(self.ask(self.endpoints.closes(since)))
    }

    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>> {
        Box::pin(self.ask(self.endpoints.read_channels(channels)))
    }

    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead> {
        Box::pin(self.ask(self.endpoints.first_read(channel)))
    }

    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk> {
        Box::pin(self.ask(self.endpoints.token_facts(asset)))
    }

    fn payability<'a>(
        &'a self,
        token: &'a ContractId,
        asset: Option<&'a SacAsset>,
        facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability> {
        Box::pin(self.ask(self.endpoints.payability(token, asset, facts, to)))
    }

    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>> {
        Box::pin(self.ask(self.endpoints.token_balance(token, holder)))
    }

    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>> {
        Box::pin(self.ask(self.endpoints.meets_archived(channel)))
    }

    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>> {
        Box::pin(self.ask(self.endpoints.lane_account(account)))
    }

    fn settings(&self) -> Asking<'_, NetworkTerms> {
        Box::pin(self.ask(self.endpoints.settings()))
    }

    fn inclusion_fees(&self) -> Asking<'_, InclusionFees> {
        Box::pin(self.ask(self.endpoints.inclusion_fees()))
    }

    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared> {
        Box::pin(self.ask(self.endpoints.prepare(request)))
    }

    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent> {
        Box::pin(self.ask(self.endpoints.send(envelope)))
    }

    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found> {
        Box::pin(self.ask(self.endpoints.outcome(hash)))
    }
}
