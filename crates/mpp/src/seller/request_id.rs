//! Computes the request id of a sale from the challenge, the voucher and the request, so that asking again is harmless.

use paychan_channel::{ContractId, RequestId};
use sha2::{Digest, Sha256};

use crate::wire::Payload;

/// A request: the hash of its method, path and query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target([u8; 32]);

impl Target {
    pub(super) fn of(method_and_path: &str) -> Self {
        Self(Sha256::digest(method_and_path.as_bytes()).into())
    }
}

/// The id under which a sale is charged: `mpp-` and 40 hexadecimal digits of a hash.
///
/// The watcher remembers it after the seller has forgotten the sale. Since the request is a part of it, a credential that
/// was used can't buy another request then. It has 160 bits. Anyone who finds two sales with the same id can only harm their own
/// channel.
pub(super) fn of_sale(challenge_id: &str, channel: &ContractId, payload: &Payload, target: Target) -> RequestId {
    let mut hash = Sha256::new();
    hash.update(b"paychan-mpp sale 2\0");
    hash.update(channel.0);
    hash.update(payload.amount.get().to_be_bytes());
    hash.update(payload.signature.0);
    hash.update(target.0);
    hash.update(challenge_id.as_bytes());
    let digits = hex::encode(hash.finalize());
    let text = format!("mpp-{}", digits.get(..40).unwrap_or(&digits));
    RequestId::new(&text).expect("44 letters, digits and a dash are a request id")
}
