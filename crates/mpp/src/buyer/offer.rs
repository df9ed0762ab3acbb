//! Chooses the offer of a 402 that is paid.

use paychan_channel::{Amount, ContractId};
use reqwest::Response;

use super::error::PayError;
use super::wallet::PinnedChannel;
use crate::problem::ProblemBody;
use crate::wire::headers::WWW_AUTHENTICATE;
use crate::wire::{Challenge, ChannelRequest, INTENT, METHOD, Timestamp, offers};

/// The longest problem that is read, in bytes.
const LONGEST_PROBLEM: usize = 64 * 1024;

/// An offer that can be paid.
#[derive(Clone)]
pub(super) struct Payable {
    pub(super) challenge: Challenge,
    pub(super) price: Amount,
    /// The total to which the price is added, according to the server.
    pub(super) base: Option<Amount>,
    pub(super) pinned: PinnedChannel,
    /// How many receipts there were when the server was asked ([`super::standing::State::receipts`]).
    pub(super) asked_at: u64,
}

impl Payable {
    pub(super) fn channel(&self) -> ContractId {
        self.pinned.channel
    }

    /// Whether it stays valid for a while.
    pub(super) fn is_good_for_a_while(&self) -> bool {
        let soon = Timestamp::now().after(std::time::Duration::from_secs(5));
        self.challenge.expires().is_some_and(|expires| expires > soon)
    }
}

/// Chooses the first challenge that names our method and intent and one of our channels. Other offers are ignored. There were
/// `asked_at` receipts when the server was asked.
pub(super) fn choose(
    response: &Response,
    host: &str,
    channels: &[PinnedChannel],
    asked_at: u64,
) -> Result<Payable, String> {
    let values = response.headers().get_all(WWW_AUTHENTICATE).iter().map(|value| value.as_bytes());
    let mut why_not = Vec::new();
    for offer in offers(values) {
        let challenge = match offer {
            Ok(challenge) => challenge,
            Err(error) => {
                why_not.push(error.to_string());
                continue;
            }
        };
        let terms = &challenge.terms;
        if terms.method != METHOD || terms.intent != INTENT {
            why_not.push(format!("{}/{} is not paid here", terms.method, terms.intent));
            continue;
        }
        match payable(&challenge, host, channels, asked_at) {
            Ok(payable) => return Ok(payable),
            Err(why) => why_not.push(why),
        }
    }
    why_not.truncate(8);
    match why_not.is_empty() {
        true => Err("it offers no way to pay over MPP".to_owned()),
        false => Err(printable(&why_not.join("; "), 1_000)),
    }
}

fn payable(challenge: &Challenge, host: &str, channels: &[PinnedChannel], asked_at: u64) -> Result<Payable, String> {
    let request = ChannelRequest::decode(&challenge.terms.request).map_err(|error| error.to_string())?;
    let channel = request.channel;
    let pinned = channels.iter().find(|pinned| pinned.channel == channel);
    let pinned = pinned.ok_or_else(|| format!("the channel {channel} is not one of ours"))?;
    if !pinned.is_for(host) {
        return Err(format!("the channel {channel} is not for {host}"));
    }
    if request.network() != pinned.network.as_str() {
        return Err(format!("it names the network {:?}, but the channel is on {}", request.network(), pinned.network));
    }
    if request.amount.is_zero() {
        return Err("it asks for an amount of 0".to_owned());
    }
    if challenge.expires().is_some_and(|expires| expires <= Timestamp::now()) {
        return Err("it has expired; is the clock of one of the two machines wrong?".to_owned());
    }
    Ok(Payable {
        challenge: challenge.clone(),
        price: request.amount,
        base: request.method_details.cumulative_amount,
        pinned: pinned.clone(),
        asked_at,
    })
}

/// Whether an answer's body is a problem.
pub(super) fn is_problem(response: &Response) -> bool {
    let kind = response.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(crate::problem::PROBLEM_CONTENT_TYPE))
}

/// The problem in an answer's body, if it is one.
pub(super) async fn problem(mut response: Response) -> Option<Box<ProblemBody>> {
    let body = paychan_rpc::http::read_body(&mut response, LONGEST_PROBLEM).await.ok()?;
    serde_json::from_slice(&body).ok().map(Box::new)
}

/// A problem's message in a form that is safe for one line of a terminal.
pub(super) fn says(problem: Option<&ProblemBody>) -> String {
    let Some(problem) = problem else { return "it does not say why".to_owned() };
    let hint = problem.hint.as_deref().map(|hint| format!(": {hint}")).unwrap_or_default();
    let text = format!("{}{hint}", if problem.detail.is_empty() { &problem.title } else { &problem.detail });
    // It becomes a part of our own sentences.
    printable(&text, 400).trim_end_matches(['.', ' ']).to_owned()
}

/// At most this many characters of a server's text, without what could control a terminal.
fn printable(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The error of an answer that can't be paid.
pub(super) fn no_offer(host: &str, why: String, problem: Option<Box<ProblemBody>>) -> PayError {
    let why = match &problem {
        Some(problem) => format!("{why}. It says: {}", says(Some(problem))),
        None => why,
    };
    PayError::NoOffer { host: host.to_owned(), why, problem }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_server_says_is_one_short_line_that_controls_no_terminal() {
        let said = |detail: &str, hint: &str| {
            let problem: ProblemBody =
                serde_json::from_value(json!({ "type": "x", "title": "t", "detail": detail, "hint": hint })).unwrap();
            says(Some(&problem))
        };
        assert_eq!(said("gone.\r\n\u{1b}[2Jall \u{9b}paid\u{7}", "stop."), "gone.   [2Jall  paid : stop");
        assert_eq!(said("", "stop"), "t: stop");
        assert_eq!(said(&"x".repeat(10_000), "").len(), 400);
        assert_eq!(says(None), "it does not say why");
    }
}
