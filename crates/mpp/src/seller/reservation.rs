//! A sale that is being charged or given back.

use paychan_channel::{ContractId, RequestId};

use super::charges::Charges;
use super::core::Seller;

/// Keeps the same sale from being made twice at the same time. When it is dropped before the sale is made, the payer may ask
/// again.
pub(super) struct Reservation<C: Charges> {
    pub(super) seller: Seller<C>,
    pub(super) channel: ContractId,
    pub(super) request_id: RequestId,
}

impl<C: Charges> Drop for Reservation<C> {
    fn drop(&mut self) {
        // After the sale was made, there is nothing to release.
        self.seller.with_memory(|memory| memory.release(&self.channel, &self.request_id));
    }
}
