//! The watcher's HTTP API in types, and a client of it.
//!
//! The watcher reads and writes these types, and so do its callers: the command line, payment layers and tests. Amounts
//! are decimal strings of base units, signatures 128 hexadecimal digits, request ids up to 64 printable characters.
//!
//! | call | body | answer |
//! | --- | --- | --- |
//! | `POST /v1/channels` | [`ChannelBody`] | 201 [`ChannelReport`] |
//! | `POST /v1/channels/{C}/commitments` | [`CommitmentBody`] | [`Acknowledged`] |
//! | `GET /v1/channels/{C}/commitments/highest` | | [`SignedAmount`]: the highest one held |
//! | `POST /v1/channels/{C}/charges` | [`ChargeBody`] | [`Charged`] |
//! | `POST /v1/charges` | [`ChargesBody`]: several charges | [`ChargesAnswered`], each for itself |
//! | `POST /v1/channels/{C}/charges/{request_id}/credit` | [`CreditBody`] | [`Credited`] |
//! | `POST /v1/channels/{C}/close` | nothing, or a [`SignedAmount`] | [`ClosingAgreed`]; with `?wait=SECONDS` it comes when the close is over or that time has passed |
//! | `GET /v1/channels?after=C...&limit=100&status=open` | | a page of [`ChannelReport`]s: [`ChannelPage`] |
//! | `GET /v1/status` | | [`Report`] |
//! | `GET /v1/terms` | | [`Terms`]: what channels are watched |
//! | `POST /v1/pause`, `POST /v1/resume`: on the operator's socket | | [`Pausing`] |
//! | `POST /v1/rollback/confirm`: on the operator's socket | | [`RollbackConfirmed`] |
//! | `GET /metrics` | | text for Prometheus |
//! | `GET /readyz` | | [`Readiness`], with status 200 or 503 |
//!
//! Every other answer is a [`Problem`], whose [`ProblemKind`] says what to do.
//!
//! - [`Client`] calls a watcher. Its [`ClientError`] tells a watcher's refusal from the answer of something else that
//!   listens at that address, and says whether the outcome is known.

mod answers;
mod bodies;
mod client;
mod problem;
mod problem_kind;
mod report;
mod terms;

pub use answers::{
    Acknowledged, ChargeAnswer, Charged, ChargesAnswered, CloseState, ClosingAgreed, Credited, Pausing, Readiness,
    RollbackConfirmed,
};
/// The longest that `POST /v1/channels/{C}/close` waits for the close, whatever `wait` says. This is twice the time of
/// two ledgers of the public network, and shorter than the time after which [`Client`] gives up.
pub const LONGEST_CLOSE_WAIT: std::time::Duration = std::time::Duration::from_secs(20);

pub use bodies::{
    ChannelBody, ChannelCharge, ChargeBody, ChargesBody, CommitmentBody, CreditBody, MOST_CHARGES, SignedAmount,
};
pub use client::{Client, ClientError, ForeignAnswer, Token, TokenError, WatcherUrl, WatcherUrlError};
pub use problem::{Facts, PROBLEM_CONTENT_TYPE, Problem};
pub use problem_kind::ProblemKind;
pub use report::{ChannelPage, ChannelReport, ChannelStatus, HeadReport, LaneReport, LivesReport, Report};
pub use terms::{Terms, TokenTerms};
