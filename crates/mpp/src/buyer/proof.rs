//! Learns a lost total from the payer's own signature, which a server hands back.

use paychan_channel::{Amount, Commitment, ContractId, Signature};

use super::error::PayError;
use super::events::Event;
use super::exchange::Exchange;
use super::offer::Payable;
use super::options::PaidRequest;
use super::order::Purpose;
use super::pay::Buyer;
use super::sending::{Outcome, Purchase};
use super::wallet::PinnedChannel;
use crate::problem::{HIGHEST, HIGHEST_SIGNATURE, ProblemBody};

/// What follows from asking a server for a proof.
pub(super) enum Asked {
    /// The total is proven and recorded. The server has made this offer since then.
    Proven(Box<Payable>),
    /// The server took the voucher and answered the request.
    Paid(Box<PaidRequest>),
    /// There is no proof.
    Unproven,
}

impl Buyer {
    /// Asks a server that claims a higher total to prove it, with a voucher for `known`, the highest total when it claimed
    /// that, or for one base unit. A server of ours refuses such a voucher, and hands back the highest one that it holds.
    ///
    /// A valid signature of the commitment key means that the recipient may have that total already, so the store takes it over
    /// without believing the server. If a voucher was sent for this request before, only a total above all that the store knows
    /// proves something: the server could otherwise hand back that voucher, and be paid once more.
    pub(super) async fn ask_for_proof(
        &self,
        over: &mut dyn Exchange,
        purchase: &mut Purchase<'_>,
        payable: &Payable,
        known: Amount,
    ) -> Result<Asked, PayError> {
        let Purchase { request, host, .. } = *purchase;
        let paid_before = !purchase.sent.is_nothing();
        let channel = payable.channel();
        let voucher = self.voucher(request, host, payable.clone(), Purpose::Proof(known)).await?;
        let (next, problem) = match self.send(over, purchase, &voucher).await? {
            Outcome::Paid(paid) => return Ok(Asked::Paid(paid)),
            Outcome::Refused(next, problem) => (next, problem),
        };
        let total = problem.as_deref().and_then(|problem| proven(problem, &payable.pinned));
        let (Some(total), Some(next)) = (total, next) else { return Ok(Asked::Unproven) };
        let learnt = self.learn(host, channel, total)?;
        Ok(if paid_before && learnt.is_zero() { Asked::Unproven } else { Asked::Proven(next) })
    }

    /// Records a proven total. Returns by how much it is above what was known.
    pub(super) fn learn(&self, host: &str, channel: ContractId, total: Amount) -> Result<Amount, PayError> {
        let learnt = self.with_store(|store| store.learn(host, channel, total))?;
        if !learnt.is_zero() {
            self.tell(&Event::Proven { channel, total });
        }
        Ok(learnt)
    }
}

/// The total that a problem proves to have been signed for this channel, on its network, by its key.
pub(super) fn proven(problem: &ProblemBody, pinned: &PinnedChannel) -> Option<Amount> {
    let text = |name| problem.details.get(name).and_then(serde_json::Value::as_str);
    let amount: Amount = text(HIGHEST)?.parse().ok()?;
    let signature: Signature = text(HIGHEST_SIGNATURE)?.parse().ok()?;
    let commitment = Commitment { network: pinned.network.id(), channel: pinned.channel, amount };
    commitment.verify(&pinned.signer.public(), &signature).ok()?;
    Some(amount)
}
