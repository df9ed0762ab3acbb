//! The secrets with which challenge ids are made.

use zeroize::Zeroizing;

/// The shortest secret that is accepted, in bytes. It is the output length of SHA-256, and mppx has the same minimum.
const LEAST_BYTES: usize = 32;

/// Makes and checks challenge ids. It is zeroized when dropped, and never printed.
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
    /// Makes a secret from a text of at least 32 bytes. Its UTF-8 bytes are the key of the HMAC.
    ///
    /// # Errors
    /// [`SecretError::TooShort`].
    pub fn new(text: Zeroizing<String>) -> Result<Self, SecretError> {
        if text.len() < LEAST_BYTES {
            return Err(SecretError::TooShort { given: text.len() });
        }
        Ok(Self(text))
    }

    /// Makes a random secret. Another process, or this one after a restart, refuses its challenges.
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

/// The secret that makes new challenges, and the previous one, which still checks its own challenges. Keep the previous
/// one until its challenges have expired.
pub struct ChallengeSecrets {
    current: ChallengeSecret,
    previous: Option<ChallengeSecret>,
}

impl ChallengeSecrets {
    /// Uses one secret.
    #[must_use]
    pub fn new(current: ChallengeSecret) -> Self {
        Self { current, previous: None }
    }

    /// Uses a new secret while challenges of the previous one are still valid.
    #[must_use]
    pub fn rotated(current: ChallengeSecret, previous: ChallengeSecret) -> Self {
        Self { current, previous: Some(previous) }
    }

    /// The secret that makes challenges.
    #[must_use]
    pub fn current(&self) -> &ChallengeSecret {
        &self.current
    }

    /// The secrets that check challenges.
    pub fn all(&self) -> impl Iterator<Item = &ChallengeSecret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
impl ChallengeSecret {
    /// Accepts a secret of any length, since published test vectors have short ones.
    pub(super) fn of_vector(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}
