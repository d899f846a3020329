//! The driver of the pure trust core: gives it time and entropy, commits what it changed, and does
//! what its effects say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tidegate_agent::Runtime;
use tidegate_protocol::payload::devices::PendingDevice;
use tidegate_protocol::payload::events::DevicePairResolvedEvent;
use tidegate_protocol::payload::surfaces::DesktopStatus;
use tidegate_protocol::{ConnectionId, event};
use tidegate_store::{Store, StoreError};
use tidegate_trust::approval::{ApprovalQueue, Decision};
use tidegate_trust::audit::{AuditEvent, Severity};
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::{Decider, DecisionError, Desktop, Verdict};
use tidegate_trust::management::Changed;
use tidegate_trust::pairing::{PendingRequest, Subject};
use tidegate_trust::records::ProgramToken;
use tidegate_trust::settings::Setting;
use tidegate_trust::token::Token;
use tidegate_trust::{Authority, Change, Principal, Session, TrustRecords};
use tokio::sync::{mpsc, watch};

use crate::desk::ClientDecisions;
use crate::hub::{Audience, Hub};
use crate::now;
use crate::unsaved::{TrustWriter, UnsavedChanges};

/// How many audit events may wait to be written. Beyond that they are only logged.
const AUDIT_QUEUE: usize = 1024;

/// See the module's text.
pub(crate) struct Gatekeeper {
    authority: Mutex<Authority>,
    /// Whether the authority is no longer here.
    given_back: AtomicBool,
    approvals: Mutex<ApprovalQueue>,
    store: Store,
    saving: TrustWriter,
    hub: Arc<Hub>,
    /// Whose runs are stopped when a client is revoked.
    runtime: OnceLock<Runtime>,
    audit: mpsc::Sender<Change>,
    pub(crate) desktop: Desktop,
    /// Counts changes of what the person's surfaces show.
    changes: watch::Sender<u64>,
    /// What clients decided, for the person to hear of.
    client_decisions: watch::Sender<ClientDecisions>,
    /// What the shell of a desktop says of its surfaces.
    surfaces: Mutex<Option<DesktopStatus>>,
}

