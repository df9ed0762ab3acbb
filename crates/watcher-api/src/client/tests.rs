#![allow(clippy::unwrap_used, reason = "tests")]

use paychan_channel::Amount;
use reqwest::header::RETRY_AFTER;

use super::*;

fn answer(status: u16, headers: &[(reqwest::header::HeaderName, &str)], body: &[u8]) -> ClientError {
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
    refusal("http://w/v1/x".to_owned(), StatusCode::from_u16(status).unwrap(), &headers, body, SystemTime::now())
}

#[test]
fn a_watchers_problem_is_shown_with_its_advice_its_figures_and_its_detail() {
    let error = answer(409, &[], br#"{"kind":"not_higher","highest":"9","detail":"no\nmore"}"#);
    let problem = error.problem().unwrap();
    assert_eq!((&problem.kind, problem.facts.highest), (&ProblemKind::NotHigher, Some(Amount::from(9))));
    let text = error.to_string();
    assert!(text.contains("http://w/v1/x") && text.contains("409") && text.contains("cumulative total"), "{text}");
    assert!(text.contains("it says: no more"), "{text}");
    assert!(error.nothing_happened() && !error.is_passing());
}

#[test]
fn a_call_to_a_busy_watcher_may_succeed_later() {
    let error = answer(503, &[(RETRY_AFTER, "2")], br#"{"kind":"busy","detail":"full"}"#);
    assert!(error.nothing_happened() && error.is_passing());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    assert!(error.to_string().contains("too much to write, after 2 s"), "{error}");
}

#[test]
fn a_kind_that_is_not_known_is_judged_by_its_status() {
    let refused = answer(409, &[], br#"{"kind":"eclipse"}"#);
    assert!(refused.nothing_happened() && !refused.is_passing());
    let later = answer(503, &[], br#"{"kind":"eclipse"}"#);
    assert!(!later.nothing_happened() && later.is_passing());
}

#[test]
fn the_kind_of_a_foreign_answer_is_recognised() {
    let html = b"<!DOCTYPE html><title>404</title>".as_slice();
    let gzip = [0x1f, 0x8b, 8, 0].as_slice();
    let encoded = [(CONTENT_ENCODING, "gzip")];
    assert!(matches!(answer(404, &[], html), ClientError::WrongPath { answer: ForeignAnswer::Html, .. }));
    assert!(matches!(answer(404, &[], gzip), ClientError::WrongPath { answer: ForeignAnswer::Compressed, .. }));
    assert!(matches!(answer(404, &encoded, b"x"), ClientError::WrongPath { answer: ForeignAnswer::Compressed, .. }));
    assert!(matches!(answer(405, &[], b""), ClientError::WrongPath { answer: ForeignAnswer::Empty, .. }));
    for status in [401, 403] {
        assert!(matches!(answer(status, &[], b"no"), ClientError::Denied { .. }), "{status}");
    }
    let limited = answer(429, &[(RETRY_AFTER, "7")], b"slow down");
    assert!(matches!(limited, ClientError::Overloaded { .. }));
    assert!(limited.to_string().contains("proxy") && limited.to_string().contains("after 7 s"), "{limited}");
    assert!(matches!(answer(418, &[], b"[]"), ClientError::NotAWatcher { .. }));
}

#[test]
fn a_gateway_that_failed_may_have_handed_the_request_on() {
    for status in [500, 502, 504] {
        let error = answer(status, &[], b"<html>");
        assert!(!error.nothing_happened() && error.is_passing(), "{status}");
    }
    assert!(answer(503, &[], b"<html>").nothing_happened());
}

#[test]
fn control_characters_of_a_foreign_answer_do_not_reach_the_terminal() {
    let text = answer(418, &[], b"\x1b[2Jgone\r\n").to_string();
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
}
