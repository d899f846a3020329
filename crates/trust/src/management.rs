//! Taking away and renaming. Revoking acts in memory and on sockets first, then on disk.

mod blocks;
mod tokens;

pub use self::tokens::{GiveTokenError, NewProgramToken};
use tidegate_protocol::{DeviceId, Scope, UnixMillis, text};

use crate::audit::AuditKind;
use crate::authority::{Authority, Effect, Entropy};
use crate::pairing::Subject;
use crate::principal::{Principal, Session};
use crate::records::{Change, DeviceRecord, DeviceToken, MAX_NAME, ProgramToken};
use crate::scopes::ScopeSet;
use crate::timestamp::Timestamp;
use crate::token::Token;
use crate::transaction::Transaction;

/// Why something was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagementError {
    /// It is Tidegate's own client.
    #[error("this is Tidegate's own subagent client: it is built in and cannot be changed")]
    BuiltIn,
    /// There is no such thing.
    #[error("unknown deviceId")]
    UnknownDevice,
    /// There is no such token.
    #[error("unknown token")]
    UnknownToken,
    /// The session may manage only itself.
    #[error("{0} denied")]
    Denied(&'static str),
    /// The session lacks a scope that the other has.
    #[error("missing scope: {0}")]
    BeyondCaller(Scope),
    /// The role is not one that the device has.
    #[error("unknown deviceId/role")]
    UnknownRole,
    /// The name is empty or too long.
    #[error("a name has 1 to {MAX_NAME} visible characters")]
    Name,
    /// Another token has the name.
    #[error("there is a token with this name already; choose another name, or revoke that token first")]
    NameTaken,
}

/// A rotated token.
#[derive(Debug)]
pub struct Rotated {
    /// The new token; withheld from everyone but the device itself and the person.
    pub token: Option<Token>,
    pub at: UnixMillis,
    /// The scopes that the device has.
    pub scopes: Vec<Scope>,
}

/// What is done to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manage {
    /// Something is taken away from it.
    TakeAway,
    /// It is changed otherwise.
    Change,
}

impl Authority {
    /// Forgets a device and closes its connections.
    ///
    /// # Errors
    /// When there is none, it is built in, or the session may not.
    pub fn remove_device(
        &mut self,
        session: &Session,
        device: DeviceId,
        now: Timestamp,
    ) -> Result<Transaction<()>, ManagementError> {
        self.may_manage(session, device, Manage::TakeAway, "device pairing removal")?;
        self.devices.remove(device);
        let mut effects = self.revoke(Principal::Device(device));
        effects.extend(self.overtake(&Subject::Device(device)));
        let line = format!("device pairing removed device={device} by={}", session.principal().name());
        effects.push(Effect::audit(now, AuditKind::DeviceRemoved, device.to_string(), line));
        Ok(Transaction::applied((), vec![Change::RemoveDevice(device)], effects))
    }

    /// Names a device.
    ///
    /// # Errors
    /// As for removing, and when the name is empty or too long.
    pub fn rename_device(
        &mut self,
        session: &Session,
        device: DeviceId,
        label: &str,
        now: Timestamp,
    ) -> Result<Transaction<String>, ManagementError> {
        self.may_manage(session, device, Manage::Change, "device rename")?;
        let label = label.trim();
        if label.is_empty() || label.chars().count() > MAX_NAME || text::one_line(label, MAX_NAME) != label {
            return Err(ManagementError::Name);
        }
        self.change_device(device, |record| record.label = Some(label.to_owned()))?;
        let line = format!("device renamed device={device} by={}", session.principal().name());
        let effects = vec![Effect::audit(now, AuditKind::DeviceRenamed, device.to_string(), line)];
        Ok(Transaction::applied(label.to_owned(), self.stored_device(device), effects))
    }