/// Why a decision did not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecideError {
    #[error(transparent)]
    Decision(#[from] DecisionError),
    #[error("the decision could not be saved, so it does not count: {0}")]
    NotSaved(#[from] StoreError),
    #[error("it was revoked or blocked while the decision was saved, so the decision does not count")]
    Overtaken,
    #[error(transparent)]
    Entropy(#[from] now::NoEntropy),
}

impl Gatekeeper {
    pub(crate) fn new(
        authority: Authority,
        store: Store,
        unsaved: UnsavedChanges,
        hub: Arc<Hub>,
        desktop: Desktop,
    ) -> Self {
        let (audit, queue) = mpsc::channel(AUDIT_QUEUE);
        let saving = TrustWriter::new(store.clone(), unsaved);
        tokio::spawn(write_audit(store.clone(), queue));
        let authority = Mutex::new(authority);
        Self {
            authority,
            given_back: AtomicBool::new(false),
            approvals: Mutex::default(),
            store,
            saving,
            hub,
            runtime: OnceLock::new(),
            audit,
            desktop,
            changes: watch::Sender::new(0),
            client_decisions: watch::Sender::default(),
            surfaces: Mutex::default(),
        }
    }

    /// Gives it the runtime of the agents. A second one changes nothing.
    pub(crate) fn attach(&self, runtime: Runtime) {
        let _ = self.runtime.set(runtime);
    }

    /// A client was admitted, and may start runs again, unless it was revoked since: its session ends
    /// before the runtime hears of the revocation.
    pub(crate) fn admitted(&self, session: &Session) {
        let authority = self.authority();
        if authority.is_live(session.connection())
            && let Some(runtime) = self.runtime.get()
        {
            runtime.admit_client(&session.principal().name());
        }
    }

    /// What the person's surfaces show has changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn client_decisions(&self) -> watch::Receiver<ClientDecisions> {
        self.client_decisions.subscribe()
    }

    /// A client decided about a request of an agent.
    pub(crate) fn client_decided(&self, decision: Decision) {
        self.client_decisions.send_modify(|decisions| decisions.count_agent_request(decision));
    }

    pub(crate) fn set_surfaces(&self, surfaces: DesktopStatus) {
        *self.surfaces.lock().unwrap_or_else(PoisonError::into_inner) = Some(surfaces);
        self.changed();
    }

    pub(crate) fn surfaces(&self) -> Option<DesktopStatus> {
        self.surfaces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long until something that waits ends by itself.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let requests = self.authority().next_expiry(now::moment());
        let commands = self.approvals().next_expiry(now::moment());
        [requests, commands].into_iter().flatten().min()
    }

    /// The pure core. Never held over an await.
    pub(crate) fn authority(&self) -> MutexGuard<'_, Authority> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the authority back, for the gateway that comes next. Here one stays that knows nobody
    /// and holds no credential, so that a handle which someone still has can do nothing. `None` when
    /// it was given back already, or a panic left it half changed.
    pub(crate) fn give_back_authority(&self) -> Option<Authority> {
        let mut authority = self.authority.lock().ok()?;
        if self.given_back.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (nobody, _) = Authority::new(TrustRecords::default());
        Some(std::mem::replace(&mut *authority, nobody))
    }

    /// The commands that wait. Never held over an await.
    pub(crate) fn approvals(&self) -> MutexGuard<'_, ApprovalQueue> {
        self.approvals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a decision: it counts once it is saved.
    pub(crate) async fn decide(
        &self,
        decider: &Decider,
        request: &str,
        digest: Option<&str>,
        verdict: &Verdict,
    ) -> Result<(), DecideError> {
        let entropy = now::entropy()?;
        let mut decided = {
            let mut authority = self.authority();
            let expired = authority.tick(now::moment());
            let decided = authority.decide(decider, request, digest, verdict, &entropy, now::moment());
            drop(authority);
            self.apply(expired, None);
            decided?
        };
        let durable = std::mem::take(&mut decided.durable);
        if let Err(error) = self.saving.commit(durable).await {
            self.authority().withdraw(&decided);
            return Err(error.into());
        }
        let completed = self.authority().complete(decided, now::moment());
        let counts = match completed.durable.is_empty() {
            true => {
                self.apply(completed.effects, None);
                completed.value
            }
            false => self.settle(completed, None).await.0,
        };
        if !counts {
            return Err(DecideError::Overtaken);
        }
        if decider.is_client() {
            self.client_decisions.send_modify(|decisions| decisions.count(verdict));
        }
        // Putting something aside has no other effect.
        self.changed();
        Ok(())
    }

    /// Confirms a value of the configuration file: it counts once that is saved.
    pub(crate) async fn confirm_setting(
        &self,
        decider: &Decider,
        setting: Setting,
        digest: &str,
    ) -> Result<(), DecideError> {
        let mut confirmed = self.authority().confirm_setting(decider, setting, digest, now::moment())?;
        let durable = std::mem::take(&mut confirmed.durable);
        if let Err(error) = self.saving.commit(durable).await {
            self.authority().withdraw_setting();
            return Err(error.into());
        }
        let effects = self.authority().complete_setting(confirmed);
        self.apply(effects, None);
        self.changed();
        Ok(())
    }

    /// Rejects a value of the configuration file, or takes one back: it counts at once. Whether that
    /// is saved.
    pub(crate) async fn reject_setting(
        &self,
        decider: &Decider,
        setting: Setting,
        digest: Option<&str>,
    ) -> Result<bool, DecisionError> {
        let changed = self.authority().reject_setting(decider, setting, digest, now::moment())?;
        let ((), saved) = self.settle(changed, None).await;
        Ok(saved)
    }

    /// Commits a change that already counts. The answer says whether it also survives a restart;
    /// where it does not yet, saving is tried again.
    pub(crate) async fn settle<T>(&self, changed: Changed<T>, asked_by: Option<&ConnectionId>) -> (T, bool) {
        let Changed { value, durable, effects } = changed;
        self.apply(effects, asked_by);
        self.changed();
        (value, self.saving.settle(durable).await)
    }

    /// Commits what an admission made. It counts once it is saved.
    pub(crate) async fn commit_admission(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.saving.save_current(|| self.authority().still_granted(changes)).await
    }

    /// Takes back what an admission left in memory: there is no room for the connection. A device
    /// token that was minted for it is forgotten, because nobody would ever hear it.
    pub(crate) fn forget_admission(&self, session: &Session, has_new_token: bool) {
        let mut authority = self.authority();
        authority.disconnected(session.connection());
        if let (Principal::Device(device), true) = (session.principal(), has_new_token) {
            authority.forget_unsaved_token(*device);
        }
    }

    /// Waits until audit events are no longer written.
    pub(crate) async fn audit_ended(&self) {
        self.audit.closed().await;
    }

    /// Commits a token that was just made. One that could not be saved would be gone after a restart,
    /// so it is not given out at all; the error says why.
    pub(crate) async fn keep_token(
        &self,
        made: Changed<(Token, ProgramToken)>,
    ) -> Result<(Token, ProgramToken), String> {
        let Changed { value: (token, record), durable, effects } = made;
        if self.given_back.load(Ordering::Acquire) {
            // The next gateway would not know it.
            return Err("Tidegate is restarting".to_owned());
        }
        if let Err(error) = self.saving.commit(durable).await {
            // It was just made, so it is there.
            let _ = self.authority().revoke_program_token(&record.id, now::moment());
            return Err(error.to_string());
        }
        self.apply(effects, None);
        self.changed();
        Ok((token, record))
    }

    /// Does what a decision asked for.
    pub(crate) fn apply(&self, effects: Vec<Effect>, asked_by: Option<&ConnectionId>) {
        let shows = effects.iter().any(|effect| !matches!(effect, Effect::Audit(_)));
        for effect in effects {
            match effect {
                Effect::Close { connections } => self.hub.close_revoked(&connections, asked_by),
                Effect::Revoked { principal } => {
                    if let Some(runtime) = self.runtime.get() {
                        runtime.stop_client(&principal.name());
                    }
                }
                Effect::Requested(request) => {
                    let payload = pending_payload(&request);
                    self.hub.publish::<event::DevicePairRequested>(&payload, Audience::Everyone);
                }
                Effect::Ended { request, .. } => self.publish_resolved(&request, false),
                Effect::Resolved { request, approved } => self.publish_resolved(&request, approved),
                Effect::Audit(event) => self.audit(event),
            }
        }
        if shows {
            self.changed();
        }
    }

    /// Logs an audit event and queues it for the store. Nothing waits for it.
    pub(crate) fn audit(&self, event: AuditEvent) {
        match event.severity {
            Severity::Info => tracing::info!(target: "audit", "{}", event.line),
            Severity::Warn => tracing::warn!(target: "audit", "{}", event.line),
            Severity::Alarm => tracing::error!(target: "audit", "{}", event.line),
        }
        if self.audit.try_send(Change::Audit(Box::new(event))).is_err() {
            tracing::warn!("the audit log falls behind; the event above is only in the log file");
        }
    }

    fn publish_resolved(&self, request: &PendingRequest, approved: bool) {
        let payload = DevicePairResolvedEvent {
            request_id: request.id.clone(),
            device_id: subject_id(&request.ask.subject),
            decision: if approved { "approved" } else { "rejected" }.to_owned(),
            ts: now::wall(),
        };
        self.hub.publish::<event::DevicePairResolved>(&payload, Audience::Everyone);
    }

    /// Lets time pass: ends what has expired.
    pub(crate) fn tick(&self) {
        let effects = self.authority().tick(now::moment());
        self.apply(effects, None);
    }

    /// Tries once more to save what counts already.
    pub(crate) async fn save_unsaved(&self) {
        self.saving.save().await;
    }

    /// Saves what was only touched.
    pub(crate) async fn save_touched(&self) {
        if let Err(error) = self.saving.save_current(|| self.authority().take_touched()).await {
            tracing::warn!(%error, "when devices, programs and tokens were last used could not be saved");
        }
    }
}

/// A waiting request as `device.pair.list` and `device.pair.requested` show it (protocol
/// section 10.2).
pub(crate) fn pending_payload(request: &PendingRequest) -> PendingDevice {
    let ask = &request.ask;
    PendingDevice {
        request_id: request.id.clone(),
        device_id: subject_id(&ask.subject),
        public_key: ask.key.map(|key| key.to_string()).unwrap_or_default(),
        display_name: ask.claims.display_name.clone(),
        platform: ask.claims.platform.clone(),
        device_family: ask.claims.device_family.clone(),
        client_id: ask.claims.client_id.clone(),
        client_mode: ask.claims.client_mode.clone(),
        role: ask.role.clone(),
        roles: vec![ask.role.clone()],
        scopes: ask.asked.to_vec(),
        silent: false,
        is_repair: !ask.has.is_empty(),
        ts: request.created_at,
        code: None,
        digest: None,
        reason: None,
        has: None,
        adds: None,
        from: None,
        subject: None,
        version: None,
        known_name: None,
        unidentified: None,
        caution: None,
        later: None,
        expires_at_ms: None,
        fingerprint: None,
    }
}

/// What stands in for a device id where a program has none.
pub(crate) fn subject_id(subject: &Subject) -> String {
    match subject {
        Subject::Device(device) => device.to_string(),
        Subject::Program(program) => {
            let file = program.script.as_ref().unwrap_or(&program.executable);
            format!("program:{}", tidegate_protocol::text::one_line(&file.display().to_string(), 200))
        }
    }
}

async fn write_audit(store: Store, mut queue: mpsc::Receiver<Change>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, 64).await > 0 {
        if let Err(error) = store.commit_trust(std::mem::take(&mut batch)).await {
            tracing::warn!(%error, "audit events could not be saved; they are in the log file");
        }
    }
}

#[cfg(test)]
mod tests;
