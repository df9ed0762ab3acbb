//! Beginning an item of the plan: prepare, sign, record, and only then send.

use paychan_channel::{Layout, Ledger, Stroops};
use paychan_rpc::SecretKey;
use tracing::{info, warn};

use super::Settler;
use super::flights::{InFlight, Words};
use super::sign;
use super::step::IN_FLIGHT_LEDGERS;
use crate::chain::{Call, ChainError, ChainErrorKind, Prepared, Request};
use crate::policy::{BASE_FEE, Extension, Payout};
use paychan_store::{Claim, Purpose, StoreError};

/// Why an item of the plan was not begun.
pub(super) enum NotBegun {
    /// It is this item's own trouble.
    Failed(String),
    /// Its simulation fails, it is said how.
    Refused(String),
    /// The fee account can't pay for anything; it was said.
    NoLane,
    /// The chain can't be asked now: no item would fare better.
    Chain(ChainError),
    /// The chain was asked about this item and did not answer: another may fare better, once.
    Unanswered(ChainError),
    /// The store failed: the process must end.
    Store(StoreError),
}

impl From<StoreError> for NotBegun {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Settler {
    /// Settles or closes a channel: up to its transaction being sent.
    pub(super) async fn pay(&mut self, payout: &Payout, head: Ledger) -> Result<(), NotBegun> {
        let channel = payout.channel;
        let held =
            self.tower.store.held(&channel).ok_or_else(|| NotBegun::Failed("it is not watched any more".to_owned()))?;
        let to = held.admission.to.account();
        // For code that the operator took off the list since: of the known layouts only ours settles for anybody.
        let needs_recipient = self
            .config
            .code(&held.admission.wasm_hash)
            .map_or(held.admission.layout != Layout::Paychan, |code| code.settle_needs_recipient);
        let (call, purpose) = if payout.close {
            let to = to.ok_or_else(|| NotBegun::Failed("a contract can't be the source of a close".to_owned()))?;
            // Durable before the close is signed: what is acknowledged after this would be lost with the channel.
            let claim = self.tower.store.fence(channel).await?;
            let Claim { amount, signature } = claim.ok_or_else(nothing_held)?;
            let call = Call::Close { channel, amount, signature, to };
            (call, Purpose::Close { channel, amount })
        } else {
            let Claim { amount, signature } = held.claim().ok_or_else(nothing_held)?;
            let call = Call::Settle { channel, amount, signature, authorized_by: to.filter(|_| needs_recipient) };
            (call, Purpose::Settle { channel, amount })
        };
        self.begin(call, purpose, payout.bid, head).await
    }

    /// Lengthens the lives of entries: up to the transaction being sent.
    pub(super) async fn extend(&mut self, extension: &Extension, head: Ledger) -> Result<(), NotBegun> {
        let call = Call::Extend { keys: extension.keys.clone(), extend_to: extension.extend_to };
        let purpose = Purpose::Extend { channels: extension.channels.clone() };
        let asked = extension.channels.iter().filter_map(|channel| self.asked.get(channel)).max();
        let bid = extension.bid.max(asked.copied().unwrap_or(BASE_FEE)).min(self.config.fees.max_inclusion_fee);
        self.begin(call, purpose, bid, head).await
    }

    fn lag(&self) -> u32 {
        let view = &self.tower.view;
        let (Some(head), Some(network)) = (view.head(), view.network()) else {
            return 0;
        };
        let now = self.clock.wall_unix_ms();
        let age = head.closed_at_unix_ms.map_or(0, |closed| now.saturating_sub(closed));
        lag(age, network.target_close_ms, self.config.reaction.node_lag_ledgers)
    }

    /// Prepares, signs, records, and only then sends.
    async fn begin(&mut self, call: Call, purpose: Purpose, bid: Stroops, head: Ledger) -> Result<(), NotBegun> {
        let lane = self.lane.account();
        let account = self.tower.chain.lane_account(&lane).await.map_err(NotBegun::Chain)?;
        let Some(account) = account else {
            warn!(account = %lane, "the fee account does not exist, so nothing can be settled; create and fund it");
            return Err(NotBegun::NoLane);
        };
        self.tower.view.set_lane(account.facts);
        let authorized_by = match &call {
            Call::Close { to, .. } => Some(*to),
            Call::Settle { authorized_by, .. } => *authorized_by,
            Call::Extend { .. } => None,
        };
        let authorizer = match authorized_by {
            None => None,
            Some(to) => Some(self.recipients.get(&to).ok_or_else(|| {
                NotBegun::Failed(format!("the secret key of the recipient {to} is not configured, and it must sign"))
            })?),
        };
        let request = Request {
            source: lane,
            sequence: account
                .sequence
                .max(self.last_sequence)
                .checked_add(1)
                .ok_or_else(|| NotBegun::Failed("the fee account has used up its sequence numbers".to_owned()))?,
            // From the newest ledger that anybody told: the round may have begun some ledgers ago.
            max_ledger: head.max(account.facts.read_at).saturating_add(IN_FLIGHT_LEDGERS).saturating_add(self.lag()),
            inclusion_fee: bid,
            call,
        };
        let (transaction, resource_fee) = match self.tower.chain.prepare(&request).await {
            Ok(Prepared::Ready { transaction, resource_fee }) => (*transaction, resource_fee),
            Ok(Prepared::Fails { why }) => {
                return Err(NotBegun::Refused(format!("its simulation fails: {why}")));
            }
            Err(error) if concerns_all(&error) => return Err(NotBegun::Unanswered(error)),
            Err(error) => return Err(NotBegun::Failed(error.to_string())),
        };
        if matches!(purpose, Purpose::Settle { .. }) {
            self.tower.view.set_settle_resource_fee(resource_fee);
        }
        let signers: Vec<&SecretKey> = std::iter::once(&self.lane).chain(authorizer).collect();
        let (signed, envelope) = sign::sign(&request, transaction, purpose, head, &self.network, &signers)
            .map_err(|error| NotBegun::Failed(error.to_string()))?;
        info!(
            transaction = hex::encode(signed.hash), purpose = %Words(&signed.purpose), bid = %bid, fee = %signed.fee,
            max_ledger = %signed.max_ledger, "signed"
        );
        self.tower.store.record_signed(signed.clone()).await?;
        self.flights.push(InFlight::new(signed, envelope));
        self.drive(head).await?;
        Ok(())
    }
}

/// How far the node lags behind the network, in ledgers, by the age of its newest; at most what the waiting-period floor
/// allows for. A transaction's bounds are counted from the node's ledger, and others have to include it.
fn lag(age_ms: u64, target_close_ms: u32, most: u32) -> u32 {
    let ledgers = age_ms / u64::from(target_close_ms.max(1));
    u32::try_from(ledgers).unwrap_or(u32::MAX).min(most)
}

fn nothing_held() -> NotBegun {
    NotBegun::Failed("no commitment is held".to_owned())
}

/// Whether an error says nothing about the item that was tried: no other would fare better at this endpoint now.
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
