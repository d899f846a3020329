//! Commands and files that wait for a person: the driver of the pure queue.

use std::sync::Arc;
use std::time::Duration;

use tidegate_clock as now;
use tidegate_protocol::payload::permissions::{PermissionName, PermissionOffer};
use tidegate_protocol::{ConnectionId, text};
use tidegate_store::StoreError;
use tidegate_trust::approval::{
    ApprovalRequest, Clearance, Decision, Operation, PendingApproval, Question, Requester, ResolveError,
    ResolvedApproval,
};
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::decision::Decider;
use tidegate_trust::permissions::PermissionError;
use tidegate_trust::{Principal, Session};

use crate::permissions::PermissionUse;
use crate::service::TrustService;
use crate::writer::in_a_task;

/// Characters of a session's key in the audit log.
pub(crate) const MAX_SESSION: usize = 200;

/// What becomes of a run's request.
#[derive(Debug)]
pub enum RunRequest {
    /// Nobody is asked. It is permitted for as long as the use is kept, unless that is revoked.
    Permitted(Arc<PermissionUse>, PermissionName),
    /// A person is asked.
    Waits(Box<PendingApproval>),
    /// A person denied exactly this in the same task, and is not asked again.
    Denied,
    /// Too much waits for a person.
    TooMuch,
}

