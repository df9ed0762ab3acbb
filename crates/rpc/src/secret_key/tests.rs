#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use super::*;

const SECRET: &str = "SAAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQC5MY";
const ACCOUNT: &str = "GCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOJR";

fn error(text: &str) -> SecretKeyError {
    match text.parse::<SecretKey>() {
        Ok(_) => panic!("{text} was taken for a secret key"),
        Err(error) => error,
    }
}

#[test]
fn a_secret_key_is_read_and_written_and_has_its_account() {
    let key: SecretKey = SECRET.parse().unwrap();
    assert_eq!(key.account().to_string(), ACCOUNT);
    assert_eq!(key.to_strkey().as_str(), SECRET);
}

#[test]
fn new_keys_differ_and_are_read_back() {
    let (one, two) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    assert_ne!(one.account(), two.account());
    assert_eq!(one.to_strkey().parse::<SecretKey>().unwrap().account(), one.account());
}

#[test]
fn a_text_that_is_no_secret_key_is_refused_and_not_repeated() {
    assert_eq!(error(ACCOUNT), SecretKeyError::WrongKind);
    let mistyped = SECRET.replace('Y', "X");
    assert_eq!(error(&mistyped), SecretKeyError::NotAStrkey(56));
    assert!(!error(&mistyped).to_string().contains(&mistyped[10..20]));
    assert_eq!(error(""), SecretKeyError::NotAStrkey(0));
}
