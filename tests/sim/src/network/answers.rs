//! The endpoint of the simulated network: its answers, and when it does not answer.

use paychan_channel::xdr::{
    ExtendFootprintTtlOp, ExtensionPoint, HostFunction, InvokeHostFunctionOp, LedgerBounds, LedgerFootprint, Memo,
    Operation, OperationBody, Preconditions, PreconditionsV2, RestoreFootprintOp, SequenceNumber, SorobanResources,
    SorobanTransactionData, SorobanTransactionDataExt, Transaction, TransactionEnvelope, TransactionExt,
    TransactionV1Envelope, VecM, WriteXdr,
};
use paychan_channel::{AccountId, Address, Amount, ContractId, Ledger, SacAsset, Stroops, calls};
use paychan_channel::{IssuerFlags, Payability, TokenRisk};
use paychan_watcher::chain::{
    Asking, Call, CallRequest, Chain, ChainError, ChainErrorKind, ChannelRead, CloseHint, CloseHints, EventsFrom,
    Found, InclusionFees, KnownChannel, LaneAccount, Prepared, Sent,
};
use paychan_watcher::chain::{Head, LaneFacts, NetworkTerms};

use super::contract::{self, Caller};
use super::ledger::{self, Network};
use super::{EventsFault, FAR, FIRST, Hang, LEDGER, MAX_ENTRY_TTL, RESOURCE_FEE, SimChain};

fn fails(kind: ChainErrorKind, message: &str) -> ChainError {
    ChainError { what: "the simulated endpoint", kind, message: message.to_owned() }
}

impl SimChain {
    /// Checks whether the endpoint takes a question, and returns its error if it does not.
    async fn reached(&self) -> Result<(), ChainError> {
        self.may_die().await;
        let mut network = self.network();
        network.clock.advance(network.faults.slow);
        if is_next(&mut network.faults.busy) {
            let retry_after = Some(LEDGER);
            return Err(fails(ChainErrorKind::Busy { retry_after }, "too many requests"));
        }
        match (network.faults.down, network.faults.other_network) {
            (true, _) => Err(fails(ChainErrorKind::Transport, "connection refused")),
            (_, true) => Err(fails(ChainErrorKind::WrongNetwork, "it serves another network")),
            _ => Ok(()),
        }
    }

    fn recipients_reached(&self) -> Result<(), ChainError> {
        match self.network().faults.recipients_down {
            true => Err(fails(ChainErrorKind::Transport, "connection refused")),
            false => Ok(()),
        }
    }

    fn read(&self, network: &Network, channel: &ContractId) -> ChannelRead {
        let seen = network.entries();
        if network.faults.garbled.contains(channel) {
            return ChannelRead::Undecodable { channel: *channel, why: "a newer protocol's entry".to_owned() };
        }
        match seen.channels.get(channel) {
            Some(state) => {
                let mut state = state.clone();
                if network.faults.calls_live_archived {
                    let lives = &mut state.lives;
                    for life in [&mut lives.instance, &mut lives.code, &mut lives.token_balance] {
                        *life = Some(Ledger(0));
                    }
                }
                ChannelRead::Read(state)
            }
            None => ChannelRead::Missing { channel: *channel, at: Ledger(seen.ledger) },
        }
    }
}

/// Whether a fault that happens `left` more times happens now. Counts it down.
fn is_next(left: &mut u32) -> bool {
    let is_next = *left > 0;
    *left = left.saturating_sub(1);
    is_next
}

fn paid_out_far_away(read: &mut ChannelRead) {
    if let ChannelRead::Read(state) = read {
        state.withdrawn = state.withdrawn.saturating_add(state.balance);
        state.balance = Amount::ZERO;
        state.read_at = FAR;
    }
}

