//! Where the three contracts part, each place with its reason. The same random sequences run through the rules of ours
//! and of another contract; what differs must be one of [`Difference`], or the test fails.
//!
//! Each step starts from the same state for both, so that one difference doesn't drag others behind it. The state that
//! the sequence goes on with is ours or the other's, as told.
//!
//! The table for the contract's README is [`table`].

/// A deliberate difference between this project's contract and another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// `settle` by somebody who is not the recipient.
    SettleByAnybody,
    /// `close` with a total that claims nothing new, whose signature is not good.
    CloseWithoutSignature,
    /// `settle` or `close` after `close` or `refund`.
    FinalState,
    /// `top_up` after a close has started.
    TopUpWhileClosing,
    /// `top_up` of 0 by somebody who is not the funder.
    EmptyTopUpByAnybody,
    /// Opening without a deposit, in another's name.
    OpenInAnothersName,
    /// A waiting period above a year of 5-second ledgers.
    LongWait,
    /// A commitment key of small order.
    WeakKey,
    /// A commitment above what is there.
    InsufficientDeposit,
    /// A commitment above all deposits that tokens sent straight to the channel cover.
    TransfersBackCommitments,
    /// What `close` sends back.
    CloseRefund,
    /// What `deposited()` says.
    DepositedCounts,
    /// The `deposit` event.
    DepositEvent,
    /// Deposits that add up to more than an i128.
    Overflow,
    /// `extend`.
    Extend,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SettleByAnybody,
        Self::CloseWithoutSignature,
        Self::FinalState,
        Self::TopUpWhileClosing,
        Self::EmptyTopUpByAnybody,
        Self::OpenInAnothersName,
        Self::LongWait,
        Self::WeakKey,
        Self::InsufficientDeposit,
        Self::TransfersBackCommitments,
        Self::CloseRefund,
        Self::DepositedCounts,
        Self::DepositEvent,
        Self::Overflow,
        Self::Extend,
    ];

    /// Ours, the reference's, the fork's, and why ours is so. "as ours" where one of them doesn't differ.
    #[must_use]
    pub fn row(self) -> [&'static str; 4] {
        match self {
            Self::SettleByAnybody => [
                "`settle` needs no authorization",
                "needs the recipient's",
                "needs the recipient's",
                "it can only pay the recipient; so who watches for one needs none of its keys, and one transaction can \
                 settle many channels",
            ],
            Self::CloseWithoutSignature => [
                "`close` with `amount ≤ withdrawn` doesn't look at the signature",
                "always checks it",
                "always checks it",
                "a recipient that was never paid can end the channel and free the deposit",
            ],
            Self::FinalState => [
                "after `close` or `refund`: `settle` and `close` are refused with `Refunded`",
                "both go on paying whatever arrives",
                "as ours",
                "what arrives later is the funder's by mistake, and an old commitment should not reach it",
            ],
            Self::TopUpWhileClosing => [
                "`top_up` is refused with `AlreadyClosed` once a close has started",
                "always possible",
                "as ours",
                "nobody should deposit into a channel that is ending",
            ],
            Self::EmptyTopUpByAnybody => {
                ["`top_up(0)` needs the funder's authorization", "needs none", "as ours", "one rule for every amount"]
            }
            Self::OpenInAnothersName => [
                "opening needs the funder's authorization, also with a deposit of 0",
                "none for a deposit of 0",
                "as ours",
                "nobody opens a channel in another's name",
            ],
            Self::LongWait => [
                "`refund_waiting_period` above 6,307,200 is refused",
                "any",
                "as ours",
                "a typing mistake would lock a deposit for good",
            ],
            Self::WeakKey => [
                "a commitment key of small order is refused",
                "accepted; no commitment can be settled then",
                "as ours",
                "a recipient with a lax verifier would be paid with worthless commitments",
            ],
            Self::InsufficientDeposit => [
                "a commitment that nothing covers is refused with `InsufficientDeposit`",
                "refused with the token's error",
                "as ours",
                "a reason that clients can act on",
            ],
            Self::TransfersBackCommitments => [
                "tokens sent straight to the channel back commitments",
                "as ours",
                "refused with `InsufficientDeposit` above `deposited`",
                "clients accept commitments up to balance + withdrawn: counting deposits alone would let a funder rob \
                 them",
            ],
            Self::CloseRefund => [
                "`close` sends back `deposited − max(amount, withdrawn)`",
                "the whole balance",
                "the whole balance",
                "with the balance, one unit sent there after simulation would make the `close` fail; what is left is \
                 there for `refund`",
            ],
            Self::DepositedCounts => [
                "`deposited()` counts what constructor and `top_up` took in",
                "balance + withdrawn: falls with a refund, grows with tokens sent there",
                "as ours",
                "a total over the channel's life, which nobody else can change",
            ],
            Self::DepositEvent => [
                "a `deposit` event for each deposit above 0",
                "none",
                "as ours",
                "`top_up` would leave no trace of the channel's own",
            ],
            Self::Overflow => [
                "deposits above 2^127 − 1 together are refused with `Overflow`",
                "refused with the token's error",
                "as ours",
                "it counts deposits, and no count may wrap",
            ],
            Self::Extend => [
                "`extend` keeps instance and code alive, by anybody",
                "none",
                "as ours",
                "a channel must not be archived before it is settled",
            ],
        }
    }
}

/// What the sequences can't show, because it is no answer of a call: the same columns as [`Difference::row`].
pub const NOT_DRIVEN: [[&str; 4]; 4] = [
    [
        "events name addresses in their topics",
        "in their data",
        "as ours",
        "who watches can filter by them. (The driver reads each contract's own layout, strictly.)",
    ],
    [
        "`state()` answers all in one call, `commitment_key()` and `close_effective_at_ledger()` are there",
        "none of the three",
        "no `state()`",
        "one simulation instead of nine",
    ],
    [
        "`DepositedAmount` and `WithdrawnAmount` are stored from the opening on",
        "`WithdrawnAmount` from the first payment on, `DepositedAmount` never",
        "each from the first amount above 0 on",
        "a first payment must not grow the entry beyond what was simulated",
    ],
    [
        "opening, `top_up`, `settle` and `close_start` extend the instance's life, never the code's",
        "nothing extends a life",
        "`top_up`, `settle`, `close` and `close_start` extend both",
        "all channels share the code, and whoever happened to call would pay for everybody",
    ],
];

/// The table for the contract's README.
#[must_use]
pub fn table() -> String {
    let mut table = String::from("| ours | reference | fork | why |\n| --- | --- | --- | --- |\n");
    for row in Difference::ALL.iter().map(|it| it.row()).chain(NOT_DRIVEN) {
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    table
}
