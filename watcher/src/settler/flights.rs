//! Follows transactions in flight, from their record in the journal until their outcome is recorded too.

use std::fmt;
use std::sync::Arc;

use paychan_channel::xdr::{Limits, ReadXdr, TransactionEnvelope, TransactionExt, TransactionV1Envelope};
use paychan_channel::{AccountId, Ledger, Stroops};
use tracing::{debug, info, warn};

use super::step::{self, Flight, Next, Offered, Opening, Unsuccessful};
use crate::alarm::raise;
use crate::caught::{caught, report};
use crate::chain::{Chain, ChainError, Sent};
use crate::policy;
use crate::reader::ChannelReader;
use crate::view::View;
use paychan_store::{Outcome, Purpose, SignedTransaction, Store, StoreError};

/// A transaction in flight.
pub(super) struct InFlight {
    pub(super) signed: SignedTransaction,
    /// `None` when the journal's bytes can't be decoded.
    envelope: Option<TransactionEnvelope>,
    flight: Flight,
    /// The part of its fee that pays for resources.
    resource_fee: Stroops,
}

impl InFlight {
    /// A transaction that this process has just signed and recorded, and not sent yet.
    pub(super) fn new(signed: SignedTransaction, envelope: TransactionEnvelope) -> Self {
        Self::with(signed, Some(envelope), Offered::Never)
    }

    /// A transaction found in the journal at the start. It is not known whether it was sent.
    ///
    /// If its envelope can't be decoded, it can't be sent again, but its outcome is still asked for.
    pub(super) fn recovered(signed: SignedTransaction) -> Self {
        match TransactionEnvelope::from_xdr(&signed.envelope, Limits::len(signed.envelope.len())) {
            Ok(envelope) => Self::with(signed, Some(envelope), Offered::Maybe),
            Err(error) => {
                raise!(
                    StoreFailed, transaction = hex::encode(signed.hash), %error,
                    "the journal's signed transaction can't be decoded; its channel is settled anew after its bounds"
                );
                Self::with(signed, None, Offered::Maybe)
            }
        }
    }

    fn with(signed: SignedTransaction, envelope: Option<TransactionEnvelope>, offered: Offered) -> Self {
        let flight = Flight {
            sequence: signed.sequence,
            signed_at: signed.signed_at,
            max_ledger: signed.max_ledger,
            offered,
            last_sent: None,
        };
        Self { resource_fee: envelope.as_ref().map_or(Stroops(0), resource_fee), signed, envelope, flight }
    }

    /// Its bid for inclusion.
    pub(super) fn bid(&self) -> Stroops {
        self.bid_of(self.signed.fee)
    }

    /// The part of a whole fee that is the bid.
    pub(super) fn bid_of(&self, fee: Stroops) -> Stroops {
        Stroops(fee.get().saturating_sub(self.resource_fee.get()).max(0))
    }
}

fn resource_fee(envelope: &TransactionEnvelope) -> Stroops {
    match envelope {
        TransactionEnvelope::Tx(TransactionV1Envelope { tx, .. }) => match &tx.ext {
            TransactionExt::V1(data) => Stroops(data.resource_fee),
            TransactionExt::V0 => Stroops(0),
        },
        TransactionEnvelope::TxV0(_) | TransactionEnvelope::TxFeeBump(_) => Stroops(0),
    }
}

/// How a transaction ended. Its outcome is in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// The chain shows its effect.
    Confirmed,
    /// It was not included within its bounds, perhaps because its bid was too low.
    Expired,
    /// It was refused for a fee that was too low, and nobody holds it.
    FeeTooLow {
        /// The fee for the whole transaction that would have been enough.
        needed: Stroops,
    },
    /// The fee account could not pay for it.
    LaneIsShort,
    /// It failed, and would fail again if it were repeated at once.
    Failed {
        /// The error.
        why: String,
        /// Whether a ledger includes it, so that its sequence number is used.
        included: bool,
    },
}

