//! What can be wrong with a call. One table: the name that programs match, the HTTP status, and what to do.

use std::fmt;

use reqwest::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! problem_kinds {
    ($( $(#[$doc:meta])* $variant:ident: $status:ident, $name:literal, $advice:literal; )*) => {
        /// What was wrong. The names are stable; [`ProblemKind::name`] is what stands in the JSON.
        ///
        /// A kind of a newer watcher is kept as text.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $( $(#[$doc])* $variant, )*
            /// A kind that this version does not know: its name. No watcher of this version answers with it.
            Unknown(Box<str>),
        }

        impl ProblemKind {
            /// All kinds that this version knows, in the order of their status.
            pub const ALL: &[ProblemKind] = &[$( ProblemKind::$variant, )*];

            /// The name that stands in the JSON, such as `not_higher`.
            pub fn name(&self) -> &str {
                match self {
                    $( Self::$variant => $name, )*
                    Self::Unknown(name) => name,
                }
            }

            /// The kind with this name.
            pub fn of_name(name: &str) -> Self {
                match name {
                    $( $name => Self::$variant, )*
                    unknown => Self::Unknown(unknown.into()),
                }
            }

            /// The HTTP status that goes with it. For an unknown kind this is 500, though no watcher of this version
            /// answers with one.
            pub fn status(&self) -> StatusCode {
                match self {
                    $( Self::$variant => StatusCode::$status, )*
                    Self::Unknown(_) => StatusCode::INTERNAL_SERVER_ERROR,
                }
            }

            /// What the caller does about it.
            pub fn advice(&self) -> &'static str {
                match self {
                    $( Self::$variant => $advice, )*
                    Self::Unknown(_) => "this program does not know this kind of problem; a newer version may",
                }
            }
        }
    };
}

