//! What a channel does, in plain integers, without I/O, a clock or a host. It was written from the contract's README, for
//! the three contracts that have the same interface: ours, the reference, and the reference's fork.
//!
//! A call runs twice. In [`Model::simulate`] every authorization counts as given, and the answer is the ledger entries
//! that the call touched, which become the transaction's footprint. [`Model::execute`] runs after the moves that came
//! in between. It refuses the call if an authorization is missing, or if the footprint lacks an entry that the call
//! touches.

pub use crate::call::{Call, Claim, Event, Opening, Party, Refusal, Signature, error};

use crate::token::{Line, LineChange, Purse};

/// The longest waiting period that a channel takes, in ledgers.
pub const MAX_WAIT: u32 = 6_307_200;

/// The contract whose rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rules {
    /// This project's contract.
    Paychan,
    /// stellar-experimental/one-way-channel.
    Reference,
    /// mpprouter/one-way-channel.
    Fork,
}

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What the constructor and `top_up` took in. It is not used under the reference's rules, because the reference
    /// does not count it.
    pub deposited: i128,
    /// What the recipient was paid, in base units.
    pub withdrawn: i128,
    /// The ledger from which `refund` is possible.
    pub deadline: Option<u32>,
    /// Whether `close` or `refund` has ended the channel. It is always false in the reference, which has no such state.
    pub is_final: bool,
    /// `refund_waiting_period`.
    pub wait: u32,
    /// Whether it was opened with a key of small order, so that no signature is good. Only the reference has such channels.
    pub has_weak_key: bool,
}

/// A channel and the token around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The contract whose rules apply.
    pub rules: Rules,
    /// The ledger: in simulation the one that closed last, in execution the one that closes now.
    pub ledger: u32,
    /// Each party's trustline, in the order of [`Party::ALL`].
    pub lines: [Option<Line>; 3],
    /// The token's entry for the channel's address, which can be there before the channel is.
    pub purse: Option<Purse>,
    /// The channel, once it is opened.
    pub channel: Option<Channel>,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The state after the call.
    pub model: Model,
    /// The channel's events, in order.
    pub events: Vec<Event>,
}

impl Model {
    /// What the channel's address holds.
    #[must_use]
    pub fn balance(&self) -> i128 {
        self.purse.map_or(0, |purse| purse.amount)
    }

    /// Changes a party's trustline. Answers whether the network accepts the change.
    pub fn change_line(&mut self, of: Party, change: LineChange) -> bool {
        let line = &mut self.lines[of.index()];
        let (after, works) = Line::changed(*line, change);
        *line = after;
        works
    }
}
