//! Who may do what: principals, identity, the scope lattice, where a connection comes from,
//! pairing, grants, tokens, revocation, approvals, and what is audited.
//!
//! Every decision here is pure: time and entropy are arguments, effects are return values.

pub mod admission;
pub mod approval;
pub mod audit;
pub mod authority;
mod decider;
pub mod decision;
pub mod folder;
pub mod identity;
pub mod management;
pub mod origin;
pub mod pairing;
pub mod permissions;
pub mod principal;
pub mod program;
pub mod records;
pub mod rules;
pub mod scopes;
pub mod settings;
mod stores;
pub mod throttle;
pub mod timestamp;
pub mod token;
pub mod transaction;
pub mod workspace;

pub use admission::{Admission, Attempt};
pub use authority::Authority;
pub use folder::{FileIdentity, Folder};
pub use origin::Origin;
pub use principal::{Principal, Session};
pub use records::{Change, TrustRecords};
pub use scopes::{Level, ScopeSet};
pub use timestamp::Timestamp;
pub use transaction::Transaction;
