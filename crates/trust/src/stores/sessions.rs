//! The connections that were admitted and may still act.

use std::collections::HashMap;

use tidegate_protocol::ConnectionId;

use crate::authority::Effect;
use crate::principal::Principal;
use crate::records::ProgramIdentity;
use crate::scopes::ScopeSet;

/// The live sessions, by connection. A revoked one is not among them, from the moment of revocation.
#[derive(Debug, Default)]
pub(crate) struct SessionStore(HashMap<ConnectionId, Live>);

/// A connection that was admitted.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) principal: Principal,
    pub(crate) scopes: ScopeSet,
    /// The program at its other end, where it was looked up.
    pub(crate) program: Option<ProgramIdentity>,
    /// The generation of the shared token that it was admitted with.
    pub(crate) token_generation: Option<u64>,
    /// The program token that it was admitted with, by id.
    pub(crate) program_token: Option<String>,
}

impl SessionStore {
    pub(crate) fn insert(&mut self, connection: ConnectionId, live: Live) {
        self.0.insert(connection, live);
    }

    pub(crate) fn remove(&mut self, connection: &ConnectionId) {
        self.0.remove(connection);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn contains(&self, connection: &ConnectionId) -> bool {
        self.0.contains_key(connection)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Live> {
        self.0.values()
    }

    /// Takes the right to act from such connections; they have to be closed.
    pub(crate) fn end(&mut self, ends: impl Fn(&Live) -> bool) -> Option<Effect> {
        let connections: Vec<ConnectionId> =
            self.0.extract_if(|_, live| ends(live)).map(|(connection, _)| connection).collect();
        (!connections.is_empty()).then_some(Effect::Close { connections })
    }
}
