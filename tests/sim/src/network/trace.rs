//! What the contracts did in a world, step by step, so that the real host can do it again.

use paychan_channel::{Address, ChannelState, ContractId};

use super::contract::{Call, Caller, Event, Refusal, Scene};

/// The calls of a world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The channels as they were opened.
    pub opened: Vec<ChannelState>,
    /// The calls, in the order of their execution.
    pub steps: Vec<Step>,
}

/// A call, and what came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The ledger that executed it.
    pub ledger: u32,
    pub channel: ContractId,
    pub by: Caller,
    pub call: Call,
    /// Whether the funder had a trustline. It is the same for all calls of a ledger.
    pub funder_has_trustline: bool,
    /// Whether the issuer had frozen the recipient.
    pub recipient_frozen: bool,
    /// The limit of the recipient's trustline, if it is not the highest. Base units.
    pub recipient_limit: Option<i128>,
    /// The channel's events, or why nothing changed.
    pub outcome: Result<Vec<Event>, Refusal>,
    /// The channel after it.
    pub after: ChannelState,
    /// What funder and recipient hold after it, in base units.
    pub holdings: [(Address, i128); 2],
}

impl Step {
    pub(super) fn new(
        ledger: u32,
        by: Caller,
        call: Call,
        scene: &Scene,
        has_limit: bool,
        outcome: &Result<Vec<Event>, Refusal>,
    ) -> Step {
        let Scene { channel, funder, recipient } = scene;
        Step {
            ledger,
            channel: channel.channel,
            by,
            call,
            funder_has_trustline: funder.exists,
            recipient_frozen: !recipient.authorized,
            // A transfer leaves the limit as it is.
            recipient_limit: has_limit.then_some(recipient.balance + recipient.room),
            outcome: outcome.clone(),
            after: channel.clone(),
            holdings: [(channel.from, funder.balance), (channel.to, recipient.balance)],
        }
    }
}
