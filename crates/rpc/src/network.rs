//! The public networks, and any other network by its passphrase.

/// A network: its passphrase, and where to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The passphrase. Every signature is bound to it.
    pub passphrase: String,
    /// The URL of a public endpoint, if there is one.
    pub rpc_url: Option<String>,
    /// The URL that gives test money, on a test network.
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

    /// The network with this passphrase.
    #[must_use]
    pub fn custom(passphrase: &str, rpc_url: Option<&str>) -> Network {
        Network { passphrase: passphrase.to_owned(), rpc_url: rpc_url.map(str::to_owned), friendbot_url: None }
    }
}
