//! How much the channels of one (token, recipient) pair may promise together.

use crate::{Amount, Payability};

/// What one channel has promised to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The highest commitment taken, in base units.
    pub highest: Amount,
    /// What the chain had paid out of this channel **when the recipient's room was read, or earlier**, in base units.
    ///
    /// A newer `withdrawn` would count the same money twice: once as paid, once as room that it has used up since.
    pub withdrawn: Amount,
}

/// The room that a recipient has for a token, shared by all channels that pay this recipient in this token.
///
/// A payment reduces the room by as much as it reduces what is unsettled. So the total that all channels may pay,
/// `room + Σ withdrawn`, does not change when one of them is settled, and the sum of all highest commitments must stay
/// at or below it.
///
/// ```
/// use paychan_channel::{Amount, Payability, Promise, SharedRoom};
///
/// let units = |units: u64| Amount::from(units);
/// let room = Payability::Room(units(10));
/// let channels = [Promise { highest: units(8), withdrawn: units(0) }, Promise { highest: units(5), withdrawn: units(5) }];
/// let mut shared = SharedRoom::new(room, channels);
/// assert_eq!(shared.left(), units(2));
/// assert!(shared.take(units(8)).is_err(), "a second channel of 8 does not fit into a room of 10");
/// assert!(shared.take(units(2)).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedRoom {
    limit: Amount,
    promised: Amount,
}

/// The recipient has no room for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the recipient has room for {left} more base units over all channels of this token, {asked} are asked for; raise the \
     limit of its trustline, or take less"
)]
pub struct NoRoom {
    /// What is still free, in base units.
    pub left: Amount,
    /// What was asked for, in base units.
    pub asked: Amount,
}

impl SharedRoom {
    /// The room of a recipient whom `channels` pay in one token. Give all of them, closed ones too.
    #[must_use]
    pub fn new(payability: Payability, channels: impl IntoIterator<Item = Promise>) -> SharedRoom {
        let mut room = SharedRoom { limit: payability.room(), promised: Amount::ZERO };
        for Promise { highest, withdrawn } in channels {
            room.limit = room.limit.saturating_add(withdrawn);
            // A payment has used up room even where no commitment of its height is known, so it counts.
            room.promised = room.promised.saturating_add(highest.max(withdrawn));
        }
        room
    }

    /// What all channels together may still promise, in base units.
    #[must_use]
    pub fn left(&self) -> Amount {
        if self.limit == Amount::MAX { Amount::MAX } else { self.limit.saturating_sub(self.promised) }
    }

    /// Counts a commitment that is `more` base units above its channel's highest.
    ///
    /// # Errors
    /// [`NoRoom`] when it does not fit; then nothing was counted.
    pub fn take(&mut self, more: Amount) -> Result<(), NoRoom> {
        let left = self.left();
        if more > left {
            return Err(NoRoom { left, asked: more });
        }
        self.promised = self.promised.saturating_add(more);
        Ok(())
    }
}
