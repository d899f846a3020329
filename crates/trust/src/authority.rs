//! Everything that decides, in one value. The driver holds it, gives it time and entropy, commits
//! the changes that it returns, and does what its effects say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidegate_protocol::{ConnectionId, DeviceId, PublicKey, UnixMillis};

use crate::audit::AuditEvent;
use crate::decision::Desktop;
use crate::origin::{DesktopKey, InProcessKey};
use crate::pairing::{Ended, PendingQueue, PendingRequest, Subject};
use crate::principal::Principal;
use crate::records::{
    Block, BlockedSubject, Change, DeviceRecord, DeviceToken, ProgramGrant, ProgramIdentity, ProgramToken,
    SharedToken, TrustRecords,
};
use crate::scopes::ScopeSet;
use crate::settings::Settings;
use crate::throttle::Throttle;
use crate::timestamp::{Deadline, Timestamp};
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
pub enum GrantExpiry {
    /// Until it is revoked.
    Always,
    /// Until Tidegate quits. Never stored.
    UntilQuit,
    /// For the next admission, within 5 minutes. Never stored.
    Once(Deadline),
}

impl GrantExpiry {
    /// Whether a grant of this lifetime lasts at least as long as one of the other.
    fn covers(self, other: Self) -> bool {
        let rank = |lifetime| match lifetime {
            Self::Once(_) => 0,
            Self::UntilQuit => 1,
            Self::Always => 2,
        };
        rank(self) >= rank(other)
    }
}

/// A record that counts now, and what counts again when it ends: a grant for a while never takes
/// away, and never turns into, one that lasts longer.
#[derive(Debug, Clone)]
pub(crate) struct Held<T> {
    pub(crate) record: T,
    pub(crate) lifetime: GrantExpiry,
    pub(crate) under: Option<Box<Self>>,
}

impl<T> Held<T> {
    pub(crate) fn lasting(record: T) -> Self {
        Self { record, lifetime: GrantExpiry::Always, under: None }
    }

    /// The newest record that lasts at least as long.
    pub(crate) fn at_least(&self, lifetime: GrantExpiry) -> Option<&T> {
        if self.lifetime.covers(lifetime) {
            return Some(&self.record);
        }
        self.under.as_deref().and_then(|under| under.at_least(lifetime))
    }

    /// The record as it is stored, if it is.
    pub(crate) fn stored(&self) -> Option<&T> {
        self.at_least(GrantExpiry::Always)
    }

    /// Puts a newer record on top of what lasts longer than it.
    pub(crate) fn replaced_by(self, record: T, lifetime: GrantExpiry) -> Self {
        let mut under = Some(Box::new(self));
        while let Some(held) = under.take_if(|held| lifetime.covers(held.lifetime)) {
            under = held.under;
        }
        Self { record, lifetime, under }
    }

    /// Changes what is not part of the grant, in all of them.
    pub(crate) fn change(&mut self, change: &mut impl FnMut(&mut T)) {
        change(&mut self.record);
        if let Some(under) = self.under.as_deref_mut() {
            under.change(change);
        }
    }

    /// What is left when the record on top has ended.
    pub(crate) fn ended(self) -> Option<Self> {
        self.under.map(|under| *under)
    }

    fn after(self, now: Timestamp) -> Option<Self> {
        if once_has_passed(self.lifetime, now) { self.ended() } else { Some(self) }
    }
}

/// A connection that was let in.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) principal: Principal,
    pub(crate) scopes: ScopeSet,
    /// The program at its other end, where it was looked up.
    pub(crate) program: Option<ProgramIdentity>,
    pub(crate) token_generation: Option<u64>,
    /// The program token that it came in with, by id.
    pub(crate) program_token: Option<String>,
}

/// A person's approval of the next client that connects with a device's key: for one admission, and
/// for no more than they left of what was asked, however much the device itself has.
#[derive(Debug, Clone)]
pub(crate) struct Vouched {
    pub(crate) until: Deadline,
    pub(crate) scopes: ScopeSet,
}

