#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

#[test]
fn loopback_addresses_and_localhost_are_this_machine() {
    for here in [
        "http://127.0.0.1:8000",
        "http://127.8.8.8/",
        "http://[::1]:1/x",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0",
        "http://LOCALHOST",
        "http://rpc.localhost.:80",
    ] {
        assert!(is_on_this_machine(&url(here)), "{here}");
    }
    for elsewhere in
        ["https://example.org", "http://127.0.0.1.example.org", "http://localhost.example.org", "http://10.0.0.1"]
    {
        assert!(!is_on_this_machine(&url(elsewhere)), "{elsewhere}");
    }
}

#[test]
fn a_client_is_made_without_a_process_wide_tls_provider() {
    client(&url("https://example.org"), HttpLimits::default()).unwrap();
    client(&url("http://127.0.0.1:1"), HttpLimits::default()).unwrap();
    client_of_this_machine(HttpLimits::default()).unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[test]
fn some_certificate_authority_is_always_trusted() {
    assert!(!trusted_roots().is_empty());
}
