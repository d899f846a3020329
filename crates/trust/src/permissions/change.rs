//! Giving, using and taking back permissions.

use tidegate_protocol::payload::permissions::{PermissionName, PermissionOffer};

use super::{Offered, Permission, WhyAsked, allowing, offer};
use crate::approval::{ApprovalRequest, Clearance};
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect, Entropy};
use crate::decision::Decider;
use crate::principal::{Principal, Session};
use crate::records::Change;
use crate::timestamp::Timestamp;
use crate::transaction::{PreparedTransaction, Step, Transaction};

/// A request that nobody is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    /// The ids of the permissions that it uses.
    pub permissions: Vec<String>,
    /// What was allowed, for the person and the model.
    pub sentences: Vec<String>,
}

/// Why a permission was not given, or not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// The request does not offer it.
    #[error("this request does not offer that; allow it once, or deny it")]
    NotOffered,
    /// A client can give it for a task only.
    #[error("a client can allow it once or for this task; a person gives more in Tidegate's dialog")]
    PersonOnly,
    #[error("there are too many permissions already; revoke some that you do not need")]
    TooMany,
    #[error("unknown permission; it may have ended, or have been revoked")]
    Unknown,
    /// Our own client, whatever its scopes.
    #[error("Tidegate's own subagent client changes no permission; a person has to")]
    SubagentClient,
    /// A person decides about that.
    #[error("a person decides this in Tidegate's dialog")]
    DesktopDecides,
}

impl Authority {
    /// Whether nobody has to be asked about a request of a run.
    ///
    /// # Errors
    /// Why a person is asked, where that is worth a sentence.
    pub fn permitted(
        &mut self,
        request: &ApprovalRequest,
        now: Timestamp,
    ) -> Result<Permitted, Option<WhyAsked>> {
        let context = request.context.as_ref().ok_or(None)?;
        if self.permissions.asks_everything() {
            return Err(Some(WhyAsked::Everything));
        }
        let known = self.permissions.all();
        let used = allowing(known, &request.operation, &request.session_key, context, now.wall)?;
        let permitted = Permitted {
            permissions: used.iter().map(|permission| permission.id.clone()).collect(),
            sentences: used.iter().map(|permission| permission.sentence()).collect(),
        };
        self.permissions.touch(&permitted.permissions, now.wall);
        Ok(permitted)
    }

    /// What a request offers beyond allowing it once. Nothing while a person wants to be asked about
    /// everything: it would not be used.
    #[must_use]
    pub fn offers(&self, request: &ApprovalRequest) -> Vec<Offered> {
        if self.permissions.asks_everything() { Vec::new() } else { offer::all(request) }
    }

