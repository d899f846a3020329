//! The service itself: what it holds, which store is open, and doing what decisions lead to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tidegate_clock as now;
use tidegate_protocol::{ConnectionId, UnixMillis};
use tidegate_store::{Store, StoreError};
use tidegate_trust::approval::{ApprovalQueue, Decision};
use tidegate_trust::audit::AuditEvent;
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::Desktop;
use tidegate_trust::token::Token;
use tidegate_trust::transaction::{PreparedTransaction, Transaction};
use tidegate_trust::{Authority, Change, Session, TrustRecords};
use tokio::sync::watch;

use crate::audit::AuditLog;
use crate::client_decisions::ClientDecisions;
use crate::permissions::Used;
use crate::ports::{Connections, Runs};
use crate::writer::{Target, TrustWriter, in_a_task};

/// How long is waited after a panic.
const PAUSE: Duration = Duration::from_secs(1);

/// A token that a device gets with its admission, and when it was made.
type DeviceToken = (Token, UnixMillis);

/// Whether a store keeps what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// It is on the disk.
    OnDisk,
    /// It is in memory, and ends with the process.
    InMemory,
}

/// The trust service. A cheap handle; clones share one service.
#[derive(Clone)]
pub struct TrustService(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    authority: Mutex<Authority>,
    /// Whether a panic struck while the authority was held; until a store is opened, it knows nobody.
    is_damaged: watch::Sender<bool>,
    /// The kind of the store that the authority was read from.
    opened: Mutex<Option<StoreKind>>,
    approvals: Mutex<ApprovalQueue>,
    /// Counts decisions about commands, so that the waiting tasks look again.
    pub(crate) approvals_changed: watch::Sender<u64>,
    pub(crate) writer: TrustWriter,
    audit: AuditLog,
    connections: Mutex<Option<Arc<dyn Connections>>>,
    runs: Mutex<Option<Arc<dyn Runs>>>,
    desktop: Desktop,
    changes: watch::Sender<u64>,
    client_decisions: watch::Sender<ClientDecisions>,
    pub(crate) used: Used,
}

impl TrustService {
    /// A service that knows what its authority knows, and saves nothing before [`Self::open`]. To be
    /// called within a runtime.
    #[must_use]
    pub fn new(authority: Authority, desktop: Desktop) -> Self {
        let writer = TrustWriter::new();
        let service = Self(Arc::new(Inner {
            authority: Mutex::new(authority),
            is_damaged: watch::Sender::new(false),
            opened: Mutex::default(),
            approvals: Mutex::default(),
            approvals_changed: watch::Sender::new(0),
            audit: AuditLog::new(writer.targets()),
            writer,
            connections: Mutex::default(),
            runs: Mutex::default(),
            desktop,
            changes: watch::Sender::new(0),
            client_decisions: watch::Sender::default(),
            used: Used::default(),
        }));
        let inner = Arc::downgrade(&service.0);
        tokio::spawn(async move {
            while tokio::spawn(expire(inner.clone())).await.is_err() {
                tracing::error!("expiry of pending requests panicked; restarting");
                tokio::time::sleep(PAUSE).await;
            }
        });
        service
    }

    /// From now on saves in `store`. Unless it is the one from before (`is_as_before`, and of the same
    /// kind) the authority starts over from what it holds, and what counts and is not saved yet counts
    /// on. What cannot be read grants nothing.
    pub async fn open(&self, store: Store, kind: StoreKind, is_as_before: bool) {
        let is_in_memory = kind == StoreKind::InMemory;
        // Notices an earlier panic: the next one to take the lock repairs it.
        drop(self.authority());
        let is_same = is_as_before && *lock(&self.0.opened) == Some(kind);
        if !is_same || self.is_damaged() {
            self.0.writer.begin_reading();
            let mut records = load_records(&store).await;
            let mut authority = self.authority();
            self.0.writer.apply_to(&mut records, is_in_memory);
            authority.start_over(records);
            *lock(&self.0.opened) = Some(kind);
            self.0.is_damaged.send_replace(false);
        }
        // Last: what the store does not know is not written to it as a change.
        self.0.writer.open(Target { store, is_in_memory });
        self.changed();
    }

    /// The store that is open is given up: the next one counts by itself.
    pub fn forget_store(&self) {
        *lock(&self.0.opened) = None;
    }

    /// How many changes of who may connect count and are not saved yet.
    #[must_use]
    pub fn unsaved(&self) -> usize {
        self.0.writer.unsaved()
    }

    /// Whether a desktop is there for a person to decide at.
    #[must_use]
    pub fn desktop(&self) -> Desktop {
        self.0.desktop
    }

    /// A gateway serves: what decisions lead to is done on its connections. Nobody may act on those of
    /// an earlier one any more.
    pub fn attach(&self, connections: Arc<dyn Connections>) {
        let before = lock(&self.0.connections).replace(connections);
        if let Some(before) = before {
            before.cut_off();
        }
        self.authority().all_disconnected();
    }

