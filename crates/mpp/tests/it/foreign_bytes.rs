//! Tests that reading any bytes of strangers ends with a value or an error, and that what was read can be written
//! again.

use paychan_mpp::problem::ProblemBody;
use paychan_mpp::wire::{ChannelRequest, Receipt, base64url, offers, read_credential};
use proptest::prelude::*;

use crate::env::{SECRET, TestEnv, challenge_secret};

/// A valid header of each kind, which the tests change.
fn headers() -> (String, String, String) {
    let env = TestEnv::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (challenge, receipt) = runtime.block_on(async {
        let challenge = env.challenge("/time").await;
        let receipt = env.get("/time", &[("authorization", &env.voucher(&challenge, 10))]).await;
        (challenge, receipt.headers["payment-receipt"].to_str().unwrap().to_owned())
    });
    assert!(challenge.is_issued_with(&challenge_secret(SECRET)));
    (challenge.to_header().unwrap(), env.voucher(&challenge, 10), receipt)
}

fn read(bytes: &[u8]) {
    for offer in offers([bytes, bytes]).into_iter().flatten() {
        let _ = ChannelRequest::decode(&offer.terms.request);
        let _ = (offer.expires(), offer.is_issued_with(&challenge_secret(SECRET)));
        let written = offer.to_header().unwrap();
        assert_eq!(offers([written.as_bytes()]), [Ok(offer)], "what is written is read as it was");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(Some(credential)) = read_credential(text) {
            let _ = credential.payload();
            let again = read_credential(&credential.to_header().unwrap()).unwrap();
            assert_eq!(again, Some(credential));
        }
        let _ = Receipt::from_header(text);
        let _ = ChannelRequest::decode(text);
    }
    let _ = serde_json::from_slice::<ProblemBody>(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read(&bytes);
        read(&[b"Payment ".as_slice(), &bytes].concat());
        read(format!("Payment {}", base64url(&bytes)).as_bytes());
    }

    #[test]
    fn any_json_in_a_credential_is_read_to_an_end(json in "[\\[\\]{}\":,a-z0-9 .eE-]{0,200}") {
        read(format!("Payment {}", base64url(json.as_bytes())).as_bytes());
    }
}

#[test]
fn valid_headers_with_one_byte_changed_or_cut_are_read_to_an_end() {
    let (challenge, credential, receipt) = headers();
    for header in [challenge, credential, receipt] {
        let bytes = header.as_bytes();
        for at in (0..bytes.len()).step_by(3) {
            read(&bytes[..at]);
            for byte in [0, b'"', b',', b'=', b'\\', 0xff] {
                let mut mangled = bytes.to_vec();
                mangled[at] = byte;
                read(&mangled);
            }
        }
    }
}
