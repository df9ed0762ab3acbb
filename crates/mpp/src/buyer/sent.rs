//! Counts what was sent for one request.

use paychan_channel::Amount;

use super::error::{PayError, PayFailure};

/// What was sent for one request that the server can take.
#[derive(Debug, Default)]
pub(super) struct Sent(Option<Amount>);

impl Sent {
    /// Counts a signature that was sent and that raised the signed total by this much.
    pub(super) fn add(&mut self, raise: Amount) {
        self.0 = Some(self.0.unwrap_or(Amount::ZERO).saturating_add(raise));
    }

    /// Whether nothing was sent that the server can take.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn failure(&self, why: PayError) -> PayFailure {
        PayFailure { why: Box::new(why), signed_away: self.0 }
    }
}