    /// Whose runs are stopped when a client is revoked.
    pub fn attach_runs(&self, runs: Arc<dyn Runs>) {
        *lock(&self.0.runs) = Some(runs);
    }

    /// The pure core. Never held over an await.
    ///
    /// A panic under this lock may leave a change half made, so what it left is never read. The
    /// next caller finds an authority that knows nobody and holds no credential but our own client's
    /// key, and refuses them; the connections that there are are closed. [`Self::damaged`] then asks for a
    /// restart, which reads what is stored ([`Self::open`]). What was saved is in effect again then, and so
    /// is a revocation, which the writer keeps until it is saved. Who decided about an approval or a token
    /// that is being saved at that moment gets an error, and it may be undone: a device whose upgrade it was
    /// then has to pair again.
    pub fn authority(&self) -> MutexGuard<'_, Authority> {
        self.0.authority.lock().unwrap_or_else(|poisoned| {
            let mut authority = poisoned.into_inner();
            authority.start_over(TrustRecords::default());
            self.0.authority.clear_poison();
            self.0.is_damaged.send_replace(true);
            self.connections(|gateway| gateway.cut_off());
            tracing::error!("trust service panicked; access is refused until it restarts");
            authority
        })
    }

    /// Whether it has to be opened again before anybody is let in.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        *self.0.is_damaged.borrow()
    }

    /// Waits until it has to be opened again.
    pub async fn damaged(&self) {
        let mut is_damaged = self.0.is_damaged.subscribe();
        // The sender lives as long as we do.
        let _ = is_damaged.wait_for(|is_damaged| *is_damaged).await;
    }

    /// The commands and files that wait. Never held over an await. A panic under this lock may lose one
    /// that waits, and never decides one: a decision is one value that is put in whole, and without it
    /// nothing is allowed.
    pub fn approvals(&self) -> MutexGuard<'_, ApprovalQueue> {
        lock(&self.0.approvals)
    }

    /// What the person's surfaces show has changed.
    pub fn changed(&self) {
        self.0.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Counts changes of what the person's surfaces show.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// What clients decided, for the person to hear of.
    #[must_use]
    pub fn client_decisions(&self) -> watch::Receiver<ClientDecisions> {
        self.0.client_decisions.subscribe()
    }

    pub(crate) fn count_client_decision(&self, count: impl FnOnce(&mut ClientDecisions)) {
        self.0.client_decisions.send_modify(count);
    }

    /// A client decided about a request of an agent.
    pub(crate) fn client_decided(&self, decision: Decision) {
        self.count_client_decision(|decisions| decisions.count_agent_request(decision));
    }

    /// A client was admitted, and may start runs again, unless it was revoked since: its session ends
    /// before its runs are stopped.
    pub fn admitted(&self, session: &Session) {
        let authority = self.authority();
        if authority.is_live(session.connection())
            && let Some(runs) = &*lock(&self.0.runs)
        {
            runs.admit_client(&session.principal().name());
        }
    }

    /// Commits the token that an admission made. It is for the device only once it is saved, and `None` when
    /// it was revoked or rotated meanwhile. Where the caller is gone by then, with the connection, it is
    /// taken back: the next admission makes another.
    ///
    /// # Errors
    /// When it could not be saved: it is rolled back then.
    pub async fn commit_admission(
        &self,
        transaction: PreparedTransaction<DeviceToken>,
    ) -> Result<Option<DeviceToken>, StoreError> {
        // Dropped with the caller.
        let waits = Arc::new(());
        let (service, caller) = (self.clone(), Arc::downgrade(&waits));
        in_a_task(async move { service.carry_out_admission(transaction, &caller).await }).await
    }

    async fn carry_out_admission(
        &self,
        mut transaction: PreparedTransaction<DeviceToken>,
        caller: &Weak<()>,
    ) -> Result<Option<DeviceToken>, StoreError> {
        let made = std::mem::take(&mut transaction.durable);
        if let Err(error) = self.save_still_granted(made.clone()).await {
            self.authority().roll_back(transaction);
            return Err(error);
        }
        if caller.strong_count() == 0 {
            self.authority().roll_back(transaction);
            // It is in the store already, and after a restart the device would get no other.
            if let Err(error) = self.save_still_granted(made).await {
                tracing::warn!(%error, "failed to remove an undelivered device token; rotate it");
            }
            return Ok(None);
        }
        let Transaction { value, durable, effects } = self.authority().apply(transaction, now::timestamp());
        self.apply(effects, None);
        self.0.writer.settle(durable).await;
        Ok(value)
    }

    /// Saves what an admission made, as it is by now.
    async fn save_still_granted(&self, made: Vec<Change>) -> Result<(), StoreError> {
        self.0.writer.save_current(|| self.authority().still_granted(made)).await
    }

    /// Takes back what an admission left in memory: there is no room for the connection. A device
    /// token that was made for it is rolled back, because nobody would ever hear it.
    pub fn forget_admission<T>(&self, session: &Session, device_token: Option<PreparedTransaction<T>>) {
        let mut authority = self.authority();
        authority.disconnected(session.connection());
        if let Some(transaction) = device_token {
            authority.roll_back(transaction);
        }
    }

    /// Commits a change that is in effect already. The answer says whether it also survives a restart;
    /// where it does not yet, saving is tried again.
    pub async fn settle<T>(&self, applied: Transaction<T>, asked_by: Option<&ConnectionId>) -> (T, bool) {
        let Transaction { value, durable, effects, .. } = applied;
        self.apply(effects, asked_by);
        self.changed();
        (value, self.0.writer.settle(durable).await)
    }

    /// Does what a decision leads to.
    pub fn apply(&self, effects: Vec<Effect>, asked_by: Option<&ConnectionId>) {
        let shows = effects.iter().any(|effect| !matches!(effect, Effect::Audit(_)));
        for effect in effects {
            match effect {
                Effect::Close { connections } => {
                    self.connections(|gateway| gateway.close_revoked(&connections, asked_by));
                }
                Effect::Revoked { principal } => {
                    self.runs(|runs| runs.stop_client(&principal.name()));
                    self.withdraw_client(&principal);
                }
                Effect::Requested(request) => self.connections(|gateway| gateway.request_waits(&request)),
                Effect::Ended { request, .. } => {
                    self.connections(|gateway| gateway.request_ended(&request, false));
                }
                Effect::Resolved { request, approved } => {
                    self.connections(|gateway| gateway.request_ended(&request, approved));
                }
                Effect::PermissionRevoked { id } => self.0.used.revoke(&id),
                Effect::Audit(event) => self.audit(event),
            }
        }
        if shows {
            self.changed();
        }
    }

    /// Tells whose runs end with revocations and denials.
    pub(crate) fn runs(&self, tell: impl FnOnce(&dyn Runs)) {
        if let Some(runs) = &*lock(&self.0.runs) {
            tell(&**runs);
        }
    }

    /// Tells the gateway that serves, if one does: the next one shows what is.
    pub(crate) fn connections(&self, tell: impl FnOnce(&dyn Connections)) {
        let connections = lock(&self.0.connections).clone();
        if let Some(connections) = connections {
            tell(&*connections);
        }
    }

    /// Logs an audit event and queues it for the store. Nothing waits for it.
    pub fn audit(&self, event: AuditEvent) {
        self.0.audit.write(event);
    }

    /// Lets time pass: ends what has expired.
    pub fn tick(&self) {
        let effects = self.authority().tick(now::timestamp());
        self.apply(effects, None);
        self.expire_commands();
    }

    /// How long until something that waits ends by itself.
    fn next_expiry(&self) -> Option<Duration> {
        let requests = self.authority().next_expiry(now::timestamp());
        let commands = self.approvals().next_expiry(now::timestamp());
        [requests, commands].into_iter().flatten().min()
    }

    /// Tries once more to save what counts already.
    pub async fn save_unsaved(&self) {
        self.0.writer.save().await;
    }

    /// Saves what was only touched. Writes nothing when nothing changed.
    pub async fn save_touched(&self) {
        if let Err(error) = self.0.writer.save_current(|| self.authority().take_touched()).await {
            tracing::warn!(%error, "failed to persist last-used timestamps");
        }
    }
}

impl std::fmt::Debug for TrustService {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TrustService").field("is_damaged", &self.is_damaged()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn load_records(store: &Store) -> TrustRecords {
    match store.load_trust().await {
        Ok(loaded) => {
            for record in &loaded.unreadable {
                tracing::error!(table = record.table, key = %record.key, reason = %record.reason,
                    "a stored record cannot be read and grants nothing");
            }
            loaded.records
        }
        Err(error) => {
            tracing::error!(%error, "failed to load pairing records; all devices must pair again");
            TrustRecords::default()
        }
    }
}

/// Ends what waits when its time is up, and not at the next sign of life: a dialog shows it.
async fn expire(service: Weak<Inner>) {
    let Some(mut changes) = service.upgrade().map(|inner| inner.changes.subscribe()) else { return };
    loop {
        let Some(next) = service.upgrade().map(|inner| TrustService(inner).next_expiry()) else { return };
        // What is left is counted in whole milliseconds.
        let wait = next.map(|next| next.max(Duration::from_millis(1)));
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {
                let Some(inner) = service.upgrade() else { return };
                TrustService(inner).tick();
            }
        }
    }
}

#[cfg(test)]
mod tests;
