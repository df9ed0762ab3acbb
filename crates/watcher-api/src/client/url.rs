//! A watcher's address.

use std::fmt;
use std::str::FromStr;

use paychan_rpc::http::is_on_this_machine;
use reqwest::Url;

/// Where a watcher listens: `http://` or `https://`, with or without a path below which it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatcherUrl(Url);

/// Why a text is no watcher's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatcherUrlError {
    /// It is no URL with a host.
    #[error("{why}; expected http://HOST:PORT or https://HOST")]
    NotHttp {
        /// What is wrong with it.
        why: String,
    },
    /// It holds a user's name or a password.
    #[error(
        "the address holds a name or a password; leave it out, the watcher's token is given apart from the address"
    )]
    HoldsPassword,
    /// It has a part behind `?` or `#`.
    #[error("the address has a part behind ? or #; expected http://HOST:PORT or https://HOST")]
    HoldsQuery,
}

impl FromStr for WatcherUrl {
    type Err = WatcherUrlError;

    fn from_str(text: &str) -> Result<Self, WatcherUrlError> {
        let not_http = |why: String| WatcherUrlError::NotHttp { why };
        let mut url = Url::parse(text).map_err(|error| not_http(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(not_http(format!("its scheme is {}", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WatcherUrlError::HoldsPassword);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(WatcherUrlError::HoldsQuery);
        }
        // People paste the address with or without the version.
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl WatcherUrl {
    /// The URL that requests to the operator's socket carry.
    pub(super) fn of_socket() -> Self {
        Self(Url::parse("http://localhost/").expect("this is a URL"))
    }

    /// Whether somebody on the way can read the token, since it goes to another machine over plain HTTP.
    pub fn is_exposed(&self) -> bool {
        self.0.scheme() == "http" && !is_on_this_machine(&self.0)
    }

    pub(super) fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL of a call below `/v1`. Each segment is escaped.
    pub(super) fn call(&self, path: &[&str]) -> Url {
        let mut url = self.0.clone();
        url.path_segments_mut()
            .expect("http and https URLs have a path of segments")
            .pop_if_empty()
            .push("v1")
            .extend(path);
        url
    }
}

impl fmt::Display for WatcherUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_address_may_end_in_a_slash_or_in_v1() {
        for text in ["http://w:1", "http://w:1/", "http://w:1/v1", "http://w:1/v1/"] {
            let url: WatcherUrl = text.parse().unwrap();
            assert_eq!(url.call(&["channels", "C"]).as_str(), "http://w:1/v1/channels/C");
        }
        let below: WatcherUrl = "https://w/pay/".parse().unwrap();
        assert_eq!(below.call(&["channels"]).as_str(), "https://w/pay/v1/channels");
    }

    #[test]
    fn a_request_id_is_one_segment_whatever_it_holds() {
        let url: WatcherUrl = "http://w".parse().unwrap();
        assert_eq!(url.call(&["a/b c?d#e%"]).as_str(), "http://w/v1/a%2Fb%20c%3Fd%23e%25");
        for dots in [".", ".."] {
            assert!(url.call(&["channels", dots, "credit"]).as_str().ends_with("/credit"), "{dots}");
        }
    }

    #[test]
    fn addresses_that_are_no_watchers_are_refused() {
        for text in ["w:1", "ftp://w", "http://user:pass@w", "http://w?x=1", "http://w#x", "/path"] {
            assert!(text.parse::<WatcherUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_exposed_only_beyond_this_machine() {
        for (text, exposed) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1", false),
            ("http://localhost", false),
            ("https://pay.example.com", false),
            ("http://10.0.0.2", true),
        ] {
            assert_eq!(text.parse::<WatcherUrl>().unwrap().is_exposed(), exposed, "{text}");
        }
    }
}
