//! Everything that decides, in one value. The driver holds it, gives it time and entropy, commits
//! the changes that it returns, and does what its effects say.

use tidegate_protocol::{ConnectionId, DeviceId, PublicKey, UnixMillis};

use crate::audit::{AuditEvent, AuditKind};
use crate::decision::Desktop;
use crate::origin::{DesktopKey, InProcessKey};
use crate::pairing::{Ended, PendingQueue, PendingRequest, Subject};
use crate::principal::Principal;
use crate::records::{Block, Change, DeviceRecord, ProgramGrant, ProgramToken, TrustRecords};
pub use crate::stores::GrantExpiry;
use crate::stores::{
    BlockStore, DeviceStore, PermissionStore, ProgramStore, SessionStore, SettingStore, TokenStore,
};
use crate::throttle::Throttle;
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// The name of our own client's row.
pub const OWN_CLIENT_NAME: &str = "Tidegate's own subagent client";

/// Random bytes for what a decision may have to make: one request id, one token.
#[derive(Clone)]
pub struct Entropy {
    /// For a request's or grant's id.
    pub id: [u8; 16],
    /// For a token.
    pub token: [u8; 32],
}

impl Entropy {
    /// A version 4 UUID of the id's bytes (RFC 9562 section 5.4).
    #[must_use]
    pub fn uuid(&self) -> String {
        let mut bytes = self.id;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}

/// What the driver must do after a decision, besides committing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Close these connections with code 4001 at once, after the one named gets its answer.
    Close {
        /// Which.
        connections: Vec<ConnectionId>,
    },
    /// The access of someone was revoked: their runs are stopped, and what these asked for is withdrawn.
    Revoked {
        /// Who.
        principal: Principal,
    },
    /// A request waits (`device.pair.requested`).
    Requested(Box<PendingRequest>),
    /// A request ended without a decision.
    Ended {
        /// The request.
        request: Box<PendingRequest>,
        /// How.
        how: Ended,
    },
    /// A request was decided (`device.pair.resolved`).
    Resolved {
        /// The request.
        request: Box<PendingRequest>,
        /// Whether something was granted.
        approved: bool,
    },
    /// A permission was revoked: the commands that it allowed are ended.
    PermissionRevoked { id: String },
    /// Write to the audit log; nothing waits for it.
    Audit(AuditEvent),
}

impl Effect {
    pub(crate) fn audit(now: Timestamp, kind: AuditKind, subject: impl Into<String>, line: String) -> Self {
        Self::Audit(AuditEvent::new(now.wall, kind, subject, line))
    }
}

/// Who may do what, in one process: what is stored, what holds until it quits, who waits and who is
/// connected. Each kind is kept by a store of its own; what concerns several of them is decided here.
#[derive(Debug)]
pub struct Authority {
    pub(crate) devices: DeviceStore,
    pub(crate) programs: ProgramStore,
    pub(crate) tokens: TokenStore,
    pub(crate) blocks: BlockStore,
    pub(crate) pending: PendingQueue,
    pub(crate) sessions: SessionStore,
    pub(crate) settings: SettingStore,
    pub(crate) permissions: PermissionStore,
    pub(crate) throttle: Throttle,
    own_key: Option<PublicKey>,
    own_client_seen: Option<UnixMillis>,
    desktop_key: Option<DesktopKey>,
}

impl Authority {
    /// An authority over what is stored, and the one right to call connections in-process.
    #[must_use]
    pub fn new(records: TrustRecords) -> (Self, InProcessKey) {
        let authority = Self {
            devices: DeviceStore::of(records.devices),
            programs: ProgramStore::of(records.programs),
            tokens: TokenStore::of(records.tokens, records.shared_token),
            blocks: BlockStore::of(records.blocks),
            pending: PendingQueue::default(),
            sessions: SessionStore::default(),
            settings: SettingStore::of(records.settings),
            permissions: PermissionStore::of(records.permissions, records.ask_everything),
            throttle: Throttle::default(),
            own_key: None,
            own_client_seen: None,
            desktop_key: Some(DesktopKey::new()),
        };
        (authority, InProcessKey::new())
    }

    /// Starts over from what a store holds: nobody is connected, nothing waits, and nothing is granted
    /// for a while. What this process alone decides stays: which key is our own, and whether the right
    /// to act for the person was given out. What the configuration proposes, and a shared token from
    /// outside, are to be set again.
    pub fn start_over(&mut self, records: TrustRecords) {
        let (next, _) = Self::new(records);
        *self = Self {
            tokens: next.tokens.after(&self.tokens),
            own_key: self.own_key,
            own_client_seen: self.own_client_seen,
            desktop_key: self.desktop_key.take(),
            ..next
        };
    }

    /// The right to act for the person at a desktop. It is given out once, and only where a desktop
    /// is: to the composition root, before anything is served.
    #[must_use]
    pub fn take_desktop_key(&mut self, desktop: Desktop) -> Option<DesktopKey> {
        let key = self.desktop_key.take();
        key.filter(|_| desktop == Desktop::Running)
    }

