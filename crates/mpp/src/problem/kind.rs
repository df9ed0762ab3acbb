//! The types of problems, in one table: the type's name, the HTTP status, a title, and how to go on.

use http::StatusCode;

/// The base URL of all types.
const BASE: &str = "https://paymentauth.org/problems/";

macro_rules! problem_types {
    ($( $(#[$doc:meta])* $variant:ident: $status:ident, $name:literal, $title:literal, $hint:literal; )*) => {
        /// Why a request was not answered. The core names and those under `session/` are the protocol's; the others are
        /// ours.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $( $(#[$doc])* $variant, )*
        }

        impl ProblemType {
            /// All types.
            pub const ALL: &[ProblemType] = &[$( ProblemType::$variant, )*];

            /// The name below the base, such as `session/channel-finalized`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// The HTTP status of the type.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $( Self::$variant => StatusCode::$status, )* }
            }

            /// A short title for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )* }
            }

            /// How the client goes on.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $( Self::$variant => $hint, )* }
            }
        }
    };
}

problem_types! {
    /// Nothing was paid.
    PaymentRequired: PAYMENT_REQUIRED, "payment-required", "Payment Required",
        "sign a commitment of the channel for cumulativeAmount + amount, and send it with this challenge";
    /// The voucher and the earlier payments are not enough for the price.
    PaymentInsufficient: PAYMENT_REQUIRED, "payment-insufficient", "Payment Insufficient",
        "sign a commitment for the total that `details.needed` says";
    /// The challenge has expired. Nothing was taken.
    PaymentExpired: PAYMENT_REQUIRED, "payment-expired", "Payment Expired",
        "answer the new challenge; the same total is enough, since nothing was taken";
    /// The header does not hold a credential.
    MalformedCredential: PAYMENT_REQUIRED, "malformed-credential", "Malformed Credential",
        "send `Payment` and base64url of the JSON with `challenge` and `payload`";
    /// The challenge is not from this server, or is for another request.
    InvalidChallenge: PAYMENT_REQUIRED, "invalid-challenge", "Invalid Challenge",
        "answer the new challenge, and give its fields back as they are";
    /// The payload is not a voucher.
    InvalidPayload: PAYMENT_REQUIRED, "invalid-payload", "Invalid Payload",
        "send action, amount (a decimal string of base units) and signature (128 hexadecimal digits)";
    /// The request names no channel, and no channel belongs to this path.
    ChannelRequired: PAYMENT_REQUIRED, "session/channel-required", "Channel Required",
        "name your channel in the header `Payment-Session: C...`; `details` says what to open one with";
    /// The voucher's signature is not by the channel's commitment key.
    InvalidSignature: PAYMENT_REQUIRED, "session/invalid-signature", "Invalid Signature",
        "sign with the channel's commitment key, for this network, channel and total";
    /// The voucher is above what the channel would pay.
    AmountExceedsDeposit: PAYMENT_REQUIRED, "session/amount-exceeds-deposit", "Amount Exceeds Deposit",
        "top the channel up to cover the total (paychan top-up), then send the same voucher again";
    /// The voucher does not raise the total, or bought something before.
    DeltaTooSmall: PAYMENT_REQUIRED, "session/delta-too-small", "Delta Too Small",
        "sign a higher total, cumulativeAmount + amount of the new challenge; one voucher buys once";
    /// The agreed amount of a close is below what was sold.
    CloseTooLow: PAYMENT_REQUIRED, "session/close-too-low", "Close Amount Too Low",
        "sign a close for at least `details.needed`";
    /// This seller takes no payments through the channel.
    ChannelRefused: PAYMENT_REQUIRED, "session/channel-refused", "Channel Refused",
        "use another channel; `details` says what to open one with";
    /// The request is invalid. Nothing was taken.
    BadRequest: BAD_REQUEST, "bad-request", "Bad Request", "correct the request";
    /// The challenge is for another payment method.
    MethodUnsupported: BAD_REQUEST, "method-unsupported", "Method Unsupported",
        "pay with the method stellar and the intent channel";
    /// The same key came with another request. Nothing was taken.
    IdempotencyKeyReused: CONFLICT, "idempotency-key-reused", "Idempotency Key Reused",
        "give each purchase a key of its own";
    /// The same purchase is being answered right now.
    InProgress: CONFLICT, "in-progress", "In Progress", "wait, then send the same request again";
    /// The request was paid before and is not done again, and there is no answer that could be handed out again. The detail says
    /// whether it was answered.
    AnswerNotKept: CONFLICT, "answer-not-kept", "Answer Not Kept",
        "nothing is charged again; for a new answer, pay with a higher voucher";
    /// There is no such channel.
    ChannelNotFound: GONE, "session/channel-not-found", "Channel Not Found",
        "check the channel's address and network, or open a channel";
    /// A close of the channel has started.
    ChannelClosing: GONE, "session/channel-closing", "Channel Closing", "open a new channel";
    /// The channel has ended.
    ChannelFinalized: GONE, "session/channel-finalized", "Channel Finalized", "open a new channel";
    /// The seller can't take money now. Nothing was taken.
    Unavailable: SERVICE_UNAVAILABLE, "payment-unavailable", "Payment Unavailable",
        "send the same request with the same credential again later; nothing was taken";
    /// It is not known whether the payment was taken.
    OutcomeUnknown: SERVICE_UNAVAILABLE, "payment-outcome-unknown", "Payment Outcome Unknown",
        "send the same request with the same credential again; it is charged once";
    /// The seller made a mistake.
    Internal: INTERNAL_SERVER_ERROR, "internal-payment-error", "Internal Payment Error",
        "send the same request with the same credential again; it is charged once";
}

impl ProblemType {
    /// The whole type, a URL.
    #[must_use]
    pub fn url(self) -> String {
        format!("{BASE}{}", self.name())
    }

    /// The type with this URL.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let name = url.strip_prefix(BASE)?;
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_type_is_found_by_its_url_and_no_name_is_used_twice() {
        let mut names = HashSet::new();
        for kind in ProblemType::ALL {
            assert_eq!(ProblemType::of_url(&kind.url()), Some(*kind));
            assert!(names.insert(kind.name()), "{} is there twice", kind.name());
            assert!(!kind.hint().is_empty());
        }
    }
}
