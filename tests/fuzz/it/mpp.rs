//! Valid inputs of the targets for HTTP 402.

use paychan_channel::{Amount, Commitment, ContractId};
use paychan_fuzz::mpp::{CHANNEL, challenge_secret, seller_key};
use paychan_fuzz::pieces::joined;
use paychan_mpp::problem::{HIGHEST, HIGHEST_SIGNATURE, ProblemBody, ProblemType};
use paychan_mpp::wire::{
    Action, Challenge, ChallengeTerms, ChannelRequest, Credential, INTENT, METHOD, MethodDetails, NetworkName, Payload,
    Receipt, base64url,
};

/// A challenge of the seller's own secret, good until the end of the century.
fn challenge(amount: u64) -> Challenge {
    challenge_after(0, amount)
}

/// The same, when so much was paid before.
fn challenge_after(paid: u64, amount: u64) -> Challenge {
    let request = ChannelRequest {
        amount: amount.into(),
        channel: CHANNEL,
        external_id: None,
        method_details: MethodDetails {
            reference: Some("11111111-2222-4333-8444-555555555555".to_owned()),
            network: Some(NetworkName::testnet().as_str().to_owned()),
            cumulative_amount: Some(paid.into()),
        },
    };
    let terms = ChallengeTerms {
        realm: "api.example.com".to_owned(),
        method: METHOD.to_owned(),
        intent: INTENT.to_owned(),
        request: request.encode().unwrap(),
        expires: Some("2099-01-01T00:00:00.000Z".to_owned()),
        description: Some("One \"call\" \u{2013} \u{20ac}".to_owned()),
        opaque: Some(base64url(br#"{"_mppx_scope":"GET /time"}"#)),
        ..ChallengeTerms::default()
    };
    terms.issue(&challenge_secret()).unwrap()
}

fn credential(action: Action, amount: u64) -> String {
    let amount = Amount::from(amount);
    let commitment = Commitment { network: NetworkName::testnet().id(), channel: CHANNEL, amount };
    let payload = Payload { action, amount, signature: commitment.sign(&seller_key()) };
    Credential::new(challenge(10), &payload).unwrap().to_header().unwrap()
}

fn request(choice: u8, lines: &[(&str, &str)]) -> Vec<u8> {
    let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    [&[choice], lines.join("\n").as_bytes()].concat()
}

fn pieces(all: &[Vec<u8>]) -> Vec<u8> {
    joined(all.iter().map(Vec::as_slice))
}

pub(super) fn requests() -> Vec<Vec<u8>> {
    let session = CHANNEL.to_string();
    let (first, second) = (credential(Action::Voucher, 10), credential(Action::Voucher, 20));
    let paid = |header: &str| request(0, &[("authorization", header)]);
    vec![
        pieces(&[paid(&first), paid(&second), paid(&first)]),
        pieces(&[request(0, &[("payment-session", &session)])]),
        pieces(&[request(1, &[("authorization", &first), ("idempotency-key", "a")])]),
        pieces(&[request(2, &[("payment-authorization", &first), ("authorization", "Bearer x")])]),
        pieces(&[paid(&first), paid(&credential(Action::Close, 10))]),
        pieces(&[paid(&credential(Action::Voucher, 5_000))]),
        pieces(&[request(0, &[("payment-session", &ContractId([9; 32]).to_string())])]),
        pieces(&[request(0, &[("authorization", "Payment e30"), ("payment-session", "C")])]),
    ]
}

pub(super) fn challenges() -> Vec<Vec<u8>> {
    let ours = challenge(10).to_header().unwrap();
    let foreign = r#"L402 macaroon="a, Payment id=x", invoice="lnbc1", Payment id="t", realm="r", method="tempo", intent="charge", request="e30""#;
    let value = |text: &str| text.as_bytes().to_vec();
    vec![
        pieces(&[value(&ours)]),
        pieces(&[value(foreign), value(&ours)]),
        pieces(&[value(&format!("{foreign}, {ours}"))]),
        pieces(&[value(r#"Payment id="a", id="b""#)]),
        pieces(&[value("payment id=a, realm=r, method=stellar, intent=channel, request=e30")]),
    ]
}

fn receipt(accepted: u64) -> String {
    let receipt = Receipt {
        accepted_cumulative: Some(accepted.into()),
        spent: Some(accepted.into()),
        charged: Some(10_u64.into()),
        channel: Some(CHANNEL),
        ..Receipt::success("x", "2030-01-01T00:00:00.000Z")
    };
    receipt.to_header().unwrap()
}

fn problem(kind: ProblemType) -> String {
    serde_json::to_string(&ProblemBody::new(kind, "why", serde_json::Map::new())).unwrap()
}

/// The refusal of a low voucher, with the proof that this total was signed before.
fn proof(highest: u64) -> String {
    let commitment = Commitment { network: NetworkName::testnet().id(), channel: CHANNEL, amount: highest.into() };
    let mut details = serde_json::Map::new();
    details.insert(HIGHEST.to_owned(), highest.to_string().into());
    details.insert(HIGHEST_SIGNATURE.to_owned(), commitment.sign(&seller_key()).to_string().into());
    serde_json::to_string(&ProblemBody::new(ProblemType::PaymentInsufficient, "why", details)).unwrap()
}

pub(super) fn credentials() -> Vec<Vec<u8>> {
    let texts = [
        credential(Action::Voucher, 10),
        credential(Action::Close, 10),
        receipt(10),
        problem(ProblemType::PaymentRequired),
        proof(30),
        format!("Payment {}", base64url(br#"{"challenge":{},"payload":{}}"#)),
        "Bearer abc".to_owned(),
    ];
    texts.map(String::into_bytes).into()
}

fn answer(status: u16, lines: &[(&str, &str)], body: &str) -> Vec<u8> {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    [status.to_be_bytes().as_slice(), lines.as_bytes(), b"\n", body.as_bytes()].concat()
}

pub(super) fn answers() -> Vec<Vec<u8>> {
    let asks = |amount: u64, kind: ProblemType| {
        let header = challenge(amount).to_header().unwrap();
        let lines = [("www-authenticate", header.as_str()), ("content-type", "application/problem+json")];
        answer(402, &lines, &problem(kind))
    };
    let first = asks(10, ProblemType::PaymentRequired);
    let ahead = challenge_after(30, 10).to_header().unwrap();
    let ahead =
        |body: &str| answer(402, &[("www-authenticate", &ahead), ("content-type", "application/problem+json")], body);
    let sold = |accepted| answer(200, &[("payment-receipt", &receipt(accepted))], "now");
    vec![
        pieces(&[first.clone(), sold(10), sold(20), sold(30)]),
        pieces(&[first.clone(), answer(200, &[], "without a receipt"), first.clone(), sold(10)]),
        pieces(&[first.clone(), sold(1_000), sold(1_000)]),
        pieces(&[first.clone(), asks(20, ProblemType::PaymentInsufficient), first.clone(), first.clone()]),
        pieces(&[asks(21, ProblemType::PaymentRequired)]),
        pieces(&[first.clone(), answer(410, &[], &problem(ProblemType::ChannelFinalized)), first.clone()]),
        pieces(&[first.clone(), answer(307, &[("location", "http://127.0.0.1:1/")], ""), first]),
        pieces(&[ahead(&problem(ProblemType::PaymentRequired)), ahead(&proof(30)), sold(40), sold(50), sold(60)]),
        pieces(&[ahead(&problem(ProblemType::PaymentRequired)), ahead(&proof(29))]),
    ]
}
