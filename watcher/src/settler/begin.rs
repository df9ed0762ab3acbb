//! Begins an item of the plan: it prepares, checks, signs and records a transaction, and only then sends it.

use paychan_channel::{AccountId, Amount, ContractId, Layout, Ledger, Signature, Stroops};
use paychan_rpc::{Meaning, SecretKey};
use tracing::{info, warn};

use super::Settler;
use super::flights::{InFlight, PurposeText, go_on_unrecorded};
use super::step::BOUNDS_LEDGERS;
use super::{meaning, sign};
use crate::alarm::raise;
use crate::chain::{Call, CallRequest, ChainError, ChainErrorKind, Prepared};
use crate::policy::{Extension, Payout, Reason, Restoration};
use paychan_store::{Claim, Held, Purpose, StoreError};

/// Why an item of the plan was not begun.
pub(super) enum NotBegun {
    /// Something is wrong with this item.
    Failed(String),
    /// The simulation of this item fails. The text says how.
    Refused(String),
    /// A close with less was agreed since this item was planned. The next round plans anew.
    Overtaken(String),
    /// The fee account does not exist.
    NoLane,
    /// The chain does not answer now, so no other item can be begun either.
    Chain(ChainError),
    /// The chain did not answer about this item. One other item is tried, since this one may have been the cause.
    Unanswered(ChainError),
    /// The store has too much to do. The item is tried again at the next ledger.
    Store(StoreError),
}

impl From<StoreError> for NotBegun {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A transaction that is to be made.
struct Intent {
    call: Call,
    purpose: Purpose,
    /// What the simulation may add to it.
    meaning: Meaning,
    /// The channel's token, if it is about one channel.
    token: Option<ContractId>,
    /// For inclusion, on top of the resource fee.
    bid: Stroops,
    /// The most that its resources may cost.
    worth: Stroops,
}

impl Settler {
    /// Settles or closes a channel, up to sending the transaction.
    pub(super) async fn pay(&mut self, payout: &Payout, head: Ledger) -> Result<(), NotBegun> {
        let channel = payout.channel;
        let held = self.context.store.held(&channel);
        let held = held.ok_or_else(|| NotBegun::Failed("the channel is not watched any more".to_owned()))?;
        let (call, purpose) = match payout.close {
            true => match self.fenced(channel, &held).await? {
                Some(close) => close,
                None => self.settlement(&held, payout.amount)?,
            },
            false => self.settlement(&held, payout.amount)?,
        };
        // The resources may cost no more than what is at stake. A close that was agreed has no such limit, since it may
        // pay nothing more.
        let at_stake = payout.value.filter(|_| payout.reason != Reason::Fenced).unwrap_or(Stroops(i64::MAX));
        let known = self.context.view.channel(&channel);
        let meaning = meaning::of_payout(&call, known.as_ref(), head, &self.config.fees);
        let token = Some(held.admission.token);
        self.begin(Intent { call, purpose, meaning, token, bid: payout.bid, worth: at_stake }, head).await
    }

    /// Makes the close of a channel after its fence is on disk, since a commitment that was acknowledged later would be
    /// lost. Returns `None` when the fence can't be written; the channel is then settled and stays open.
    async fn fenced(&mut self, channel: ContractId, held: &Held) -> Result<Option<(Call, Purpose)>, NotBegun> {
        let to = held.admission.to.account();
        let to = to.ok_or_else(|| NotBegun::Failed("a contract can't be the source of a close".to_owned()))?;
        let claim = match self.context.store.fence(channel).await {
            Ok(claim) => claim,
            Err(error @ StoreError::Busy { .. }) => return Err(error.into()),
            Err(error) => {
                warn!(%channel, %error, "the close can't be written down, so the channel is settled and not closed");
                return Ok(None);
            }
        };
        // Without a commitment nothing is claimed, and the contract checks no signature.
        let nothing = Claim { amount: Amount::ZERO, signature: Signature([0; 64]) };
        let Claim { amount, signature } = claim.unwrap_or(nothing);
        let call = Call::Close { channel, amount, signature, to };
        Ok(Some((call, Purpose::Close { channel, amount })))
    }