impl Chain for SimChain {
    fn head(&self) -> Asking<'_, Head> {
        Box::pin(async move {
            self.reached().await?;
            let mut network = self.network();
            if network.faults.garbled_head {
                return Err(fails(ChainErrorKind::Undecodable, "a ledger of a newer protocol"));
            }
            if let Some(head) = network.faults.heads.pop_front() {
                return Ok(head);
            }
            let seen = network.visible();
            let closed_at_unix_ms = (!network.faults.undated).then_some(seen.closed_at_ms);
            Ok(Head { ledger: Ledger(seen.ledger), closed_at_unix_ms })
        })
    }

    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints> {
        Box::pin(async move {
            self.reached().await?;
            let mut network = self.network();
            if network.faults.events == Some(EventsFault::Down) {
                return Err(fails(ChainErrorKind::Transport, "getEvents is switched off"));
            }
            let EventsFrom::Ledger(first) = since else {
                return Err(fails(ChainErrorKind::Refused, "startLedger must be given"));
            };
            let latest = network.visible().ledger;
            if first.0 > latest {
                return Err(fails(ChainErrorKind::Behind, "startLedger is ahead of the node"));
            }
            if first.0 < network.faults.oldest.unwrap_or(FIRST) {
                return Err(fails(ChainErrorKind::Gone, "startLedger is before what the node holds"));
            }
            let last = match network.faults.events {
                Some(EventsFault::CursorRefused) => latest.min(first.0 + 1),
                _ => latest,
            };
            let hints = network
                .history
                .iter()
                .filter(|closed| closed.ledger >= first.0 && closed.ledger <= last && !network.faults.hides_events)
                .flat_map(|closed| {
                    closed.closes.iter().map(|(contract, deadline)| CloseHint {
                        contract: *contract,
                        ledger: Ledger(closed.ledger),
                        effective_at: Some(*deadline),
                    })
                })
                .collect();
            let told = if is_next(&mut network.faults.far_events) { FAR } else { Ledger(last) };
            let scanned_to = (network.faults.events != Some(EventsFault::EmptyCursor)).then_some(told);
            let next = (last < latest).then(|| EventsFrom::Cursor("next".to_owned()));
            Ok(CloseHints { hints, scanned_to, next })
        })
    }

    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>> {
        Box::pin(async move {
            self.reached().await?;
            let mut network = self.network();
            network.reads += 1;
            let mut reads: Vec<ChannelRead> =
                channels.iter().map(|watched| self.read(&network, &watched.channel)).collect();
            if is_next(&mut network.faults.far_entries) {
                reads.iter_mut().for_each(paid_out_far_away);
            }
            Ok(reads)
        })
    }

    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead> {
        Box::pin(async move {
            self.reached().await?;
            Ok(self.read(&self.network(), channel))
        })
    }

    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk> {
        Box::pin(async move {
            self.reached().await?;
            self.recipients_reached()?;
            let none = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: false };
            let flags = self.network().faults.issuer.unwrap_or(none);
            Ok(match asset {
                None => TokenRisk::Opaque,
                Some(SacAsset::Native) => TokenRisk::Native,
                Some(SacAsset::Asset { issuer, .. }) => TokenRisk::Asset { issuer: *issuer, flags: Some(flags) },
            })
        })
    }

    fn payability<'a>(
        &'a self,
        _token: &'a ContractId,
        _asset: Option<&'a SacAsset>,
        _facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability> {
        Box::pin(async move {
            self.reached().await?;
            self.recipients_reached()?;
            let network = self.network();
            let room = Payability::Room(network.rooms.get(to).copied().unwrap_or(Amount::MAX));
            Ok(network.faults.payability.get(to).copied().unwrap_or(room))
        })
    }

    fn token_balance<'a>(&'a self, _token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>> {
        Box::pin(async move {
            self.reached().await?;
            let network = self.network();
            let Address::Contract(channel) = holder else { return Ok(None) };
            if let Some(told) = network.faults.told_balances.get(channel) {
                return Ok(*told);
            }
            Ok(network.entries().channels.get(channel).map(|state| state.balance))
        })
    }

    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>> {
        Box::pin(async move {
            self.reached().await?;
            let network = self.network();
            let seen = network.entries();
            let state = seen.channels.get(channel);
            let meets = state.map(|state| state.lives.archived(Ledger(seen.ledger)).next().is_some());
            Ok(meets.map(|meets| meets && !network.faults.calls_live_archived))
        })
    }

    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>> {
        Box::pin(async move {
            self.reached().await?;
            let mut network = self.network();
            let is_far = is_next(&mut network.faults.far_entries);
            let seen = network.entries();
            Ok((*account == network.lane).then_some(LaneAccount {
                facts: LaneFacts {
                    account: *account,
                    balance: seen.lane_balance,
                    spendable: seen.lane_balance,
                    read_at: if is_far { FAR } else { Ledger(seen.ledger) },
                },
                sequence: seen.lane_sequence,
                agreed: true,
            }))
        })
    }

    fn settings(&self) -> Asking<'_, NetworkTerms> {
        Box::pin(async move {
            self.reached().await?;
            match self.network().faults.settings {
                None => Ok(NetworkTerms { target_close_ms: 5_000, max_entry_ttl: MAX_ENTRY_TTL }),
                Some(Ok(terms)) => Ok(terms),
                Some(Err(())) => Err(fails(ChainErrorKind::Undecodable, "a setting of a newer protocol")),
            }
        })
    }

    fn inclusion_fees(&self) -> Asking<'_, InclusionFees> {
        Box::pin(async move {
            self.reached().await?;
            Ok(InclusionFees { p95: Stroops(100), max: Stroops(100) })
        })
    }

    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared> {
        Box::pin(async move {
            self.reached().await?;
            let prepared = {
                let network = self.network();
                prepare(&network, request)
            };
            self.may_hang(Hang::Prepare).await;
            Ok(prepared)
        })
    }

    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent> {
        Box::pin(async move {
            self.reached().await?;
            self.may_hang(Hang::BeforeSend).await;
            let sent = take(&mut self.network(), envelope);
            self.may_hang(Hang::AfterSend).await;
            sent
        })
    }

    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found> {
        Box::pin(async move {
            self.reached().await?;
            if self.network().faults.garbled_outcomes {
                return Err(fails(ChainErrorKind::Undecodable, "a newer protocol's result"));
            }
            let found = {
                let network = self.network();
                let latest = Ledger(network.visible().ledger);
                match network.results.get(hash) {
                    Some(found @ Found::Included { ledger, .. }) if *ledger <= latest => found.clone(),
                    _ => Found::No { oldest: Ledger(network.faults.oldest.unwrap_or(FIRST)), latest },
                }
            };
            if matches!(found, Found::Included { .. }) {
                self.may_hang(Hang::Outcome).await;
            }
            Ok(found)
        })
    }
}

