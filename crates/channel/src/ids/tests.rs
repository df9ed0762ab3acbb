#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use super::*;
use crate::HexError;

const CHANNEL: &str = "CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ";
/// From the text of SEP-23.
const ACCOUNT_ID: &str = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ";
const MUXED: &str = "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVAAAAAAAAAAAAAJLK";

#[test]
fn strkeys_are_read_and_written_back() {
    assert_eq!(CHANNEL.parse::<ContractId>().unwrap().to_string(), CHANNEL);
    assert_eq!(ACCOUNT_ID.parse::<AccountId>().unwrap().to_string(), ACCOUNT_ID);
    for text in [CHANNEL, ACCOUNT_ID] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        assert_eq!(Address::from_sc(&address.to_sc()), Ok(address));
    }
}

#[test]
fn an_account_where_a_contract_is_expected_is_named_in_the_error() {
    let error = ACCOUNT_ID.parse::<ContractId>().unwrap_err();
    assert_eq!(error.to_string(), "expected a contract address C..., got an account address G...");
    let error = CHANNEL.parse::<AccountId>().unwrap_err();
    assert_eq!(error.to_string(), "expected an account address G..., got a contract address C...");
    assert!(matches!(MUXED.parse::<Address>(), Err(IdError::WrongKind { .. })));
}

#[test]
fn a_secret_in_the_wrong_place_is_recognised_and_never_repeated() {
    let secret = ed25519::PrivateKey([7; 32]).to_string();
    let error = secret.parse::<Address>().unwrap_err();
    assert!(error.to_string().contains("secret key"), "{error}");
    assert!(!error.to_string().contains(&secret));
    let (mistyped, _) = secret.split_at(secret.len() - 1);
    let error = mistyped.parse::<Address>().unwrap_err();
    assert!(!error.to_string().contains(mistyped), "{error}");
}

#[test]
fn one_changed_character_is_noticed() {
    for (index, _) in CHANNEL.char_indices() {
        let mut text = CHANNEL.to_owned();
        let other = if &CHANNEL[index..=index] == "A" { "B" } else { "A" };
        text.replace_range(index..=index, other);
        assert!(text.parse::<ContractId>().is_err(), "{text}");
    }
    assert!(CHANNEL.to_lowercase().parse::<ContractId>().is_err());
    assert!("".parse::<ContractId>().is_err());
}

#[test]
fn hashes_are_sixty_four_digits_and_errors_say_how_many_there_were() {
    let hash = WasmHash::of(b"wasm");
    assert_eq!(hash.to_string().parse::<WasmHash>().unwrap(), hash);
    assert_eq!(
        "abc".parse::<WasmHash>(),
        Err(IdError::Hex { expected: "a Wasm hash", source: HexError::Length { expected: 64, given: 3 } })
    );
    let text = "0".repeat(10) + "x" + &"0".repeat(53);
    assert_eq!(
        text.parse::<NetworkId>(),
        Err(IdError::Hex { expected: "a network id", source: HexError::Digit { expected: 64, position: 11 } })
    );
}

#[test]
fn the_test_networks_id_is_the_known_one() {
    // The network id in every testnet signature, as stellar-docs gives it.
    assert_eq!(
        NetworkId::of("Test SDF Network ; September 2015").to_string(),
        "cee0302d59844d32bdca915c8203dd44b33fbb7edc19051ea37abedf28ecd472"
    );
}

#[test]
fn json_of_ids_is_their_text() {
    let id: ContractId = serde_json::from_str(&format!("\"{CHANNEL}\"")).unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{CHANNEL}\""));
    let error = serde_json::from_str::<ContractId>(&format!("\"{ACCOUNT_ID}\"")).unwrap_err();
    assert!(error.to_string().contains("got an account address"), "{error}");
}
