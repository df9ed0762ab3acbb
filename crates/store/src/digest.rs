//! The digest that stands for a request id in the index and in checkpoints.

use sha2::{Digest as _, Sha256};

use crate::RequestId;

/// The first half of a request id's SHA-256. To find two ids of one channel with the same digest takes about 2^64
/// attempts, and gains only a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(pub(crate) [u8; 16]);

impl Digest {
    pub(crate) fn of(request_id: &RequestId) -> Self {
        let whole: [u8; 32] = Sha256::digest(request_id.as_str()).into();
        let (half, _) = whole.split_first_chunk().expect("32 bytes begin with 16");
        Digest(*half)
    }
}
