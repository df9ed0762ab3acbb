//! The fee accounts: what they hold, and whether it covers what is promised.

use paychan_channel::{AccountId, Ledger, Stroops};

use super::Follower;
use crate::alarm::raise;
use crate::chain::{ChainError, LaneFacts};

impl Follower {
    /// Reads the fee accounts.
    ///
    /// # Errors
    /// The first account that could not be read; the others were read all the same.
    pub(super) async fn read_lanes(&mut self) -> Result<(), ChainError> {
        let mut failed = None;
        for lane in &self.settings.lanes {
            let facts = match self.parts.chain.lane_account(lane).await {
                Ok(Some(account)) => account.facts,
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

    /// Raises an alarm while the fee accounts can't cover what is promised, or could not cover a first promise.
    fn check_funds(&mut self) {
        let (Some(spendable), Some((_, promised))) = (self.parts.view.spendable(), self.parts.promises.fees()) else {
            return;
        };
        let needed = promised.max(self.parts.promises.dearest_settlement());
        if spendable >= needed {
            self.fees_low.is_over();
        } else if self.fees_low.is_due(self.parts.clock.boot()) {
            let accounts: Vec<String> = self.settings.lanes.iter().map(AccountId::to_string).collect();
            raise!(
                FeesLow, accounts = accounts.join(", "), %spendable, %needed,
                "the fee accounts can't cover what is promised; no commitment is taken until they can. Send them XLM"
            );
        }
    }
}