/// The state of a transaction after a step.
#[derive(Debug)]
pub(super) enum Progress {
    /// It is still in flight, and is looked at again at the next head.
    Waits,
    /// Its outcome is known and recorded.
    Ended(Ended),
}

/// What is needed to follow transactions in flight.
pub(super) struct FlightContext {
    pub(super) chain: Arc<dyn Chain>,
    pub(super) store: Store,
    pub(super) view: Arc<View>,
    pub(super) reader: ChannelReader,
    /// The number of ledgers after its bounds at which a transaction no longer holds its lane, even if its outcome is
    /// not known.
    pub(super) freed_after: u32,
}

impl FlightContext {
    /// Takes all steps for one transaction that are possible at this head.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the outcome could not be recorded yet. Trouble with the chain is logged, and the
    /// transaction waits.
    pub(super) async fn advance(&self, flying: &mut InFlight, head: Ledger) -> Result<Progress, StoreError> {
        // It waits then, and its bounds end it.
        let progress = match caught(self.follow(flying, head)).await {
            Ok(progress) => progress?,
            Err(panicked) => {
                report("following a transaction", &panicked, &self.view);
                Progress::Waits
            }
        };
        let frees_at = flying.signed.max_ledger.saturating_add(self.freed_after);
        match progress {
            Progress::Waits if head >= frees_at => self.give_up(flying, head).await,
            progress => Ok(progress),
        }
    }

    async fn follow(&self, flying: &mut InFlight, head: Ledger) -> Result<Progress, StoreError> {
        match self.steps(flying, head).await {
            Ok(Next::Over(unsuccessful)) => self.over(flying, unsuccessful).await,
            Ok(Next::Confirm { ledger, fee_charged }) => self.confirm(flying, ledger, fee_charged).await,
            Ok(Next::Send | Next::Wait | Next::ReadAccount) => Ok(Progress::Waits),
            Err(error) => {
                let transaction = hex::encode(flying.signed.hash);
                if error.kind.is_alarm() {
                    raise!(ChainNotUnderstood, transaction, %error, "a transaction's outcome can't be found out");
                } else {
                    warn!(transaction, %error, "the chain can't be asked about a transaction now; it is asked again");
                }
                Ok(Progress::Waits)
            }
        }
    }

    /// Frees the lane of a transaction that the network can't include any more and whose outcome can't be found out.
    /// The channel's state decides what is done next, and settling twice is harmless.
    async fn give_up(&self, flying: &InFlight, head: Ledger) -> Result<Progress, StoreError> {
        let why = format!(
            "its outcome could not be found out by ledger {head}, and its bounds ended at {}",
            flying.signed.max_ledger
        );
        warn!(transaction = hex::encode(flying.signed.hash), why, "the lane is freed");
        self.decided(flying, Outcome::Dropped { at: head, why: why.clone() }).await?;
        Ok(Progress::Ended(Ended::Failed { why, included: false }))
    }

    /// Records an outcome.
    async fn decided(&self, flying: &InFlight, outcome: Outcome) -> Result<(), StoreError> {
        go_on_unrecorded(self.store.record_outcome(flying.signed.hash, outcome).await)
    }

