//! Reads, after a sweep, the network's settings, the issuers' rights, and whether recipients can be paid.

use std::collections::{BTreeMap, HashMap};

use paychan_channel::{Address, ContractId, Ledger, TokenKind};

use super::Follower;
use crate::alarm::raise;
use crate::chain::ChainError;
use paychan_channel::TokenRisk;

impl Follower {
    /// Reads the network's settings when that is due. When they can't be read or are implausible, the last known ones
    /// are used.
    pub(super) async fn read_settings(&mut self) {
        if !self.settings_due {
            return;
        }
        let boot = self.parts.clock.boot();
        match self.parts.chain.settings().await {
            Ok(terms) => match terms.implausible() {
                None => {
                    self.parts.view.set_network(terms);
                    self.settings_due = false;
                    self.trouble.about_settings(None, boot);
                }
                Some(why) => self.trouble.about_settings(Some(why), boot),
            },
            Err(error) => self.trouble.about_settings(Some(error.to_string()), boot),
        }
    }

    /// Reads the issuers' rights and whether recipients can be paid, once for each token and recipient, when that is
    /// due.
    ///
    /// # Errors
    /// The first question without a usable answer. The others were still asked.
    pub(super) async fn read_recipients(&mut self, head: Ledger) -> Result<(), ChainError> {
        if !self.recipients_due {
            return Ok(());
        }
        // They are asked for in the same order each time, so that a simulated world can be repeated.
        let mut recipients: BTreeMap<(ContractId, Address), TokenKind> = BTreeMap::new();
        for known in self.parts.view.channels().into_iter().filter(|known| !known.ended) {
            if self.parts.store.held(&known.state.channel).is_some() {
                recipients.entry((known.state.token, known.state.to)).or_insert(known.state.token_kind);
            }
        }
        let mut tokens: HashMap<ContractId, TokenRisk> = HashMap::new();
        let mut failed = None;
        for ((token, to), kind) in recipients {
            let facts = match tokens.get(&token) {
                Some(facts) => *facts,
                None => match self.parts.chain.token_facts(kind.asset()).await {
                    Ok(facts) => {
                        tokens.insert(token, facts);
                        self.report_issuer(&token, &facts);
                        self.parts.view.set_token(&token, facts, head);
                        facts
                    }
                    Err(error) => {
                        failed = failed.or(Some(error));
                        continue;
                    }
                },
            };
            let asked = self.read_recipient(&token, &kind, &facts, &to, head).await;
            failed = failed.or(asked.err());
        }
        self.recipients_due = failed.is_some();
        failed.map_or(Ok(()), Err)
    }

    async fn read_recipient(
        &self,
        token: &ContractId,
        kind: &TokenKind,
        facts: &TokenRisk,
        to: &Address,
        head: Ledger,
    ) -> Result<(), ChainError> {
        // This is read before the question, so that what is paid meanwhile counts as paid after it.
        let withdrawn = self.parts.view.withdrawn_by(token, to);
        let payability = self.parts.chain.payability(token, kind.asset(), facts, to).await?;
        let owed = self.parts.promises.owed(token, to);
        if !payability.can_take(owed) {
            raise!(RecipientCannotBePaid, recipient = %to, %token, %owed, "a settlement would fail: {payability}");
        }
        self.parts.view.set_payability(token, to, payability, head, withdrawn);
        Ok(())
    }

    /// Raises an alarm when an issuer has taken rights that the operator's list does not accept.
    fn report_issuer(&self, token: &ContractId, facts: &TokenRisk) {
        let Some(listed) = self.parts.config.token(token) else {
            return;
        };
        let may_claw_back = facts.may_claw_back() && !listed.issuer_may_claw_back;
        let may_revoke = facts.may_revoke() && !listed.issuer_may_revoke;
        if may_claw_back || may_revoke {
            raise!(
                IssuerChanged, %token, code = listed.code, may_claw_back, may_revoke,
                "the token's issuer can now take or freeze balances, and the list of tokens does not accept that; no \
                 commitment is taken in this token"
            );
        }
    }
}
