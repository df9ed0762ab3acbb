//! A watcher in memory, with the rules of the real one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use paychan_channel::{Amount, Commitment, CommitmentKey, ContractId, NetworkId, RequestId, Signature};
use paychan_mpp::seller::{Charges, ChargesError, Ending, Standing};
use paychan_watcher_api::{ChannelStatus, ChargeBody, Charged, CloseState, Facts, Problem, ProblemKind, SignedAmount};

/// All clones share the state.
#[derive(Clone)]
pub(crate) struct FakeWatcher(Arc<Mutex<State>>);

pub(crate) struct State {
    network: NetworkId,
    pub(crate) channels: HashMap<ContractId, Channel>,
    /// The answer to every call, if it is set.
    pub(crate) trouble: Option<ChargesError>,
    /// The number of calls of `charge` so far.
    pub(crate) charge_calls: usize,
    /// This many of the next charges are taken, and their answers are lost.
    pub(crate) lost_charges: usize,
    /// If set, charges with this signature on a known channel wait here, after they were taken or refused.
    pub(crate) charge_gate: Option<(Signature, Arc<tokio::sync::Notify>)>,
    /// This many of the next credits are not given, and the answer is this error.
    pub(crate) failing_credits: Option<(usize, ChargesError)>,
    /// If set, every admission is refused with this problem.
    pub(crate) no_admission: Option<ProblemKind>,
    /// Whether the highest commitment is not handed out.
    pub(crate) hides_highest: bool,
    /// How many admissions have begun.
    pub(crate) admissions: usize,
    /// If set, admissions wait here.
    pub(crate) admission_gate: Option<Arc<tokio::sync::Notify>>,
}

#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) key: CommitmentKey,
    pub(crate) admitted: bool,
    pub(crate) status: ChannelStatus,
    pub(crate) coverage: Amount,
    pub(crate) highest: Amount,
    pub(crate) highest_signature: Option<Signature>,
    pub(crate) spent: Amount,
    pub(crate) charges: HashMap<RequestId, (Charged, Option<Amount>)>,
    pub(crate) closed_with: Option<Amount>,
}

