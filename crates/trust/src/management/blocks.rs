//! Refusing someone for good.

use tidegate_protocol::DeviceId;

use super::ManagementError;
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect};
use crate::pairing::Subject;
use crate::principal::Principal;
use crate::records::{Block, Change};
use crate::timestamp::Timestamp;
use crate::transaction::Transaction;

impl Authority {
    /// Blocks a device for good, and forgets it.
    ///
    /// # Errors
    /// When it is built in.
    pub fn block_device(
        &mut self,
        device: DeviceId,
        now: Timestamp,
    ) -> Result<Transaction<()>, ManagementError> {
        if self.is_own(device) {
            return Err(ManagementError::BuiltIn);
        }
        let name = self.devices.get(device).and_then(|record| record.claims.display_name.clone());
        let line = format!("device blocked device={device}");
        let audit = Effect::audit(now, AuditKind::DeviceBlocked, device.to_string(), line);
        Ok(self.block_subject(Subject::Device(device), name, audit, now))
    }

    /// Blocks a program for good, by the id of its grant, and takes its grants away.
    ///
    /// # Errors
    /// When there is no such grant.
    pub fn block_program(&mut self, id: &str, now: Timestamp) -> Result<Transaction<()>, ManagementError> {
        let grant = self.programs.get(id).ok_or(ManagementError::UnknownDevice)?;
        let (subject, name) = (Subject::Program(grant.program.clone()), grant.claims.display_name.clone());
        let line = format!("program blocked program={id}");
        let audit = Effect::audit(now, AuditKind::ProgramBlocked, id, line);
        Ok(self.block_subject(subject, name, audit, now))
    }

    fn block_subject(
        &mut self,
        subject: Subject,
        name: Option<String>,
        audit: Effect,
        now: Timestamp,
    ) -> Transaction<()> {
        let block = Block { subject, name: name.unwrap_or_default(), at: now.wall };
        let durable = self.changes_of_block(&block);
        let mut effects = self.put_block(block);
        effects.push(audit);
        Transaction::applied((), durable, effects)
    }

    /// Unblocks something. It has to ask like anyone else afterwards.
    ///
    /// # Errors
    /// When it is not blocked.
    pub fn unblock(&mut self, subject: &Subject, now: Timestamp) -> Result<Transaction<()>, ManagementError> {
        let block = self.blocks.take(subject).ok_or(ManagementError::UnknownDevice)?;
        // A process that ended while the block was saved may have left what was granted before.
        let mut durable = self.removals_of(&block.subject);
        self.remove_granted(&block.subject);
        durable.push(Change::RemoveBlock(block.subject.clone()));
        // The person who unblocks wants to be asked again.
        self.pending.unsilence(&block.subject);
        let line = format!("unblocked {}", subject.key());
        let effects = vec![Effect::audit(now, AuditKind::Unblocked, subject.key(), line)];
        Ok(Transaction::applied((), durable, effects))
    }

    /// What has to be committed for a block: nothing that was granted comes back when it ends.
    pub(crate) fn changes_of_block(&self, block: &Block) -> Vec<Change> {
        let mut durable = vec![Change::PutBlock(Box::new(block.clone()))];
        durable.extend(self.removals_of(&block.subject));
        durable
    }

    /// What has to be committed so that nothing is stored of what a subject was granted.
    pub(crate) fn removals_of(&self, subject: &Subject) -> Vec<Change> {
        match subject {
            Subject::Device(device) => {
                let known = self.devices.get(*device);
                known.map(|record| Change::RemoveDevice(record.id)).into_iter().collect()
            }
            Subject::Program(program) => self.programs.removal(|record| &record.program == program),
        }
    }

    /// Forgets what a subject was granted. The programs whose grants these were.
    fn remove_granted(&mut self, subject: &Subject) -> Vec<Principal> {
        match subject {
            Subject::Device(device) => {
                self.devices.remove(*device);
                Vec::new()
            }
            Subject::Program(program) => self.programs.remove(|record| &record.program == program),
        }
    }

    /// Puts a block in effect.
    pub(crate) fn put_block(&mut self, block: Block) -> Vec<Effect> {
        let mut effects = match &block.subject {
            Subject::Device(device) => {
                self.remove_granted(&block.subject);
                self.revoke(Principal::Device(*device))
            }
            Subject::Program(program) => {
                let revoked = self.remove_granted(&block.subject);
                let closed = self.sessions.end(|live| {
                    matches!(live.principal, Principal::Program(_)) && live.program.as_ref() == Some(program)
                });
                let revoked = revoked.into_iter().flat_map(|principal| self.revoke_work(principal));
                closed.into_iter().chain(revoked).collect()
            }
        };
        if let Some(request) = self.pending.take_subject(&block.subject) {
            effects.push(Effect::Resolved { request: Box::new(request), approved: false });
        }
        self.blocks.put(block);
        effects
    }
}
