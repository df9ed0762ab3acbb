//! Signs only what was asked for: the assembled transaction is compared with what it is meant to do.
//!
//! Authorizations, footprint and resource fee of a transaction come from the simulation of an RPC endpoint. A dishonest
//! endpoint, or a token that makes further calls, can add a transfer that nobody asked for, entries that do not belong
//! to the call, or a fee of hundreds of XLM. So the signer first states, without the endpoint, what the call means, and
//! every part that the simulation added is compared with it:
//!
//! ```text
//! draft.build() ─► simulate ─► meaning.check_auth() ─► sign authorizations ─► assemble() ─► meaning.check() ─► sign
//! ```
//!
//! [`Submitter`](crate::submit::Submitter) does all this. A program that builds transactions without it, such as the
//! watcher, calls [`Meaning::check`] on the assembled transaction before it signs.

mod authorization;
mod caps;
mod footprint;
#[cfg(test)]
mod tests;

use paychan_channel::Stroops;
use stellar_xdr::{
    Operation, OperationBody, SorobanAuthorizationEntry, SorobanTransactionData, SorobanTransactionDataExt,
    Transaction, TransactionExt,
};

pub use authorization::Authorization;
pub use caps::ResourceFeeCaps;
pub use footprint::{Entries, Holdings};

use crate::{Draft, ExtraWrites};

/// What a transaction is meant to do, as its signer states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// What may be authorized.
    pub authorization: Authorization,
    /// Which ledger entries it may touch.
    pub entries: Entries,
    /// The most that its resources may cost; see [`ResourceFeeCaps`].
    pub max_resource_fee: Stroops,
}

/// A simulation asks for something that is not meant. Nothing may be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMeant {
    /// The transaction differs from the draft in a part that no simulation may change.
    #[error("the transaction is not the one that was meant: it has another {0}; nothing was signed")]
    Transaction(&'static str),
    /// Somebody would authorize a call that is not meant.
    #[error(
        "simulation wants {call} to be authorized, which is not part of this call; nothing was signed. Is the RPC \
         endpoint yours, and is the token one that you know?"
    )]
    Call {
        /// The call, in words.
        call: String,
    },
    /// An account that is not among the signers would authorize with an entry of its own.
    #[error(
        "simulation wants {whose} to authorize {call}, which is not meant to; nothing was signed. Give the secret key of \
         the account that the channel names"
    )]
    Signer {
        /// The account or contract.
        whose: String,
        /// The call, in words.
        call: String,
    },
    /// There is more than one authorization, though one call needs one.
    #[error(
        "simulation wants {0} authorizations, but one call needs one; nothing was signed. Is the RPC endpoint yours, and \
         is the token one that you know?"
    )]
    ManyAuthorizations(usize),
    /// The transaction would touch an entry that does not belong to it.
    #[error(
        "simulation wants the transaction to {access} {entry}, which this call has nothing to do with; nothing was \
         signed. Is the RPC endpoint yours?"
    )]
    Entry {
        /// `read`, `write`, or `restore`.
        access: &'static str,
        /// The entry, in words.
        entry: String,
    },
    /// The marks of archived entries (CAP-66) are malformed, or the transaction may not have any.
    #[error("simulation marks archived entries in a way that no network accepts ({0}); nothing was signed")]
    ArchivedMarks(&'static str),
    /// The resources would cost more than allowed.
    #[error(
        "simulation asks for a resource fee of {asked} stroops ({} XLM), more than the {cap} stroops that this call may \
         cost; nothing was signed. Is the RPC endpoint yours? If the fee is right, allow more",
        xlm(*asked)
    )]
    ResourceFee {
        /// What simulation asks for, in stroops.
        asked: Stroops,
        /// What is allowed, in stroops.
        cap: Stroops,
    },
}

impl Meaning {
    /// For an endpoint that can't lie, such as a local network in tests. It checks only that the operation is the
    /// draft's, and that the fee is no more than an upload of code may cost.
    #[must_use]
    pub fn of_trusted_endpoint() -> Meaning {
        Meaning {
            authorization: Authorization::Unchecked,
            entries: Entries::Any,
            max_resource_fee: ResourceFeeCaps::USUAL.upload,
        }
    }

    /// Checks that the authorizations to be signed are meant.
    ///
    /// # Errors
    /// [`NotMeant`].
    pub fn check_auth(&self, draft: &Draft, auth: &[SorobanAuthorizationEntry]) -> Result<(), NotMeant> {
        let [operation] = draft.operations.as_slice() else {
            return Err(NotMeant::Transaction("number of operations"));
        };
        match &operation.body {
            OperationBody::InvokeHostFunction(call) => self.authorization.check(&call.host_function, auth),
            _ if auth.is_empty() => Ok(()),
            _ => Err(NotMeant::ManyAuthorizations(auth.len())),
        }
    }

