//! Gives charges back. It goes on until the watcher has answered, also when nobody waits for it any more.

use std::time::Duration;

use paychan_channel::{Amount, ContractId, RequestId};

use super::charges::{Charges, ChargesError};
use super::core::Seller;
use super::reservation::Reservation;

/// The pause after the first failure. Each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a credit is asked for: for about half an hour, since a watcher is started again within that.
const TRIES: u32 = 70;
/// How long a payer waits for a credit before it is told that it is not given yet.
const PAYERS_PATIENCE: Duration = Duration::from_secs(2);

/// How far a credit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenBack {
    /// It is on the watcher's disk.
    Yes,
    /// The watcher refused it.
    Refused,
    /// It goes on in the background.
    NotYet,
}

impl<C: Charges> Seller<C> {
    /// Gives a part of a charge back, and waits for that for a moment. Nothing else is done with the sale while its
    /// reservation is held.
    pub(super) async fn give_back(
        &self,
        channel: ContractId,
        request_id: RequestId,
        amount: Amount,
        reservation: Option<Reservation<C>>,
    ) -> GivenBack {
        let seller = self.clone();
        // It runs on its own task, so that a payer who hangs up does not lose the credit.
        let giving = tokio::spawn(async move {
            let given = seller.credit_surely(&channel, &request_id, amount).await;
            drop(reservation);
            given
        });
        match tokio::time::timeout(PAYERS_PATIENCE, giving).await {
            Ok(Ok(given)) => given,
            Ok(Err(_)) | Err(_) => GivenBack::NotYet,
        }
    }

    /// Gives a charge back without waiting for it.
    pub(super) fn give_back_later(
        &self,
        channel: ContractId,
        request_id: RequestId,
        amount: Amount,
        reservation: Reservation<C>,
    ) {
        let seller = self.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    seller.credit_surely(&channel, &request_id, amount).await;
                    drop(reservation);
                });
            }
            // The process is ending.
            Err(_) => tracing::error!(%channel, %request_id, %amount, "a charge was not given back"),
        }
    }

    async fn credit_surely(&self, channel: &ContractId, request_id: &RequestId, amount: Amount) -> GivenBack {
        let mut pause = FIRST_PAUSE;
        for _ in 0..TRIES {
            // Giving the same back again is harmless.
            match self.0.charges.credit(channel, request_id, amount).await {
                Ok(()) => {
                    self.learn_credit(channel, amount);
                    return GivenBack::Yes;
                }
                Err(ChargesError::Refused(problem))
                    if problem.kind.nothing_happened() && !problem.kind.is_passing() =>
                {
                    let why = &problem.detail;
                    tracing::error!(%channel, %request_id, %amount, kind = %problem.kind, %why, "a charge was not given back");
                    return GivenBack::Refused;
                }
                Err(error) => {
                    tracing::warn!(%channel, %request_id, %amount, %error, "a charge is not given back yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        tracing::error!(%channel, %request_id, %amount, "a charge was not given back");
        GivenBack::NotYet
    }
}
