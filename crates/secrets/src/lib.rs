//! The secrets that Tidegate itself uses: its own client key and the keys of model providers.
//!
//! They live in the operating system's keyring, behind [`SecretStore`]: one thread makes every
//! keyring call, one after the other, and the async methods wait for it for a limited time. When
//! the keyring cannot be used, [`SecretState`] says why and what to do, and a secret is kept in
//! memory until the program ends; it is never written anywhere else.
//!
//! A value in the configuration can instead be a [`SecretReference`]: an environment variable or
//! a private file.
//!
//! Tokens that clients present to us are not here: they are stored as hashes and need no keyring.

mod backend;
mod name;
mod os_keyring;
pub mod own_key;
mod reference;
mod seed;
mod state;
mod store;
mod text;

pub use backend::{Backend, BackendError};
pub use name::{InvalidName, SecretName, ServiceName};
pub use own_key::load_or_create_own_key;
pub use reference::{InvalidReference, MAX_FILE_BYTES, ResolveError, SecretReference};
pub use seed::{OwnKey, OwnKeyOrigin, ThisRunReason};
pub use state::SecretState;
pub use store::{CALL_LIMIT, Kept, MAX_VALUE_UNITS, SecretError, SecretStore};
pub use text::SecretText;
