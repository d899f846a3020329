use crate::{SecretName, SecretText};

/// A place that keeps secrets. Its methods may block: [`crate::SecretStore`] calls them from one
/// thread of its own, one at a time.
pub trait Backend: Send + 'static {
    /// The value of `name`, or `None` when there is no such record.
    fn read(&mut self, name: &SecretName) -> Result<Option<SecretText>, BackendError>;

    /// Creates or replaces the record `name`.
    fn write(&mut self, name: &SecretName, value: &SecretText) -> Result<(), BackendError>;

    /// Removes the record `name`; `false` when there was none.
    fn delete(&mut self, name: &SecretName) -> Result<bool, BackendError>;
}

/// Why a [`Backend`] did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// It is locked, or has no collection to store in, and nobody was asked.
    #[error("the keyring is locked or has no default collection")]
    Locked,
    /// A person, or the system for them, answered the question to unlock with no.
    #[error("access to the keyring was denied")]
    Denied,
    /// There is nothing to talk to, or it does not work. The text is for the log.
    #[error("the keyring cannot be used: {0}")]
    Absent(String),
    /// The record exists and is not UTF-8 text. Its bytes, in unpadded base64url, are a secret all the same.
    #[error("the record is not text")]
    NotText(SecretText),
    /// Several records have this name.
    #[error("several records have this name")]
    Ambiguous,
}
