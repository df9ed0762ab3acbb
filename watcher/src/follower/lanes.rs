//! Reads the fee accounts, and checks that their balance covers what is promised.

use paychan_channel::{AccountId, Ledger, Stroops};
use tracing::warn;

use super::Follower;
use crate::alarm::raise;
use crate::chain::{ChainError, LaneFacts};
use crate::view::LaneAhead;

impl Follower {
    /// Reads the fee accounts.
    ///
    /// # Errors
    /// The error of the first account that could not be read. The others were still read.
    pub(super) async fn read_lanes(&mut self) -> Result<(), ChainError> {
        let mut failed = None;
        for lane in &self.settings.lanes.clone() {
            let facts = match self.parts.chain.lane_account(lane).await {
                Ok(Some(account)) => {
                    // This comes before the balance is known, since no money is taken until then. One of several
                    // endpoints can't make the store look rolled back.
                    if account.agreed {
                        self.compare_sequence(lane, account.sequence).await;
                    }
                    account.facts
                }
                Ok(None) => LaneFacts {
                    account: *lane,
                    balance: Stroops(0),
                    spendable: Stroops(0),
                    read_at: self.parts.view.head().map_or(Ledger(0), |head| head.ledger),
                },
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            self.parts.view.set_lane(facts);
        }
        self.check_funds();
        failed.map_or(Ok(()), Err)
    }

    /// When the account is read for the first time since the start, a sequence number above all that the store knows
    /// shows that the store is an old copy. Later it only shows that somebody else uses the account while the watcher
    /// runs. That is recorded, so that the next start does not take it for a store that was rolled back.
    async fn compare_sequence(&mut self, lane: &AccountId, used: i64) {
        let first = self.seen_lanes.insert(*lane);
        let Some(known) = self.parts.store.last_sequence(lane).filter(|known| *known < used) else { return };
        let view = &self.parts.view;
        if first {
            raise!(
                StoreRolledBack, account = %lane, used, known,
                "the fee account has used sequence numbers of which the store knows nothing: the store is an old copy, or the \
                 watcher settled while the store could not be written, or somebody else uses the account. Nothing is \
                 acknowledged on any channel until `paychan-watcher confirm-rollback` was run; settling goes on"
            );
            view.set_lane_ahead(LaneAhead { lane: *lane, used, known });
        } else if view.lanes_ahead().iter().all(|ahead| ahead.lane != *lane)
            && let Err(error) = self.parts.store.lane_used(*lane, used).await
        {
            warn!(%lane, %error, "somebody else uses the fee account, and this could not be recorded");
        }
    }

    /// Raises an alarm while the fee accounts can't cover what is promised, or at least one settlement.
    fn check_funds(&mut self) {
        let (Some(spendable), Some((_, promised))) = (self.parts.view.spendable(), self.parts.promises.fees()) else {
            return;
        };
        let needed = promised.max(self.parts.promises.dearest_settlement());
        if spendable >= needed {
            self.fees_low.reset();
        } else if self.fees_low.is_due(self.parts.clock.boot()) {
            let accounts: Vec<String> = self.settings.lanes.iter().map(AccountId::to_string).collect();
            raise!(
                FeesLow, accounts = accounts.join(", "), %spendable, %needed,
                "the fee accounts can't cover what is promised; no commitment is taken until they can. Send them XLM"
            );
        }
    }
}
