//! Tests with the vectors in `tests/vectors/stellar-channel.json`.

use serde_json::Value;

use super::*;

fn terms(vectors: &Value, case: &Value) -> ChallengeTerms {
    let request = case.get("request").unwrap_or(&vectors["request"]);
    let encode = |value: &Value| base64url(canonical_json(value).unwrap().as_bytes());
    ChallengeTerms {
        realm: text(vectors, "realm").unwrap(),
        method: METHOD.to_owned(),
        intent: INTENT.to_owned(),
        request: encode(request),
        expires: text(case, "expires"),
        digest: text(case, "digest"),
        header: text(case, "header"),
        opaque: case.get("opaque").map(encode),
        description: None,
    }
}

#[test]
fn the_ids_are_those_of_mppx() {
    let vectors = vectors("stellar-channel.json");
    let secret = secret(vectors["secret"].as_str().unwrap());
    let cases = vectors["ids"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let challenge = terms(&vectors, case).issue(&secret).unwrap();
        assert_eq!(challenge.id, case["id"], "{}", case["name"]);
        assert!(challenge.is_issued_with(&secret));
        let again = offers([challenge.to_header().unwrap().as_bytes()]);
        assert_eq!(again, [Ok(challenge)], "{}", case["name"]);
    }
    assert_eq!(terms(&vectors, &cases[3]).opaque.as_deref(), vectors["opaqueOfD"].as_str());
}

#[test]
fn the_header_of_the_first_case_and_the_escaped_description_are_those_of_mppx() {
    let vectors = vectors("stellar-channel.json");
    let secret = secret(vectors["secret"].as_str().unwrap());
    let mut challenge = terms(&vectors, &vectors["ids"][0]).issue(&secret).unwrap();
    assert_eq!(sha256(challenge.to_header().unwrap().as_bytes()), vectors["headerOfASha256"]);
    challenge.terms.description = text(&vectors, "description");
    let header = challenge.to_header().unwrap();
    assert!(header.contains(vectors["descriptionOnTheWire"].as_str().unwrap()), "{header}");
    assert!(header.is_ascii());
    let read = offers([header.as_bytes()]).pop().unwrap().unwrap();
    assert_eq!(read.terms.description, challenge.terms.description);
}

#[test]
fn the_ids_are_those_of_mpp_rs_and_pympp() {
    let vectors = &vectors("stellar-channel.json")["sharedWithMppRsAndPympp"];
    let secret = secret(vectors["secret"].as_str().unwrap());
    for case in vectors["ids"].as_array().unwrap() {
        let mut terms = terms(vectors, case);
        terms.method = text(vectors, "method").unwrap();
        terms.intent = text(vectors, "intent").unwrap();
        assert_eq!(terms.issue(&secret).unwrap().id, case["id"]);
    }
}

#[test]
fn the_credential_is_written_byte_for_byte_and_read_back() {
    let vectors = vectors("stellar-channel.json");
    let secret = secret(vectors["secret"].as_str().unwrap());
    let challenge = terms(&vectors, &vectors["ids"][0]).issue(&secret).unwrap();
    let expected = &vectors["credential"];
    let payload: Payload = serde_json::from_value(expected["payload"].clone()).unwrap();
    let credential = Credential::new(challenge, &payload).unwrap();
    let header = credential.to_header().unwrap();
    assert_eq!(header.len(), 879);
    assert_eq!(sha256(header.as_bytes()), expected["sha256"]);
    let read = read_credential(&header).unwrap().unwrap();
    assert_eq!(read, credential);
    assert_eq!(read.payload().unwrap(), payload);
    let request = ChannelRequest::decode(&read.challenge.terms.request).unwrap();
    assert_eq!((request.amount.get(), request.network()), (10_000, "stellar:testnet"));
    assert_eq!(request.encode().unwrap(), read.challenge.terms.request, "nothing of the request is lost");
}

#[test]
fn the_receipt_is_written_byte_for_byte_and_read_back() {
    let expected = &vectors("stellar-channel.json")["receipt"];
    let receipt: Receipt = serde_json::from_value(expected["fields"].clone()).unwrap();
    assert_eq!(receipt.to_header().unwrap(), expected["header"]);
    assert_eq!(Receipt::from_header(expected["header"].as_str().unwrap()).unwrap(), receipt);
}

#[test]
fn an_altered_challenge_is_not_the_servers_and_the_raw_text_is_what_is_bound() {
    let vectors = vectors("stellar-channel.json");
    let secret = secret(vectors["secret"].as_str().unwrap());
    let challenge = terms(&vectors, &vectors["ids"][3]).issue(&secret).unwrap();
    let changes: [fn(&mut ChallengeTerms); 8] = [
        |terms| terms.realm.push('x'),
        |terms| terms.method = "stella".to_owned(),
        |terms| terms.intent = "charge".to_owned(),
        // This is the same JSON with a space in it.
        |terms| {
            let json = String::from_utf8(from_base64url(&terms.request).unwrap()).unwrap();
            terms.request = base64url(json.replacen(':', ": ", 1).as_bytes());
        },
        |terms| terms.expires = Some("2031-01-01T00:00:00.000Z".to_owned()),
        |terms| terms.digest = None,
        |terms| terms.opaque = None,
        |terms| terms.header = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut altered = challenge.clone();
        change(&mut altered.terms);
        assert!(!altered.is_issued_with(&secret), "change {number}");
    }
    let mut described = challenge.clone();
    described.terms.description = Some("anything".to_owned());
    assert!(described.is_issued_with(&secret), "the description is not bound, by design of the scheme");
}

#[test]
fn short_secrets_and_realms_with_a_separator_are_refused() {
    assert!(matches!(ChallengeSecret::new("x".repeat(31).into()), Err(SecretError::TooShort { given: 31 })));
    let secret = ChallengeSecret::random().unwrap();
    let terms = ChallengeTerms { realm: "a|b".to_owned(), ..ChallengeTerms::default() };
    assert!(terms.issue(&secret).is_err());
}

#[test]
fn timestamps_are_written_as_mppx_writes_them_and_read_in_any_form() {
    let time = Timestamp::parse("2030-01-01T02:00:00.123456+02:00").unwrap();
    assert_eq!(time.to_text(), "2030-01-01T00:00:00.123Z");
    assert_eq!(Timestamp::parse("2030-01-01T00:00:00Z").unwrap().after(std::time::Duration::MAX).to_text().len(), 24);
    assert_eq!(Timestamp::parse("tomorrow"), None);
}
