//! Which network a command speaks to: a name, or an RPC URL and a passphrase.

use clap::{Args, ValueEnum};
use paychan_rpc::Network;

use crate::error::{Failure, Kind, bail};

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

/// The passphrase of local networks: stellar/quickstart's, and that of paychan-localnet.
const LOCAL_PASSPHRASE: &str = "Standalone Network ; February 2017";

/// Where a local network listens by convention (stellar/quickstart).
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

/// Options that say which network signatures are for.
#[derive(Debug, Clone, Args)]
pub(crate) struct PassphraseArgs {
    /// The network by name
    #[arg(long, value_enum, env = "PAYCHAN_NETWORK", help_heading = "Network")]
    network: Option<Named>,

    /// The network's passphrase, for a network without a name here
    #[arg(long, env = "PAYCHAN_PASSPHRASE", value_name = "TEXT", help_heading = "Network")]
    passphrase: Option<String>,
}

/// Options that say which network to speak to, and through whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct NetworkArgs {
    #[command(flatten)]
    named: PassphraseArgs,

    /// The RPC endpoint; testnet and local have one by default
    #[arg(long, env = "PAYCHAN_RPC_URL", hide_env_values = true, value_name = "URL", help_heading = "Network")]
    rpc_url: Option<String>,
}

/// A network's endpoint and passphrase, not yet checked against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) rpc_url: String,
    pub(crate) passphrase: String,
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
        Ok(Endpoint { rpc_url, passphrase })
    }
}
