//! HTTP 402: headers that strangers write, requests that reach a seller, and answers that reach a buyer.

mod buying;
mod selling;

pub use buying::answers;
pub use selling::{CHALLENGE_SECRET, CHANNEL, requests, seller_key};

use paychan_mpp::problem::ProblemBody;
use paychan_mpp::wire::{ChallengeSecret, ChannelRequest, Receipt, offers, read_credential};

use crate::pieces::Pieces;

/// The secret of the seller's challenges.
pub fn challenge_secret() -> ChallengeSecret {
    ChallengeSecret::new(CHALLENGE_SECRET.to_owned().into()).expect("it is long enough")
}

/// Up to two values of `WWW-Authenticate`. Understood: one of the offers is for a channel. What was read is written so that it
/// is read the same again.
pub fn challenges(bytes: &[u8]) -> bool {
    let values: Vec<&[u8]> = Pieces::of(bytes).take(2).collect();
    let mut understood = false;
    for challenge in offers(values).into_iter().flatten() {
        understood |= ChannelRequest::decode(&challenge.terms.request).is_ok();
        let _ = (challenge.expires(), challenge.is_issued_with(&challenge_secret()));
        let Ok(written) = challenge.to_header() else {
            // A line break can be read, but no header can hold it. Nobody writes the challenge of somebody else.
            let text = format!("{challenge:?}");
            assert!(text.contains("\\r") || text.contains("\\n"), "what was read can be written: {text}");
            continue;
        };
        // The `mpp` crate writes the method and the intent of others in lower case. Ours are in lower case already.
        let is_lower = |name: &str| !name.chars().any(char::is_uppercase);
        if is_lower(&challenge.terms.method) && is_lower(&challenge.terms.intent) {
            assert_eq!(offers([written.as_bytes()]), [Ok(challenge)]);
        }
    }
    understood
}

/// A value of `Authorization`, of `Payment-Receipt`, or the body of a problem. Understood: it is one of them.
pub fn credentials(bytes: &[u8]) -> bool {
    let problem = serde_json::from_slice::<ProblemBody>(bytes).is_ok();
    let Ok(text) = std::str::from_utf8(bytes) else { return problem };
    let receipt = Receipt::from_header(text).ok();
    if let Some(receipt) = &receipt {
        let written = receipt.to_header().expect("what was read can be written");
        assert_eq!(Receipt::from_header(&written).as_ref(), Ok(receipt));
    }
    let Ok(Some(credential)) = read_credential(text) else { return problem || receipt.is_some() };
    let written = credential.to_header().expect("what was read can be written");
    let again = read_credential(&written);
    assert_eq!(again.as_ref(), Ok(&Some(credential.clone())));
    credential.payload().is_ok()
}
