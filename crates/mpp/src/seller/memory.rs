//! The seller's memory of the channels: which vouchers bought something, and the newest answers.
//!
//! It is lost with the process. It does not decide about money; the watcher's journal does.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use paychan_channel::{Amount, ContractId, RequestId};

use super::charges::Standing;

/// How many sales are remembered for each channel. The watcher remembers as many request ids.
pub(super) const SALES_PER_CHANNEL: usize = 1_024;
/// How many channels are remembered. The one that was used the longest time ago is forgotten first.
const CHANNELS: usize = 4_096;
/// The largest body that is kept, in bytes.
pub const LARGEST_KEPT_BODY: usize = 64 * 1024;
/// The largest size of all kept bodies together, in bytes.
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

/// A sale.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    /// The request.
    pub(super) target: String,
    pub(super) amount: Amount,
    pub(super) progress: Progress,
}

#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// It is being charged or answered.
    Running,
    /// It was answered. `None` when the answer was too large to keep or was dropped to make room.
    Answered(Option<Arc<KeptAnswer>>),
}

/// One channel.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) standing: Option<Standing>,
    /// A voucher up to this amount may have bought something that is not remembered here.
    pub(super) floor: Option<Amount>,
    sales: HashMap<RequestId, Sale>,
    by_amount: HashMap<Amount, RequestId>,
    by_key: HashMap<Vec<u8>, RequestId>,
    order: VecDeque<RequestId>,
    used_at: u64,
}

/// All channels.
#[derive(Debug, Default)]
pub(super) struct Memory {
    channels: HashMap<ContractId, Channel>,
    kept_bytes: usize,
    clock: u64,
}

impl Memory {
    pub(super) fn known(&self, channel: &ContractId) -> Option<&Channel> {
        self.channels.get(channel)
    }

    /// The memory of a channel, which is created if there is none.
    pub(super) fn channel(&mut self, id: &ContractId) -> &mut Channel {
        self.clock = self.clock.saturating_add(1);
        if !self.channels.contains_key(id) && self.channels.len() >= CHANNELS {
            let idle = self.channels.iter().min_by_key(|(_, channel)| channel.used_at).map(|(id, _)| *id);
            if let Some(dropped) = idle.and_then(|idle| self.channels.remove(&idle)) {
                self.kept_bytes = self.kept_bytes.saturating_sub(dropped.kept_bytes());
            }
        }
        let channel = self.channels.entry(*id).or_default();
        channel.used_at = self.clock;
        channel
    }

    /// Records the answer of a sale.
    pub(super) fn answered(&mut self, id: &ContractId, request_id: &RequestId, answer: Option<KeptAnswer>) {
        let room = KEPT_BODIES.saturating_sub(self.kept_bytes);
        let kept = answer.filter(|answer| answer.body.len() <= room);
        let bytes = kept.as_ref().map_or(0, |answer| answer.body.len());
        let Some(sale) = self.channels.get_mut(id).and_then(|channel| channel.sales.get_mut(request_id)) else {
            return;
        };
        sale.progress = Progress::Answered(kept.map(Arc::new));
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
    }

    /// Records the start of a sale, with the client's key if there is one. The oldest sale is forgotten to make room.
    pub(super) fn begin(&mut self, id: &ContractId, request_id: &RequestId, sale: Sale, key: Option<&[u8]>) {
        let channel = self.channel(id);
        let mut freed = 0;
        while channel.order.len() >= SALES_PER_CHANNEL {
            let Some(oldest) = channel.order.pop_front() else { break };
            freed += channel.forget(&oldest);
        }
        channel.by_amount.insert(sale.amount, request_id.clone());
        if let Some(key) = key {
            channel.by_key.insert(key.to_vec(), request_id.clone());
        }
        channel.sales.insert(request_id.clone(), sale);
        channel.order.push_back(request_id.clone());
        self.kept_bytes = self.kept_bytes.saturating_sub(freed);
    }

    /// Forgets a sale that did not happen.
    pub(super) fn undo(&mut self, id: &ContractId, request_id: &RequestId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let freed = channel.forget(request_id);
        channel.order.retain(|kept| kept != request_id);
        self.kept_bytes = self.kept_bytes.saturating_sub(freed);
    }
}

impl Channel {
    pub(super) fn sale(&self, request_id: &RequestId) -> Option<&Sale> {
        self.sales.get(request_id)
    }

    /// The sale that a voucher of this amount made.
    pub(super) fn bought_with(&self, amount: Amount) -> Option<&RequestId> {
        self.by_amount.get(&amount)
    }

    /// The sale under a client's key.
    pub(super) fn under_key(&self, key: &[u8]) -> Option<&Sale> {
        self.by_key.get(key).and_then(|id| self.sales.get(id))
    }

    fn forget(&mut self, request_id: &RequestId) -> usize {
        let Some(sale) = self.sales.remove(request_id) else { return 0 };
        self.by_amount.remove(&sale.amount);
        self.by_key.retain(|_, kept| kept != request_id);
        // A voucher older than the remembered ones may have bought something.
        self.floor = self.floor.max(matches!(sale.progress, Progress::Answered(_)).then_some(sale.amount));
        sale.bytes()
    }

    fn kept_bytes(&self) -> usize {
        self.sales.values().map(Sale::bytes).sum()
    }
}

impl Sale {
    fn bytes(&self) -> usize {
        match &self.progress {
            Progress::Answered(Some(answer)) => answer.body.len(),
            _ => 0,
        }
    }
}
