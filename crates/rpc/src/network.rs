//! The public networks by name, and any other by its passphrase.

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
}
