//! The secrets that challenge ids are made with.

use zeroize::Zeroizing;

/// The least that is taken, in bytes: the output of SHA-256, and what mppx asks for.
const LEAST_BYTES: usize = 32;

/// Makes and checks challenge ids. Wiped from memory when dropped; never printed.
pub struct ChallengeSecret(Zeroizing<String>);

/// Why a text is no secret for challenges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is too short.
    #[error(
        "the challenge secret has {given} bytes; expected at least {LEAST_BYTES}, made at random (openssl rand -hex 32)"
    )]
    TooShort {
        /// Its length.
        given: usize,
    },
    /// The machine gave no randomness.
    #[error("this machine gives no random bytes")]
    NoRandomness,
}

impl ChallengeSecret {
    /// Takes a text of at least 32 bytes. Its UTF-8 bytes are the key of the HMAC.
    ///
    /// # Errors
    /// [`SecretError::TooShort`].
    pub fn new(text: Zeroizing<String>) -> Result<Self, SecretError> {
        if text.len() < LEAST_BYTES {
            return Err(SecretError::TooShort { given: text.len() });
        }
        Ok(Self(text))
    }

    /// Makes one at random. Challenges that it made are worth nothing to another process, nor after a restart.
    ///
    /// # Errors
    /// [`SecretError::NoRandomness`].
    pub fn random() -> Result<Self, SecretError> {
        let mut bytes = Zeroizing::new([0; LEAST_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|_| SecretError::NoRandomness)?;
        Ok(Self(Zeroizing::new(hex::encode(bytes.as_ref()))))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// The secret that new challenges are made with, and the one before it, which still checks those that it made. Keep the old one
/// until the challenges made with it have expired.
pub struct ChallengeSecrets {
    current: ChallengeSecret,
    previous: Option<ChallengeSecret>,
}

impl ChallengeSecrets {
    /// One secret.
    #[must_use]
    pub fn new(current: ChallengeSecret) -> Self {
        Self { current, previous: None }
    }

    /// A new secret, while challenges of the previous one are outstanding.
    #[must_use]
    pub fn rotated(current: ChallengeSecret, previous: ChallengeSecret) -> Self {
        Self { current, previous: Some(previous) }
    }

    /// The one that makes challenges.
    #[must_use]
    pub fn current(&self) -> &ChallengeSecret {
        &self.current
    }

    /// Those that check them.
    pub fn all(&self) -> impl Iterator<Item = &ChallengeSecret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
impl ChallengeSecret {
    /// Takes a secret of any length: published vectors have short ones.
    pub(super) fn of_vector(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}