fn prepare(network: &Network, request: &CallRequest) -> Prepared {
    if let Call::Settle { channel, .. } | Call::Close { channel, .. } = &request.call
        && network.faults.no_restoration_on_the_way
        && let seen = network.entries()
        && seen.channels.get(channel).is_some_and(|state| state.lives.archived(Ledger(seen.ledger)).next().is_some())
    {
        return Prepared::NeedsRestoration { why: "an entry is archived".to_owned() };
    }
    if network.faults.close_fails && matches!(request.call, Call::Close { .. }) {
        return Prepared::Fails { why: "HostError: Error(Contract, #13)".to_owned() };
    }
    if let Err(why) = simulate(network, &request.call) {
        return Prepared::Fails { why };
    }
    let (body, source) = match &request.call {
        Call::Settle { channel, amount, signature, authorized_by } => {
            (invoke(calls::settle(channel, *amount, signature)), *authorized_by)
        }
        Call::Close { channel, amount, signature, to } => {
            (invoke(calls::close(channel, *amount, signature)), Some(*to))
        }
        Call::Extend { extend_to, .. } => (
            OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp { ext: ExtensionPoint::V0, extend_to: *extend_to }),
            None,
        ),
        Call::Restore { .. } => (OperationBody::RestoreFootprint(RestoreFootprintOp { ext: ExtensionPoint::V0 }), None),
    };
    let read_write = match &request.call {
        Call::Restore { keys } => keys.clone().try_into().unwrap(),
        _ => VecM::default(),
    };
    let read_only = match &request.call {
        Call::Extend { keys, .. } => keys.clone().try_into().unwrap(),
        _ => VecM::default(),
    };
    let resource_fee = RESOURCE_FEE + network.faults.extra_resource_fee;
    if Stroops(resource_fee) > request.meaning.max_resource_fee {
        return Prepared::NotMeant { why: format!("at most {} stroops are meant", request.meaning.max_resource_fee) };
    }
    let transaction = Transaction {
        source_account: request.source.to_muxed(),
        fee: u32::try_from(request.inclusion_fee.get() + resource_fee).unwrap(),
        seq_num: SequenceNumber(request.sequence),
        cond: Preconditions::V2(PreconditionsV2 {
            time_bounds: None,
            ledger_bounds: Some(LedgerBounds { min_ledger: 0, max_ledger: request.max_ledger.0 }),
            min_seq_num: None,
            min_seq_age: 0.into(),
            min_seq_ledger_gap: 0,
            extra_signers: VecM::default(),
        }),
        memo: Memo::None,
        operations: vec![Operation { source_account: source.map(|account| account.to_muxed()), body }]
            .try_into()
            .unwrap(),
        ext: TransactionExt::V1(SorobanTransactionData {
            ext: SorobanTransactionDataExt::V0,
            resources: SorobanResources {
                footprint: LedgerFootprint { read_only, read_write },
                instructions: 1,
                disk_read_bytes: 0,
                write_bytes: 0,
            },
            resource_fee,
        }),
    };
    Prepared::Ready { transaction: Box::new(transaction), resource_fee: Stroops(resource_fee) }
}

