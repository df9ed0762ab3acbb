//! Computes the request id of a sale from the challenge and the voucher, so that asking again is harmless.

use paychan_channel::{ContractId, RequestId};
use sha2::{Digest, Sha256};

use crate::wire::Payload;

/// The id under which a credential is charged: `mpp-` and 40 hexadecimal digits of a hash.
///
/// It has 160 bits. Anyone who finds two credentials with the same id can only harm their own channel.
pub(super) fn of_credential(challenge_id: &str, channel: &ContractId, payload: &Payload) -> RequestId {
    let mut hash = Sha256::new();
    hash.update(b"paychan-mpp sale 1\0");
    hash.update(channel.0);
    hash.update(payload.amount.get().to_be_bytes());
    hash.update(payload.signature.0);
    hash.update(challenge_id.as_bytes());
    let digits = hex::encode(hash.finalize());
    let text = format!("mpp-{}", digits.get(..40).unwrap_or(&digits));
    RequestId::new(&text).expect("44 letters, digits and a dash are a request id")
}
