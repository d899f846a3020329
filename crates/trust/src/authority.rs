//! Everything that decides, in one value. The driver holds it, gives it time and entropy, commits
//! the changes that it returns, and does what its effects say.

use std::collections::{BTreeMap, HashMap};

use tidegate_protocol::{ConnectionId, DeviceId, PublicKey, UnixMillis};

use crate::audit::AuditEvent;
use crate::moment::{Deadline, Moment};
use crate::origin::InProcessKey;
use crate::pairing::{Ended, PendingQueue, PendingRequest, Subject};
use crate::principal::Principal;
use crate::records::{
    Block, BlockedSubject, Change, DeviceRecord, ProgramGrant, ProgramToken, SharedToken, TrustRecords,
};
use crate::throttle::Throttle;
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

/// How long a grant lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is revoked.
    Always,
    /// Until Tidegate quits. Never stored.
    UntilQuit,
    /// For the next admission, within 5 minutes. Never stored.
    Once(Deadline),
}

#[derive(Debug, Clone)]
pub(crate) struct Held<T> {
    pub(crate) record: T,
    pub(crate) lifetime: Lifetime,
}

/// A connection that was let in.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) principal: Principal,
    pub(crate) token_generation: Option<u64>,
}

/// What the driver must do after a decision, besides committing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Close these connections with code 4001 at once, after the one named gets its answer.
    Close {
        /// Which.
        connections: Vec<ConnectionId>,
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
    /// Write to the audit log; nothing waits for it.
    Audit(AuditEvent),
}

/// See the module's text.
#[derive(Debug)]
pub struct Authority {
    pub(crate) own_key: Option<PublicKey>,
    pub(crate) own_client_seen: Option<UnixMillis>,
    pub(crate) devices: BTreeMap<DeviceId, Held<DeviceRecord>>,
    pub(crate) programs: Vec<Held<ProgramGrant>>,
    pub(crate) tokens: Vec<ProgramToken>,
    pub(crate) shared_token: Option<SharedToken>,
    pub(crate) override_token: Option<TokenHash>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) pending: PendingQueue,
    pub(crate) throttle: Throttle,
    pub(crate) live: HashMap<ConnectionId, Live>,
    pub(crate) touched: Vec<DeviceId>,
}

impl Authority {
    /// An authority over what is stored, and the one right to call connections in-process.
    #[must_use]
    pub fn new(records: TrustRecords) -> (Self, InProcessKey) {
        let held = |record| Held { record, lifetime: Lifetime::Always };
        let authority = Self {
            own_key: None,
            own_client_seen: None,
            devices: records.devices.into_iter().map(|record| (record.id, held(record))).collect(),
            programs: records
                .programs
                .into_iter()
                .map(|record| Held { record, lifetime: Lifetime::Always })
                .collect(),
            tokens: records.tokens,
            shared_token: records.shared_token,
            override_token: None,
            blocks: records.blocks,
            pending: PendingQueue::default(),
            throttle: Throttle::default(),
            live: HashMap::new(),
            touched: Vec::new(),
        };
        (authority, InProcessKey::new())
    }

    /// Sets the key that our own client was given this time. Whatever the store holds about it,
    /// in a record, a block or another's name, means nothing for its admission.
    pub fn set_own_key(&mut self, key: PublicKey) {
        self.own_key = Some(key);
    }

    /// Sets a shared token from outside (environment) that stands in for the stored one.
    pub fn override_shared_token(&mut self, hash: TokenHash) {
        self.override_token = Some(hash);
    }

    /// Whether there is a shared token.
    #[must_use]
    pub fn has_shared_token(&self) -> bool {
        self.override_token.is_some() || self.shared_token.is_some()
    }

    /// The generation of the shared token, which program grants hang on. One that stands in from
    /// outside has a generation of its own, made of its hash.
    pub(crate) fn token_generation(&self) -> u64 {
        match (&self.override_token, &self.shared_token) {
            (Some(hash), _) => {
                let text = String::from(*hash);
                text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
                    (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                }) | 1 << 63
            }
            (None, Some(token)) => token.generation,
            (None, None) => 0,
        }
    }

    /// The waiting requests, oldest first. Call [`Self::tick`] before.
    #[must_use]
    pub fn waiting(&self) -> &[PendingRequest] {
        self.pending.waiting()
    }

    /// The known devices and how long their grants last; our own client is not among them.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceRecord, Lifetime)> {
        self.devices.values().map(|held| (&held.record, held.lifetime))
    }

    /// The programs with grants.
    pub fn programs(&self) -> impl Iterator<Item = (&ProgramGrant, Lifetime)> {
        self.programs.iter().map(|held| (&held.record, held.lifetime))
    }

    /// The tokens of programs.
    #[must_use]
    pub fn tokens(&self) -> &[ProgramToken] {
        &self.tokens
    }

    /// What is blocked.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Our own client's id, and when it was last let in.
    #[must_use]
    pub fn own_client(&self) -> Option<(PublicKey, Option<UnixMillis>)> {
        self.own_key.map(|key| (key, self.own_client_seen))
    }

    /// Whether a device has a live connection.
    #[must_use]
    pub fn is_connected(&self, device: DeviceId) -> bool {
        self.live.values().any(|live| live.principal == Principal::Device(device))
    }

    /// Lets time pass: ends what has expired.
    pub fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let ended = self.pending.expire(now);
        self.devices.retain(|_, held| !once_has_passed(held.lifetime, now));
        self.programs.retain(|held| !once_has_passed(held.lifetime, now));
        ended
            .into_iter()
            .map(|request| Effect::Ended { request: Box::new(request), how: Ended::Expired })
            .collect()
    }

    /// A connection ended.
    pub fn disconnected(&mut self, connection: &ConnectionId) {
        self.live.remove(connection);
    }

    /// Whether a connection may still act. A revoked one may not, from the moment of revocation.
    #[must_use]
    pub fn is_live(&self, connection: &ConnectionId) -> bool {
        self.live.contains_key(connection)
    }

    /// Records that were only touched (last seen) since the last call, to be saved at leisure.
    pub fn take_touched(&mut self) -> Vec<Change> {
        let touched = std::mem::take(&mut self.touched);
        let records = touched.iter().filter_map(|id| self.devices.get(id));
        records
            .filter(|held| held.lifetime == Lifetime::Always)
            .map(|held| Change::PutDevice(Box::new(held.record.clone())))
            .collect()
    }

    pub(crate) fn is_own(&self, id: DeviceId) -> bool {
        self.own_key.is_some_and(|key| key.device_id() == id)
    }

    pub(crate) fn is_blocked(&self, subject: &Subject) -> bool {
        self.blocks.iter().any(|block| match (&block.subject, subject) {
            (BlockedSubject::Device(blocked), Subject::Device(device)) => blocked == device,
            (BlockedSubject::Program(blocked), Subject::Program(program)) => blocked == program,
            _ => false,
        })
    }

    /// Takes the right to act from every connection of a principal.
    pub(crate) fn end_sessions(&mut self, principal: &Principal) -> Option<Effect> {
        let connections: Vec<ConnectionId> = self
            .live
            .iter()
            .filter(|(_, live)| &live.principal == principal)
            .map(|(connection, _)| connection.clone())
            .collect();
        for connection in &connections {
            self.live.remove(connection);
        }
        (!connections.is_empty()).then_some(Effect::Close { connections })
    }
}

fn once_has_passed(lifetime: Lifetime, now: Moment) -> bool {
    matches!(lifetime, Lifetime::Once(until) if until.has_passed(now))
}
