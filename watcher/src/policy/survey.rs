//! Collects the input of the policy: everything in the store, with what is known of the chain.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use paychan_channel::{AccountId, ContractId, Ledger, Stroops};

use super::{BASE_FEE, Known, Limits, Plan, Tried, Turn, paid, plan};
use crate::config::Config;
use crate::view::View;
use paychan_store::{Held, Store};

/// How many outcomes are read for each channel. The store keeps no more.
const OUTCOMES: usize = 8;

/// What the settler remembers of earlier attempts, and which keys it has.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The memory for each channel that has one.
    pub channels: HashMap<ContractId, Tried>,
    /// The recipients whose secret keys are configured.
    pub signers: HashSet<AccountId>,
    /// What others paid for inclusion when it was last asked for.
    pub market: Option<Stroops>,
    /// The first ledger that was known since the start.
    pub first_head: Option<Ledger>,
}

/// The sources from which a survey is made.
pub struct SurveySources<'a> {
    /// The operator's settings.
    pub config: &'a Config,
    /// The stored commitments.
    pub store: &'a Store,
    /// What is known of the chain.
    pub view: &'a View,
    /// What keeping all promises may cost in fees; `None` before the first count.
    pub promised_fees: Option<Stroops>,
    /// What is remembered of earlier attempts.
    pub past: &'a Past,
    /// Wall time: milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// What is known of all channels at one moment.
#[derive(Debug, Clone)]
pub struct Survey<'a> {
    /// Every channel in the store, in the order of their ids.
    pub channels: Vec<Known<'a>>,
    /// The limits that apply to all of them.
    pub limits: Limits,
}

/// Makes the survey of this moment. `None` while no ledger is known.
pub fn survey<'a>(sources: &SurveySources<'a>) -> Option<Survey<'a>> {
    let limits = sources.limits()?;
    let mut held = sources.store.all_held();
    held.sort_by_key(Held::channel);
    let channels = held.into_iter().map(|held| sources.known(held)).collect();
    Some(Survey { channels, limits })
}

/// The life below which an entry is extended, and the life that it then gets, both in ledgers, on a network where an
/// entry lives for at most `longest_life`.
pub fn life_limits(config: &Config, longest_life: u32) -> (u32, u32) {
    let extend_to = config.life.extend_to_ledgers.min(longest_life.saturating_sub(1));
    // If the network's longest life is below the operator's floor, an extended entry would be due again at once.
    (config.life.floor_ledgers.min(extend_to / 2), extend_to)
}

impl Survey<'_> {
    /// What to do about all channels now.
    pub fn plan(&self, turn: Turn) -> Plan {
        plan(&self.channels, &self.limits, turn)
    }

    /// The same survey with another price for inclusion.
    #[must_use]
    pub fn at_market(self, market: Stroops) -> Self {
        Self { limits: Limits { market, ..self.limits }, ..self }
    }
}

impl<'a> SurveySources<'a> {
    /// What is known of one channel.
    pub fn known(&self, held: Held) -> Known<'a> {
        let Self { config, store, view, past, .. } = self;
        let channel = held.channel();
        let admission = &held.admission;
        let chain = view.channel(&channel);
        let unread = view.unread(&channel);
        let tried = past.channels.get(&channel).cloned().unwrap_or_default();
        let trouble = match (&chain, &unread) {
            (Some(chain), _) => chain.trouble.clone(),
            (None, unread) => unread.as_ref().and_then(|unread| unread.trouble.clone()),
        };
        let close_agreed = match (&chain, &unread) {
            (Some(chain), _) => chain.close_agreed,
            (None, unread) => unread.as_ref().is_some_and(|unread| unread.close_agreed),
        };
        let mut known = Known {
            chain,
            event_deadline: unread.and_then(|unread| unread.deadline),
            close_agreed,
            unreadable: view.is_unreadable(&channel),
            trouble: trouble.or_else(|| tried.why.clone()),
            paid: paid(&store.outcomes(&channel, OUTCOMES)),
            token: config.token(&admission.token),
            can_close: admission.to.account().is_some_and(|to| past.signers.contains(&to)),
            payable: true,
            tried,
            held,
        };
        let admission = &known.held.admission;
        known.payable = view
            .payability(&admission.token, &admission.to)
            .is_none_or(|known_| known_.payability.can_take(known.unsettled()));
        known
    }

    /// The limits that apply to all channels. `None` while no ledger is known.
    pub fn limits(&self) -> Option<Limits> {
        let Self { config, view, promised_fees, past, now_ms, .. } = self;
        let head = view.head()?.ledger;
        // Unknown settings must not stop settling.
        let network = view.network();
        let longest_life = network.map_or(u32::MAX, |network| network.max_entry_ttl);
        let (life_floor, extend_to) = life_limits(config, longest_life);
        let simulated = view.settle_resource_fee();
        // Before the promises are counted, nothing can be spared.
        let spare = match (view.spendable(), promised_fees) {
            (Some(spendable), Some(reserved)) => Stroops(spendable.get().saturating_sub(reserved.get())),
            _ => Stroops(0),
        };
        Some(Limits {
            head,
            first_head: past.first_head.unwrap_or(head),
            unread_after: config.freshness_limits().unread_ledgers,
            now_ms: *now_ms,
            market: past.market.unwrap_or(BASE_FEE),
            max_inclusion_fee: config.fees.max_inclusion_fee,
            resource_fee: simulated.unwrap_or(config.fees.assumed_resource_fee),
            spare,
            life_floor,
            extend_to,
            settle_after: Duration::from_secs(config.settle.after_seconds.into()),
            idle_after: Duration::from_secs(config.settle.idle_seconds.into()),
            unused_after: Duration::from_secs(config.settle.drop_unused_seconds.into()),
            close_idle: config.settle.close_idle,
            target_close_ms: network.map(|network| network.target_close_ms),
        })
    }
}
