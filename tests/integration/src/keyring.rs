//! Keyrings in each of their moods.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tidegate_protocol::PublicKey;
use tidegate_secrets::{Backend, BackendError, SecretName, SecretStore, SecretText, own_key};

/// How the keyring is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It stores and returns.
    Works,
    /// It is locked.
    Locked,
    /// There is none.
    Absent,
    /// A person said no to unlocking it.
    Denied,
    /// It answers long after everyone stopped waiting.
    Slow,
    /// Its library panics.
    Panics,
}

/// A keyring whose records outlive a host, as the real one's do.
#[derive(Debug, Clone)]
pub struct Keyring {
    records: Arc<Mutex<HashMap<String, String>>>,
    mood: Mood,
}

/// The seed of our own key in tests that need to know it before a host starts.
pub const OWN_SEED: [u8; 32] = [7; 32];

/// The public key of [`OWN_SEED`].
#[must_use]
pub fn own_public_key() -> PublicKey {
    tidegate_gateway::subagent_client::public_key(&OWN_SEED)
}

impl Keyring {
    /// An empty one.
    #[must_use]
    pub fn new(mood: Mood) -> Self {
        Self { records: Arc::default(), mood }
    }

    /// One that works and holds [`OWN_SEED`].
    ///
    /// # Panics
    /// When another test's thread panicked over the records.
    #[must_use]
    pub fn with_own_key() -> Self {
        let keyring = Self::new(Mood::Works);
        let record = format!("ed25519-seed-v1:{}", BASE64_URL_SAFE_NO_PAD.encode(OWN_SEED));
        keyring.records.lock().unwrap().insert(own_key::RECORD.to_owned(), record);
        keyring
    }

    /// The store over it, as one start of a host has it.
    #[must_use]
    pub fn store(&self) -> SecretStore {
        SecretStore::with_backend(self.clone())
    }

    /// What it keeps as our own key.
    ///
    /// # Panics
    /// When another test's thread panicked over the records.
    #[must_use]
    pub fn own_key_record(&self) -> Option<String> {
        self.records.lock().unwrap().get(own_key::RECORD).cloned()
    }

    fn call(&self) -> Result<(), BackendError> {
        match self.mood {
            Mood::Works => Ok(()),
            Mood::Locked => Err(BackendError::Locked),
            Mood::Denied => Err(BackendError::Denied),
            Mood::Absent => Err(BackendError::Absent("no session bus".to_owned())),
            Mood::Slow => {
                // This is the keyring's own thread, and being slow is what is tested.
                std::thread::sleep(Duration::from_secs(10));
                Ok(())
            }
            Mood::Panics => std::panic::resume_unwind(Box::new("the keyring's library is broken")),
        }
    }
}

impl Backend for Keyring {
    fn read(&mut self, name: &SecretName) -> Result<Option<SecretText>, BackendError> {
        self.call()?;
        Ok(self.records.lock().unwrap().get(name.as_str()).map(|value| SecretText::from(value.as_str())))
    }

    fn write(&mut self, name: &SecretName, value: &SecretText) -> Result<(), BackendError> {
        self.call()?;
        self.records.lock().unwrap().insert(name.as_str().to_owned(), value.expose().to_owned());
        Ok(())
    }

    fn delete(&mut self, name: &SecretName) -> Result<bool, BackendError> {
        self.call()?;
        Ok(self.records.lock().unwrap().remove(name.as_str()).is_some())
    }
}
