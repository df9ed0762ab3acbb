//! Implements the seam to the network with one Stellar RPC endpoint.

mod answers;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paychan_channel::xdr::{
    ConfigSettingEntry, ConfigSettingId, HostFunction, LedgerBounds, LedgerEntryData, LedgerKey, ScSymbol, ScVal,
    StringM, TransactionEnvelope,
};
use paychan_channel::{AccountId, Address, Amount, ChannelState, ContractId, SacAsset, Stroops, calls};
use paychan_rpc::{
    CallFailure, Client, Draft, EndpointHeader, ErrorKind, EventFilter, EventsRequest, ExtraWrites, Options, Parties,
    ReadError, RpcError, Segment, Simulated, TxHash, auth, operations,
};
use tracing::warn;

use super::{
    Asking, Call, CallRequest, Chain, ChainError, ChainErrorKind, ChannelRead, CloseHints, EventsFrom, Found,
    InclusionFees, KnownChannel, LaneAccount, Prepared, Sent,
};
use paychan_channel::payability::{self, NotUnderstood};
use paychan_channel::{Payability, TokenRisk};

use crate::chain::{Head, NetworkTerms};

/// Events in one page. It is the most that a server allows (stellar-rpc, `methods/get_events.go`).
const EVENTS_A_PAGE: u32 = 10_000;

/// Stroops for writing 1,024 bytes, where the network's own setting can't be read. The setting (`fee_write1_kb`) is 875 in
/// `crates/localnet/src/settings/testnet.json`, the test network's own settings. This is more than twenty times as much, so that
/// a network which charges more still includes the settlement. It pays for 64 bytes of a settlement (1,250 stroops) and 288
/// bytes of a close (5,625).
const ASSUMED_WRITE_FEE: Stroops = Stroops(20_000);

/// One endpoint, which is trusted about the chain.
pub struct RpcChain {
    client: Client,
    /// The price of writing 1,024 bytes. It changes only when the network votes on its settings, and is read with them.
    write_fee: Mutex<Option<Stroops>>,
    /// The newest ledger that was fully read.
    head: Mutex<Option<Head>>,
}