    fn settlement(&self, held: &Held, amount: Amount) -> Result<(Call, Purpose), NotBegun> {
        let channel = held.channel();
        // When the operator has taken the code off the list, the layout decides: only ours lets anybody settle.
        let needs_recipient = self
            .config
            .code(&held.admission.wasm_hash)
            .map_or(held.admission.layout != Layout::Paychan, |code| code.settle_needs_recipient);
        // When the channel no longer covers the claim, the policy has chosen a lower commitment.
        let claims = held.claim().into_iter().chain(held.ladder.iter().copied());
        let chosen = claims.into_iter().find(|claim| claim.amount == amount).or_else(|| held.claim());
        let Claim { amount, signature } = chosen.ok_or_else(nothing_held)?;
        let authorized_by = held.admission.to.account().filter(|_| needs_recipient);
        Ok((Call::Settle { channel, amount, signature, authorized_by }, Purpose::Settle { channel, amount }))
    }

    /// Extends the lives of entries, up to sending the transaction.
    pub(super) async fn extend(&mut self, extension: &Extension, head: Ledger) -> Result<(), NotBegun> {
        let call = Call::Extend { keys: extension.keys.clone(), extend_to: extension.extend_to };
        let purpose = Purpose::Extend { channels: extension.channels.clone() };
        let meaning = meaning::of_entries(self.config.fees.max_extension_fee);
        let intent = Intent { call, purpose, meaning, token: None, bid: extension.bid, worth: extension.spare };
        self.begin(intent, head).await
    }

    /// Brings archived entries back, up to sending the transaction.
    pub(super) async fn restore(&mut self, restoration: &Restoration, head: Ledger) -> Result<(), NotBegun> {
        let call = Call::Restore { keys: restoration.keys.clone() };
        let purpose = Purpose::Restore { channels: restoration.channels.clone() };
        let meaning = meaning::of_entries(self.config.fees.max_restoration_fee);
        let intent = Intent { call, purpose, meaning, token: None, bid: restoration.bid, worth: restoration.worth };
        self.begin(intent, head).await
    }

    /// How far the node lags behind the network, in ledgers. While that is not known, the value that the floor allows
    /// for is used.
    fn lag(&self) -> u32 {
        let (view, most) = (&self.context.view, self.config.reaction.node_lag_ledgers);
        let (Some(head), Some(network)) = (view.head(), view.network()) else {
            return most;
        };
        let now = self.clock.wall_unix_ms();
        let age = head.closed_at_unix_ms.map_or(0, |closed| now.saturating_sub(closed));
        lag(age, network.target_close_ms, most)
    }

