//! The first ledger: the root account, the friendbot's, and the network's settings.

use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};

use super::{
    accounts::{account_id, new_account},
    entries::Entries,
};
use crate::{
    options::Options,
    settings::{self, Unusable},
};

/// The first ledger's number.
pub(crate) const GENESIS_LEDGER: u32 = 1;
/// All stroops of the network: 100 billion XLM.
pub(crate) const TOTAL_COINS: i64 = 1_000_000_000_000_000_000;
/// Stroops that the friendbot's account starts with: 10 billion XLM.
const FRIENDBOT_COINS: i64 = 100_000_000_000_000_000;

/// SHA-256 of the passphrase.
pub(crate) fn network_id(passphrase: &str) -> [u8; 32] {
    Sha256::digest(passphrase).into()
}

/// The root account's key: its seed is the network's id, as on every Stellar network.
pub(crate) fn root_key(network_id: [u8; 32]) -> SigningKey {
    SigningKey::from_bytes(&network_id)
}

/// The friendbot's key. Anybody can compute it, like the root's; the coins are worth nothing.
pub(crate) fn friendbot_key(network_id: [u8; 32]) -> SigningKey {
    let mut seed = Sha256::new();
    seed.update(b"paychan-localnet friendbot");
    seed.update(network_id);
    SigningKey::from_bytes(&seed.finalize().into())
}

/// The entries of the first ledger.
///
/// # Errors
/// The settings are not usable.
pub(crate) fn entries(options: &Options) -> Result<Entries, Unusable> {
    let network = network_id(&options.passphrase);
    let mut entries = Entries::default();
    entries.begin_ledger(GENESIS_LEDGER);
    let holders = [(root_key(network), TOTAL_COINS - FRIENDBOT_COINS), (friendbot_key(network), FRIENDBOT_COINS)];
    for (key, balance) in holders {
        let id = account_id(key.verifying_key().to_bytes());
        entries.put_classic(new_account(id, balance, GENESIS_LEDGER));
    }
    for setting in settings::genesis(options)? {
        entries.put_classic(setting);
    }
    Ok(entries)
}