impl RpcChain {
    /// Makes a client of the endpoint at `url` whose requests end within `timeout`. It opens no connection yet.
    ///
    /// # Errors
    /// [`ChainErrorKind::Refused`] when the URL is invalid; [`ChainErrorKind::Transport`] when TLS can't be set up.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, ChainError> {
        let options = Options { timeout, ..Options::default() };
        Ok(Self { client: Client::new(url, options)?, write_fee: Mutex::new(None), head: Mutex::new(None) })
    }

    /// Sends this header with every request.
    #[must_use]
    pub fn with_header(mut self, header: EndpointHeader) -> Self {
        self.client = self.client.with_header(header);
        self
    }

    /// The endpoint's scheme, host and port, which may be shown.
    pub fn endpoint(&self) -> String {
        self.client.endpoint()
    }

    /// Checks that the endpoint serves the network with this passphrase.
    ///
    /// # Errors
    /// [`ChainErrorKind::WrongNetwork`] names both networks; any other kind when the endpoint can't be asked.
    pub async fn check_network(&self, passphrase: &str) -> Result<(), ChainError> {
        self.client.check_network(passphrase).await?;
        Ok(())
    }

    /// Asks for the newest ledger. `getLatestLedger` returns the whole ledger, which has megabytes on a busy network,
    /// so it is called once per ledger. `getHealth` shows in one line whether there is a new one. A node that calls
    /// itself unhealthy is still asked, since the close time shows how old its ledger is.
    async fn newest(&self) -> Result<Head, ChainError> {
        let known = *lock(&self.head);
        if let Some(known) = known {
            match self.client.get_health().await {
                Ok(health) if health.latest == known.ledger => return Ok(known),
                Ok(_) => {}
                Err(error) if matches!(error.kind, ErrorKind::NodeBehind { .. } | ErrorKind::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let latest = self.client.get_latest_ledger().await?;
        let head = answers::head(&latest);
        *lock(&self.head) = Some(head);
        Ok(head)
    }

    /// The price of writing that was last read. Settling must not depend on it: if it can't be read, for example after
    /// an upgrade of the network that this program does not know, a high price is assumed.
    async fn write_fee(&self) -> Stroops {
        let known = *lock(&self.write_fee);
        if let Some(fee) = known {
            return fee;
        }
        self.read_write_fee().await.unwrap_or_else(|error| {
            warn!(%error, assumed = %ASSUMED_WRITE_FEE, "the network's price of writing can't be read; a high price is assumed");
            ASSUMED_WRITE_FEE
        })
    }

    async fn read_write_fee(&self) -> Result<Stroops, ChainError> {
        let fee = self.client.get_write_fee_per_kb().await?;
        *lock(&self.write_fee) = Some(fee);
        Ok(fee)
    }

    /// The answer for a channel that does not exist, with the ledger.
    async fn missing(&self, channel: ContractId) -> Result<ChannelRead, ChainError> {
        let at = self.client.get_latest_ledger().await?.sequence;
        Ok(ChannelRead::Missing { channel, at })
    }

    async fn told(
        &self,
        channel: ContractId,
        read: Result<ChannelState, ReadError>,
    ) -> Result<ChannelRead, ChainError> {
        match read {
            Ok(state) => Ok(ChannelRead::Read(state)),
            Err(ReadError::NotFound(_)) => self.missing(channel).await,
            Err(ReadError::Rpc(error)) => Err(error.into()),
            Err(error @ (ReadError::NotAChannel(_) | ReadError::Changed { .. } | ReadError::Undecodable { .. })) => {
                Ok(ChannelRead::Undecodable { channel, why: error.to_string() })
            }
        }
    }

    async fn read_known(&self, channels: &[KnownChannel]) -> Result<Vec<ChannelRead>, ChainError> {
        let states = paychan_rpc::read_channels(&self.client, channels).await?;
        let mut reads = Vec::with_capacity(states.len());
        for (watched, state) in channels.iter().zip(states) {
            let state = match state {
                // Its token has code of its own, which is one more entry to ask for.
                Ok(state) if state.token_kind.code() != watched.token_code => {
                    let again = [KnownChannel::of(&state)];
                    let mut states = paychan_rpc::read_channels(&self.client, &again).await?;
                    states.pop().unwrap_or(Ok(state))
                }
                other => other,
            };
            reads.push(self.told(watched.channel, state).await?);
        }
        Ok(reads)
    }

    async fn entries(&self, keys: &[LedgerKey]) -> Result<Vec<Option<LedgerEntryData>>, ChainError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let entries = self.client.get_ledger_entries(keys).await?;
        let entry = |key| match entries.get(key) {
            Ok(entry) => Ok(entry.map(|entry| entry.data.clone())),
            Err(error) => Err(ChainError {
                what: "getLedgerEntries",
                kind: ChainErrorKind::Undecodable,
                message: error.to_string(),
            }),
        };
        keys.iter().map(entry).collect()
    }

    async fn page(&self, since: &EventsFrom) -> Result<CloseHints, ChainError> {
        let request = EventsRequest {
            from: since.clone(),
            filters: vec![EventFilter {
                contracts: Vec::new(),
                topics: vec![vec![Segment::Is(close_topic()), Segment::Rest]],
            }],
            limit: Some(EVENTS_A_PAGE),
        };
        Ok(answers::close_hints(self.client.get_events(&request).await?))
    }

    /// Simulates a call that only reads. It needs no signature and no existing account. Returns `None` when the call
    /// fails.
    async fn simulate_reading(&self, call: HostFunction) -> Result<Option<Simulated>, ChainError> {
        let draft = Draft {
            source: AccountId([0; 32]),
            sequence: 0,
            operations: vec![operations::invoke(None, call)],
            ledger_bounds: None,
            time_bounds: None,
            inclusion_fee: Stroops::BASE_FEE,
            soroban: None,
        };
        let simulation = self.client.simulate(&draft.build().map_err(unbuildable)?).await?;
        Ok(simulation.outcome.ok())
    }

    async fn ask_balance(&self, token: &ContractId, holder: &Address) -> Result<Option<Amount>, ChainError> {
        let simulated = self.simulate_reading(calls::token_balance(token, holder)).await?;
        Ok(match simulated.and_then(|simulated| simulated.return_value) {
            Some(ScVal::I128(parts)) => Amount::new(i128::from(&parts)).ok(),
            _ => None,
        })
    }

    async fn build(&self, request: &CallRequest) -> Result<Prepared, ChainError> {
        let (operation, soroban, extra, channel) = match &request.call {
            Call::Settle { channel, amount, signature, authorized_by } => {
                let call = calls::settle(channel, *amount, signature);
                let extra = ExtraWrites::for_channels(1, self.write_fee().await).map_err(unbuildable)?;
                (operations::invoke(*authorized_by, call), None, extra, Some(*channel))
            }
            Call::Close { channel, amount, signature, to } => {
                let call = calls::close(channel, *amount, signature);
                let extra = ExtraWrites::for_close(self.write_fee().await).map_err(unbuildable)?;
                (operations::invoke(Some(*to), call), None, extra, Some(*channel))
            }
            Call::Extend { keys, extend_to } => {
                let footprint = operations::footprint(keys.clone(), Vec::new()).map_err(unbuildable)?;
                (operations::extend(*extend_to), Some(footprint), ExtraWrites::NONE, None)
            }
            Call::Restore { keys } => {
                let footprint = operations::footprint(Vec::new(), keys.clone()).map_err(unbuildable)?;
                (operations::restore(), Some(footprint), ExtraWrites::NONE, None)
            }
        };
        let draft = Draft {
            source: request.source,
            sequence: request.sequence,
            operations: vec![operation],
            ledger_bounds: Some(LedgerBounds { min_ledger: 0, max_ledger: request.max_ledger.get() }),
            time_bounds: None,
            inclusion_fee: request.inclusion_fee,
            soroban,
        };
        let envelope = draft.build().map_err(unbuildable)?;
        let simulation = self.client.simulate(&envelope).await?;
        let simulated = match simulation.outcome {
            Ok(simulated) => simulated,
            Err(failure) => {
                let parties = Parties { channel, token: request.token };
                let why = CallFailure::of_simulation(&failure, &parties).to_string();
                return Ok(Prepared::Fails { why });
            }
        };
        if simulated.restore_first {
            // Only a server without automatic restoration (before protocol 23) answers this. If the call were sent, it
            // would fail and cost its fee.
            let why =
                "an entry that it needs is archived, and this network does not restore it automatically".to_owned();
            return Ok(Prepared::NeedsRestoration { why });
        }
        if simulated.auth.iter().any(auth::needs_signature) {
            let why = "it needs the authorization of somebody whose key is not used here".to_owned();
            return Ok(Prepared::Fails { why });
        }
        let transaction = paychan_rpc::assemble(&draft, &simulated, extra).map_err(unbuildable)?;
        if let Err(error) = request.meaning.check(&draft, extra, &transaction) {
            return Ok(Prepared::NotMeant { why: error.to_string() });
        }
        let resource_fee = simulated.resource_fee().saturating_add(extra.fee());
        Ok(Prepared::Ready { transaction: Box::new(transaction), resource_fee })
    }
}

impl Chain for RpcChain {
    fn serves<'a>(&'a self, passphrase: &'a str) -> Asking<'a, ()> {
        Box::pin(self.check_network(passphrase))
    }

    fn head(&self) -> Asking<'_, Head> {
        Box::pin(self.newest())
    }

    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints> {
        Box::pin(self.page(since))
    }

    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>> {
        Box::pin(self.read_known(channels))
    }

    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead> {
        Box::pin(async move {
            let read = paychan_rpc::read_channel(&self.client, channel).await;
            self.told(*channel, read).await
        })
    }

    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk> {
        Box::pin(async move {
            let key = asset.and_then(payability::issuer_key);
            let issuer = self.entries(key.as_slice()).await?.pop().flatten();
            payability::token_risk(asset, issuer.as_ref()).map_err(not_understood)
        })
    }

    fn payability<'a>(
        &'a self,
        token: &'a ContractId,
        asset: Option<&'a SacAsset>,
        facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability> {
        Box::pin(async move {
            let keys = payability::recipient_keys(token, asset, to);
            let entries = self.entries(&keys).await?;
            payability::payability(asset, facts, to, &entries).map_err(not_understood)
        })
    }

    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>> {
        Box::pin(self.ask_balance(token, holder))
    }

    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>> {
        Box::pin(async move {
            let simulated = self.simulate_reading(calls::balance(channel)).await?;
            Ok(simulated.map(|simulated| simulated.restore_first || simulated.archived().next().is_some()))
        })
    }

    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>> {
        Box::pin(async move {
            match paychan_rpc::read_account(&self.client, account).await {
                Ok(account) => Ok(Some(answers::lane_account(&account))),
                Err(paychan_rpc::AccountError::NotFound(_)) => Ok(None),
                Err(paychan_rpc::AccountError::Rpc(error)) => Err(error.into()),
            }
        })
    }

    fn settings(&self) -> Asking<'_, NetworkTerms> {
        Box::pin(async move {
            let archival = self.client.get_config_setting(ConfigSettingId::StateArchival).await?;
            let timing = self.client.get_config_setting(ConfigSettingId::ScpTiming).await?;
            self.read_write_fee().await?;
            match (archival, timing) {
                (ConfigSettingEntry::StateArchival(archival), ConfigSettingEntry::ScpTiming(timing)) => {
                    Ok(NetworkTerms {
                        target_close_ms: timing.ledger_target_close_time_milliseconds,
                        max_entry_ttl: archival.max_entry_ttl,
                    })
                }
                _ => Err(ChainError {
                    what: "getLedgerEntries",
                    kind: ChainErrorKind::Undecodable,
                    message: format!("{} gave other network settings than were asked for", self.endpoint()),
                }),
            }
        })
    }

    fn inclusion_fees(&self) -> Asking<'_, InclusionFees> {
        Box::pin(async move {
            let stats = self.client.get_fee_stats().await?;
            Ok(InclusionFees { p95: stats.soroban.p95, max: stats.soroban.max })
        })
    }

    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared> {
        Box::pin(self.build(request))
    }

    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent> {
        Box::pin(async move { Ok(answers::sent(self.client.send(envelope).await?.status)) })
    }

    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found> {
        Box::pin(async move { Ok(answers::found(self.client.get_transaction(&TxHash(*hash)).await?)) })
    }
}

/// These locks guard one value each, which is always replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `close`, the first topic of the event that `close_start` and `close` emit.
fn close_topic() -> ScVal {
    let name: StringM<32> = "close".try_into().expect("5 characters fit a symbol's 32");
    ScVal::Symbol(ScSymbol(name))
}

fn not_understood(error: NotUnderstood) -> ChainError {
    ChainError { what: "getLedgerEntries", kind: ChainErrorKind::Undecodable, message: error.to_string() }
}

fn unbuildable(error: paychan_rpc::BuildError) -> ChainError {
    ChainError { what: "building a transaction", kind: ChainErrorKind::Refused, message: error.to_string() }
}

impl From<RpcError> for ChainError {
    fn from(error: RpcError) -> Self {
        Self {
            what: error.method,
            kind: answers::kind(&error.kind),
            message: format!("{}: {}", error.endpoint, error.kind),
        }
    }
}
