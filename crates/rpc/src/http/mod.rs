//! The one place where HTTP clients are made, for every program of this workspace.
//!
//! The policy:
//! - Servers on this machine are called directly. For all others, the proxies of the environment are used
//!   (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
//! - No redirect is followed, since it could carry a token or a signed transaction to an unknown place.
//! - Every request has a time limit, and so has every attempt to connect.
//! - No compression is asked for, and [`read_body`] cuts an answer that is too long.
//! - TLS is rustls with ring. Certificates are checked against the machine's own store, so that an operator can add an
//!   authority; where the machine has none, they are checked against Mozilla's roots, which are compiled in.

mod answer;
mod header;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};

pub use answer::{BodyError, LONGEST_RETRY_AFTER, not_json, read_body, reason, retry_after};
pub use header::{EndpointHeader, HeaderError};

/// How long a client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// The longest time until a connection is open, TLS included.
    pub connect: Duration,
    /// The longest time from the start of a request to the last byte of its answer.
    pub total: Duration,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits { connect: Duration::from_secs(5), total: Duration::from_secs(10) }
    }
}

/// A client for requests to the host of `url` and to no other host, since the host decides whether a proxy is used.
///
/// # Errors
/// When the machine can't do TLS, or a proxy's address in the environment can't be understood.
pub fn client(url: &Url, limits: HttpLimits) -> reqwest::Result<reqwest::Client> {
    let builder = builder(limits, url.scheme() == "https")?;
    if is_on_this_machine(url) { builder.no_proxy().build() } else { builder.build() }
}

/// A client for plain HTTP to servers on this machine, whatever proxy the environment names.
///
/// # Errors
/// When the operating system lacks what a client needs.
pub fn client_of_this_machine(limits: HttpLimits) -> reqwest::Result<reqwest::Client> {
    builder(limits, false)?.no_proxy().build()
}

/// A client for plain HTTP over the Unix socket at `path`. The host in the URLs is ignored.
///
/// # Errors
/// When the operating system lacks what a client needs.
pub fn client_of_socket(path: &Path, limits: HttpLimits) -> reqwest::Result<reqwest::Client> {
    builder(limits, false)?.no_proxy().unix_socket(path).build()
}

/// Whether `url` names this machine: a loopback address, or `localhost` and its subdomains (RFC 6761, section 6.3).
#[must_use]
pub fn is_on_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback() || ip.is_unspecified(),
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

fn builder(limits: HttpLimits, tls: bool) -> reqwest::Result<reqwest::ClientBuilder> {
    Ok(reqwest::Client::builder()
        .timeout(limits.total)
        .connect_timeout(limits.connect)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("paychan/", env!("CARGO_PKG_VERSION")))
        // The whole TLS settings are given, because reqwest would panic if the process had no default provider.
        .tls_backend_preconfigured(tls_config(tls)))
}

/// The TLS settings. A client for plain HTTP reads no certificates, and so trusts none.
fn tls_config(with_roots: bool) -> ClientConfig {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = match with_roots {
        true => ROOTS.get_or_init(|| Arc::new(trusted_roots())).clone(),
        false => Arc::new(RootCertStore::empty()),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn trusted_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Single certificates that can't be read are no reason to distrust the others.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests;
