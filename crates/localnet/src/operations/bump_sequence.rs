//! BumpSequence: an account skips sequence numbers.

use stellar_xdr::{BumpSequenceOp, BumpSequenceResult};

use super::Classic;
use crate::ledger::accounts::{find_account, use_sequence};

pub(super) fn check(op: &BumpSequenceOp) -> Result<(), BumpSequenceResult> {
    if op.bump_to.0 < 0 { Err(BumpSequenceResult::BadSeq) } else { Ok(()) }
}

/// Applies the operation. A number that the account has passed already changes nothing, and that is a success too.
pub(super) fn apply(op: &BumpSequenceOp, classic: &mut Classic<'_>) -> BumpSequenceResult {
    if let Some(mut account) = find_account(classic.entries, &classic.source_id()).cloned() {
        let sequence = op.bump_to.0.max(account.seq_num.0);
        use_sequence(&mut account, sequence, classic.entries.ledger(), classic.close_time);
        classic.entries.put_classic(account);
    }
    BumpSequenceResult::Success
}
