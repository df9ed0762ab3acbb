//! The network's answers about channels: their states, and hints that one of them may be closing.

use paychan_channel::{ChannelState, ContractId, Ledger};
use paychan_rpc::EventsFrom;

/// A page of `close` events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseHints {
    /// The contracts that emitted such an event. Any contract may call an event `close`, so it is a hint where to look
    /// and no fact about a channel.
    pub hints: Vec<CloseHint>,
    /// Every event up to the end of this ledger was in this page or an earlier one. `None` when the endpoint does not
    /// say how far it has searched. The hints are still used then, but nothing is inferred from missing events.
    pub scanned_to: Option<Ledger>,
    /// Where the next page starts, when there is one.
    pub next: Option<EventsFrom>,
}

/// A contract that emitted `close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseHint {
    /// The contract.
    pub contract: ContractId,
    /// The ledger of the event.
    pub ledger: Ledger,
    /// The deadline in the event, if it is a channel's event.
    pub effective_at: Option<Ledger>,
}

/// The result of reading one channel. One unreadable channel must not hide the others.
#[derive(Debug, Clone)]
pub enum ChannelRead {
    /// The state from the only endpoint, which is trusted.
    Read(ChannelState),
    /// The state that more than half of several endpoints report. If it shows no close, none has begun, whatever an
    /// endpoint reported before.
    Agreed {
        /// The state. A close in it may be reported by one endpoint only.
        state: ChannelState,
        /// Whether more than half of the endpoints report the close.
        close_agreed: bool,
    },
    /// The state that too few of several endpoints report. Only a close in it is believed, since it is a danger.
    Unconfirmed(ChannelState),
    /// There is no contract instance at this address.
    Missing {
        /// The channel that was asked for.
        channel: ContractId,
        /// The ledger of the answer.
        at: Ledger,
    },
    /// The contract at this address is not a channel that this program can read. For a watched channel this is an
    /// alarm.
    Undecodable {
        /// The channel that was asked for.
        channel: ContractId,
        /// What was found and what was expected.
        why: String,
    },
}

impl ChannelRead {
    /// The channel that was asked for.
    pub fn channel(&self) -> ContractId {
        match self {
            Self::Read(state) | Self::Agreed { state, .. } | Self::Unconfirmed(state) => state.channel,
            Self::Missing { channel, .. } | Self::Undecodable { channel, .. } => *channel,
        }
    }

    /// Its state, if enough endpoints report it, so that its numbers can be believed.
    pub fn believed(self) -> Option<ChannelState> {
        match self {
            Self::Read(state) | Self::Agreed { state, .. } => Some(state),
            Self::Unconfirmed(_) | Self::Missing { .. } | Self::Undecodable { .. } => None,
        }
    }
}
