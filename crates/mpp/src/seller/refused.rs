//! Converts a watcher's refusal to a problem for the payer.

use paychan_watcher_api::{Facts, Problem, ProblemKind};

use super::charges::ChargesError;
use super::check::Flaw;
use crate::problem::ProblemType;

/// The problem for the payer.
///
/// What the payer can change is reported in full. What only the seller can change is reported without figures.
pub(super) fn flaw(error: &ChargesError) -> Flaw {
    match error {
        ChargesError::Refused(problem) => of_problem(problem),
        ChargesError::Unreachable(_) => {
            Flaw::new(ProblemType::Unavailable, "payments can't be taken at the moment; nothing was taken")
        }
        ChargesError::OutcomeUnknown(_) => {
            Flaw::new(ProblemType::OutcomeUnknown, "it is not known yet whether the payment was taken")
        }
    }
}

fn of_problem(problem: &Problem) -> Flaw {
    let kind = problem_type(&problem.kind);
    let detail = match kind {
        ProblemType::Unavailable => "payments can't be taken at the moment; nothing was taken",
        ProblemType::OutcomeUnknown => "it is not known yet whether the payment was taken",
        ProblemType::Internal => "the seller is not set up correctly",
        _ => problem.detail.as_str(),
    };
    let Facts { highest, spent, needed, coverage, deadline, .. } = problem.facts;
    let mut flaw = Flaw::new(kind, detail);
    let figures = [("highest", highest), ("spent", spent), ("needed", needed), ("coverage", coverage)];
    for (name, amount) in figures {
        if let Some(amount) = amount {
            flaw = flaw.with(name, amount.to_string());
        }
    }
    if let Some(deadline) = deadline {
        flaw = flaw.with("deadline", deadline.get());
    }
    flaw.with("reason", problem.kind.name())
}

fn problem_type(kind: &ProblemKind) -> ProblemType {
    use ProblemKind as K;
    match kind {
        K::Insufficient => ProblemType::PaymentInsufficient,
        K::NotHigher | K::AlreadyHeld | K::RequestIdReused => ProblemType::DeltaTooSmall,
        K::BadSignature => ProblemType::InvalidSignature,
        K::ExceedsCoverage => ProblemType::AmountExceedsDeposit,
        K::CloseTooLow => ProblemType::CloseTooLow,
        K::Closing => ProblemType::ChannelClosing,
        K::Final => ProblemType::ChannelFinalized,
        K::NotOnChain | K::NotAChannel | K::UnknownChannel => ProblemType::ChannelNotFound,
        K::ForeignCode
        | K::ForeignLayout
        | K::ForeignRecipient
        | K::RecipientKeyMissing
        | K::UnlistedToken
        | K::IssuerMayClawBack
        | K::IssuerMayRevoke
        | K::TokenStorageUnknown
        | K::OpaqueToken
        | K::BalanceFrozen
        | K::WeakKey
        | K::Archived
        | K::CoverageTooLow
        | K::TooManyOfFunder
        | K::WaitingPeriodTooShort => ProblemType::ChannelRefused,
        K::Internal | K::StoreFailed | K::Unknown(_) => ProblemType::OutcomeUnknown,
        passing if passing.is_passing() => ProblemType::Unavailable,
        K::TooManyChannels | K::RecipientUnpayable => ProblemType::Unavailable,
        _ => ProblemType::Internal,
    }
}
