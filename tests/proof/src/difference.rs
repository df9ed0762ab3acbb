//! The differences between the three contracts, each with its reason. The same random sequences run through our rules and
//! another contract's. Whatever differs must be one of [`Difference`], or the test fails.
//!
//! Each step starts from the same state for both, so that one difference does not cause others. The caller says whether the
//! sequence goes on with our state or with the other's.
//!
//! [`table`] makes the table for the contract's README.

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
    /// The amount that `close` sends back.
    CloseRefund,
    /// The amount that `deposited()` answers.
    DepositedCounts,
    /// The `deposit` event.
    DepositEvent,
    /// Deposits that add up to more than an i128.
    Overflow,
    /// `extend`.
    Extend,
}

impl Difference {
    /// All differences.
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

    /// What our contract does, what the reference does, what the fork does, and our reason. It is "as ours" where one of them
    /// does not differ.
    #[must_use]
    pub fn row(self) -> [&'static str; 4] {
        match self {
            Self::SettleByAnybody => [
                "`settle` needs no authorization",
                "needs the recipient's",
                "needs the recipient's",
                "it can only pay the recipient; so a watcher needs none of the recipient's keys, and one transaction can \
                 settle many channels",
            ],
            Self::CloseWithoutSignature => [
                "`close` with `amount ≤ withdrawn` does not look at the signature",
                "it always checks the signature",
                "it always checks the signature",
                "a recipient that was never paid can end the channel and free the deposit",
            ],
            Self::FinalState => [
                "after `close` or `refund`: `settle` and `close` are refused with `Refunded`",
                "both go on paying what arrives",
                "as ours",
                "what arrives later was sent there by mistake, and an old commitment should not reach it",
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
                "a typing mistake would lock a deposit for ever",
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
                "clients can act on this reason",
            ],
            Self::TransfersBackCommitments => [
                "tokens sent straight to the channel back commitments",
                "as ours",
                "refused with `InsufficientDeposit` above `deposited`",
                "clients accept commitments up to balance + withdrawn, and a funder could rob them if only deposits \
                 counted",
            ],
            Self::CloseRefund => [
                "`close` sends back `deposited − max(amount, withdrawn)`",
                "the whole balance",
                "the whole balance",
                "with the balance, one unit that is sent there after simulation would make the `close` fail; what is \
                 left waits for `refund`",
            ],
            Self::DepositedCounts => [
                "`deposited()` counts what the constructor and `top_up` took in",
                "it is balance + withdrawn, which falls with a refund and grows with tokens that are sent there",
                "as ours",
                "it is a total over the channel's life, which nobody else can change",
            ],
            Self::DepositEvent => [
                "a `deposit` event for each deposit above 0",
                "none",
                "as ours",
                "otherwise `top_up` would leave no event of the channel",
            ],
            Self::Overflow => [
                "deposits above 2^127 − 1 together are refused with `Overflow`",
                "refused with the token's error",
                "as ours",
                "it counts deposits, and a count must not wrap",
            ],
            Self::Extend => [
                "anybody may call `extend`, which gives instance and code 60 days",
                "there is no such function",
                "as ours",
                "whoever depends on a channel can keep it live without building a transaction by hand",
            ],
        }
    }
}

/// Differences that the sequences can't show, because they are not in the answer of a call. The columns are those of
/// [`Difference::row`].
pub const NOT_DRIVEN: [[&str; 4]; 4] = [
    [
        "events name addresses in their topics",
        "in their data",
        "as ours",
        "watchers can filter by them (the proof reads each contract's own layout, strictly)",
    ],
    [
        "there are `state()`, `commitment_key()` and `close_effective_at_ledger()`",
        "there is none of the three",
        "there is no `state()`",
        "one simulation takes the place of nine",
    ],
    [
        "`DepositedAmount`, `WithdrawnAmount` and `Refunded` are stored from the opening on",
        "`WithdrawnAmount` is stored from the first payment on, the others never",
        "the amounts are stored from the first one above 0 on, `Refunded` from the end on",
        "a first payment and a refund then do not make the entry larger, which would cost rent",
    ],
    [
        "`close_start` extends the instance's life beyond the deadline; nothing but `extend` extends the code's",
        "nothing extends a life",
        "the constructor, `top_up`, `settle`, `close` and `close_start` extend both",
        "a channel must be live while its funder waits, and all channels share the code",
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