    /// Prepares a permission that a request offers, for who may allow the request.
    ///
    /// # Errors
    /// When the request does not offer it, or not to them.
    pub fn give_permission(
        &mut self,
        clearance: &Clearance,
        request: &ApprovalRequest,
        offer: &PermissionOffer,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<PreparedTransaction<Permission>, PermissionError> {
        if !clearance.is_person() && *offer != PermissionOffer::Task {
            return Err(PermissionError::PersonOnly);
        }
        if self.permissions.asks_everything() {
            return Err(PermissionError::NotOffered);
        }
        let mut given = Permission::offered(offer, request, entropy.uuid(), now.wall)
            .ok_or(PermissionError::NotOffered)?;
        given.given_by = (!clearance.is_person()).then(|| clearance.by().to_owned());
        match self.permissions.renewed_by(&given) {
            // Under its id, so that commands that run by it end when it is revoked.
            Some(known) => {
                given.id.clone_from(&known.id);
                // What the person allowed is not a client's by being allowed again.
                if known.given_by.is_none() {
                    given.given_by = None;
                }
            }
            None if given.is_stored() && self.permissions.is_full(now.wall) => {
                return Err(PermissionError::TooMany);
            }
            None => {}
        }
        let gone = self.permissions.outdated(&given, now.wall);
        let removed = gone.iter().filter(|id| **id != given.id);
        let mut durable: Vec<Change> = removed.cloned().map(Change::RemovePermission).collect();
        if given.is_stored() {
            durable.push(Change::PutPermission(Box::new(given.clone())));
        }
        let line = format!("permission given id={} by={} {}", given.id, clearance.by(), given.logged());
        let audit = Effect::audit(now, AuditKind::PermissionGiven, given.id.clone(), line);
        let clients_revoked = self.permissions.clients_revoked();
        let step = Step::Permission { given: Box::new(given.clone()), gone, clients_revoked };
        Ok(PreparedTransaction::new(given, durable, vec![audit], step))
    }

    /// Takes a permission back, and those that allow the same in the same folder; commands that it allowed end.
    ///
    /// # Errors
    /// When there is none, or for our own client.
    pub fn revoke_permission(
        &mut self,
        session: &Session,
        id: &str,
        now: Timestamp,
    ) -> Result<Transaction<Permission>, PermissionError> {
        check_surface(session)?;
        let (taken, alike) = self.permissions.take_with_alike(id).ok_or(PermissionError::Unknown)?;
        let (mut durable, mut effects) = (Vec::new(), Vec::new());
        for known in alike.iter().chain([&taken]) {
            let (id, by) = (&known.id, session.principal().name());
            let line = format!("permission revoked id={id} by={by} {}", known.logged());
            effects.push(Effect::PermissionRevoked { id: id.clone() });
            effects.push(Effect::audit(now, AuditKind::PermissionRevoked, id, line));
            // Also one that was not stored: it may have been when it was given.
            durable.push(Change::RemovePermission(id.clone()));
        }
        Ok(Transaction::applied(taken, durable, effects))
    }

    /// A task is over, and with it what was allowed for it.
    pub fn end_task(&mut self, task: &str) {
        self.permissions.end_task(task);
    }

    /// From now on a person is asked about everything. Commands that run go on.
    ///
    /// # Errors
    /// For our own client.
    pub fn ask_everything(
        &mut self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Transaction<()>, PermissionError> {
        check_surface(session)?;
        Ok(self.set_ask_everything(&session.principal().name(), now))
    }

    /// The same for the person at the desktop, and for a client to which they gave the right to decide.
    pub fn ask_everything_as(&mut self, decider: &Decider, now: Timestamp) -> Transaction<()> {
        self.set_ask_everything(&decider.name(), now)
    }

    fn set_ask_everything(&mut self, by: &str, now: Timestamp) -> Transaction<()> {
        self.permissions.ask_everything();
        let line = format!("asking about everything by={by}");
        let effects = vec![Effect::audit(now, AuditKind::AskEverythingOn, "ask-everything", line)];
        Transaction::applied((), vec![Change::AskEverything(true)], effects)
    }

    /// Prepares that permissions are used again. Only the person decides that.
    ///
    /// # Errors
    /// For everyone else.
    pub fn use_permissions(
        &mut self,
        person: &Decider,
        now: Timestamp,
    ) -> Result<PreparedTransaction<()>, PermissionError> {
        if !person.is_person() {
            return Err(PermissionError::DesktopDecides);
        }
        let line = format!("permissions are used again by={}", person.name());
        let audit = Effect::audit(now, AuditKind::AskEverythingOff, "ask-everything", line);
        let step = Step::UsePermissions { narrowed: self.permissions.narrowed() };
        Ok(PreparedTransaction::new((), vec![Change::AskEverything(false)], vec![audit], step))
    }

    /// The kind of permissions that are all in effect, and used: of several, of that which says most.
    #[must_use]
    pub fn hold(&self, permissions: &[String], now: Timestamp) -> Option<PermissionName> {
        if self.permissions.asks_everything() {
            return None;
        }
        let known: Vec<_> = permissions.iter().map(|id| self.permissions.get(id)).collect::<Option<_>>()?;
        let in_effect = known.iter().all(|known| !known.has_expired(now.wall));
        known.iter().map(|known| known.kind.name()).max().filter(|_| in_effect)
    }

    /// Whether a person is asked about everything, whatever is allowed.
    #[must_use]
    pub fn asks_everything(&self) -> bool {
        self.permissions.asks_everything()
    }

    /// The permissions that are in effect, and whether a person is asked about everything all the same.
    #[must_use]
    pub fn permissions(&self, now: Timestamp) -> (Vec<&Permission>, bool) {
        let in_effect = self.permissions.all().iter().filter(|known| !known.has_expired(now.wall));
        (in_effect.collect(), self.permissions.asks_everything())
    }
}

fn check_surface(session: &Session) -> Result<(), PermissionError> {
    match session.principal() {
        Principal::SubagentClient => Err(PermissionError::SubagentClient),
        _ => Ok(()),
    }
}
