//! The seller's memory of the channels: which vouchers bought something, and the newest answers.
//!
//! It is lost with the process. It does not decide about money; the watcher's journal does.
//!
//! Anyone can name any channel. So a channel gets a place among the `channels` only with a voucher whose signature is good,
//! and what anyone may ask about is in the `standings`, which decide nothing.

mod channel;
mod standings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use paychan_channel::{Amount, ContractId, RequestId};

use self::channel::Channel;
use self::standings::Standings;
use super::request_id::Target;
pub(super) use channel::{Doubtful, Earlier, Uses, Wanted};

/// How many sales are remembered for each channel. The watcher remembers as many request ids.
pub(super) const SALES_PER_CHANNEL: usize = 1_024;
/// How many sales are remembered of all channels together. They take about 100 MB.
const SALES: usize = 256 * SALES_PER_CHANNEL;
/// How many channels are remembered. The one that was used the longest time ago is forgotten first.
const CHANNELS: usize = 4_096;
/// The largest body that is kept, in bytes.
pub const LARGEST_KEPT_BODY: usize = 64 * 1024;
/// The largest size of all kept answers together, in bytes. To make room, the channel that uses most of it loses its oldest answer.
pub const KEPT_BODIES: usize = 32 * 1024 * 1024;

/// A kept answer with its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers, including the receipt.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl KeptAnswer {
    /// What it takes of [`KEPT_BODIES`].
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        self.body.len() + headers
    }
}

/// All channels.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) standings: Standings,
    channels: HashMap<ContractId, Channel>,
    used: Used,
    clock: u64,
}

/// How much the channels take up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Used {
    sales: usize,
    bytes: usize,
}

impl Memory {
    /// Whether the sales of a channel are remembered.
    pub(super) fn knows(&self, id: &ContractId) -> bool {
        self.channels.contains_key(id)
    }

    /// Remembers the sales of a channel from now on. A voucher up to `highest` may have bought something before.
    pub(super) fn meet(&mut self, id: &ContractId, highest: Amount) {
        if self.knows(id) {
            return;
        }
        if self.channels.len() >= CHANNELS {
            self.forget_one_but(id);
        }
        let used_at = self.tick();
        self.channels.insert(*id, Channel::new(highest, used_at));
    }

    /// Reserves a sale until [`Memory::sell`] or [`Memory::release`], or finds what is known of the same one or of its key.
    pub(super) fn begin(&mut self, id: &ContractId, wanted: &Wanted<'_>) -> Result<(), Earlier> {
        let used_at = self.tick();
        let begun = self.change(id, |channel| {
            channel.used_at = used_at;
            channel.begin(wanted)
        });
        // A channel that was forgotten since it was met is met again when the payer asks again.
        begun.unwrap_or(Err(Earlier::Running))
    }

    /// Takes a reservation back.
    pub(super) fn release(&mut self, id: &ContractId, request_id: &RequestId) {
        self.change(id, |channel| channel.release(request_id));
    }

    /// The payment of the request with this key, if it is not known whether the watcher has taken it.
    pub(super) fn doubtful(&self, id: &ContractId, key: &[u8], target: Target) -> Option<Doubtful> {
        self.channels.get(id)?.doubtful(key, target)
    }

    /// Records that it is not known whether the watcher has taken a payment, until the sale is made or
    /// [`Memory::doubt_no_more`].
    pub(super) fn doubt(&mut self, id: &ContractId, key: &[u8], doubtful: Doubtful) {
        self.change(id, |channel| channel.doubt(key, doubtful));
    }

    /// Records that the watcher has not taken the payment of the request with this key, or has given it back.
    pub(super) fn doubt_no_more(&mut self, id: &ContractId, key: &[u8]) {
        self.change(id, |channel| channel.doubt_no_more(key));
    }

    /// What can't have happened before a sale.
    pub(super) fn uses(&self, id: &ContractId, request_id: &RequestId, amount: Amount) -> Uses {
        let unknown = Uses { voucher_unused: false, sale_never_begun: false };
        self.channels.get(id).map_or(unknown, |channel| channel.uses(request_id, amount))
    }

    /// Records that the handler of a reserved sale is asked now.
    pub(super) fn sell(&mut self, id: &ContractId, request_id: &RequestId, amount: Amount) {
        self.change(id, |channel| channel.sell(request_id, amount));
        while self.used.sales > SALES && self.forget_one_but(id) {}
    }

    /// Records the answer of a sale. It is `None` when the answer is not kept.
    pub(super) fn answered(&mut self, id: &ContractId, request_id: &RequestId, answer: Option<KeptAnswer>) {
        let answer = answer.filter(|answer| answer.size() <= KEPT_BODIES);
        let size = answer.as_ref().map_or(0, KeptAnswer::size);
        while self.used.bytes > KEPT_BODIES - size && self.drop_one_answer() {}
        self.change(id, |channel| channel.answered(request_id, answer.map(Arc::new)));
    }

    /// Records that a handler broke off without an answer. The sale is reserved until [`Memory::release`], when its charge
    /// was given back.
    pub(super) fn broke_off(&mut self, id: &ContractId, request_id: &RequestId) {
        self.change(id, |channel| channel.broke_off(request_id));
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }

    /// Changes a channel, and counts what it takes up then.
    fn change<T>(&mut self, id: &ContractId, change: impl FnOnce(&mut Channel) -> T) -> Option<T> {
        let channel = self.channels.get_mut(id)?;
        let before = channel.used();
        let changed = change(channel);
        let after = channel.used();
        self.used.sales = self.used.sales - before.sales + after.sales;
        self.used.bytes = self.used.bytes - before.bytes + after.bytes;
        Some(changed)
    }

    /// Forgets the channel that was used the longest time ago, but not `kept`, and none for which a charge is under way. Returns
    /// whether there was one.
    fn forget_one_but(&mut self, kept: &ContractId) -> bool {
        let idle = self.channels.iter().filter(|(id, channel)| *id != kept && !channel.is_charging());
        let Some(id) = idle.min_by_key(|(_, channel)| channel.used_at).map(|(id, _)| *id) else { return false };
        if let Some(forgotten) = self.channels.remove(&id) {
            let used = forgotten.used();
            self.used = Used { sales: self.used.sales - used.sales, bytes: self.used.bytes - used.bytes };
        }
        // When the channel is met again, what it has paid until then is read anew.
        self.standings.forget(&id);
        true
    }

    /// Drops the oldest answer of the channel whose answers take up most, so that nobody can fill the room of all. Returns
    /// whether there was one.
    fn drop_one_answer(&mut self) -> bool {
        let largest = self.channels.iter().max_by_key(|(_, channel)| channel.used().bytes).map(|(id, _)| *id);
        largest.and_then(|id| self.change(&id, Channel::drop_oldest_answer)).unwrap_or(false)
    }
}