    /// Gives a device a new token; the old one and its connections end.
    ///
    /// # Errors
    /// As for removing, and when the role or a scope is not the device's.
    pub fn rotate_token(
        &mut self,
        session: &Session,
        device: DeviceId,
        role: &str,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Transaction<Rotated>, ManagementError> {
        self.may_manage(session, device, Manage::Change, "device token rotation")?;
        if role != "operator" {
            return Err(ManagementError::Denied("device token rotation"));
        }
        let own = session.principal() == &Principal::Device(device)
            || session.principal() == &Principal::CommandLine;
        let token = Token::from_entropy(entropy.token);
        // Withheld from others, nobody would have it: the device gets one when it connects next.
        let hash = own.then(|| token.hash());
        let record = self.change_device(device, |record| {
            let created_at = record.token.as_ref().map_or(now.wall, |old| old.created_at);
            record.token =
                Some(DeviceToken { hash, created_at, rotated_at: Some(now.wall), revoked_at: None });
        })?;
        let granted = &record.grant.granted;
        let line = format!("device token rotated device={device} role={role} scopes={}", granted.to_csv());
        let value = Rotated { token: own.then_some(token), at: now.wall, scopes: granted.to_vec() };
        let closed = self.sessions.end(|live| live.principal == Principal::Device(device));
        let audit = Effect::audit(now, AuditKind::TokenRotated, device.to_string(), line);
        let effects = closed.into_iter().chain([audit]).collect();
        Ok(Transaction::applied(value, self.stored_device(device), effects))
    }

    /// Takes a device's token away; its connections end.
    ///
    /// # Errors
    /// As for removing, and when it has no such token.
    pub fn revoke_token(
        &mut self,
        session: &Session,
        device: DeviceId,
        role: &str,
        now: Timestamp,
    ) -> Result<Transaction<UnixMillis>, ManagementError> {
        self.may_manage(session, device, Manage::TakeAway, "device token revocation")?;
        let record = self.devices.get(device).ok_or(ManagementError::UnknownDevice)?;
        if record.token.is_none() || role != "operator" {
            return Err(ManagementError::UnknownRole);
        }
        self.change_device(device, |record| {
            if let Some(token) = record.token.as_mut() {
                token.revoked_at = Some(now.wall);
            }
        })?;
        self.devices.take_vouched(device);
        let mut effects = self.revoke(Principal::Device(device));
        let line = format!("device token revoked device={device} role={role}");
        effects.push(Effect::audit(now, AuditKind::TokenRevoked, device.to_string(), line));
        Ok(Transaction::applied(now.wall, self.stored_device(device), effects))
    }

    /// Takes a program's grant away, by id.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_program(&mut self, id: &str, now: Timestamp) -> Result<Transaction<()>, ManagementError> {
        let principal = Principal::Program(id.to_owned());
        let subject = self.programs.get(id).map(|record| Subject::Program(record.program.clone()));
        // One that was let in once has no grant any more, but may still be connected.
        if subject.is_none() && !self.sessions.iter().any(|live| live.principal == principal) {
            return Err(ManagementError::UnknownDevice);
        }
        self.programs.remove(|record| record.id == id);
        let mut effects = self.revoke(principal);
        effects.extend(subject.and_then(|subject| self.overtake(&subject)));
        let line = format!("program grant removed program={id}");
        effects.push(Effect::audit(now, AuditKind::ProgramRemoved, id, line));
        Ok(Transaction::applied((), vec![Change::RemoveProgram(id.to_owned())], effects))
    }

    /// A decision about a subject that is being saved does not count: the person took away what it
    /// would give, and that is the later word.
    fn overtake(&mut self, subject: &Subject) -> Option<Effect> {
        let request = self.pending.take_being_decided(subject)?;
        Some(Effect::Resolved { request: Box::new(request), approved: false })
    }

    fn change_device(
        &mut self,
        device: DeviceId,
        change: impl FnMut(&mut DeviceRecord),
    ) -> Result<&DeviceRecord, ManagementError> {
        self.devices.change(device, change).ok_or(ManagementError::UnknownDevice)
    }

    fn stored_device(&self, device: DeviceId) -> Vec<Change> {
        self.devices.stored(device).into_iter().collect()
    }

    /// What a device has: by its record, or, when it was let in once and has none any more, on its
    /// connections.
    fn granted_to(&self, device: DeviceId) -> Option<ScopeSet> {
        if let Some(record) = self.devices.get(device) {
            return Some(record.grant.granted.clone());
        }
        let connections = self.sessions.iter().filter(|live| live.principal == Principal::Device(device));
        connections.map(|live| live.scopes.clone()).reduce(|all, scopes| all.union(&scopes))
    }

    /// What a session may do and what its principal was granted beyond what it asked for on this connection.
    /// For a client that asks for less than a request of it needs.
    #[must_use]
    pub fn granted_to_session(&self, session: &Session) -> ScopeSet {
        session.scopes().union(&self.granted_by_record(session.principal()))
    }

    /// What a principal was granted, whatever it asked for on a connection.
    fn granted_by_record(&self, principal: &Principal) -> ScopeSet {
        let granted = match principal {
            Principal::Device(device) => self.devices.get(*device).map(|record| record.grant.granted.clone()),
            Principal::Program(id) => self.programs.get(id).map(|record| record.grant.granted.clone()),
            Principal::ProgramToken(id) => self.tokens.get(id).map(ProgramToken::granted),
            Principal::SubagentClient | Principal::CommandLine | Principal::Window | Principal::Visitor => {
                None
            }
        };
        granted.unwrap_or_default()
    }

    /// A person may manage every device. A client may manage itself, and others only when it was
    /// given the right to manage pairing by name, uses it, and has everything that they have. What
    /// it was granted counts as what it has: clients ask for `operator.pairing` alone when they
    /// manage devices.
    fn may_manage(
        &self,
        session: &Session,
        device: DeviceId,
        change: Manage,
        what: &'static str,
    ) -> Result<(), ManagementError> {
        if self.is_own(device) {
            return Err(ManagementError::BuiltIn);
        }
        let granted = self.granted_to(device).ok_or(ManagementError::UnknownDevice)?;
        match session.principal() {
            Principal::CommandLine => Ok(()),
            Principal::Window if change == Manage::TakeAway => Ok(()),
            Principal::Window | Principal::SubagentClient => Err(ManagementError::Denied(what)),
            Principal::Device(own) if *own == device => Ok(()),
            _ if !session.scopes().names(&Scope::Pairing) => Err(ManagementError::Denied(what)),
            _ => {
                let has = self.granted_to_session(session);
                let beyond = granted.not_held_by(&has);
                beyond.iter().next().map_or(Ok(()), |scope| Err(ManagementError::BeyondCaller(scope.clone())))
            }
        }
    }
}
