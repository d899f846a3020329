//! What a person allowed for more than one time: its use, and taking it back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tidegate_clock as now;
use tidegate_protocol::payload::permissions::PermissionName;
use tidegate_protocol::{UnixMillis, text};
use tidegate_trust::approval::{ApprovalRequest, Operation};
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::decision::Decider;
use tidegate_trust::permissions::{Permission, PermissionError, Permitted};
use tidegate_trust::{Authority, Session};
use tokio_util::sync::CancellationToken;

use crate::approvals::{AllowError, MAX_SESSION};
use crate::service::TrustService;

/// How many requests that nobody was asked about are remembered for the person to look at.
const REMEMBERED: usize = 200;
/// The most characters of a command in that list.
const MAX_TITLE: usize = 300;

/// The use of permissions by one command, for as long as it is kept.
#[derive(Debug)]
pub struct PermissionUse {
    permissions: Vec<String>,
    revoked: CancellationToken,
}

impl PermissionUse {
    /// Cancelled when one of the permissions is revoked: what uses it has to end.
    #[must_use]
    pub fn revoked(&self) -> &CancellationToken {
        &self.revoked
    }
}

/// A request that nobody was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unasked {
    pub at: UnixMillis,
    pub session_key: String,
    pub run_id: Option<String>,
    /// The command, or the tool and the path, as one line.
    pub title: String,
    pub digest: String,
    /// The ids of the permissions that it used.
    pub permissions: Vec<String>,
}

/// What permissions are used for.
#[derive(Debug, Default)]
pub(crate) struct Used {
    now: Mutex<Vec<Weak<PermissionUse>>>,
    unasked: Mutex<UnaskedLog>,
}

/// What nobody was asked about since the process started.
#[derive(Debug, Default)]
struct UnaskedLog {
    count: u64,
    /// How many of them were commands.
    commands: u64,
    /// The newest of them, newest first.
    newest: VecDeque<Unasked>,
}

impl Used {
    /// Ends what uses a permission.
    pub(crate) fn revoke(&self, id: &str) {
        for used in self.of(id) {
            used.revoked.cancel();
        }
    }

    fn of(&self, id: &str) -> Vec<Arc<PermissionUse>> {
        let used = lock(&self.now);
        let mut of_it: Vec<_> = used.iter().filter_map(Weak::upgrade).collect();
        of_it.retain(|used| used.permissions.iter().any(|known| known == id));
        of_it
    }

    fn begin(&self, permissions: Vec<String>) -> Arc<PermissionUse> {
        let used = Arc::new(PermissionUse { permissions, revoked: CancellationToken::new() });
        let mut now = lock(&self.now);
        now.retain(|used| used.strong_count() > 0);
        now.push(Arc::downgrade(&used));
        used
    }
}

impl TrustService {
    /// Uses permissions until the answer is dropped. `None` where one of them does not hold any more.
    #[must_use]
    pub fn use_permissions(&self, permissions: &[String]) -> Option<(Arc<PermissionUse>, PermissionName)> {
        self.begin_use(&self.authority(), permissions)
    }

    /// The same under a lock that is held already: a revocation comes before, and is seen, or after, and ends
    /// the use.
    pub(crate) fn begin_use(
        &self,
        authority: &Authority,
        permissions: &[String],
    ) -> Option<(Arc<PermissionUse>, PermissionName)> {
        let kind = authority.hold(permissions, now::timestamp())?;
        Some((self.0.used.begin(permissions.to_vec()), kind))
    }

    /// Notes that nobody was asked about a request, for the person to see.
    pub(crate) fn note_unasked(&self, request: &ApprovalRequest, permitted: &Permitted) {
        let (kind, what) = match request.operation {
            Operation::Exec { .. } => (AuditKind::CommandUnasked, "command"),
            Operation::File { .. } => (AuditKind::FileUnasked, "file"),
        };
        let permissions = permitted.permissions.join(",");
        let line = format!(
            "{kind} digest={} permissions={permissions} session={} {what}={}",
            request.digest,
            text::one_line(&request.session_key, MAX_SESSION),
            request.operation.logged(),
        );
        let at = now::wall();
        self.audit(AuditEvent::new(at, kind.clone(), request.digest.clone(), line));
        let mut unasked = lock(&self.0.used.unasked);
        unasked.count += 1;
        unasked.commands += u64::from(kind == AuditKind::CommandUnasked);
        unasked.newest.push_front(Unasked {
            at,
            session_key: text::one_line(&request.session_key, MAX_SESSION),
            run_id: request.run_id.clone(),
            title: text::one_line(&request.operation.title(), MAX_TITLE),
            digest: request.digest.clone(),
            permissions: permitted.permissions.clone(),
        });
        unasked.newest.truncate(REMEMBERED);
        drop(unasked);
        self.changed();
    }

    /// What nobody was asked about since the process started, newest first, and how much that was.
    #[must_use]
    pub fn unasked(&self) -> (u64, Vec<Unasked>) {
        let unasked = lock(&self.0.used.unasked);
        (unasked.count, unasked.newest.iter().cloned().collect())
    }

    /// How many commands nobody was asked about since the process started.
    #[must_use]
    pub fn unasked_commands(&self) -> u64 {
        lock(&self.0.used.unasked).commands
    }

    /// The permissions that are in effect, and whether a person is asked about everything all the same.
    #[must_use]
    pub fn permissions(&self) -> (Vec<Permission>, bool) {
        let authority = self.authority();
        let (permissions, asks_everything) = authority.permissions(now::timestamp());
        (permissions.into_iter().cloned().collect(), asks_everything)
    }

    /// Takes a permission back. The answer says how many commands end that it had allowed, and whether it is
    /// saved.
    ///
    /// # Errors
    /// When there is none, or for our own client.
    pub async fn revoke_permission(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<(usize, bool), PermissionError> {
        let revoked = self.authority().revoke_permission(session, id, now::timestamp())?;
        let ended = self.0.used.of(id).len();
        let (_, saved) = self.settle(revoked, None).await;
        Ok((ended, saved))
    }

    /// A task is over, and with it what was allowed or denied for it.
    pub fn end_task(&self, task: &str) {
        self.authority().end_task(task);
        self.approvals().end_task(task);
        self.changed();
    }

    /// From now on a person is asked about everything. Whether that is saved.
    ///
    /// # Errors
    /// For our own client.
    pub async fn ask_everything(&self, session: &Session) -> Result<bool, PermissionError> {
        let changed = self.authority().ask_everything(session, now::timestamp())?;
        let ((), saved) = self.settle(changed, None).await;
        Ok(saved)
    }

    /// The same for the person at the desktop.
    pub async fn ask_everything_as(&self, person: &Decider) -> bool {
        let changed = self.authority().ask_everything_as(person, now::timestamp());
        self.settle(changed, None).await.1
    }

    /// Permissions are used again: the person decided that.
    ///
    /// # Errors
    /// Why not.
    pub async fn use_permissions_again(&self, person: &Decider) -> Result<(), AllowError> {
        let prepared = self.authority().use_permissions(person, now::timestamp())?;
        self.commit(prepared).await?.ok_or(AllowError::Overtaken)?;
        self.permit_waiting();
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
