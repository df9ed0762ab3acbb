//! Tests of `sign`, which works offline and in cumulative base units.

use paychan_channel::{Commitment, CommitmentKey, NetworkId, Signature};

use crate::run::{CHANNEL, LOCAL, SEED, paychan, paychan_with};

fn sign(amount: &str) -> crate::run::Ran {
    let args = [&["sign", CHANNEL, "--amount", amount, "--json"], &LOCAL[..]].concat();
    paychan_with(&args, &[("PAYCHAN_SECRET", SEED)], "")
}

#[test]
fn a_signature_verifies_over_the_network_the_channel_and_the_amount() {
    let signed = sign("6000000").json();
    let commitment = Commitment {
        network: NetworkId::of("Standalone Network ; February 2017"),
        channel: CHANNEL.parse().unwrap(),
        amount: "6000000".parse().unwrap(),
    };
    let key: CommitmentKey = signed["commitment_key"].as_str().unwrap().parse().unwrap();
    let signature: Signature = signed["signature"].as_str().unwrap().parse().unwrap();
    commitment.verify(&key, &signature).unwrap();
    assert_eq!(signed["channel"], CHANNEL);
    assert_eq!(signed["amount"], "6000000");
    assert_eq!(signed["network_id"], commitment.network.to_string());
}

#[test]
fn the_largest_amount_of_a_token_can_be_signed() {
    assert_eq!(sign(&i128::MAX.to_string()).json()["amount"], i128::MAX.to_string());
}

#[test]
fn invalid_amounts_are_refused_with_what_was_expected() {
    for (amount, said) in [
        ("0", "above zero"),
        ("-5", "negative"),
        ("1.5", "fraction"),
        ("170141183460469231731687303715884105728", "too large"),
        ("1e7", "digits only"),
        ("ten", "digits only"),
        ("", "empty"),
        (" 5", "digits only"),
        ("+5", "digits only"),
    ] {
        let ran = sign(amount);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"), "{amount:?}");
        assert!(ran.stdout.contains(said), "{amount:?}: {}", ran.stdout);
    }
}

#[test]
fn the_signer_is_told_that_amounts_are_cumulative() {
    assert!(sign("5").stderr.contains("in total over the channel's life"));
}

#[test]
fn a_network_must_be_named_because_a_signature_is_good_on_one_only() {
    let args = ["sign", CHANNEL, "--amount", "5", "--json"];
    let secret = ("PAYCHAN_SECRET", SEED);
    let ran = paychan_with(&args, &[secret], "");
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"));
    assert!(ran.stdout.contains("which network?"), "{}", ran.stdout);

    let by_name = paychan_with(&args, &[secret, ("PAYCHAN_NETWORK", "testnet")], "").json();
    let by_passphrase =
        paychan_with(&args, &[secret, ("PAYCHAN_PASSPHRASE", "Test SDF Network ; September 2015")], "").json();
    assert_eq!(by_name, by_passphrase);
    let other = paychan_with(&args, &[secret, ("PAYCHAN_NETWORK", "mainnet")], "").json();
    assert_ne!(by_name["signature"], other["signature"]);
}

#[test]
fn a_name_and_a_passphrase_that_disagree_are_refused() {
    let args = ["sign", CHANNEL, "--amount", "5", "--network", "testnet", "--json"];
    let ran = paychan_with(&args, &[("PAYCHAN_SECRET", SEED), ("PAYCHAN_PASSPHRASE", "mine")], "");
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"));
    assert!(ran.stdout.contains("PAYCHAN_PASSPHRASE"), "{}", ran.stdout);
}

#[test]
fn an_invalid_channel_address_is_refused() {
    let account = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";
    let typo = CHANNEL.replace("CCV", "CCW");
    for wrong in [account, &typo, "C", ""] {
        let ran = paychan(&["sign", wrong, "--amount", "5", "--network", "local", "--json"]);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"), "{wrong}");
        assert!(ran.stdout.contains("a contract address C..."), "{wrong}: {}", ran.stdout);
    }
}
