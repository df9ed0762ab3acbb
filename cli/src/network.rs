//! Options that say which network a command speaks to: a name, or an RPC URL and a passphrase.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use paychan_rpc::{Client, EndpointHeader, ErrorKind, Network, RpcError};
use zeroize::Zeroizing;

use crate::error::{Failure, Kind, bail};
use crate::secret::Source;

/// A network known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Named {
    /// SDF's test network, with its public RPC endpoint
    Testnet,
    /// The public network. There is no public RPC endpoint by default: name one with --rpc-url
    Mainnet,
    /// A network on this machine, such as paychan-localnet
    Local,
}

/// The passphrase of local networks. stellar/quickstart and paychan-localnet use it.
const LOCAL_PASSPHRASE: &str = "Standalone Network ; February 2017";

/// The address at which a local network listens by convention (stellar/quickstart).
const LOCAL_RPC_URL: &str = "http://127.0.0.1:8000";

impl Named {
    fn network(self) -> Network {
        match self {
            Named::Testnet => Network::testnet(),
            Named::Mainnet => Network::mainnet(),
            Named::Local => Network::custom(LOCAL_PASSPHRASE, Some(LOCAL_RPC_URL)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Named::Testnet => "testnet",
            Named::Mainnet => "mainnet",
            Named::Local => "local",
        }
    }
}

/// Options that say for which network a signature is.
#[derive(Debug, Clone, Args)]
pub(crate) struct PassphraseArgs {
    /// The network by name
    #[arg(long, value_enum, env = "PAYCHAN_NETWORK", help_heading = "Network")]
    network: Option<Named>,

    /// The network's passphrase, for a network without a name here
    #[arg(long, env = "PAYCHAN_PASSPHRASE", value_name = "TEXT", help_heading = "Network")]
    passphrase: Option<String>,
}

/// Options that say which network to speak to, and through which endpoint.
#[derive(Debug, Clone, Args)]
pub(crate) struct NetworkArgs {
    #[command(flatten)]
    named: PassphraseArgs,

    /// The RPC endpoint; testnet and local have one by default
    #[arg(long, env = "PAYCHAN_RPC_URL", hide_env_values = true, value_name = "URL", help_heading = "Network")]
    rpc_url: Option<String>,

    /// A file with headers for the endpoint, one `Name: value` per line; some providers want their key in a header
    #[arg(long, env = "PAYCHAN_RPC_HEADER_FILE", value_name = "FILE", help_heading = "Network")]
    rpc_header_file: Option<PathBuf>,
}

/// A network's endpoint and passphrase. Nobody has checked yet that they belong together.
///
/// It has no `Debug`, since a header may hold a provider's key.
pub(crate) struct Endpoint {
    pub(crate) rpc_url: String,
    pub(crate) passphrase: String,
    /// Names and values.
    headers: Vec<(String, Zeroizing<String>)>,
}

impl Endpoint {
    /// Makes a client of this endpoint.
    pub(crate) fn client(&self, options: paychan_rpc::Options) -> Result<Client, Failure> {
        let mut client = Client::new(&self.rpc_url, options).map_err(|error| self.failure(&error))?;
        for (name, value) in &self.headers {
            let header = EndpointHeader::new(name, value).map_err(|error| {
                Failure::new(Kind::Secret, format!("a header in the file of --rpc-header-file: {error}"))
            })?;
            client = client.with_header(header);
        }
        Ok(client)
    }

    /// The failure of a call, with advice when the address or the key is wrong.
    pub(crate) fn failure(&self, error: &RpcError) -> Failure {
        let failure = Failure::of_rpc(error);
        let advice = match error.kind {
            ErrorKind::Unauthorized { .. } if self.headers.is_empty() => {
                "; a header is given with --rpc-header-file".to_owned()
            }
            ErrorKind::Unauthorized { .. } => {
                "; the endpoint does not take the headers of --rpc-header-file".to_owned()
            }
            ErrorKind::Refused { code: 404 | 405, .. } => {
                format!("; there is no RPC at the path {} of --rpc-url: check it", shown_path(&self.rpc_url))
            }
            _ => return failure,
        };
        Failure { kind: Kind::Endpoint, message: format!("{}{advice}", failure.message), ..failure }
    }
}

/// The path of a URL without its long segments, since providers put keys there.
fn shown_path(url: &str) -> String {
    const LONGEST_SHOWN: usize = 16;
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("/", |at| &after_scheme[at..]);
    let path = path.split(['?', '#']).next().unwrap_or("/");
    let shown = path.split('/').map(|segment| if segment.len() > LONGEST_SHOWN { "..." } else { segment });
    shown.collect::<Vec<_>>().join("/")
}

fn read_headers(path: &Path) -> Result<Vec<(String, Zeroizing<String>)>, Failure> {
    let text = Source {
        file: Some(path),
        option: "--rpc-header-file",
        env: &[],
        what: "headers for the endpoint, one `Name: value` a line",
    }
    .read()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let headers = lines.enumerate().map(|(at, line)| match line.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), Zeroizing::new(value.trim().to_owned()))),
        None => bail!(Kind::Secret, "header {} of {} has no colon; expected `Name: value`", at + 1, path.display()),
    });
    headers.collect()
}

impl PassphraseArgs {
    pub(crate) fn passphrase(&self) -> Result<String, Failure> {
        let named = self.network.map(|named| (named.name(), named.network().passphrase));
        match (named, self.passphrase.as_deref()) {
            (Some((_, passphrase)), None) => Ok(passphrase),
            (Some((_, passphrase)), Some(given)) if passphrase == given => Ok(passphrase),
            (Some((name, passphrase)), Some(given)) => bail!(
                Kind::Usage,
                "--network {name} has the passphrase \"{passphrase}\", but --passphrase (or PAYCHAN_PASSPHRASE) says \
                 \"{given}\"; give one of the two"
            ),
            (None, Some("")) => bail!(Kind::Usage, "--passphrase is empty; expected the network's passphrase"),
            (None, Some(given)) => Ok(given.to_owned()),
            (None, None) => bail!(
                Kind::Usage,
                "which network? A signature is good on one network only: give --network testnet, mainnet or local, or \
                 --passphrase TEXT (PAYCHAN_NETWORK, PAYCHAN_PASSPHRASE)"
            ),
        }
    }
}

impl NetworkArgs {
    pub(crate) fn passphrase(&self) -> Result<String, Failure> {
        self.named.passphrase()
    }

    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        let passphrase = self.named.passphrase()?;
        let rpc_url = match (&self.rpc_url, self.named.network) {
            (Some(url), _) => url.clone(),
            (None, Some(named)) => match named.network().rpc_url {
                Some(url) => url,
                None => bail!(
                    Kind::Usage,
                    "{} has no public RPC endpoint that could be a default; name your provider's with --rpc-url URL \
                     (PAYCHAN_RPC_URL)",
                    named.name()
                ),
            },
            (None, None) => {
                bail!(Kind::Usage, "--passphrase alone names no endpoint; give --rpc-url URL too (PAYCHAN_RPC_URL)")
            }
        };
        let headers = self.rpc_header_file.as_deref().map(read_headers).transpose()?.unwrap_or_default();
        Ok(Endpoint { rpc_url, passphrase, headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_what_may_be_a_key() {
        for (url, shown) in [
            ("https://rpc.example.com", "/"),
            ("https://rpc.example.com/soroban/rpc", "/soroban/rpc"),
            ("https://rpc.example.com/v2/0123456789abcdef0123456789abcdef/?key=secret", "/v2/.../"),
        ] {
            assert_eq!(shown_path(url), shown);
        }
    }
}
