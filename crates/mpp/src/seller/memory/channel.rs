//! The sales of one channel.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use paychan_channel::{Amount, RequestId};

use super::super::check::Checked;
use super::super::request_id::Target;
use super::{KeptAnswer, SALES_PER_CHANNEL, Used};

/// How many doubtful payments are remembered. The watcher has to fail once for each.
const DOUBTFUL: usize = 64;

/// A sale that is asked for.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Wanted<'a> {
    pub(in super::super) request_id: &'a RequestId,
    pub(in super::super) target: Target,
    /// The payer's own name of the request.
    pub(in super::super) key: Option<&'a [u8]>,
}

/// A payment of a request that the payer has named, if it is not known whether the watcher has taken it.
#[derive(Debug, Clone)]
pub(in super::super) struct Doubtful {
    pub(in super::super) target: Target,
    pub(in super::super) checked: Checked,
    /// The price that was charged, or was to be charged. Base units.
    pub(in super::super) price: Amount,
}

/// What is known of an earlier sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Earlier {
    /// It is being charged or answered.
    Running,
    /// It was answered. `None` when the answer is not kept.
    Answered(Option<Arc<KeptAnswer>>),
    /// Its handler broke off without an answer, and its charge was given back.
    BrokeOff,
    /// The payer's key is the name of another request.
    KeyOfAnother,
}

/// What can't have happened before a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Uses {
    /// No sale with this voucher can have reached a handler.
    pub(in super::super) voucher_unused: bool,
    /// This sale, with its challenge and its request, can't have reached a handler. Another one with its voucher may have.
    pub(in super::super) sale_never_begun: bool,
}

/// How far a sale is whose handler was asked.
#[derive(Debug, Clone)]
enum Progress {
    Running,
    /// `None` when the answer was too large to keep or was dropped to make room.
    Answered(Option<Arc<KeptAnswer>>),
    BrokeOff,
}

#[derive(Debug)]
struct Sale {
    amount: Amount,
    key: Option<Box<[u8]>>,
    progress: Progress,
}

impl Sale {
    fn earlier(&self) -> Earlier {
        match &self.progress {
            Progress::Running => Earlier::Running,
            Progress::Answered(kept) => Earlier::Answered(kept.clone()),
            Progress::BrokeOff => Earlier::BrokeOff,
        }
    }
}

/// One channel.
///
/// What a payer asks for is in `charging` first, where nothing of it is believed. With its charge, which proves its signature,
/// it becomes one of the `sales`.
#[derive(Debug)]
pub(super) struct Channel {
    /// A voucher up to this amount may have bought something that is not remembered here.
    floor: Amount,
    /// The sales that are being charged or given back, with their keys.
    charging: HashMap<RequestId, Option<Box<[u8]>>>,
    sales: HashMap<RequestId, Sale>,
    /// The amounts of their vouchers.
    amounts: HashSet<Amount>,
    by_key: HashMap<Box<[u8]>, (RequestId, Target)>,
    /// By the payer's key.
    doubtful: HashMap<Box<[u8]>, Doubtful>,
    /// The sales, oldest first.
    order: VecDeque<RequestId>,
    /// The sales with kept answers, oldest answer first. Some may have been forgotten since.
    kept: VecDeque<RequestId>,
    kept_bytes: usize,
    pub(super) used_at: u64,
}

impl Channel {
    pub(super) fn new(floor: Amount, used_at: u64) -> Self {
        Self {
            floor,
            charging: HashMap::new(),
            sales: HashMap::new(),
            amounts: HashSet::new(),
            by_key: HashMap::new(),
            doubtful: HashMap::new(),
            order: VecDeque::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            used_at,
        }
    }

    pub(super) fn used(&self) -> Used {
        Used { sales: self.sales.len(), bytes: self.kept_bytes }
    }

    pub(super) fn is_charging(&self) -> bool {
        !self.charging.is_empty()
    }

    pub(super) fn begin(&mut self, wanted: &Wanted<'_>) -> Result<(), Earlier> {
        let Wanted { request_id, target, key } = *wanted;
        if key.and_then(|key| self.doubtful.get(key)).is_some_and(|doubtful| doubtful.target != target) {
            return Err(Earlier::KeyOfAnother);
        }
        if let Some((named, of)) = key.and_then(|key| self.by_key.get(key)) {
            if *of != target {
                return Err(Earlier::KeyOfAnother);
            }
            match self.known(named) {
                // A payer who has named the request may have it begun again with another voucher.
                None | Some(Earlier::BrokeOff) => {}
                Some(earlier) => return Err(earlier),
            }
        }
        if let Some(earlier) = self.known(request_id) {
            return Err(earlier);
        }
        if let Some(key) = key {
            self.by_key.insert(key.into(), (request_id.clone(), target));
        }
        self.charging.insert(request_id.clone(), key.map(Into::into));
        Ok(())
    }

