//! Implements [`Charges`] for a watcher's client.

use std::time::Duration;

use paychan_channel::{Amount, ContractId, RequestId};
use paychan_watcher_api::{
    ChannelReport, ChargeBody, Charged, Client, ClientError, CommitmentBody, CreditBody, SignedAmount,
};

use super::charges::{Charges, ChargesError, Ending, Standing};

impl From<ClientError> for ChargesError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { problem, .. } => Self::Refused(problem),
            other if other.nothing_happened() => Self::Unreachable(other.to_string()),
            other => Self::OutcomeUnknown(other.to_string()),
        }
    }
}

fn standing_of(report: &ChannelReport) -> Standing {
    Standing {
        highest: report.highest,
        spent: report.spent,
        status: report.status,
        fenced: report.fenced,
        commitment_key: report.commitment_key,
    }
}

impl Charges for Client {
    async fn charge(&self, channel: &ContractId, body: &ChargeBody) -> Result<Charged, ChargesError> {
        Ok(Client::charge(self, channel, body).await?)
    }

    async fn credit(&self, channel: &ContractId, request_id: &RequestId, amount: Amount) -> Result<(), ChargesError> {
        Client::credit(self, channel, request_id, &CreditBody { amount }).await?;
        Ok(())
    }

    async fn prepay(
        &self,
        channel: &ContractId,
        commitment: SignedAmount,
        request_id: &RequestId,
    ) -> Result<(), ChargesError> {
        let SignedAmount { amount, signature } = commitment;
        self.commit(channel, &CommitmentBody { amount, signature, request_id: request_id.clone() }).await?;
        Ok(())
    }

    async fn admit(&self, channel: &ContractId) -> Result<Standing, ChargesError> {
        Ok(standing_of(&Client::admit(self, channel).await?))
    }

    async fn standing(&self, channel: &ContractId) -> Result<Standing, ChargesError> {
        Ok(standing_of(&self.channel(channel).await?))
    }

    async fn highest(&self, channel: &ContractId) -> Result<Option<SignedAmount>, ChargesError> {
        Ok(Client::highest(self, channel).await?)
    }

    async fn close(&self, channel: &ContractId, agreed: SignedAmount, wait: Duration) -> Result<Ending, ChargesError> {
        let closing = Client::close(self, channel, Some(&agreed), wait).await?;
        Ok(Ending { state: closing.state, transaction: closing.transaction, amount: closing.amount })
    }
}