    /// Sets the key that our own client was given this time. Whatever the store holds about it,
    /// in a record, a block or another's name, means nothing for its admission.
    pub fn set_own_key(&mut self, key: PublicKey) {
        // With another key before a restart, it may have asked as a stranger.
        self.pending.take_subject(&Subject::Device(key.device_id()));
        self.own_key = Some(key);
    }

    /// Sets a shared token from outside (environment) that stands in for the stored one.
    pub fn override_shared_token(&mut self, hash: TokenHash) {
        self.tokens.override_shared(hash);
    }

    /// Whether there is a shared token.
    #[must_use]
    pub fn has_shared_token(&self) -> bool {
        self.tokens.has_shared()
    }

    /// The waiting requests, oldest first. Call [`Self::tick`] before.
    #[must_use]
    pub fn waiting(&self) -> &[PendingRequest] {
        self.pending.waiting()
    }

    /// How long until the first waiting request ends by itself; `None` when nothing waits.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<std::time::Duration> {
        self.pending.next_expiry(now)
    }

    /// The known devices and how long their grants last; our own client is not among them.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceRecord, GrantExpiry)> {
        self.devices.iter().filter(|(record, _)| !self.is_own(record.id))
    }

    /// The programs with grants.
    pub fn programs(&self) -> impl Iterator<Item = (&ProgramGrant, GrantExpiry)> {
        self.programs.iter()
    }

    /// The tokens of programs.
    #[must_use]
    pub fn tokens(&self) -> &[ProgramToken] {
        self.tokens.of_programs()
    }

    /// What is blocked.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        self.blocks.all()
    }

    /// One of the blocks, by its short id or by the blocked device's id.
    #[must_use]
    pub fn block(&self, id: &str) -> Option<&Block> {
        let mut blocks = self.blocks.all().iter();
        blocks.find(|block| block.id() == id || block.device().is_some_and(|device| device == id))
    }

    /// Our own client's id, and when it was last let in.
    #[must_use]
    pub fn own_client(&self) -> Option<(PublicKey, Option<UnixMillis>)> {
        self.own_key.map(|key| (key, self.own_client_seen))
    }

    pub(crate) fn is_own(&self, id: DeviceId) -> bool {
        self.own_key.is_some_and(|key| key.device_id() == id)
    }

    pub(crate) fn own_client_was_seen(&mut self, now: Timestamp) {
        self.own_client_seen = Some(now.wall);
    }

    /// Whether a device has a live connection.
    #[must_use]
    pub fn is_connected(&self, device: DeviceId) -> bool {
        self.sessions.iter().any(|live| live.principal == Principal::Device(device))
    }

    /// Lets time pass: ends what has expired.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        self.expire_grants(now);
        let expired = self.pending.expire(now).into_iter();
        expired.map(|request| Effect::Ended { request: Box::new(request), how: Ended::Expired }).collect()
    }

    pub(crate) fn expire_grants(&mut self, now: Timestamp) {
        self.devices.expire(now);
        self.programs.expire(now);
    }

    /// A connection ended.
    pub fn disconnected(&mut self, connection: &ConnectionId) {
        self.sessions.remove(connection);
    }

    /// The gateway ended, and every connection with it. What waits and what was granted stays.
    pub fn all_disconnected(&mut self) {
        self.sessions.clear();
    }

    /// Whether a connection may still act. A revoked one may not, from the moment of revocation.
    #[must_use]
    pub fn is_live(&self, connection: &ConnectionId) -> bool {
        self.sessions.contains(connection)
    }

    /// Records that were only touched (last seen, last used) since the last call, to be saved at
    /// leisure and before any change that follows. What is being decided about is left for later:
    /// the decision may be saved already, and is not in effect yet.
    pub fn take_touched(&mut self) -> Vec<Change> {
        let Self { devices, programs, tokens, pending, permissions, .. } = self;
        let mut touched = devices.take_touched(|id| pending.is_deciding(&Subject::Device(id)));
        touched
            .extend(programs.take_touched(|program| pending.is_deciding(&Subject::Program(program.clone()))));
        touched.extend(tokens.take_touched());
        touched.extend(permissions.take_touched().into_iter().map(Box::new).map(Change::PutPermission));
        touched
    }

    /// What an admission made, as it is in effect now, to be saved before any change that follows: who was
    /// removed since then is not put back, and a token that was rotated since then stays rotated.
    #[must_use]
    pub fn still_granted(&self, made: Vec<Change>) -> Vec<Change> {
        let as_it_is = |change| match change {
            Change::PutDevice(record) => self.devices.stored(record.id),
            other => Some(other),
        };
        made.into_iter().filter_map(as_it_is).collect()
    }

    /// Takes the right to act from every connection of a principal, and stops what runs for it.
    pub(crate) fn revoke(&mut self, principal: Principal) -> Vec<Effect> {
        let closed = self.sessions.end(|live| live.principal == principal);
        closed.into_iter().chain(self.revoke_work(principal)).collect()
    }

    /// Stops what runs for a principal, and takes back what it allowed others.
    pub(crate) fn revoke_work(&mut self, principal: Principal) -> Vec<Effect> {
        let given = self.permissions.take_given_by(&principal.name()).into_iter();
        let ended = given.map(|permission| Effect::PermissionRevoked { id: permission.id });
        ended.chain([Effect::Revoked { principal }]).collect()
    }
}
