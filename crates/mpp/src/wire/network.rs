//! Networks by their CAIP-2 names.

use std::fmt;
use std::str::FromStr;

use paychan_channel::NetworkId;

/// A network's CAIP-2 name (`stellar:testnet`, `stellar:pubnet`), with the id for which commitments are signed.
///
/// A private network has its own name, such as `stellar:local`, and its id follows from its passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkName {
    name: String,
    id: NetworkId,
}

/// Why a text names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkNameError {
    /// The name does not have the form `stellar:...`.
    #[error("{0:?} is no network name; expected `stellar:` and letters, digits or `-`, such as stellar:testnet")]
    Malformed(String),
    /// It is the name of a private network, whose id does not follow from the name.
    #[error("the id of the network {0} does not follow from its name; give its passphrase too")]
    PassphraseNeeded(String),
    /// The passphrase is not the one of the network with this name.
    #[error("the passphrase is not the one of {0}")]
    OtherPassphrase(String),
}

/// The name of the test network.
const TESTNET: &str = "stellar:testnet";
/// The name of the public network.
const PUBNET: &str = "stellar:pubnet";

impl NetworkName {
    /// The test network.
    #[must_use]
    pub fn testnet() -> Self {
        Self { name: TESTNET.to_owned(), id: NetworkId::of("Test SDF Network ; September 2015") }
    }

    /// The public network.
    #[must_use]
    pub fn pubnet() -> Self {
        Self { name: PUBNET.to_owned(), id: NetworkId::of("Public Global Stellar Network ; September 2015") }
    }

    /// The network with this passphrase. A private network gets the name `stellar:` and the first 16 hexadecimal digits
    /// of its id.
    #[must_use]
    pub fn of_passphrase(passphrase: &str) -> Self {
        let id = NetworkId::of(passphrase);
        let public = [Self::testnet(), Self::pubnet()].into_iter().find(|network| network.id == id);
        public.unwrap_or_else(|| {
            let digits = id.to_string();
            Self { name: format!("stellar:{}", digits.get(..16).unwrap_or(&digits)), id }
        })
    }

    /// A private network with a chosen name.
    ///
    /// # Errors
    /// [`NetworkNameError`] for an invalid name, and for a public network's name with another passphrase.
    pub fn private(name: &str, passphrase: &str) -> Result<Self, NetworkNameError> {
        let malformed = || NetworkNameError::Malformed(name.chars().take(64).collect());
        // CAIP-2 allows 32 characters of these.
        let reference = name.strip_prefix("stellar:").ok_or_else(malformed)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if reference.is_empty() || reference.len() > 32 || !reference.bytes().all(allowed) {
            return Err(malformed());
        }
        let id = NetworkId::of(passphrase);
        match [Self::testnet(), Self::pubnet()].into_iter().find(|network| network.name == name) {
            Some(public) if public.id != id => Err(NetworkNameError::OtherPassphrase(name.to_owned())),
            _ => Ok(Self { name: name.to_owned(), id }),
        }
    }

    /// The CAIP-2 name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The id that commitments are signed for.
    #[must_use]
    pub fn id(&self) -> NetworkId {
        self.id
    }
}

impl FromStr for NetworkName {
    type Err = NetworkNameError;

    /// Reads a public network's name.
    fn from_str(text: &str) -> Result<Self, NetworkNameError> {
        match text {
            TESTNET => Ok(Self::testnet()),
            PUBNET => Ok(Self::pubnet()),
            other if other.starts_with("stellar:") => {
                Err(NetworkNameError::PassphraseNeeded(other.chars().take(64).collect()))
            }
            other => Err(NetworkNameError::Malformed(other.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