/// A record of which only changed when it was last used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Touched {
    Device(DeviceId),
    /// A program's grant, by id.
    Program(String),
    /// A program's token, by id.
    Token(String),
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
    /// Grants of those that can only be let in once. The same program without inline code or
    /// preloads is another one, so neither uses the other's.
    pub(crate) fleeting_programs: Vec<Held<ProgramGrant>>,
    pub(crate) tokens: Vec<ProgramToken>,
    pub(crate) shared_token: Option<SharedToken>,
    pub(crate) override_token: Option<TokenHash>,
    /// Generations of the shared token up to this one were used before [`Self::start_over`], and are not used
    /// again.
    pub(crate) spent_generation: u64,
    pub(crate) blocks: Vec<Block>,
    pub(crate) pending: PendingQueue,
    /// Devices that a person approved while it could not be told who connects with their keys.
    pub(crate) vouched: BTreeMap<DeviceId, Vouched>,
    pub(crate) throttle: Throttle,
    pub(crate) live: HashMap<ConnectionId, Live>,
    pub(crate) touched: BTreeSet<Touched>,
    pub(crate) settings: Settings,
    desktop_key: Option<DesktopKey>,
}

impl Authority {
    /// An authority over what is stored, and the one right to call connections in-process.
    #[must_use]
    pub fn new(records: TrustRecords) -> (Self, InProcessKey) {
        let authority = Self {
            own_key: None,
            own_client_seen: None,
            devices: records.devices.into_iter().map(|record| (record.id, Held::lasting(record))).collect(),
            programs: records.programs.into_iter().map(Held::lasting).collect(),
            fleeting_programs: Vec::new(),
            tokens: records.tokens,
            shared_token: records.shared_token,
            override_token: None,
            spent_generation: 0,
            blocks: records.blocks,
            pending: PendingQueue::default(),
            vouched: BTreeMap::new(),
            throttle: Throttle::default(),
            live: HashMap::new(),
            touched: BTreeSet::new(),
            settings: Settings::of(records.settings),
            desktop_key: Some(DesktopKey::new()),
        };
        (authority, InProcessKey::new())
    }

    /// Starts over from what a store holds: nobody is connected, nothing waits, and nothing is granted
    /// for a while. What this process alone decides stays: which key is our own, and whether the right
    /// to act for the person was given out. What the configuration proposes, and a shared token from
    /// outside, are to be set again.
    pub fn start_over(&mut self, records: TrustRecords) {
        let generation = self.shared_token.as_ref().map_or(0, |token| token.generation);
        let (next, _) = Self::new(records);
        *self = Self {
            spent_generation: self.spent_generation.max(generation),
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

    /// How long until the first waiting request ends by itself; `None` when nothing waits.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<std::time::Duration> {
        self.pending.next_expiry(now)
    }

    /// The known devices and how long their grants last; our own client is not among them.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceRecord, GrantExpiry)> {
        let others = self.devices.values().filter(|held| !self.is_own(held.record.id));
        others.map(|held| (&held.record, held.lifetime))
    }

    /// The programs with grants.
    pub fn programs(&self) -> impl Iterator<Item = (&ProgramGrant, GrantExpiry)> {
        let programs = self.programs.iter().chain(&self.fleeting_programs);
        programs.map(|held| (&held.record, held.lifetime))
    }

    pub(crate) fn program_grants(&self, ephemeral: bool) -> &[Held<ProgramGrant>] {
        if ephemeral { &self.fleeting_programs } else { &self.programs }
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

    /// One of the blocks, by its short id or by the blocked device's id.
    #[must_use]
    pub fn block(&self, id: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.id() == id || block.device().is_some_and(|device| device == id))
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
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let ended = self.pending.expire(now);
        self.end_passed_grants(now);
        self.vouched.retain(|_, vouched| !vouched.until.has_passed(now));
        ended
            .into_iter()
            .map(|request| Effect::Ended { request: Box::new(request), how: Ended::Expired })
            .collect()
    }

    pub(crate) fn end_passed_grants(&mut self, now: Timestamp) {
        if self.devices.values().any(|held| once_has_passed(held.lifetime, now)) {
            let devices = std::mem::take(&mut self.devices).into_iter();
            self.devices = devices.filter_map(|(id, held)| Some((id, held.after(now)?))).collect();
        }
        for programs in [&mut self.programs, &mut self.fleeting_programs] {
            if programs.iter().any(|held| once_has_passed(held.lifetime, now)) {
                let held = std::mem::take(programs).into_iter();
                *programs = held.filter_map(|held| held.after(now)).collect();
            }
        }
    }

