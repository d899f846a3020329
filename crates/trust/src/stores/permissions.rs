//! What a person allowed for more than one time.

use std::collections::BTreeSet;

use tidegate_protocol::UnixMillis;

use crate::permissions::{MAX_IN_MEMORY, MAX_STORED, NEEDS_LIFETIME, Permission, PermissionKind};

/// The permissions, oldest first, and whether they are used.
#[derive(Debug, Default)]
pub(crate) struct PermissionStore {
    permissions: Vec<Permission>,
    asks_everything: bool,
    /// How often a person was to be asked about everything: a change back that is being saved is outdated by it.
    narrowed: u64,
    /// How often the access of a client was revoked: what a client gives and is being saved is outdated by it.
    clients_revoked: u64,
    /// Ids of those that were used since [`Self::take_touched`].
    touched: BTreeSet<String>,
}

impl PermissionStore {
    pub(crate) fn of(permissions: Vec<Permission>, asks_everything: bool) -> Self {
        let permissions = permissions.into_iter().filter(Permission::is_stored).collect();
        Self { permissions, asks_everything, ..Self::default() }
    }

    /// All of them, also those whose time is up.
    pub(crate) fn all(&self) -> &[Permission] {
        &self.permissions
    }

    pub(crate) fn asks_everything(&self) -> bool {
        self.asks_everything
    }

    /// From now on no permission is used.
    pub(crate) fn ask_everything(&mut self) {
        self.asks_everything = true;
        self.narrowed += 1;
    }

    pub(crate) fn narrowed(&self) -> u64 {
        self.narrowed
    }

    /// From now on permissions are used, unless they were not to be since `narrowed`. Whether they are.
    pub(crate) fn use_again(&mut self, narrowed: u64) -> bool {
        let is_current = self.narrowed == narrowed;
        self.asks_everything &= !is_current;
        is_current
    }

    /// Whether as many are in effect as are stored. What has ended is not shown, so that a person could not
    /// revoke it to make room.
    pub(crate) fn is_full(&self, now: UnixMillis) -> bool {
        let in_effect = |known: &&Permission| known.is_stored() && !known.has_expired(now);
        self.permissions.iter().filter(in_effect).count() >= MAX_STORED
    }

    /// That which a new one renews: it allows the same in the folder of that name.
    pub(crate) fn renewed_by(&self, new: &Permission) -> Option<&Permission> {
        self.permissions.iter().find(|known| known.is_like(new))
    }

    /// The ids of those that a new one replaces, and of those that ended so long ago that nobody wonders why
    /// they are asked again.
    pub(crate) fn outdated(&self, new: &Permission, now: UnixMillis) -> Vec<String> {
        let is_outdated = |known: &&Permission| {
            known.is_like(new) || known.expires_at().is_some_and(|end| now.since(end) > NEEDS_LIFETIME)
        };
        self.permissions.iter().filter(is_outdated).map(|known| known.id.clone()).collect()
    }

    /// Whether that which a new one renews was revoked since it was prepared, or it is of a client and the access of
    /// one was revoked since.
    pub(crate) fn is_overtaken(&self, gone: &[String], new: &Permission, clients_revoked: u64) -> bool {
        gone.contains(&new.id) && self.get(&new.id).is_none()
            || new.given_by.is_some() && self.clients_revoked != clients_revoked
    }

    /// Puts one in the place of others. Whether it does: when it was overtaken, it does not, and the others are
    /// gone from memory all the same.
    pub(crate) fn replace(&mut self, gone: &[String], new: Permission, clients_revoked: u64) -> bool {
        let is_revoked = self.is_overtaken(gone, &new, clients_revoked);
        for id in gone {
            self.take(id);
        }
        if !is_revoked {
            self.put(new);
        }
        !is_revoked
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Permission> {
        self.permissions.iter().find(|known| known.id == id)
    }

    /// Adds one. Of those that are not stored, the oldest gives way where there are too many.
    fn put(&mut self, permission: Permission) {
        self.permissions.push(permission);
        let mut in_memory = self.permissions.iter().filter(|known| !known.is_stored());
        if in_memory.clone().count() > MAX_IN_MEMORY
            && let Some(oldest) = in_memory.next().map(|known| known.id.clone())
        {
            self.take(&oldest);
        }
    }

    pub(crate) fn take(&mut self, id: &str) -> Option<Permission> {
        let position = self.permissions.iter().position(|known| known.id == id)?;
        self.touched.remove(id);
        Some(self.permissions.remove(position))
    }

    /// Takes one, and those that allow the same: two that were given at the same moment.
    pub(crate) fn take_with_alike(&mut self, id: &str) -> Option<(Permission, Vec<Permission>)> {
        let taken = self.take(id)?;
        let alike = self.permissions.iter().filter(|known| known.is_like(&taken));
        let alike: Vec<_> = alike.map(|known| known.id.clone()).collect();
        let alike = alike.iter().filter_map(|id| self.take(id)).collect();
        Some((taken, alike))
    }

    /// How often the access of a client was revoked.
    pub(crate) fn clients_revoked(&self) -> u64 {
        self.clients_revoked
    }

    /// Takes what a client gave, whose access is revoked.
    pub(crate) fn take_given_by(&mut self, client: &str) -> Vec<Permission> {
        self.clients_revoked += 1;
        let theirs = self.permissions.iter().filter(|known| known.given_by.as_deref() == Some(client));
        let theirs: Vec<_> = theirs.map(|known| known.id.clone()).collect();
        theirs.iter().filter_map(|id| self.take(id)).collect()
    }

    /// Forgets what was allowed for a task.
    pub(crate) fn end_task(&mut self, task: &str) {
        let is_of_it =
            |kind: &PermissionKind| matches!(kind, PermissionKind::Task { task: of, .. } if of == task);
        self.permissions.retain(|known| !is_of_it(&known.kind));
    }

    /// Notes that some were used.
    pub(crate) fn touch(&mut self, ids: &[String], now: UnixMillis) {
        for known in self.permissions.iter_mut().filter(|known| ids.contains(&known.id)) {
            known.last_used_at = Some(now);
            if known.is_stored() {
                self.touched.insert(known.id.clone());
            }
        }
    }

    /// Those that are stored and were used since the last call.
    pub(crate) fn take_touched(&mut self) -> Vec<Permission> {
        let touched = std::mem::take(&mut self.touched);
        self.permissions.iter().filter(|known| touched.contains(&known.id)).cloned().collect()
    }
}