/// Executes the call on the endpoint's copy of the channel.
fn simulate(network: &Network, call: &Call) -> Result<(), String> {
    let (Call::Settle { channel, amount, signature, .. } | Call::Close { channel, amount, signature, .. }) = call
    else {
        return Ok(());
    };
    if network.faults.broken.contains(channel) {
        return Err("HostError: Error(Contract, #10)".to_owned());
    }
    let seen = network.entries();
    let state = seen.channels.get(channel).ok_or("no such contract")?;
    let claim = ledger::claim(state, amount.get(), signature);
    let call =
        if matches!(call, Call::Close { .. }) { contract::Call::Close(claim) } else { contract::Call::Settle(claim) };
    // Simulation takes every authorization for given.
    let done = network.scene(state).call(seen.ledger + 1, Caller::Recipient, call);
    done.map(|_| ()).map_err(|refusal| refusal.to_string())
}

fn invoke(host_function: HostFunction) -> OperationBody {
    OperationBody::InvokeHostFunction(InvokeHostFunctionOp { host_function, auth: VecM::default() })
}

/// Offers an envelope to the network's queue, and returns the answer.
fn take(network: &mut Network, envelope: &TransactionEnvelope) -> Result<Sent, ChainError> {
    let decoded = ledger::decode(envelope);
    assert_eq!(decoded.source, network.lane.0, "only the lane pays fees");
    let TransactionEnvelope::Tx(TransactionV1Envelope { tx, .. }) = envelope else {
        panic!("not a transaction of version 1");
    };
    assert!(envelope.to_xdr(paychan_channel::xdr::Limits::none()).is_ok());
    let hash = tx.hash(SimChain::network_id().0).unwrap();
    network.note_offer(hash, &decoded);
    let now = network.ledger();
    if network.faults.lose_sends > 0 {
        network.faults.lose_sends -= 1;
        return Err(fails(ChainErrorKind::Transport, "the connection was reset"));
    }
    if network.faults.try_again_later > 0 {
        network.faults.try_again_later -= 1;
        // This endpoint does not take it.
        network.note_refusal(hash);
        return Ok(Sent::TryAgainLater);
    }
    if let Some(entrance) = network.faults.other_node
        && decoded.inclusion < entrance
    {
        network.note_refusal(hash);
        return Ok(Sent::InsufficientFee { needed: Stroops(entrance + RESOURCE_FEE) });
    }
    if network.queue.as_ref().is_some_and(|waiting| waiting.hash == hash) {
        return Ok(Sent::Duplicate);
    }
    if network.queue.is_none() && network.refused_at.get(&hash) == Some(&now) {
        // It was refused when another endpoint was asked a moment ago: this one does not take it either.
        network.note_refusal(hash);
        return Ok(Sent::TryAgainLater);
    }
    if network.queue.is_some() || network.banned.get(&hash).is_some_and(|until| now < *until) {
        network.note_refusal(hash);
        return Ok(Sent::TryAgainLater);
    }
    let refusal = if decoded.sequence != network.lane_sequence + 1 {
        Some(Sent::BadSequence)
    } else if decoded.max_ledger <= now + 1 {
        Some(Sent::TooLate)
    } else if decoded.fee > network.lane_balance {
        Some(Sent::InsufficientBalance)
    } else if decoded.inclusion < network.faults.entrance {
        network.banned.insert(hash, now + 10);
        let needed = Stroops(network.faults.entrance + RESOURCE_FEE);
        Some(Sent::InsufficientFee { needed })
    } else {
        None
    };
    match refusal {
        Some(refusal) => {
            network.note_refusal(hash);
            network.refused_at.insert(hash, now);
            Ok(refusal)
        }
        None => {
            network.enqueue(hash, decoded);
            Ok(Sent::Pending)
        }
    }
}