    /// Takes steps until it has to wait for the network, or the outcome is known.
    async fn steps(&self, flying: &mut InFlight, head: Ledger) -> Result<Next, ChainError> {
        let hash = flying.signed.hash;
        let mut next = match step::at_new_head(&flying.flight) {
            Opening::Send => Next::Send,
            Opening::AskOutcome => step::after_found(&flying.flight, &self.chain.outcome(&hash).await?, head),
        };
        loop {
            next = match next {
                Next::Send => {
                    let before = flying.flight;
                    // From here on somebody may have the transaction, whatever the answer is.
                    flying.flight.offered = Offered::Maybe;
                    flying.flight.last_sent = Some(head);
                    let Some(envelope) = &flying.envelope else {
                        return Ok(Next::Wait);
                    };
                    let sent = self.chain.send(envelope).await?;
                    debug!(transaction = hex::encode(hash), ?sent, %head, "sent");
                    if sent == Sent::TryAgainLater {
                        info!(transaction = hex::encode(hash), %head, "the network asks to send the transaction later");
                    }
                    step::after_sent(&before, &sent)
                }
                Next::ReadAccount => {
                    let lane = flying.signed.lane;
                    let Some(account) = self.chain.lane_account(&lane).await? else {
                        raise!(FeesLow, account = %lane, "the fee account does not exist; create and fund it");
                        return Ok(Next::Wait);
                    };
                    let found = self.chain.outcome(&hash).await?;
                    step::after_account(&flying.flight, &account, &found)
                }
                settled => return Ok(settled),
            };
        }
    }

    /// Checks a transaction whose status is a success. Only the channel's entries prove its effect.
    async fn confirm(&self, flying: &InFlight, ledger: Ledger, fee_charged: Stroops) -> Result<Progress, StoreError> {
        let purpose = &flying.signed.purpose;
        let transaction = hex::encode(flying.signed.hash);
        let read = match self.reader.read(purpose.channels()).await {
            Ok(read) => read,
            Err(error) => {
                warn!(transaction, %error, "a transaction was included, but its channels can't be read yet; they are read again");
                return Ok(Progress::Waits);
            }
        };
        let Some((channel, amount)) = purpose.pays() else {
            let seen = purpose.channels().iter().all(|channel| {
                let known = self.view.channel(channel);
                read.unreadable.contains(channel) || known.is_none_or(|known| known.state.read_at >= ledger)
            });
            if !seen {
                return Ok(Progress::Waits);
            }
            let restores = matches!(purpose, Purpose::Restore { .. });
            let what = if restores { "archived entries restored" } else { "lives extended" };
            info!(transaction, %ledger, fee = %fee_charged, channels = purpose.channels().len(), what);
            let known = || purpose.channels().iter().filter_map(|channel| self.view.channel(channel));
            if restores && known().any(|known| policy::has_archived(&known, known.state.read_at)) {
                let outcome = Outcome::Confirmed { ledger, fee_charged };
                self.decided(flying, outcome).await?;
                let why = "the entries were restored, but the endpoint still says that one is archived".to_owned();
                return Ok(Progress::Ended(Ended::Failed { why, included: true }));
            }
            return self.confirmed(flying, ledger, fee_charged).await;
        };
        // A channel that can't be read never gets newer, so waiting for it would block the lane.
        let known = self.view.channel(&channel).map(|known| known.state).filter(|_| read.unreadable.is_empty());
        match known {
            // A close may pay nothing more, so only entries read after it show that the channel has ended.
            Some(state) if matches!(purpose, Purpose::Close { .. }) && state.read_at < ledger => Ok(Progress::Waits),
            Some(state) if state.withdrawn >= amount => {
                info!(
                    %channel, %amount, withdrawn = %state.withdrawn, %ledger, fee = %fee_charged, transaction,
                    "settlement confirmed"
                );
                self.confirmed(flying, ledger, fee_charged).await
            }
            // These entries are older than the settlement, so they prove nothing.
            Some(state) if state.read_at < ledger => Ok(Progress::Waits),
            // The transaction's result is all that is known. If it were not believed, the fee would be paid again and
            // again.
            None => {
                warn!(%channel, %amount, %ledger, transaction, "included as a success; the channel itself can't be read");
                self.confirmed(flying, ledger, fee_charged).await
            }
            Some(state) => {
                let why = format!(
                    "included as a success in ledger {ledger}, but the channel does not show it (withdrawn: {}, \
                     expected: {amount})",
                    state.withdrawn
                );
                raise!(SettlementFailing, %channel, transaction, why, "a settlement is not visible on chain");
                let outcome = Outcome::Failed { ledger, fee_charged, why: why.clone() };
                self.decided(flying, outcome).await?;
                Ok(Progress::Ended(Ended::Failed { why, included: true }))
            }
        }
    }