    /// Checks that `transaction`, which was assembled from `draft` and a simulation, is meant. Call it last, on the
    /// transaction that will be signed.
    ///
    /// # Errors
    /// [`NotMeant`].
    pub fn check(&self, draft: &Draft, extra: ExtraWrites, transaction: &Transaction) -> Result<(), NotMeant> {
        let TransactionExt::V1(data) = &transaction.ext else {
            return Err(NotMeant::Transaction("form: it has no resources"));
        };
        let [operation] = transaction.operations.as_slice() else {
            return Err(NotMeant::Transaction("number of operations"));
        };
        same_but_for_auth(draft, operation)?;
        self.check_frame(draft, data, transaction)?;
        if let OperationBody::InvokeHostFunction(call) = &operation.body {
            self.check_auth(draft, &call.auth)?;
        }
        let simulated_fee = Stroops(data.resource_fee.saturating_sub(extra.fee().0));
        if data.resource_fee < 0 || simulated_fee > self.max_resource_fee {
            return Err(NotMeant::ResourceFee { asked: simulated_fee, cap: self.max_resource_fee });
        }
        check_marks(&operation.body, data)?;
        self.check_footprint(draft, &operation.body, data)
    }

    /// Checks the parts that no simulation may change: source, sequence number, bounds and memo, and that the fee is
    /// the sum of its parts.
    fn check_frame(
        &self,
        draft: &Draft,
        data: &SorobanTransactionData,
        transaction: &Transaction,
    ) -> Result<(), NotMeant> {
        let fee = draft.inclusion_fee.0.checked_add(data.resource_fee);
        let checks = [
            ("source", transaction.source_account == draft.source.to_muxed()),
            ("sequence number", transaction.seq_num.0 == draft.sequence),
            ("set of bounds", transaction.cond == draft.preconditions()),
            ("memo", transaction.memo == stellar_xdr::Memo::None),
            ("fee than its parts add up to", fee == Some(i64::from(transaction.fee))),
        ];
        match checks.into_iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(NotMeant::Transaction(what)),
            None => Ok(()),
        }
    }

    fn check_footprint(
        &self,
        draft: &Draft,
        body: &OperationBody,
        data: &SorobanTransactionData,
    ) -> Result<(), NotMeant> {
        let footprint = &data.resources.footprint;
        let asked = draft.soroban.as_ref().map(|asked| &asked.resources.footprint);
        match (body, asked) {
            // These two operations act on the footprint itself, so it may hold only what was asked for.
            (OperationBody::ExtendFootprintTtl(_), Some(asked)) => {
                footprint::only("extend", &footprint.read_only, &asked.read_only)?;
                footprint::only("write", &footprint.read_write, &[])
            }
            (OperationBody::RestoreFootprint(_), Some(asked)) => {
                footprint::only("read", &footprint.read_only, &[])?;
                footprint::only("restore", &footprint.read_write, &asked.read_write)
            }
            (OperationBody::InvokeHostFunction(_), _) => self.entries.check(footprint),
            _ => Err(NotMeant::Transaction("kind of operation")),
        }
    }
}

/// Checks that the operation is the draft's, but for authorizations that the draft left to the simulation.
fn same_but_for_auth(draft: &Draft, operation: &Operation) -> Result<(), NotMeant> {
    let [meant] = draft.operations.as_slice() else {
        return Err(NotMeant::Transaction("number of operations"));
    };
    if meant.source_account != operation.source_account {
        return Err(NotMeant::Transaction("source of its operation"));
    }
    let same = match (&meant.body, &operation.body) {
        (OperationBody::InvokeHostFunction(meant), OperationBody::InvokeHostFunction(found)) => {
            meant.host_function == found.host_function && (meant.auth.is_empty() || meant.auth == found.auth)
        }
        (meant, found) => meant == found,
    };
    if same { Ok(()) } else { Err(NotMeant::Transaction("operation")) }
}

/// Checks the marks of archived entries. They are sorted and unique indexes of persistent entries in the read-write
/// footprint, and only calls have them (CAP-66).
fn check_marks(body: &OperationBody, data: &SorobanTransactionData) -> Result<(), NotMeant> {
    let SorobanTransactionDataExt::V1(marks) = &data.ext else { return Ok(()) };
    let marks = marks.archived_soroban_entries.as_slice();
    if !matches!(body, OperationBody::InvokeHostFunction(_)) && !marks.is_empty() {
        return Err(NotMeant::ArchivedMarks("only calls restore archived entries"));
    }
    if !marks.is_sorted_by(|earlier, later| earlier < later) {
        return Err(NotMeant::ArchivedMarks("the indexes are not in rising order"));
    }
    let read_write = data.resources.footprint.read_write.as_slice();
    let all_persistent = marks.iter().all(|index| {
        let key = usize::try_from(*index).ok().and_then(|index| read_write.get(index));
        key.is_some_and(footprint::is_persistent)
    });
    if all_persistent { Ok(()) } else { Err(NotMeant::ArchivedMarks("an index names no persistent entry")) }
}

/// Stroops as XLM, for a person.
fn xlm(fee: Stroops) -> String {
    paychan_channel::Amount::new(i128::from(fee.get()))
        .map_or_else(|_| fee.to_string(), |amount| amount.to_decimal(Stroops::DECIMALS))
}
