//! What is read beside the channels: settings, fee accounts, and whether recipients can be paid.

use std::collections::HashMap;

use paychan_channel::{AccountId, Address, Amount, ContractId, Ledger, Stroops};

use super::Follower;
use crate::alarm::raise;
use crate::chain::ChainError;
use crate::chain::LaneFacts;
use crate::commitments::fees_needed;

impl Follower {
    /// What changes seldom, and what no channel's freshness hangs on.
    pub(super) async fn read_facts(&self) -> Result<(), ChainError> {
        self.view.saw_network(self.chain.settings().await?);
        self.read_payability().await
    }

    /// Whether the recipients can be paid what they are owed: asked once for each token and recipient.
    async fn read_payability(&self) -> Result<(), ChainError> {
        let mut owed: HashMap<(ContractId, Address), Amount> = HashMap::new();
        let mut tokens = HashMap::new();
        for known in self.view.channels() {
            let Some(held) = self.store.held(&known.state.channel) else {
                continue;
            };
            let unsettled = known.state.unsettled(held.highest_amount());
            let sum = owed.entry((known.state.token, known.state.to)).or_default();
            *sum = sum.saturating_add(unsettled);
            tokens.entry(known.state.token).or_insert(known.state.token_kind);
        }
        let mut facts = HashMap::new();
        for (token, kind) in &tokens {
            facts.insert(*token, self.chain.token_facts(kind.asset()).await?);
        }
        for ((token, to), owed) in owed {
            let (Some(kind), Some(facts)) = (tokens.get(&token), facts.get(&token)) else {
                continue;
            };
            let payability = self.chain.payability(&token, kind.asset(), facts, &to).await?;
            if !payability.can_take(owed) {
                raise!(
                    RecipientCannotBePaid, recipient = %to, %token, %owed,
                    "a settlement would fail: {payability}"
                );
            }
            self.view.saw_payability(&token, &to, payability);
        }
        Ok(())
    }

    pub(super) async fn read_lanes(&mut self) -> Result<(), ChainError> {
        for lane in &self.settings.lanes {
            let facts = match self.chain.lane_account(lane).await? {
                Some(account) => account.facts,
                None => LaneFacts {
                    account: *lane,
                    balance: Stroops(0),
                    spendable: Stroops(0),
                    read_at: self.view.head().map_or(Ledger(0), |head| head.ledger),
                },
            };
            self.view.saw_lane(facts);
        }
        self.check_funds();
        Ok(())
    }

    /// Says so when the fee accounts can't cover what is promised.
    fn check_funds(&mut self) {
        let Some(funds) = self.view.fee_funds() else {
            return;
        };
        let needed = fees_needed(funds.promised.max(1), funds.settle_resource_fee, &self.settings.fees);
        if funds.spendable >= needed {
            self.fees_low.is_over();
        } else if self.fees_low.is_due(self.clock.boot()) {
            let accounts: Vec<String> = self.settings.lanes.iter().map(AccountId::to_string).collect();
            raise!(
                FeesLow, accounts = accounts.join(", "), spendable = %funds.spendable, %needed,
                "the fee accounts can't cover what is promised; no commitment is taken until they can. Send them XLM"
            );
        }
    }

    pub(super) fn count_promises(&self) {
        let promised = self
            .view
            .channels()
            .iter()
            .filter(|known| {
                self.store
                    .held(&known.state.channel)
                    .is_some_and(|held| !known.state.unsettled(held.highest_amount()).is_zero())
            })
            .count();
        self.view.saw_promises(promised);
    }
}