    /// A connection ended.
    pub fn disconnected(&mut self, connection: &ConnectionId) {
        self.live.remove(connection);
    }

    /// The gateway ended, and every connection with it. What waits and what was granted stays.
    pub fn all_disconnected(&mut self) {
        self.live.clear();
    }

    /// Whether a connection may still act. A revoked one may not, from the moment of revocation.
    #[must_use]
    pub fn is_live(&self, connection: &ConnectionId) -> bool {
        self.live.contains_key(connection)
    }

    /// Takes back a device token that was made at admission and could not be saved: nobody has it,
    /// and the next admission makes another.
    pub fn forget_unsaved_token(&mut self, device: DeviceId) {
        if let Some(held) = self.devices.get_mut(&device) {
            held.record.token = held
                .record
                .token
                .take()
                .filter(|token| token.rotated_at.is_some())
                .map(|token| DeviceToken { hash: None, ..token });
        }
    }

    /// Records that were only touched (last seen, last used) since the last call, to be saved at
    /// leisure and before any change that follows. What is being decided about is left for later:
    /// the decision may be saved already, and does not count yet.
    pub fn take_touched(&mut self) -> Vec<Change> {
        let (later, now) =
            std::mem::take(&mut self.touched).into_iter().partition(|touched| self.is_being_decided(touched));
        self.touched = later;
        let now: BTreeSet<Touched> = now;
        now.iter().filter_map(|touched| self.stored(touched)).collect()
    }

    /// What an admission made, as it counts now, to be saved before any change that follows: who was
    /// removed since then is not put back, and a token that was rotated since then stays rotated.
    #[must_use]
    pub fn still_granted(&self, made: Vec<Change>) -> Vec<Change> {
        let as_it_is = |change| match change {
            Change::PutDevice(record) => self.stored(&Touched::Device(record.id)),
            other => Some(other),
        };
        made.into_iter().filter_map(as_it_is).collect()
    }

    fn is_being_decided(&self, touched: &Touched) -> bool {
        let subject = match touched {
            Touched::Device(id) => Some(Subject::Device(*id)),
            Touched::Program(id) => {
                let program = self.programs.iter().find(|held| held.record.id == *id);
                program.map(|held| Subject::Program(held.record.program.clone()))
            }
            Touched::Token(_) => None,
        };
        let deciding = self.pending.waiting().iter().filter(|request| request.deciding);
        subject.is_some_and(|subject| deciding.into_iter().any(|request| request.details.subject == subject))
    }

    /// The record as it is stored now, if it is.
    fn stored(&self, touched: &Touched) -> Option<Change> {
        match touched {
            Touched::Device(id) => {
                let record = self.devices.get(id)?.stored()?;
                Some(Change::PutDevice(Box::new(record.clone())))
            }
            Touched::Program(id) => {
                let record = self.programs.iter().find(|held| held.record.id == *id)?.stored()?;
                Some(Change::PutProgram(Box::new(record.clone())))
            }
            Touched::Token(id) => {
                let token = self.tokens.iter().find(|token| token.id == *id)?;
                Some(Change::PutToken(Box::new(token.clone())))
            }
        }
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
        self.end_sessions_where(|live| &live.principal == principal)
    }

    pub(crate) fn end_sessions_where(&mut self, ends: impl Fn(&Live) -> bool) -> Option<Effect> {
        let connections: Vec<ConnectionId> = self
            .live
            .iter()
            .filter(|(_, live)| ends(live))
            .map(|(connection, _)| connection.clone())
            .collect();
        for connection in &connections {
            self.live.remove(connection);
        }
        (!connections.is_empty()).then_some(Effect::Close { connections })
    }
}

fn once_has_passed(lifetime: GrantExpiry, now: Timestamp) -> bool {
    matches!(lifetime, GrantExpiry::Once(until) if until.has_passed(now))
}