impl FakeWatcher {
    pub(crate) fn new(network: NetworkId) -> Self {
        Self(Arc::new(Mutex::new(State {
            network,
            channels: HashMap::new(),
            trouble: None,
            charge_calls: 0,
            lost_charges: 0,
            charge_gate: None,
            failing_credits: None,
            no_admission: None,
            hides_highest: false,
            admissions: 0,
            admission_gate: None,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn open(&self, channel: ContractId, key: CommitmentKey, coverage: u64) {
        let channel_state = Channel {
            key,
            admitted: false,
            status: ChannelStatus::Open,
            coverage: coverage.into(),
            highest: Amount::ZERO,
            highest_signature: None,
            spent: Amount::ZERO,
            charges: HashMap::new(),
            closed_with: None,
        };
        self.state().channels.insert(channel, channel_state);
    }

    /// `highest` and `spent`.
    pub(crate) fn totals(&self, channel: &ContractId) -> (i128, i128) {
        let state = self.state();
        let channel = &state.channels[channel];
        (channel.highest.get(), channel.spent.get())
    }
}

fn refused(kind: ProblemKind, facts: Facts) -> ChargesError {
    ChargesError::Refused(Box::new(Problem::new(kind, "the fake watcher refuses").with(facts)))
}

impl State {
    fn admitted(&mut self, id: &ContractId) -> Result<&mut Channel, ChargesError> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        let known = self.channels.get_mut(id).filter(|channel| channel.admitted);
        known.ok_or_else(|| refused(ProblemKind::UnknownChannel, Facts::default()))
    }
}

impl Channel {
    fn standing(&self) -> Standing {
        Standing {
            highest: self.highest,
            spent: self.spent,
            status: self.status,
            fenced: self.closed_with.is_some(),
            commitment_key: Some(self.key),
        }
    }

    fn hold(&mut self, signed: &SignedAmount) {
        if signed.amount > self.highest {
            (self.highest, self.highest_signature) = (signed.amount, Some(signed.signature));
        }
    }

    fn open(&self) -> Result<(), ChargesError> {
        match self.status {
            ChannelStatus::Final => Err(refused(ProblemKind::Final, Facts::default())),
            ChannelStatus::Closing => Err(refused(ProblemKind::Closing, Facts::default())),
            _ if self.closed_with.is_some() => Err(refused(ProblemKind::Closing, Facts::default())),
            _ => Ok(()),
        }
    }

    fn verify(&self, network: NetworkId, channel: ContractId, signed: &SignedAmount) -> Result<(), ChargesError> {
        let commitment = Commitment { network, channel, amount: signed.amount };
        commitment
            .verify(&self.key, &signed.signature)
            .map_err(|_| refused(ProblemKind::BadSignature, Facts::default()))
    }
}

impl State {
    fn charge(&mut self, id: &ContractId, body: &ChargeBody) -> Result<Charged, ChargesError> {
        self.charge_calls += 1;
        let network = self.network;
        let channel = self.admitted(id)?;
        let signed = body.commitment.unwrap();
        channel.verify(network, *id, &signed)?;
        if let Some((charged, offered)) = channel.charges.get(&body.request_id) {
            if charged.price != body.price || *offered != Some(signed.amount) {
                let facts = Facts { price: Some(charged.price), accepted: *offered, ..Facts::default() };
                return Err(refused(ProblemKind::RequestIdReused, facts));
            }
            return Ok(Charged { replayed: true, ..charged.clone() });
        }
        channel.open()?;
        if signed.amount > channel.coverage {
            let facts = Facts { coverage: Some(channel.coverage), ..Facts::default() };
            return Err(refused(ProblemKind::ExceedsCoverage, facts));
        }
        let highest = channel.highest.max(signed.amount);
        let needed = channel.spent.checked_add(body.price).unwrap_or(Amount::MAX);
        if needed > highest {
            let facts =
                Facts { needed: Some(needed), spent: Some(channel.spent), highest: Some(highest), ..Facts::default() };
            return Err(refused(ProblemKind::Insufficient, facts));
        }
        let charged = Charged {
            request_id: body.request_id.clone(),
            price: body.price,
            previous: channel.highest,
            highest,
            spent: needed,
            unsettled: highest,
            coverage: channel.coverage,
            credited: Amount::ZERO,
            replayed: false,
        };
        channel.hold(&signed);
        channel.spent = needed;
        channel.charges.insert(body.request_id.clone(), (charged.clone(), Some(signed.amount)));
        Ok(charged)
    }
}

impl Charges for FakeWatcher {
    async fn charge(&self, id: &ContractId, body: &ChargeBody) -> Result<Charged, ChargesError> {
        // Other calls come in between, as they do on a network.
        tokio::task::yield_now().await;
        let (charged, gate) = {
            let mut state = self.state();
            let charged = state.charge(id, body);
            let signature = body.commitment.unwrap().signature;
            let known = state.channels.get(id).is_some_and(|channel| channel.admitted);
            (charged, state.charge_gate.clone().filter(|(held_back, _)| known && *held_back == signature))
        };
        if let Some((_, gate)) = gate {
            gate.notified().await;
        }
        tokio::task::yield_now().await;
        let mut state = self.state();
        if charged.is_ok() && state.lost_charges > 0 {
            state.lost_charges -= 1;
            return Err(ChargesError::OutcomeUnknown("the connection broke".to_owned()));
        }
        charged
    }

    async fn credit(&self, id: &ContractId, request_id: &RequestId, amount: Amount) -> Result<(), ChargesError> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        if let Some((left, error)) = state.failing_credits.take()
            && left > 0
        {
            state.failing_credits = Some((left - 1, error.clone()));
            return Err(error);
        }
        let channel = state.admitted(id)?;
        let (charged, _) = channel.charges.get_mut(request_id).unwrap();
        assert!(amount <= charged.price, "no more than it took");
        if charged.credited == amount {
            return Ok(());
        }
        if !charged.credited.is_zero() {
            return Err(refused(ProblemKind::AlreadyCredited, Facts::default()));
        }
        charged.credited = amount;
        channel.spent = channel.spent.checked_sub(amount).unwrap();
        Ok(())
    }

    async fn prepay(&self, id: &ContractId, signed: SignedAmount, _: &RequestId) -> Result<(), ChargesError> {
        let mut state = self.state();
        let network = state.network;
        let channel = state.admitted(id)?;
        channel.verify(network, *id, &signed)?;
        channel.open()?;
        channel.hold(&signed);
        Ok(())
    }

    async fn admit(&self, id: &ContractId) -> Result<Standing, ChargesError> {
        let gate = {
            let mut state = self.state();
            state.admissions += 1;
            state.admission_gate.clone()
        };
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let mut state = self.state();
        if let Some(trouble) = &state.trouble {
            return Err(trouble.clone());
        }
        if let Some(kind) = &state.no_admission {
            return Err(refused(kind.clone(), Facts::default()));
        }
        let channel = state.channels.get_mut(id);
        let channel = channel.ok_or_else(|| refused(ProblemKind::NotOnChain, Facts::default()))?;
        channel.admitted = true;
        Ok(channel.standing())
    }

    async fn standing(&self, id: &ContractId) -> Result<Standing, ChargesError> {
        self.state().admitted(id).map(|channel| channel.standing())
    }

    async fn highest(&self, id: &ContractId) -> Result<Option<SignedAmount>, ChargesError> {
        let mut state = self.state();
        let hides = state.hides_highest;
        let channel = state.admitted(id)?;
        Ok(channel
            .highest_signature
            .filter(|_| !hides)
            .map(|signature| SignedAmount { amount: channel.highest, signature }))
    }

    async fn close(&self, id: &ContractId, agreed: SignedAmount, _: Duration) -> Result<Ending, ChargesError> {
        let mut state = self.state();
        let network = state.network;
        let channel = state.admitted(id)?;
        channel.verify(network, *id, &agreed)?;
        if agreed.amount > channel.highest {
            return Err(refused(ProblemKind::CloseAboveHighest, Facts::default()));
        }
        if agreed.amount < channel.spent {
            let facts = Facts { needed: Some(channel.spent), ..Facts::default() };
            return Err(refused(ProblemKind::CloseTooLow, facts));
        }
        channel.closed_with = Some(agreed.amount);
        Ok(Ending { state: CloseState::Closed, transaction: Some("ab".repeat(32)), amount: agreed.amount })
    }
}