problem_kinds! {
    /// JSON, a field, an address, an amount, a signature or an id is not what it should be.
    Malformed: BAD_REQUEST, "malformed", "correct the request; the detail names the part that is wrong";
    /// The bearer token is missing, or is not the watcher's.
    Unauthorized: UNAUTHORIZED, "unauthorized", "present the bearer token of the watcher's configuration";
    /// The highest commitment less what was spent is below the price. `needed` is the total to sign.
    Insufficient: PAYMENT_REQUIRED, "insufficient", "sign a commitment for at least `needed` and charge again";
    /// The watcher does not watch this channel.
    UnknownChannel: NOT_FOUND, "unknown_channel", "have the recipient register the channel first (POST /v1/channels)";
    /// No charge with this request id is remembered on the channel.
    UnknownCharge: NOT_FOUND, "unknown_charge", "check the request id; only the latest charges of a channel are remembered";
    /// The watcher holds no commitment of the channel.
    NoCommitment: NOT_FOUND, "no_commitment", "nothing; no commitment was taken on this channel yet";
    /// There is nothing at this path.
    NoSuchPath: NOT_FOUND, "no_such_path", "check the watcher's address; its calls are under /v1";
    /// The path does not take this method.
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method_not_allowed", "use the method that the path takes";
    /// The request did not arrive in time.
    TooSlow: REQUEST_TIMEOUT, "too_slow", "send the whole request at once";
    /// The commitment is not above the highest that is known. `highest` tells it.
    NotHigher: CONFLICT, "not_higher", "sign a cumulative total above `highest`; earlier payments are included in it";
    /// The watcher holds this very amount already, submitted under another request id. One commitment can't buy twice.
    AlreadyHeld: CONFLICT, "already_held", "sign a higher total; one commitment buys once";
    /// The request id was used for something else on this channel.
    RequestIdReused: CONFLICT, "request_id_reused", "give each request its own request id";
    /// The charge was credited before, with another amount.
    AlreadyCredited: CONFLICT, "already_credited", "nothing; a charge is credited once";
    /// A close has started, or is about to be signed.
    Closing: GONE, "closing", "open a new channel; this one takes no more commitments";
    /// The channel has ended.
    Final: GONE, "final", "open a new channel; this one is closed for good";
    /// The body is larger than any call needs.
    TooLarge: PAYLOAD_TOO_LARGE, "too_large", "send the fields of the call and nothing else";
    /// The signature is not the commitment key's over this network, channel and amount.
    BadSignature: UNPROCESSABLE_ENTITY, "bad_signature",
        "check the network, the channel and the seed that signed";
    /// The amount is more than the chain would pay in total. `coverage` tells how much that is.
    ExceedsCoverage: UNPROCESSABLE_ENTITY, "exceeds_coverage", "top the channel up (paychan top-up), or sign less";
    /// The credit is zero, or more than the charge took.
    CreditOutOfRange: UNPROCESSABLE_ENTITY, "credit_out_of_range",
        "give back at least one base unit, and at most what the charge took";
    /// The amount of an agreed close is below what was sold or paid out. `needed` is the least.
    CloseTooLow: UNPROCESSABLE_ENTITY, "close_too_low", "close with at least `needed`";
    /// The amount of an agreed close is above the highest commitment.
    CloseAboveHighest: UNPROCESSABLE_ENTITY, "close_above_highest", "submit it as a commitment first, then close";
    /// There is no contract at the address.
    NotOnChain: UNPROCESSABLE_ENTITY, "not_on_chain", "check the address and the network, or open the channel first";
    /// What lies at the address is no channel.
    NotAChannel: UNPROCESSABLE_ENTITY, "not_a_channel", "check the address";
    /// The channel runs code that the operator does not trust.
    ForeignCode: UNPROCESSABLE_ENTITY, "foreign_code", "open a channel with code that the watcher trusts";
    /// The channel's storage is not laid out as its code is said to write it.
    ForeignLayout: UNPROCESSABLE_ENTITY, "foreign_layout", "have the operator correct `layout` in trusted_code";
    /// The channel pays somebody for whom the watcher does not watch.
    ForeignRecipient: UNPROCESSABLE_ENTITY, "foreign_recipient", "open a channel to a recipient of this watcher";
    /// Settling this channel needs the recipient's key, and the watcher does not hold it.
    RecipientKeyMissing: UNPROCESSABLE_ENTITY, "recipient_key_missing",
        "have the operator configure the recipient's key, or open a channel with code that does not need it";
    /// The channel pays in a token that the operator did not list.
    UnlistedToken: UNPROCESSABLE_ENTITY, "unlisted_token", "open a channel in a token that the watcher takes";
    /// The token's issuer could take the channel's balance back.
    IssuerMayClawBack: UNPROCESSABLE_ENTITY, "issuer_may_claw_back",
        "open a channel in another token, or have the operator allow it for this one";
    /// The token's issuer could freeze the channel's balance.
    IssuerMayRevoke: UNPROCESSABLE_ENTITY, "issuer_may_revoke",
        "open a channel in another token, or have the operator allow it for this one";
    /// The token's contract reports another balance than the watcher reads from its ledger entries.
    TokenStorageUnknown: UNPROCESSABLE_ENTITY, "token_storage_unknown",
        "use a channel in a Stellar asset or in a token whose storage is known";
    /// The ledger does not show what the token's owner can do.
    OpaqueToken: UNPROCESSABLE_ENTITY, "opaque_token",
        "open a channel in another token, or have the operator allow it for this one";
    /// The token's issuer has frozen the channel's balance.
    BalanceFrozen: UNPROCESSABLE_ENTITY, "balance_frozen", "ask the token's issuer, or open another channel";
    /// The channel's commitment key is one under which forgeries are possible.
    WeakKey: UNPROCESSABLE_ENTITY, "weak_key", "open another channel with a generated commitment key";
    /// An entry that the channel depends on is archived.
    Archived: UNPROCESSABLE_ENTITY, "archived", "restore the channel first (paychan restore)";
    /// The channel holds less than the token's minimum deposit.
    CoverageTooLow: UNPROCESSABLE_ENTITY, "coverage_too_low", "top the channel up (paychan top-up)";
    /// The channel's waiting period is below what is safe.
    WaitingPeriodTooShort: UNPROCESSABLE_ENTITY, "waiting_period_too_short",
        "open a channel with a longer waiting period";
    /// The channel's funder has as many channels here as one funder may have.
    TooManyOfFunder: UNPROCESSABLE_ENTITY, "too_many_of_funder",
        "use a channel of this funder that is watched already, or close one and come again";
    /// With one channel more, those watched already would wait too long for their turn.
    TooManyChannels: UNPROCESSABLE_ENTITY, "too_many_channels", "use another watcher, or have the operator add fee accounts";
    /// The recipient's account can't take the token.
    RecipientUnpayable: UNPROCESSABLE_ENTITY, "recipient_unpayable",
        "have the recipient check its account, its trustline and the issuer's authorization";
    /// More calls came than the watcher takes.
    TooManyRequests: TOO_MANY_REQUESTS, "too_many_requests", "wait, then send the same request again";
    /// The watcher made a mistake. Whether the call took effect is not known.
    Internal: INTERNAL_SERVER_ERROR, "internal", "send the same request again; tell the operator if the error stays";
    /// The watcher does not see the chain as it is now.
    NotFresh: SERVICE_UNAVAILABLE, "not_fresh", "try again; the watcher does not see the chain at the moment";
    /// The fee accounts can't cover what is promised.
    FeesLow: SERVICE_UNAVAILABLE, "fees_low", "try again later; the operator has to fund the watcher's fee account";
    /// The watcher is ending.
    Stopping: SERVICE_UNAVAILABLE, "stopping", "try again when the watcher is back";
    /// The operator has paused the taking of money; settling goes on.
    Paused: SERVICE_UNAVAILABLE, "paused", "try again later; the operator has paused the watcher";
    /// The store failed. Whether the call took effect is known only after the watcher's next start.
    StoreFailed: SERVICE_UNAVAILABLE, "store_failed",
        "send the same request again later; the operator has to look at the watcher's disk";
    /// The watcher's store can't be written any more, or was damaged at the start: nothing is taken, and settling goes on.
    SettleOnly: SERVICE_UNAVAILABLE, "settle_only", "try again later; the operator has to look at the watcher's disk";
    /// The watcher's store does not finish what it writes. Nothing is acknowledged meanwhile.
    StoreStalled: SERVICE_UNAVAILABLE, "store_stalled",
        "try again in a moment; if the error stays, the operator has to look at the watcher's disk";
    /// Too little room is free on the watcher's disk. Nothing was written.
    DiskLow: SERVICE_UNAVAILABLE, "disk_low", "try again later; the operator has to make room on the watcher's disk";
    /// The watcher lost a part of what it knew, and its operator has not confirmed that yet.
    RolledBack: SERVICE_UNAVAILABLE, "rolled_back", "try again when the operator has looked at the watcher's store";
    /// A payment could not reach the recipient now.
    Unpayable: SERVICE_UNAVAILABLE, "unpayable",
        "try again later; the recipient has to check its trustline, or ask the token's issuer";
    /// More requests wait than the store takes on. Nothing was written.
    Busy: SERVICE_UNAVAILABLE, "busy", "try again in a moment; the watcher has too much to write";
    /// The watcher's RPC endpoint can't be reached.
    ChainUnreachable: SERVICE_UNAVAILABLE, "chain_unreachable", "try again; the watcher can't reach its endpoint";
    /// The watcher's RPC endpoint serves another network.
    WrongNetwork: SERVICE_UNAVAILABLE, "wrong_network", "have the operator correct the endpoint or the passphrase";
}