    fn known(&self, request_id: &RequestId) -> Option<Earlier> {
        if self.charging.contains_key(request_id) {
            return Some(Earlier::Running);
        }
        self.sales.get(request_id).map(Sale::earlier)
    }

    pub(super) fn release(&mut self, request_id: &RequestId) {
        if let Some(key) = self.charging.remove(request_id)
            && !self.sales.contains_key(request_id)
        {
            self.forget_key(key.as_deref(), request_id);
        }
    }

    pub(super) fn uses(&self, request_id: &RequestId, amount: Amount) -> Uses {
        let remembered = amount > self.floor;
        Uses {
            voucher_unused: remembered && !self.amounts.contains(&amount),
            sale_never_begun: remembered && !self.sales.contains_key(request_id),
        }
    }

    pub(super) fn doubtful(&self, key: &[u8], target: Target) -> Option<Doubtful> {
        self.doubtful.get(key).filter(|doubtful| doubtful.target == target).cloned()
    }

    /// If there are many, any one is forgotten to make room.
    pub(super) fn doubt(&mut self, key: &[u8], doubtful: Doubtful) {
        if self.doubtful.len() >= DOUBTFUL
            && let Some(any) = self.doubtful.keys().next().cloned()
        {
            self.doubtful.remove(&any);
        }
        self.doubtful.insert(key.into(), doubtful);
    }

    pub(super) fn doubt_no_more(&mut self, key: &[u8]) {
        self.doubtful.remove(key);
    }

    /// The oldest sale is forgotten to make room.
    pub(super) fn sell(&mut self, request_id: &RequestId, amount: Amount) {
        let key = self.charging.remove(request_id).flatten();
        if let Some(key) = &key {
            self.doubtful.remove(key);
        }
        self.sales.insert(request_id.clone(), Sale { amount, key, progress: Progress::Running });
        self.order.push_back(request_id.clone());
        self.amounts.insert(amount);
        while self.order.len() > SALES_PER_CHANNEL
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, request_id: &RequestId) {
        let Some(sale) = self.sales.remove(request_id) else { return };
        if let Progress::Answered(Some(answer)) = &sale.progress {
            self.kept_bytes -= answer.size();
        }
        self.amounts.remove(&sale.amount);
        self.forget_key(sale.key.as_deref(), request_id);
        // The handler was asked, and from now on only this says so.
        self.floor = self.floor.max(sale.amount);
    }

    fn forget_key(&mut self, key: Option<&[u8]>, request_id: &RequestId) {
        if let Some(key) = key
            && self.by_key.get(key).is_some_and(|(named, _)| named == request_id)
        {
            self.by_key.remove(key);
        }
    }

    pub(super) fn answered(&mut self, request_id: &RequestId, answer: Option<Arc<KeptAnswer>>) {
        let Some(sale) = self.sales.get_mut(request_id) else { return };
        if !matches!(sale.progress, Progress::Running) {
            return;
        }
        if let Some(answer) = &answer {
            self.kept_bytes += answer.size();
            self.kept.push_back(request_id.clone());
        }
        sale.progress = Progress::Answered(answer);
        while self.kept.front().is_some_and(|oldest| !self.is_kept(oldest)) {
            self.kept.pop_front();
        }
    }

    fn is_kept(&self, request_id: &RequestId) -> bool {
        matches!(self.known(request_id), Some(Earlier::Answered(Some(_))))
    }

    /// The sale is reserved again, while its charge is given back.
    pub(super) fn broke_off(&mut self, request_id: &RequestId) {
        if let Some(sale) = self.sales.get_mut(request_id) {
            sale.progress = Progress::BrokeOff;
        }
        self.charging.insert(request_id.clone(), None);
    }

    /// Drops the oldest answer that is kept. Returns whether there was one.
    pub(super) fn drop_oldest_answer(&mut self) -> bool {
        while let Some(oldest) = self.kept.pop_front() {
            if let Some(Sale { progress: Progress::Answered(kept), .. }) = self.sales.get_mut(&oldest)
                && let Some(answer) = kept.take()
            {
                self.kept_bytes -= answer.size();
                return true;
            }
        }
        false
    }
}
