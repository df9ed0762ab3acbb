//! The secret key of an account.

use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey};
use paychan_channel::AccountId;
use stellar_strkey::{Strkey, ed25519::PrivateKey};
use zeroize::{Zeroize, Zeroizing};

/// An account's ed25519 secret key. As text it is `S...`. It is wiped when it is dropped, and never printed, compared
/// or copied.
pub struct SecretKey(SigningKey);

/// Why a text is no secret key. The text is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// A valid strkey of another kind, such as the account's address.
    #[error("expected a secret key S..., got a key or address of another kind")]
    WrongKind,
    /// Not a strkey at all, or one with a typing error in it.
    #[error("expected a secret key S... of 56 characters, got {0} characters that are no valid Stellar key")]
    NotAStrkey(usize),
    /// The operating system gave no random bytes, so no key was made.
    #[error("no secret key was made: the operating system gave no random bytes")]
    NoRandomness,
}

impl SecretKey {
    /// Makes a new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`SecretKeyError::NoRandomness`] when there is none.
    pub fn generate() -> Result<SecretKey, SecretKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| SecretKeyError::NoRandomness)?;
        Ok(SecretKey(SigningKey::from_bytes(&seed)))
    }

    /// Makes a key from the 32-byte seed that `S...` encodes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// The text `S...`, for writing to a key file. It is wiped when it is dropped.
    #[must_use]
    pub fn to_strkey(&self) -> Zeroizing<String> {
        let mut key = PrivateKey(self.0.to_bytes());
        let text = Zeroizing::new(key.to_string());
        key.0.zeroize();
        text
    }

    /// The account to which the key belongs.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId(self.0.verifying_key().to_bytes())
    }

    /// Signs the hash of a transaction or of an authorization.
    #[must_use]
    pub fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        self.0.sign(hash).to_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = SecretKeyError;

    fn from_str(text: &str) -> Result<SecretKey, SecretKeyError> {
        match Strkey::from_string(text) {
            Ok(Strkey::PrivateKeyEd25519(mut key)) => {
                let secret = SecretKey::from_seed(&key.0);
                key.0.zeroize();
                Ok(secret)
            }
            Ok(_) => Err(SecretKeyError::WrongKind),
            Err(_) => Err(SecretKeyError::NotAStrkey(text.chars().count())),
        }
    }
}

#[cfg(test)]
mod tests;
