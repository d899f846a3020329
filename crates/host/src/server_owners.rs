//! Who runs a model server on this computer, as the process table tells.

use tidegate_peers::port_owner::{self, Kin, PortOwner};
use tidegate_providers::local::{Owner, ServerOwner, ServerOwners, Standing};

/// The users below this number are the system's: services have them, people do not (`login.defs(5)`,
/// `SYS_UID_MAX`).
const FIRST_PERSON: u32 = 1000;

/// Asks the process table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessTable;

impl ServerOwners for ProcessTable {
    fn owner(&self, port: u16) -> Owner {
        match port_owner::find(port) {
            Ok(Some(owner)) => Owner::Is(ServerOwner {
                user: owner.user,
                words: owner.to_string(),
                standing: standing(&owner),
            }),
            Ok(None) => Owner::Nobody,
            Err(error) => {
                tracing::warn!(%error, port, "the system does not tell who listens on a port");
                Owner::Unknown
            }
        }
    }
}

fn standing(owner: &PortOwner) -> Standing {
    match owner.kin {
        Kin::Tool => Standing::Tool,
        Kin::Unidentified => Standing::Unidentified,
        Kin::None if owner.is_own_user => Standing::OwnUser,
        Kin::None if owner.user < FIRST_PERSON => Standing::SystemAccount,
        Kin::None => Standing::OtherUser,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
