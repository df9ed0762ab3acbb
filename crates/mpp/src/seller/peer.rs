//! Finds the address that a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::request::Parts;

/// Each proxy appends the address of whoever connects to it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of a request that comes through this many trusted proxies.
///
/// Only what these proxies wrote is believed, which are the last entries: anyone can send the header with other entries. If the
/// entry is missing or is no address, it is the address of the connection, so that such requests share what one
/// payer may have.
pub(super) fn of_request(parts: &Parts, trusted_proxies: usize) -> Option<IpAddr> {
    let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let Some(before) = trusted_proxies.checked_sub(1) else { return connection };
    let values = parts.headers.get_all(FORWARDED_FOR).iter().rev();
    let mut entries = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    entries.nth(before).and_then(address).or(connection)
}

/// An address, which some proxies write with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    in_brackets.unwrap_or(text).parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CONNECTION: &str = "192.0.2.9";

    fn of(values: &[&str], trusted_proxies: usize) -> String {
        let mut request = http::Request::builder();
        for value in values {
            request = request.header("X-Forwarded-For", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(CONNECTION.parse().unwrap(), 1_000)));
        of_request(&parts, trusted_proxies).unwrap().to_string()
    }

    #[test]
    fn without_a_trusted_proxy_nobody_is_believed() {
        assert_eq!(of(&["198.51.100.1"], 0), CONNECTION);
    }

    #[test]
    fn only_the_entries_of_the_trusted_proxies_are_believed() {
        let forged = "203.0.113.7, 203.0.113.8";
        assert_eq!(of(&[&format!("{forged}, 198.51.100.1")], 1), "198.51.100.1");
        assert_eq!(of(&[forged, "198.51.100.1"], 1), "198.51.100.1", "a proxy may add a line of its own");
        assert_eq!(of(&[forged, "198.51.100.1,10.0.0.1"], 2), "198.51.100.1");
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for (entry, address) in [
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("198.51.100.1:443", "198.51.100.1"),
            (" 198.51.100.1\t", "198.51.100.1"),
        ] {
            assert_eq!(of(&[entry], 1), address, "{entry}");
        }
    }

    #[test]
    fn a_missing_or_malformed_entry_counts_as_the_connection() {
        for (values, proxies) in [
            (&[] as &[&str], 1),
            (&["198.51.100.1"], 2),
            (&["unknown"], 1),
            (&["198.51.100.1, "], 1),
            (&[""], 1),
            (&["é"], 1),
        ] {
            assert_eq!(of(values, proxies), CONNECTION, "{values:?}");
        }
    }
}
