//! How a run starts subagents, and what it may see and do of the sessions below it.

mod handoff;
mod spawner;
mod tree;

pub(crate) use self::handoff::Handoffs;
pub use self::handoff::{HandoffId, PreparedStart};
pub(crate) use self::spawner::Spawner;
pub(crate) use self::tree::SessionTree;
