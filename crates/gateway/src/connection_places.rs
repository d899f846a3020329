//! How many connections may be open once the handshake is done: in all, of one client, and of
//! visitors, who have no scopes and about whom nobody decided.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_protocol::limits;
use tidegate_protocol::refusal::TooManyConnections;
use tidegate_transport::admission_slots::Source;
use tidegate_trust::{Principal, Session};

/// How many connections there may be. Windows and our own client, which need no descriptors, are not
/// counted and never refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionCaps {
    /// In all, visitors included.
    pub(crate) in_all: usize,
    /// Of one device, program or token.
    pub(crate) of_client: usize,
    /// Of all visitors.
    pub(crate) visitors: usize,
    /// Of the visitors of one user or address.
    pub(crate) of_visitor: usize,
    /// Of the person's command line. They take no place of others, nor others one of theirs.
    pub(crate) command_line: usize,
}

impl ConnectionCaps {
    /// The caps of a process that may have so many descriptors open. A quarter of them, but at most
    /// [`limits::RESERVED_DESCRIPTORS`], stays for the local socket, look-ups of peers, files, models
    /// and commands, and what the listener holds before a handshake is done is left out too.
    pub(crate) fn within(descriptors: usize) -> Self {
        let reserved = limits::RESERVED_DESCRIPTORS.min(descriptors / 4);
        let before_handshake = limits::MAX_UNAUTHENTICATED + limits::MAX_LINGERING;
        let left = descriptors.saturating_sub(reserved + before_handshake);
        let in_all = left.min(limits::MAX_CONNECTIONS);
        let visitors = limits::MAX_VISITORS.min(in_all / 4);
        Self {
            in_all,
            // One client alone never takes everything.
            of_client: limits::MAX_CONNECTIONS_PER_CLIENT.min(in_all.div_ceil(2)),
            visitors,
            of_visitor: limits::MAX_VISITORS_PER_USER.min(visitors.div_ceil(2)),
            // Out of the reserve.
            command_line: limits::MAX_COMMAND_LINES.min(reserved.div_ceil(4)).max(1),
        }
    }
}

/// Who a connection is counted under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Client {
    /// A device, program or token, as audit lines name it.
    Named(String),
    /// A visitor, by user or address.
    Visitor(Option<Source>),
    /// The person's command line.
    CommandLine,
}

impl Client {
    fn is_visitor(&self) -> bool {
        matches!(self, Self::Visitor(_))
    }

    fn counts_in_all(&self) -> bool {
        !matches!(self, Self::CommandLine)
    }
}

/// The places of open connections. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionPlaces {
    caps: ConnectionCaps,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    visitors: usize,
    of: HashMap<Client, usize>,
}

impl ConnectionPlaces {
    pub(crate) fn new(caps: ConnectionCaps) -> Self {
        Self { caps, taken: Arc::default() }
    }

    /// Whether a stranger would find no place.
    pub(crate) fn are_all_taken(&self) -> bool {
        self.lock().in_all >= self.caps.in_all
    }

    /// Takes a place for a session that comes from `source`: `None` for those that need none.
    pub(crate) fn take(
        &self,
        session: &Session,
        source: Option<Source>,
    ) -> Result<Option<ConnectionPlace>, TooManyConnections> {
        let client = match session.principal() {
            Principal::SubagentClient | Principal::Window => return Ok(None),
            Principal::CommandLine => Client::CommandLine,
            Principal::Visitor => Client::Visitor(source),
            other => Client::Named(other.name()),
        };
        let mut taken = self.lock();
        let own = taken.of.get(&client).copied().unwrap_or(0);
        let limit = match client {
            Client::Named(_) => self.caps.of_client,
            Client::Visitor(_) => self.caps.of_visitor,
            Client::CommandLine => self.caps.command_line,
        };
        if client.is_visitor() && (taken.visitors >= self.caps.visitors || own >= limit) {
            return Err(TooManyConnections::OfVisitors);
        }
        if own >= limit {
            return Err(TooManyConnections::OfClient { limit });
        }
        if client.counts_in_all() && taken.in_all >= self.caps.in_all {
            return Err(TooManyConnections::InAll);
        }
        taken.in_all += usize::from(client.counts_in_all());
        taken.visitors += usize::from(client.is_visitor());
        *taken.of.entry(client.clone()).or_default() += 1;
        drop(taken);
        Ok(Some(ConnectionPlace { client, places: self.clone() }))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place. Given back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    client: Client,
    places: ConnectionPlaces,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.in_all -= usize::from(self.client.counts_in_all());
        taken.visitors -= usize::from(self.client.is_visitor());
        if let Some(count) = taken.of.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.of.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn enough_descriptors_give_the_caps_of_the_protocol() {
        let caps = ConnectionCaps::within(65_536);
        assert_eq!(caps.in_all, limits::MAX_CONNECTIONS);
        assert_eq!(caps.of_client, limits::MAX_CONNECTIONS_PER_CLIENT);
        assert_eq!((caps.visitors, caps.of_visitor), (limits::MAX_VISITORS, limits::MAX_VISITORS_PER_USER));
        assert_eq!(caps.command_line, limits::MAX_COMMAND_LINES);
    }

    proptest! {
        #[test]
        fn descriptors_are_left_however_few_there_are(descriptors in 0_usize..100_000) {
            let caps = ConnectionCaps::within(descriptors);
            let held = caps.in_all + limits::MAX_UNAUTHENTICATED + limits::MAX_LINGERING;
            let reserved = limits::RESERVED_DESCRIPTORS.min(descriptors / 4);
            prop_assert!(caps.in_all == 0 || held + reserved <= descriptors);
            prop_assert!(caps.visitors <= caps.in_all / 4 && caps.of_visitor <= caps.visitors);
            prop_assert!((1..=reserved.div_ceil(4).max(1)).contains(&caps.command_line), "{caps:?}");
            prop_assert!(caps.of_client < caps.in_all.max(2), "another client finds a place: {caps:?}");
        }
    }
}
