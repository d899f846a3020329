//! Taking away and renaming. Revoking acts in memory and on sockets first, then on disk.

use tidegate_protocol::{DeviceId, Scope, UnixMillis, text};

use crate::audit::{AuditEvent, AuditKind};
use crate::authority::{Authority, Effect, Entropy, Held};
use crate::pairing::Subject;
use crate::principal::{Principal, Session};
use crate::records::{
    Block, BlockedSubject, Change, DeviceRecord, DeviceToken, MAX_NAME, ProgramGrant, ProgramToken,
    SharedToken,
};
use crate::scopes::{Level, ScopeSet};
use crate::timestamp::Timestamp;
use crate::token::Token;

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

/// A change that already counts, and has to be committed.
#[derive(Debug)]
pub struct Changed<T> {
    /// What came of it.
    pub value: T,
    /// What has to be committed. If that fails the answer says "until restart" and it is retried.
    pub durable: Vec<Change>,
    /// What to do besides, first.
    pub effects: Vec<Effect>,
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
    ) -> Result<Changed<()>, ManagementError> {
        self.may_manage(session, device, Manage::TakeAway, "device pairing removal")?;
        self.devices.remove(&device);
        self.vouched.remove(&device);
        let mut effects: Vec<Effect> = self.end_sessions(&Principal::Device(device)).into_iter().collect();
        effects.push(Effect::Revoked { principal: Principal::Device(device) });
        effects.extend(self.overtake(&Subject::Device(device)));
        let line = format!("device pairing removed device={device} by={}", session.principal().name());
        effects.push(audit(now, AuditKind::DeviceRemoved, device.to_string(), line));
        Ok(Changed { value: (), durable: vec![Change::RemoveDevice(device)], effects })
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
    ) -> Result<Changed<String>, ManagementError> {
        self.may_manage(session, device, Manage::Change, "device rename")?;
        let label = label.trim();
        if label.is_empty() || label.chars().count() > MAX_NAME || text::one_line(label, MAX_NAME) != label {
            return Err(ManagementError::Name);
        }
        let held = self.devices.get_mut(&device).ok_or(ManagementError::UnknownDevice)?;
        held.change(&mut |record| record.label = Some(label.to_owned()));
        let durable = stored(held);
        let line = format!("device renamed device={device} by={}", session.principal().name());
        let effects = vec![audit(now, AuditKind::DeviceRenamed, device.to_string(), line)];
        Ok(Changed { value: label.to_owned(), durable, effects })
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
    ) -> Result<Changed<Rotated>, ManagementError> {
        self.may_manage(session, device, Manage::Change, "device token rotation")?;
        if role != "operator" {
            return Err(ManagementError::Denied("device token rotation"));
        }
        let own = session.principal() == &Principal::Device(device)
            || session.principal() == &Principal::CommandLine;
        let held = self.devices.get_mut(&device).ok_or(ManagementError::UnknownDevice)?;
        let token = Token::from_entropy(entropy.token);
        let created_at = held.record.token.as_ref().map_or(now.wall, |old| old.created_at);
        // Withheld from others, nobody would have it: the device gets one when it connects next.
        let hash = own.then(|| token.hash());
        held.change(&mut |record| {
            record.token =
                Some(DeviceToken { hash, created_at, rotated_at: Some(now.wall), revoked_at: None });
        });
        let scopes = held.record.grant.granted.to_vec();
        let durable = stored(held);
        let line = format!(
            "device token rotated device={device} role={role} scopes={}",
            held.record.grant.granted.to_csv()
        );
        let mut effects: Vec<Effect> = self.end_sessions(&Principal::Device(device)).into_iter().collect();
        effects.push(audit(now, AuditKind::TokenRotated, device.to_string(), line));
        let value = Rotated { token: own.then_some(token), at: now.wall, scopes };
        Ok(Changed { value, durable, effects })
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
    ) -> Result<Changed<UnixMillis>, ManagementError> {
        self.may_manage(session, device, Manage::TakeAway, "device token revocation")?;
        let held = self.devices.get_mut(&device).ok_or(ManagementError::UnknownDevice)?;
        if held.record.token.is_none() || role != "operator" {
            return Err(ManagementError::UnknownRole);
        }
        held.change(&mut |record| {
            if let Some(token) = record.token.as_mut() {
                token.revoked_at = Some(now.wall);
            }
        });
        let durable = stored(held);
        self.vouched.remove(&device);
        let mut effects: Vec<Effect> = self.end_sessions(&Principal::Device(device)).into_iter().collect();
        effects.push(Effect::Revoked { principal: Principal::Device(device) });
        let line = format!("device token revoked device={device} role={role}");
        effects.push(audit(now, AuditKind::TokenRevoked, device.to_string(), line));
        Ok(Changed { value: now.wall, durable, effects })
    }

    /// Takes a program's grant away, by id.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_program(&mut self, id: &str, now: Timestamp) -> Result<Changed<()>, ManagementError> {
        let principal = Principal::Program(id.to_owned());
        // One that was let in once has no grant any more, but may still be connected.
        let connected = self.live.values().any(|live| live.principal == principal);
        if !connected && !self.programs().any(|(record, _)| record.id == id) {
            return Err(ManagementError::UnknownDevice);
        }
        let program = self.programs().find(|(record, _)| record.id == id);
        let subject = program.map(|(record, _)| Subject::Program(record.program.clone()));
        self.programs.retain(|held| held.record.id != id);
        self.fleeting_programs.retain(|held| held.record.id != id);
        let mut effects: Vec<Effect> = self.end_sessions(&principal).into_iter().collect();
        effects.push(Effect::Revoked { principal });
        effects.extend(subject.and_then(|subject| self.overtake(&subject)));
        effects.push(audit(
            now,
            AuditKind::ProgramRemoved,
            id,
            format!("program grant removed program={id}"),
        ));
        Ok(Changed { value: (), durable: vec![Change::RemoveProgram(id.to_owned())], effects })
    }

    /// A decision about a subject that is being saved does not count: the person took away what it
    /// would give, and that is the later word.
    fn overtake(&mut self, subject: &Subject) -> Option<Effect> {
        let request = self.pending.take_being_decided(subject)?;
        Some(Effect::Resolved { request: Box::new(request), approved: false })
    }

    /// Blocks a device for good, and forgets it.
    ///
    /// # Errors
    /// When it is built in.
    pub fn block_device(&mut self, device: DeviceId, now: Timestamp) -> Result<Changed<()>, ManagementError> {
        if self.is_own(device) {
            return Err(ManagementError::BuiltIn);
        }
        let name = self.devices.get(&device).map(|held| held.record.claims.display_name.clone());
        let block = Block {
            subject: BlockedSubject::Device(device),
            name: name.flatten().unwrap_or_default(),
            at: now.wall,
        };
        let durable = self.blocking(&block);
        let mut effects = self.put_block(block);
        effects.push(audit(
            now,
            AuditKind::DeviceBlocked,
            device.to_string(),
            format!("device blocked device={device}"),
        ));
        Ok(Changed { value: (), durable, effects })
    }

    /// Blocks a program for good, by the id of its grant, and takes its grants away.
    ///
    /// # Errors
    /// When there is no such grant.
    pub fn block_program(&mut self, id: &str, now: Timestamp) -> Result<Changed<()>, ManagementError> {
        let grant = self.programs().map(|(record, _)| record).find(|record| record.id == id);
        let grant = grant.ok_or(ManagementError::UnknownDevice)?;
        let block = Block {
            subject: BlockedSubject::Program(grant.program.clone()),
            name: grant.claims.display_name.clone().unwrap_or_default(),
            at: now.wall,
        };
        let durable = self.blocking(&block);
        let mut effects = self.put_block(block);
        effects.push(audit(now, AuditKind::ProgramBlocked, id, format!("program blocked program={id}")));
        Ok(Changed { value: (), durable, effects })
    }

    /// Unblocks something. It has to ask like anyone else afterwards.
    ///
    /// # Errors
    /// When it is not blocked.
    pub fn unblock(
        &mut self,
        subject: &BlockedSubject,
        now: Timestamp,
    ) -> Result<Changed<()>, ManagementError> {
        let position = self.blocks.iter().position(|block| &block.subject == subject);
        let block = self.blocks.remove(position.ok_or(ManagementError::UnknownDevice)?);
        // A person who unblocks wants to be asked again.
        self.pending.unsilence(&match block.subject {
            BlockedSubject::Device(device) => Subject::Device(device),
            BlockedSubject::Program(program) => Subject::Program(program),
        });
        let effects =
            vec![audit(now, AuditKind::Unblocked, subject.key(), format!("unblocked {}", subject.key()))];
        Ok(Changed { value: (), durable: vec![Change::RemoveBlock(subject.clone())], effects })
    }

    pub(crate) fn put_block(&mut self, block: Block) -> Vec<Effect> {
        let mut effects = Vec::new();
        let subject = match &block.subject {
            BlockedSubject::Device(device) => {
                self.devices.remove(device);
                self.vouched.remove(device);
                effects.extend(self.end_sessions(&Principal::Device(*device)));
                effects.push(Effect::Revoked { principal: Principal::Device(*device) });
                Subject::Device(*device)
            }
            BlockedSubject::Program(program) => {
                let revoked: Vec<Effect> = self
                    .programs()
                    .filter(|(record, _)| &record.program == program)
                    .map(|(record, _)| revoked_program(record))
                    .collect();
                self.programs.retain(|held| &held.record.program != program);
                self.fleeting_programs.retain(|held| &held.record.program != program);
                effects.extend(self.end_sessions_where(|live| {
                    matches!(live.principal, Principal::Program(_)) && live.program.as_ref() == Some(program)
                }));
                effects.extend(revoked);
                Subject::Program(program.clone())
            }
        };
        if let Some(request) = self.pending.take_subject(&subject) {
            effects.push(Effect::Resolved { request: Box::new(request), approved: false });
        }
        self.blocks.retain(|known| known.subject != block.subject);
        self.blocks.push(block);
        effects
    }

    /// Replaces the shared token. Grants of programs end with it, and so does every connection
    /// that was opened with the old one.
    pub fn rotate_shared_token(&mut self, entropy: &Entropy, now: Timestamp) -> Changed<Token> {
        let token = Token::from_entropy(entropy.token);
        let before = self.shared_token.as_ref().map_or(0, |old| old.generation);
        let generation = before.max(self.spent_generation) + 1;
        let old = self.token_generation();
        let record = SharedToken { hash: token.hash(), generation, created_at: now.wall };
        self.shared_token = Some(record.clone());
        let mut durable = vec![Change::PutSharedToken(record)];
        let mut effects = Vec::new();
        if self.override_token.is_none() {
            let revoked: Vec<Effect> = self.programs().map(|(record, _)| revoked_program(record)).collect();
            let stale = std::mem::take(&mut self.programs);
            self.fleeting_programs.clear();
            durable.extend(stale.into_iter().map(|held| Change::RemoveProgram(held.record.id)));
            let opened_with_old = |generation: Option<u64>| generation == Some(old);
            let connections: Vec<_> = self
                .live
                .iter()
                .filter(|(_, live)| opened_with_old(live.token_generation))
                .map(|(connection, _)| connection.clone())
                .collect();
            self.live.retain(|_, live| !opened_with_old(live.token_generation));
            if !connections.is_empty() {
                effects.push(Effect::Close { connections });
            }
            effects.extend(revoked);
        }
        effects.push(audit(
            now,
            AuditKind::SharedTokenRotated,
            "shared token",
            "shared token rotated".to_owned(),
        ));
        Changed { value: token, durable, effects }
    }

    /// Makes a token for one program.
    ///
    /// # Errors
    /// When the name is empty, too long, or taken.
    pub fn new_program_token(
        &mut self,
        name: &str,
        level: Level,
        pairing: bool,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Changed<(Token, ProgramToken)>, ManagementError> {
        let name = name.trim();
        if self.tokens.iter().any(|token| token.name == name) {
            return Err(ManagementError::NameTaken);
        }
        if name.is_empty() || text::one_line(name, MAX_NAME) != name {
            return Err(ManagementError::Name);
        }
        let token = Token::from_entropy(entropy.token);
        let record = ProgramToken {
            id: entropy.uuid(),
            name: name.to_owned(),
            level,
            pairing,
            hash: token.hash(),
            created_at: now.wall,
            last_used_at: None,
        };
        self.tokens.push(record.clone());
        let effects =
            vec![audit(now, AuditKind::ProgramTokenMade, name, format!("program token made name={name}"))];
        let durable = vec![Change::PutToken(Box::new(record.clone()))];
        Ok(Changed { value: (token, record), durable, effects })
    }

    /// Takes a program's token away, by id or name. Every connection that came in with it ends, also
    /// a device's or a visitor's.
    ///
    /// # Errors
    /// When there is none.
    pub fn revoke_program_token(
        &mut self,
        id_or_name: &str,
        now: Timestamp,
    ) -> Result<Changed<()>, ManagementError> {
        let position =
            self.tokens.iter().position(|token| token.id == id_or_name || token.name == id_or_name);
        let token = self.tokens.remove(position.ok_or(ManagementError::UnknownToken)?);
        let ended = self.end_sessions_where(|live| live.program_token.as_ref() == Some(&token.id));
        let mut effects: Vec<Effect> = ended.into_iter().collect();
        effects.push(Effect::Revoked { principal: Principal::ProgramToken(token.id.clone()) });
        effects.push(audit(
            now,
            AuditKind::ProgramTokenRevoked,
            &token.name,
            format!("program token revoked name={}", token.name),
        ));
        Ok(Changed { value: (), durable: vec![Change::RemoveToken(token.id)], effects })
    }

    /// What a device has: by its record, or, when it was let in once and has none any more, on its
    /// connections.
    fn granted_to(&self, device: DeviceId) -> Option<ScopeSet> {
        if let Some(held) = self.devices.get(&device) {
            return Some(held.record.grant.granted.clone());
        }
        let connections = self.live.values().filter(|live| live.principal == Principal::Device(device));
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
            Principal::Device(device) => {
                self.devices.get(device).map(|held| held.record.grant.granted.clone())
            }
            Principal::Program(id) => self
                .programs()
                .find(|(record, _)| &record.id == id)
                .map(|(record, _)| record.grant.granted.clone()),
            Principal::ProgramToken(id) => {
                self.tokens.iter().find(|token| &token.id == id).map(ProgramToken::granted)
            }
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

/// The record as it has to be stored; nothing when the grant is only for a while.
fn stored(held: &Held<DeviceRecord>) -> Vec<Change> {
    held.stored().map(|record| Change::PutDevice(Box::new(record.clone()))).into_iter().collect()
}

fn revoked_program(record: &ProgramGrant) -> Effect {
    Effect::Revoked { principal: Principal::Program(record.id.clone()) }
}

fn audit(now: Timestamp, kind: AuditKind, subject: impl Into<String>, line: String) -> Effect {
    Effect::Audit(AuditEvent::new(now.wall, kind, subject, line))
}