/// Why something was not allowed. The request waits on, where it waited.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Permission(#[from] PermissionError),
    #[error("what you allowed could not be saved, so nothing was allowed: {0}")]
    NotSaved(#[from] StoreError),
    /// A revocation came later.
    #[error("it was revoked while it was saved, so nothing was allowed")]
    Overtaken,
    #[error(transparent)]
    Entropy(#[from] now::NoEntropy),
}

impl TrustService {
    /// Queues a question of a client for those who may decide, and tells them. `None` when too many wait.
    pub fn ask(
        &self,
        id: String,
        command: ApprovalRequest,
        requester: Requester,
        timeout: Duration,
    ) -> Option<PendingApproval> {
        self.queue(id, command, requester, Question::default(), timeout)
    }

    /// Decides about a run's request by what a person allowed, else queues a question.
    pub fn ask_for_run(&self, id: String, request: ApprovalRequest, timeout: Duration) -> RunRequest {
        if self.approvals().was_denied(&request) {
            return RunRequest::Denied;
        }
        let (permitted, offers) = {
            let mut authority = self.authority();
            // Used under the same lock: what is noted as not asked is never asked after all.
            let permitted = authority.permitted(&request, now::timestamp()).and_then(|permitted| {
                let used = self.begin_use(&authority, &permitted.permissions).ok_or(None)?;
                Ok((permitted, used))
            });
            (permitted, authority.offers(&request))
        };
        let why_asked = match permitted {
            Ok((permitted, (used, kind))) => {
                self.note_unasked(&request, &permitted);
                return RunRequest::Permitted(used, kind);
            }
            Err(why_asked) => why_asked,
        };
        let question = Question { offers, why_asked };
        let waiting = self.queue(id, request, Requester::Run, question, timeout);
        waiting.map_or(RunRequest::TooMuch, |waiting| RunRequest::Waits(Box::new(waiting)))
    }

    fn queue(
        &self,
        id: String,
        command: ApprovalRequest,
        requester: Requester,
        question: Question,
        timeout: Duration,
    ) -> Option<PendingApproval> {
        let waiting = self.approvals().ask(id, command, requester, question, timeout, now::timestamp())?;
        self.changed();
        self.connections(|gateway| gateway.command_waits(&waiting));
        Some(waiting)
    }

    /// Waits for the decision about a command: `Some(None)` when its time was up, `None` when there is
    /// no such command.
    pub async fn decision(&self, id: &str) -> Option<Option<Decision>> {
        self.resolution(id).await.map(|resolved| resolved.decision)
    }

    /// Waits until a command is decided, or its time is up. `None` when there is no such command.
    pub async fn resolution(&self, id: &str) -> Option<ResolvedApproval> {
        let mut changed = self.0.approvals_changed.subscribe();
        loop {
            self.expire_commands();
            let until = {
                let queue = self.approvals();
                if let Some(resolved) = queue.resolved(id) {
                    return Some(resolved.clone());
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

    /// Denies, with words for the model.
    ///
    /// # Errors
    /// Why it was not denied.
    pub fn deny(
        &self,
        session: &Session,
        id: &str,
        words: Option<&str>,
        stop: bool,
    ) -> Result<(), ResolveError> {
        self.expire_commands();
        let denied = self.approvals().deny(session, id, words, now::timestamp())?;
        if person_hears_of(session, &denied.waiting) {
            self.client_decided(Decision::Deny);
        }
        self.denied(&denied, stop);
        Ok(())
    }

    /// Denies, for the person in the dialog.
    ///
    /// # Errors
    /// Why it was not denied.
    pub fn deny_shown(
        &self,
        person: &Decider,
        id: &str,
        digest: &str,
        words: Option<&str>,
        stop: bool,
    ) -> Result<(), ResolveError> {
        self.expire_commands();
        let denied = self.approvals().deny_shown(person, id, digest, words, now::timestamp())?;
        self.denied(&denied, stop);
        Ok(())
    }

    fn denied(&self, denied: &ResolvedApproval, stop: bool) {
        self.announce(denied);
        if let Some(run) = denied.waiting.command.run_id.as_ref().filter(|_| stop) {
            self.runs(|runs| runs.stop_run(run));
        }
    }

    /// Allows, once or with a permission that the request offers. Answers with the sentence of what was given.
    ///
    /// # Errors
    /// Why it was not allowed.
    pub async fn allow(
        &self,
        session: &Session,
        id: &str,
        offer: Option<&PermissionOffer>,
    ) -> Result<Option<String>, AllowError> {
        self.expire_commands();
        let cleared = self.approvals().clear(session, self.desktop(), id, now::timestamp())?;
        let by_client = person_hears_of(session, &cleared.1);
        self.allow_cleared(cleared, offer, by_client).await
    }

    /// Allows, for the person in the dialog.
    ///
    /// # Errors
    /// Why it was not allowed.
    pub async fn allow_shown(
        &self,
        person: &Decider,
        id: &str,
        digest: &str,
        offer: Option<&PermissionOffer>,
    ) -> Result<Option<String>, AllowError> {
        self.expire_commands();
        let cleared = self.approvals().clear_shown(person, id, digest, now::timestamp())?;
        self.allow_cleared(cleared, offer, false).await
    }

    /// Completes also when the caller is gone: what was cleared could never be decided again.
    async fn allow_cleared(
        &self,
        (clearance, waiting): (Clearance, PendingApproval),
        offer: Option<&PermissionOffer>,
        by_client: bool,
    ) -> Result<Option<String>, AllowError> {
        let Some(offer) = offer.cloned() else {
            self.allowed(clearance, None, by_client);
            return Ok(None);
        };
        let service = self.clone();
        in_a_task(async move {
            match service.give(&clearance, &waiting, &offer).await {
                Ok((id, sentence)) => {
                    service.allowed(clearance, Some(id), by_client);
                    service.permit_waiting();
                    Ok(Some(sentence))
                }
                Err(error) => {
                    service.approvals().give_back(&clearance);
                    service.changed();
                    Err(error)
                }
            }
        })
        .await
    }

    async fn give(
        &self,
        clearance: &Clearance,
        waiting: &PendingApproval,
        offer: &PermissionOffer,
    ) -> Result<(String, String), AllowError> {
        let entropy = now::entropy()?;
        let prepared = {
            let mut authority = self.authority();
            authority.give_permission(clearance, &waiting.command, offer, &entropy, now::timestamp())?
        };
        let given = self.commit(prepared).await?.ok_or(AllowError::Overtaken)?;
        Ok((given.id.clone(), given.sentence()))
    }

    fn allowed(&self, clearance: Clearance, permission: Option<String>, by_client: bool) {
        if by_client {
            // A client gives nothing that outlasts its task.
            self.client_decided(if permission.is_some() {
                Decision::AllowAlways
            } else {
                Decision::AllowOnce
            });
        }
        let resolved = self.approvals().allow(clearance, permission, now::timestamp());
        if let Some(resolved) = resolved {
            self.announce(&resolved);
        }
    }

    /// Allows what waits of runs and is permitted by now.
    pub(crate) fn permit_waiting(&self) {
        let waiting = self.approvals().waiting().to_vec();
        for request in waiting.into_iter().filter(|waiting| waiting.requester == Requester::Run) {
            let permitted = self.authority().permitted(&request.command, now::timestamp());
            let Ok(permitted) = permitted else { continue };
            let ids = permitted.permissions.clone();
            let resolved = self.approvals().permit(&request.id, ids, now::timestamp());
            if let Some(resolved) = resolved {
                self.note_unasked(&request.command, &permitted);
                self.announce(&resolved);
            }
        }
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
            (Operation::Exec { .. }, Some(Decision::AllowOnce | Decision::AllowAlways)) => {
                (AuditKind::CommandAllowed, "command")
            }
            (Operation::Exec { .. }, Some(Decision::Deny)) => (AuditKind::CommandDenied, "command"),
            (Operation::Exec { .. }, None) => (AuditKind::CommandUndecided, "command"),
            (Operation::File { .. }, Some(Decision::AllowOnce | Decision::AllowAlways)) => {
                (AuditKind::FileAllowed, "file")
            }
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

/// Whether the person hears of a decision. Whether a tool of that run lives is not asked: one that left its
/// command behind would not be seen.
fn person_hears_of(session: &Session, waiting: &PendingApproval) -> bool {
    session.principal().is_client() && waiting.requester == Requester::Run
}
