//! Commands and files that wait for a person: the driver of the pure queue.

use std::time::Duration;

use tidegate_clock as now;
use tidegate_protocol::{ConnectionId, text};
use tidegate_trust::approval::{
    ApprovalRequest, Decision, Operation, PendingApproval, Requester, ResolveError, ResolvedApproval,
};
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::decision::Decider;
use tidegate_trust::{Principal, Session};

use crate::service::TrustService;

/// Characters of a session's key in the audit log.
const MAX_SESSION: usize = 200;

impl TrustService {
    /// Queues a question for those who may decide, and tells them. `None` when too many wait.
    pub fn ask(
        &self,
        id: String,
        command: ApprovalRequest,
        requester: Requester,
        timeout: Duration,
    ) -> Option<PendingApproval> {
        let waiting = self.approvals().ask(id, command, requester, timeout, now::timestamp())?;
        self.changed();
        self.connections(|gateway| gateway.command_waits(&waiting));
        Some(waiting)
    }

    /// Waits for the decision about a command: `Some(None)` when its time was up, `None` when there is
    /// no such command.
    pub async fn decision(&self, id: &str) -> Option<Option<Decision>> {
        let mut changed = self.0.approvals_changed.subscribe();
        loop {
            self.expire_commands();
            let until = {
                let queue = self.approvals();
                if let Some(resolved) = queue.resolved(id) {
                    return Some(resolved.decision);
                }
                let waiting = queue.waiting().iter().find(|waiting| waiting.id == id)?;
                waiting.expires_at().since(now::wall())
            };
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep(until + Duration::from_millis(10)) => {}
            }
        }
    }

    /// Decides.
    ///
    /// # Errors
    /// Why it was not decided.
    pub fn resolve(&self, session: &Session, id: &str, decision: Decision) -> Result<(), ResolveError> {
        self.expire_commands();
        let resolved = self.approvals().resolve(session, self.desktop(), id, decision, now::timestamp())?;
        // Whether a tool of that run lives is not asked: one that left its command behind would not be seen.
        if session.principal().is_client() && resolved.waiting.requester == Requester::Run {
            self.client_decided(decision);
        }
        self.announce(&resolved);
        Ok(())
    }

    /// Decides, for the person in the dialog.
    ///
    /// # Errors
    /// Why it was not decided.
    pub fn resolve_shown(
        &self,
        person: &Decider,
        id: &str,
        digest: &str,
        decision: Decision,
    ) -> Result<(), ResolveError> {
        self.expire_commands();
        let resolved = self.approvals().resolve_shown(person, id, digest, decision, now::timestamp())?;
        self.announce(&resolved);
        Ok(())
    }

    /// Withdraws what a connection asked for.
    pub fn withdraw_connection(&self, connection: &ConnectionId) {
        let withdrawn = self.approvals().withdraw_connection(connection, now::timestamp());
        for resolved in withdrawn {
            self.announce(&resolved);
        }
    }

    /// Withdraws what a client asked for whose access was revoked. A connection that ended with its gateway
    /// has withdrawn nothing.
    pub(crate) fn withdraw_client(&self, principal: &Principal) {
        let withdrawn = self.approvals().withdraw_client(principal, now::timestamp());
        for resolved in withdrawn {
            self.announce(&resolved);
        }
    }

    /// Withdraws a command: nobody waits for the answer any more.
    pub fn withdraw(&self, id: &str) {
        let withdrawn = self.approvals().withdraw(id, now::timestamp());
        if let Some(resolved) = withdrawn {
            self.announce(&resolved);
        }
    }

    pub(crate) fn expire_commands(&self) {
        let expired = self.approvals().tick(now::timestamp());
        for resolved in expired {
            self.announce(&resolved);
        }
    }

    fn announce(&self, resolved: &ResolvedApproval) {
        let operation = &resolved.waiting.command.operation;
        let (kind, what) = match (operation, resolved.decision) {
            (Operation::Exec { .. }, Some(Decision::AllowOnce)) => (AuditKind::CommandAllowed, "command"),
            (Operation::Exec { .. }, Some(Decision::Deny)) => (AuditKind::CommandDenied, "command"),
            (Operation::Exec { .. }, None) => (AuditKind::CommandUndecided, "command"),
            (Operation::File { .. }, Some(Decision::AllowOnce)) => (AuditKind::FileAllowed, "file"),
            (Operation::File { .. }, Some(Decision::Deny)) => (AuditKind::FileDenied, "file"),
            (Operation::File { .. }, None) => (AuditKind::FileUndecided, "file"),
        };
        let line = format!(
            "{kind} id={} digest={} by={} session={} {what}={}",
            resolved.waiting.id,
            resolved.waiting.command.digest,
            resolved.by.as_deref().unwrap_or("nobody"),
            text::one_line(&resolved.waiting.command.session_key, MAX_SESSION),
            operation.logged(),
        );
        self.audit(AuditEvent::new(now::wall(), kind, resolved.waiting.id.clone(), line));
        self.connections(|gateway| gateway.command_ended(resolved));
        self.0.approvals_changed.send_modify(|version| *version += 1);
        self.changed();
    }
}
