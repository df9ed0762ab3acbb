//! Shows an answer and its payment to a person or a script.

use std::fmt;

use paychan_mpp::buyer::{PayError, PayFailure, Payment};
use reqwest::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::open::Opened;
use crate::error::{Failure, Kind};

/// An answer as `--json` prints it; `-i` prints its head.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    status: u16,
    headers: Map<String, Value>,
    /// The body as text; null when it went into a file.
    body: Option<String>,
    paid: Option<Paid>,
    /// The channel that `--open` opened, or found.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<&'a Opened>,
}

#[derive(Serialize)]
pub(super) struct Paid {
    channel: String,
    /// Base units.
    price: String,
    /// The total that was signed over the channel's life, base units.
    total: String,
    /// What the receipt says was charged; null without a receipt.
    charged: Option<String>,
    reference: Option<String>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        response: &Response,
        paid: Option<&Payment>,
        body: Option<&[u8]>,
        opened: Option<&'a Opened>,
    ) -> Self {
        let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into())
        };
        Self {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(header).collect(),
            body: body.map(|body| String::from_utf8_lossy(body).into_owned()),
            paid: paid.map(|paid| Paid {
                channel: paid.channel.to_string(),
                price: paid.price.to_string(),
                total: paid.total.to_string(),
                charged: paid.charged().map(|amount| amount.to_string()),
                reference: paid.receipt.as_ref().map(|receipt| receipt.reference.clone()),
            }),
            opened,
        }
    }

    pub(super) fn head(&self) -> String {
        let lines =
            self.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap_or_default()));
        format!("HTTP {}\r\n{}\r\n", self.status, lines.collect::<String>())
    }

    pub(super) fn paid(&self) -> Option<&Paid> {
        self.paid.as_ref()
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.body.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for Paid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "paid {} base units through {}", self.charged.as_ref().unwrap_or(&self.price), self.channel)?;
        match &self.reference {
            // The server has written it, and it must not control the terminal.
            Some(reference) => write!(f, ", receipt {}", reference.replace(char::is_control, " ")),
            None => f.write_str(", without a receipt"),
        }
    }
}

/// A failure before anything was signed.
pub(crate) fn unpaid(why: PayError) -> Failure {
    pay_failure(&PayFailure { why: Box::new(why), signed_away: None })
}

/// The failure of a payment, with its kind and the facts that a script can use.
pub(crate) fn pay_failure(failed: &PayFailure) -> Failure {
    let error = failed.why.as_ref();
    let kind = match error {
        PayError::NoAnswer { .. } if failed.may_have_paid() => Kind::OutcomeUnknown,
        PayError::NoAnswer { .. } => Kind::Network,
        PayError::Unavailable { .. } => Kind::SellerNotReady,
        PayError::BadUrl(_) | PayError::BodyIsAStream => Kind::Usage,
        PayError::Store(_) => Kind::Input,
        PayError::Signer(_) | PayError::WrongSignature => Kind::Secret,
        _ => Kind::Refused,
    };
    let mut failure = Failure::new(kind, failed.to_string()).with("may_have_paid", failed.may_have_paid());
    if let Some(amount) = failed.signed_away {
        failure = failure.with("signed_away", amount.to_string());
    }
    if let PayError::ServerAhead { says, known, .. } = error {
        failure
            .message
            .push_str(&format!(". Only if the folder with the payments was lost: add --resync-up-to {says}"));
        failure = failure.with("says", says.to_string()).with("known", known.to_string());
    }
    if let Some(problem) = error.problem() {
        failure = failure.with("problem", problem.kind.clone()).with("details", problem.details.clone());
        if problem.kind.ends_with("/channel-required") {
            failure.message.push_str(&how_to_open(&problem.details));
        }
    }
    failure
}

/// The command that opens a channel with the server's terms.
fn how_to_open(details: &Map<String, Value>) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let (Some(recipient), Some(token), Some(code)) = (
        details.get("recipient").map(text),
        details.get("tokens").and_then(|tokens| tokens.get(0)),
        details.get("trustedCode").and_then(|code| code.get(0)).map(text),
    ) else {
        return String::new();
    };
    let contract = token.get("contract").map(text).unwrap_or_default();
    let deposit = token.get("minimumDeposit").map(text).unwrap_or_default();
    let wait = details.get("minimumWaitingPeriod").and_then(Value::as_u64).unwrap_or_default();
    // The server is a stranger: what is not an address, a hash or a number is never shown as part of a command.
    let plain =
        [&recipient, &contract, &code, &deposit].iter().all(|word| word.bytes().all(|b| b.is_ascii_alphanumeric()));
    match plain {
        true => format!(
            ". To open a channel: paychan open --to {recipient} --token {contract} --deposit {deposit} --base-units --wasm-hash \
             {code} --refund-waiting-period {wait} ..., then pay with --channel"
        ),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use paychan_channel::{Amount, ContractId};

    use super::*;

    fn told(why: PayError, signed_away: Option<u64>) -> (Value, String) {
        let failed = PayFailure { why: Box::new(why), signed_away: signed_away.map(Amount::from) };
        let document = pay_failure(&failed).to_json();
        let text = document["error"]["message"].as_str().unwrap_or_default().to_owned();
        (document["error"].clone(), text)
    }

    #[test]
    fn a_script_learns_what_may_be_lost() {
        let no_answer = || PayError::NoAnswer { host: "h:1".to_owned(), why: "reset".to_owned() };
        let (before, text) = told(no_answer(), None);
        assert_eq!((&before["kind"], &before["may_have_paid"]), (&Value::from("network"), &Value::from(false)));
        assert!(before.get("signed_away").is_none() && !text.contains("signed"), "{before}");
        let (after, text) = told(no_answer(), Some(10));
        assert_eq!((&after["kind"], &after["may_have_paid"]), (&Value::from("outcome_unknown"), &Value::from(true)));
        assert_eq!(after["signed_away"], "10");
        assert!(text.ends_with("10 base units were signed for this request, and the server may take them"), "{text}");
    }

    #[test]
    fn a_server_that_is_ahead_is_told_with_its_figures_and_the_option() {
        let (says, known) = (Amount::from(1_000_u64), Amount::from(30_u64));
        let ahead = PayError::ServerAhead { host: "h:1".to_owned(), channel: ContractId([1; 32]), says, known };
        let (error, text) = told(ahead, None);
        assert_eq!((&error["says"], &error["known"]), (&Value::from("1000"), &Value::from("30")));
        assert!(text.contains("--resync-up-to 1000"), "{text}");
    }
}
