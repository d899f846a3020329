//! What an [`Authority`](crate::Authority) knows, each kind behind verbs of its own: nothing outside of a
//! store reaches into it.

mod blocks;
mod devices;
mod held;
mod permissions;
mod programs;
mod sessions;
mod settings;
mod tokens;

pub(crate) use blocks::BlockStore;
pub(crate) use devices::DeviceStore;
pub use held::GrantExpiry;
pub(crate) use permissions::PermissionStore;
pub(crate) use programs::{ProgramKey, ProgramStore};
pub(crate) use sessions::{Live, SessionStore};
pub(crate) use settings::SettingStore;
pub(crate) use tokens::TokenStore;