impl ProblemKind {
    /// Whether the same request may succeed later without a change.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.status(),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
    }

    /// Whether it is sure that the call took no effect. Otherwise the caller repeats it with the same request id.
    pub fn nothing_happened(&self) -> bool {
        !matches!(self, Self::Internal | Self::StoreFailed | Self::Unknown(_))
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ProblemKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ProblemKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::of_name(&name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_is_read_as_it_was_written_and_no_name_is_used_twice() {
        let mut names = HashSet::new();
        for kind in ProblemKind::ALL {
            let written = serde_json::to_string(kind).unwrap();
            assert_eq!(&serde_json::from_str::<ProblemKind>(&written).unwrap(), kind);
            assert!(names.insert(kind.name()), "{kind} has a name that is used twice");
            assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind}");
        }
    }

    #[test]
    fn the_table_is_in_the_order_of_the_status() {
        assert!(ProblemKind::ALL.is_sorted_by_key(ProblemKind::status));
    }

    #[test]
    fn a_kind_of_a_newer_watcher_is_kept_as_text() {
        let kind: ProblemKind = serde_json::from_str("\"solar_flare\"").unwrap();
        assert_eq!(kind, ProblemKind::Unknown("solar_flare".into()));
        assert_eq!(serde_json::to_string(&kind).unwrap(), "\"solar_flare\"");
        assert!(!kind.nothing_happened(), "a kind that is not understood does not count as a refusal");
    }
}