    /// Prepares, checks, signs and records the transaction, and only then sends it.
    async fn begin(&mut self, intent: Intent, head: Ledger) -> Result<(), NotBegun> {
        let Intent { call, purpose, meaning, token, bid, worth } = intent;
        let lane = self.lane.account();
        let account = self.context.chain.lane_account(&lane).await.map_err(NotBegun::Chain)?;
        let Some(account) = account else {
            if self.no_lane.is_due(self.clock.boot()) {
                raise!(FeesLow, account = %lane, "the fee account does not exist, so nothing can be settled; create and fund it");
            }
            return Err(NotBegun::NoLane);
        };
        self.no_lane.reset();
        self.context.view.set_lane(account.facts);
        let authorizer = self.authorizer(&call)?;
        let request = CallRequest {
            source: lane,
            sequence: account
                .sequence
                .max(self.last_sequence)
                .checked_add(1)
                .ok_or_else(|| NotBegun::Failed("the fee account has used up its sequence numbers".to_owned()))?,
            // The bounds are counted from the newest known ledger, since the round may have begun some ledgers ago. A
            // wrong ledger number must not make them so long that the bid is never raised.
            max_ledger: head
                .max(self.context.view.plausible(account.facts.read_at))
                .saturating_add(BOUNDS_LEDGERS)
                .saturating_add(self.lag()),
            inclusion_fee: bid,
            call,
            meaning,
            token,
        };
        let (transaction, resource_fee) = match self.context.chain.prepare(&request).await {
            Ok(Prepared::Ready { transaction, resource_fee }) => (*transaction, resource_fee),
            Ok(Prepared::Fails { why }) => {
                return Err(NotBegun::Refused(format!("its simulation fails: {why}")));
            }
            Ok(Prepared::NeedsRestoration { why }) => return Err(NotBegun::Failed(why)),
            Ok(Prepared::NotMeant { why }) => {
                raise!(
                    EndpointNotTrusted, purpose = %PurposeText(&purpose), why,
                    "the endpoint's simulation adds something that was not asked for; nothing was signed"
                );
                return Err(NotBegun::Failed(why));
            }
            Err(error) if concerns_all(&error) => return Err(NotBegun::Unanswered(error)),
            Err(error) => return Err(NotBegun::Failed(error.to_string())),
        };
        if resource_fee > worth {
            return Err(NotBegun::Failed(format!(
                "its resources would cost {resource_fee} stroops, and it is worth {worth}"
            )));
        }
        if matches!(purpose, Purpose::Settle { .. }) {
            self.context.view.set_settle_resource_fee(resource_fee);
        }
        let signers: Vec<&SecretKey> = std::iter::once(&self.lane).chain(authorizer).collect();
        let (signed, envelope) = sign::sign(&request, transaction, purpose, head, &self.network, &signers)
            .map_err(|error| NotBegun::Failed(error.to_string()))?;
        info!(
            transaction = hex::encode(signed.hash), purpose = %PurposeText(&signed.purpose), bid = %bid,
            fee = %signed.fee, max_ledger = %signed.max_ledger, "signed"
        );
        let recorded = self.context.store.record_signed(signed.clone()).await;
        if let Err(error @ StoreError::AboveAgreed { .. }) = &recorded {
            return Err(NotBegun::Overtaken(error.to_string()));
        }
        go_on_unrecorded(recorded)?;
        self.flights.push_back(InFlight::new(signed, envelope));
        self.drive(head).await?;
        Ok(())
    }

    /// The key that must sign besides the lane's key, if any.
    fn authorizer(&self, call: &Call) -> Result<Option<&SecretKey>, NotBegun> {
        let by: Option<AccountId> = match call {
            Call::Close { to, .. } => Some(*to),
            Call::Settle { authorized_by, .. } => *authorized_by,
            Call::Extend { .. } | Call::Restore { .. } => None,
        };
        let missing = |to: AccountId| {
            NotBegun::Failed(format!("the secret key of the recipient {to} is not configured, and it must sign"))
        };
        by.map(|to| self.recipients.get(&to).ok_or_else(|| missing(to))).transpose()
    }
}

/// How far the node lags behind the network, in ledgers, by the age of its newest ledger and at most `most`. A
/// transaction's bounds are counted from the node's ledger, but validators that are ahead of it have to include it.
fn lag(age_ms: u64, target_close_ms: u32, most: u32) -> u32 {
    let ledgers = age_ms / u64::from(target_close_ms.max(1));
    u32::try_from(ledgers).unwrap_or(u32::MAX).min(most)
}

fn nothing_held() -> NotBegun {
    NotBegun::Failed("the store has no commitment of this channel".to_owned())
}

/// Whether an error concerns the endpoint and not the item that was tried, so that other items would fail too.
fn concerns_all(error: &ChainError) -> bool {
    match error.kind {
        ChainErrorKind::Behind
        | ChainErrorKind::Gone
        | ChainErrorKind::Busy { .. }
        | ChainErrorKind::Transport
        | ChainErrorKind::WrongNetwork => true,
        ChainErrorKind::Refused | ChainErrorKind::Undecodable => false,
    }
}

#[cfg(test)]
mod tests {
    use super::lag;

    #[test]
    fn the_lag_is_the_age_of_the_newest_ledger_in_ledgers_and_bounded() {
        assert_eq!(lag(4_999, 5_000, 12), 0);
        assert_eq!(lag(5_000, 5_000, 12), 1);
        assert_eq!(lag(59_000, 5_000, 12), 11);
        assert_eq!(lag(u64::MAX, 5_000, 12), 12);
        assert_eq!(lag(10, 0, 12), 10);
    }
}
