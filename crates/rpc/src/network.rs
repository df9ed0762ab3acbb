//! The public networks by name, and any other by its passphrase.

use paychan_channel::NetworkId;

/// A network: what its signatures are for, and where to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// What the network calls itself; every signature is bound to it.
    pub passphrase: String,
    /// Where to reach it, where there is a public endpoint.
    pub rpc_url: Option<String>,
    /// Where test money comes from, on a test network.
    pub friendbot_url: Option<String>,
}

/// A name that is no network's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no network is known by that name; expected testnet or mainnet, or give an RPC URL and a passphrase")]
pub struct UnknownNetwork;

impl Network {
    /// The test network, run by the Stellar Development Foundation (stellar-docs, `docs/networks`).
    #[must_use]
    pub fn testnet() -> Network {
        Network {
            passphrase: "Test SDF Network ; September 2015".to_owned(),
            rpc_url: Some("https://soroban-testnet.stellar.org".to_owned()),
            friendbot_url: Some("https://friendbot.stellar.org".to_owned()),
        }
    }

    /// The public network. It has no public RPC endpoint: the Stellar Development Foundation offers none
    /// (stellar-docs, `docs/data/apis/rpc/providers.mdx`), so a URL must be given.
    #[must_use]
    pub fn mainnet() -> Network {
        Network {
            passphrase: "Public Global Stellar Network ; September 2015".to_owned(),
            rpc_url: None,
            friendbot_url: None,
        }
    }

    /// A network by its passphrase.
    #[must_use]
    pub fn custom(passphrase: &str, rpc_url: Option<&str>) -> Network {
        Network { passphrase: passphrase.to_owned(), rpc_url: rpc_url.map(str::to_owned), friendbot_url: None }
    }

    /// `testnet` or `mainnet`.
    ///
    /// # Errors
    /// [`UnknownNetwork`] for any other name.
    pub fn by_name(name: &str) -> Result<Network, UnknownNetwork> {
        match name {
            "testnet" => Ok(Network::testnet()),
            "mainnet" => Ok(Network::mainnet()),
            _ => Err(UnknownNetwork),
        }
    }

    /// The same network, reached at `url`.
    #[must_use]
    pub fn at(mut self, url: &str) -> Network {
        self.rpc_url = Some(url.to_owned());
        self
    }

    /// SHA-256 of the passphrase.
    #[must_use]
    pub fn id(&self) -> NetworkId {
        NetworkId::of(&self.passphrase)
    }
}
