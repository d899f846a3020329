//! The subagent client's key and where it comes from.

use zeroize::Zeroizing;

use crate::state::SecretState;

/// The subagent client's key for this run.
#[derive(Clone)]
pub struct OwnKey {
    /// The ed25519 seed.
    pub seed: Zeroizing<[u8; 32]>,
    /// Whether it is the stored one.
    pub origin: OwnKeyOrigin,
}

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OwnKey").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Where [`OwnKey`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKeyOrigin {
    /// It is the keyring's, and the same at the next start.
    Keyring,
    /// It was made for this run and is stored nowhere. What the keyring holds is untouched and is
    /// tried again at the next start.
    ThisRunOnly(ThisRunReason),
}

/// Why the stored key is not used in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThisRunReason {
    /// The keyring could not be used.
    Keyring(SecretState),
    /// The stored record cannot be read and could not be set aside either.
    UnreadableRecord,
}

impl ThisRunReason {
    /// The reason as a sentence for a person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Keyring(state) => state.sentence(),
            Self::UnreadableRecord => {
                "The keyring's record of Tidegate's own key cannot be read and could not be set aside; \
                 remove the records named subagent-client-key with the keyring's own program."
            }
        }
    }
}