    async fn confirmed(&self, flying: &InFlight, ledger: Ledger, fee_charged: Stroops) -> Result<Progress, StoreError> {
        let outcome = Outcome::Confirmed { ledger, fee_charged };
        self.decided(flying, outcome).await?;
        Ok(Progress::Ended(Ended::Confirmed))
    }

    async fn over(&self, flying: &InFlight, unsuccessful: Unsuccessful) -> Result<Progress, StoreError> {
        let signed = &flying.signed;
        let transaction = hex::encode(signed.hash);
        let lane: AccountId = signed.lane;
        let now = self.view.head().map_or(signed.signed_at, |head| head.ledger);
        let (outcome, ended) = match unsuccessful {
            Unsuccessful::Failed { ledger, fee_charged, why } => {
                raise!(
                    SettlementFailing, transaction, %ledger, fee = %fee_charged, why, purpose = %PurposeText(&signed.purpose),
                    "a transaction failed on chain"
                );
                let outcome = Outcome::Failed { ledger, fee_charged, why: why.clone() };
                (outcome, Ended::Failed { why, included: true })
            }
            Unsuccessful::Expired { at } => {
                warn!(transaction, %at, fee = %signed.fee, "a transaction was not included within its bounds; it will be rebuilt");
                (Outcome::Expired { at }, Ended::Expired)
            }
            Unsuccessful::Unknowable { at } => {
                let why =
                    "the endpoint no longer holds the ledgers that could tell; the channel's state decides".to_owned();
                warn!(transaction, %at, why, "what became of an old transaction can't be found out");
                (Outcome::Dropped { at, why }, Ended::Expired)
            }
            Unsuccessful::Refused { why, needed_fee, lane_is_short } => {
                if lane_is_short {
                    raise!(
                        FeesLow, account = %lane, needed = %signed.fee, transaction,
                        "the fee account can't pay for a transaction; send it XLM"
                    );
                } else {
                    warn!(transaction, why, "a transaction was refused");
                }
                let ended = match needed_fee {
                    Some(needed) => Ended::FeeTooLow { needed },
                    None if lane_is_short => Ended::LaneIsShort,
                    None => Ended::Failed { why: why.clone(), included: false },
                };
                (Outcome::Dropped { at: now, why }, ended)
            }
        };
        self.decided(flying, outcome).await?;
        Ok(Progress::Ended(ended))
    }
}

/// Lets settling go on when a record could not be written, since settling twice is harmless. Only a busy store is waited
/// for.
pub(super) fn go_on_unrecorded(recorded: Result<(), StoreError>) -> Result<(), StoreError> {
    match recorded {
        Ok(()) => Ok(()),
        Err(error @ StoreError::Busy { .. }) => Err(error),
        Err(error) => {
            warn!(%error, "a transaction can't be written down; settling goes on without");
            Ok(())
        }
    }
}

/// A purpose as text for logs.
pub(super) struct PurposeText<'a>(pub(super) &'a Purpose);

impl fmt::Display for PurposeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Purpose::Settle { channel, amount } => write!(f, "settle {channel} at {amount}"),
            Purpose::Close { channel, amount } => write!(f, "close {channel} at {amount}"),
            Purpose::Extend { channels } => {
                write!(f, "extend the lives of {} channels", channels.len())
            }
            Purpose::Restore { channels } => {
                write!(f, "restore entries of {} channels", channels.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_store_is_waited_for_and_a_broken_one_stops_no_settlement() {
        let busy = || Err(StoreError::Busy { waiting: 1 });
        assert!(matches!(go_on_unrecorded(busy()), Err(StoreError::Busy { .. })));
        let broken = Err(StoreError::Failed("the disk is gone".to_owned().into()));
        assert!(go_on_unrecorded(broken).is_ok());
    }
}
