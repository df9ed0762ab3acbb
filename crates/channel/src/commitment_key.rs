//! The ed25519 key pair that signs commitments. It is no account on the network.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::text::{bytes_from_hex, serde_as_text};
use crate::{BadSignature, KeyError, Signature};

/// The public half, ready to verify: its point is decompressed once, when the key is made, and not for each signature.
///
/// As text it is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommitmentKey(VerifyingKey);

impl CommitmentKey {
    /// Makes a key from the bytes that the contract stores.
    ///
    /// A key with a torsion component ("mixed order") passes, as it does on chain; `verify_strict` treats it as the
    /// chain does.
    ///
    /// # Errors
    /// [`KeyError::OffCurve`] and [`KeyError::Weak`]: under such keys no commitment can ever be settled.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<CommitmentKey, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::OffCurve)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(CommitmentKey(key))
    }

    /// The bytes that the key was made from.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }
}

impl FromStr for CommitmentKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<CommitmentKey, KeyError> {
        let mut bytes = [0; 32];
        bytes_from_hex(text, &mut bytes)?;
        CommitmentKey::from_bytes(bytes)
    }
}

impl fmt::Display for CommitmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for CommitmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitmentKey({self})")
    }
}

serde_as_text!(CommitmentKey, "a commitment key of 64 hexadecimal digits as a string");

/// The secret half. It is wiped from memory when it is dropped, and never printed, compared or copied.
pub struct CommitmentSecret(SigningKey);

impl CommitmentSecret {
    /// Makes a new secret from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] when there is none.
    pub fn generate() -> Result<CommitmentSecret, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| KeyError::NoRandomness)?;
        Ok(CommitmentSecret(SigningKey::from_bytes(&seed)))
    }

    /// Reads the 32-byte seed from 64 hexadecimal digits, the form that MPP clients use.
    ///
    /// # Errors
    /// [`KeyError::Hex`], which counts characters and never repeats them.
    pub fn from_seed_hex(text: &str) -> Result<CommitmentSecret, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        bytes_from_hex(text, &mut seed)?;
        Ok(CommitmentSecret(SigningKey::from_bytes(&seed)))
    }

    /// The seed as 64 hexadecimal digits, for writing to a key file. The string is wiped when it is dropped.
    #[must_use]
    pub fn seed_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_bytes()))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> CommitmentKey {
        CommitmentKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}
