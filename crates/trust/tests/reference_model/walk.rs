//! The walk: draws a step, takes it on both sides, and compares.

mod attempts;
mod comparison;
mod decisions;
mod management;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use tidegate_protocol::refusal::{AuthReason, Refusal};
use tidegate_protocol::{ConnectionId, DeviceId, Scope, UnixMillis};
use tidegate_trust::admission::Admission;
use tidegate_trust::authority::{Effect, Entropy, GrantExpiry};
use tidegate_trust::decision::{self, Choice, Decider, DecisionError, Desktop};
use tidegate_trust::origin::{CommandsAlive, Peer};
use tidegate_trust::pairing::{self, Ended};
use tidegate_trust::transaction::PreparedTransaction;
use tidegate_trust::{Change, Origin, Principal, ScopeSet, Session, Timestamp};

use crate::model::{
    Actor, Connection, Credential, DeviceToken, Length, Level, Model, Outcome, OwnToken, PairingAttempt,
    Problem, Row, SCOPES, Set, Subject, Time, Verdict,
};
use crate::support::{self, Client, World};

const DEVICES: usize = 12;
const PROGRAMS: usize = 3;

/// What a long walk must have met at least once.
pub(crate) const OUTCOMES: [&str; 33] = [
    "admitted",
    "admitted once",
    "admitted as vouched for",
    "admitted a token that may only read",
    "admitted our own client",
    "admitted a visitor",
    "admitted a program",
    "admitted a program token",
    "minted a device token",
    "asked: new request",
    "asked: same request",
    "asked: superseded",
    "asked: full",
    "asked: silenced",
    "refused: unauthorized",
    "refused: no identity",
    "approved by the person",
    "approved by a client",
    "not decided",
    "rejected",
    "later",
    "blocked",
    "decision withdrawn",
    "removed",
    "managed with more than was asked for",
    "refused by a surface",
    "asked: narrower request",
    "not managed",
    "rotated the shared token",
    "rotated",
    "revoked",
    "expired",
    "restarted",
];

pub(crate) struct Walk {
    world: World,
    window: Session,
    person: Decider,
    model: Model,
    random: u64,
    sessions: BTreeMap<String, Session>,
    ended: BTreeSet<String>,
    ids: BTreeSet<String>,
    old_texts: Vec<String>,
    trace: Vec<String>,
}

fn own() -> ed25519_dalek::SigningKey {
    support::key(1)
}

fn device_key(device: usize) -> ed25519_dalek::SigningKey {
    support::key(100 + u16::try_from(device).expect("few"))
}

fn device_id(device: usize) -> DeviceId {
    static IDS: LazyLock<Vec<DeviceId>> =
        LazyLock::new(|| (0..DEVICES).map(|device| support::id(&device_key(device))).collect());
    IDS[device]
}

fn scope_set(scopes: &Set) -> ScopeSet {
    scopes.iter().map(|name| Scope::parse(name).expect("a scope")).collect()
}

fn plain(scopes: &ScopeSet) -> Set {
    let named = |scope: &Scope| SCOPES.into_iter().find(|name| *name == scope.name()).expect("a known scope");
    scopes.iter().map(named).collect()
}

fn length(lifetime: GrantExpiry) -> Length {
    match lifetime {
        GrantExpiry::Once(_) => Length::Once,
        GrantExpiry::UntilQuit => Length::UntilQuit,
        GrantExpiry::Always => Length::Always,
    }
}

fn program_of(program: usize, ephemeral: bool) -> tidegate_trust::program::Program {
    let ephemeral = ephemeral.then_some(tidegate_trust::program::Ephemeral::Preload);
    support::program("/usr/bin/node", Some(&format!("/opt/{program}.mjs")), ephemeral)
}

fn names(connections: &[ConnectionId]) -> BTreeSet<String> {
    connections.iter().map(|connection| connection.as_str().to_owned()).collect()
}

fn ended_ids(effects: &[Effect], expected: Ended) -> BTreeSet<String> {
    let end = |effect: &Effect| match effect {
        Effect::Ended { request, how } if *how == expected => Some(request.id.clone()),
        _ => None,
    };
    effects.iter().filter_map(end).collect()
}

impl Walk {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = World::new(support::records());
        world.authority.set_own_key(support::public(&own()));
        let model = Model {
            now: Time { wall: 0, monotonic: 0 },
            rows: Vec::new(),
            vouched: BTreeMap::new(),
            requests: Vec::new(),
            silenced: BTreeMap::new(),
            blocked: BTreeSet::new(),
            connections: Vec::new(),
            device_tokens: BTreeMap::new(),
            own_tokens: Vec::new(),
            shared: support::SHARED.to_owned(),
        };
        let key = world.desktop_key();
        let mut walk = Self {
            window: support::window(&key),
            person: Decider::person_at_desktop(&key),
            world,
            model,
            random: seed,
            sessions: BTreeMap::new(),
            ended: BTreeSet::new(),
            ids: BTreeSet::new(),
            old_texts: Vec::new(),
            trace: Vec::new(),
        };
        walk.sync_clock();
        walk
    }

    /// `SplitMix64`.
    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.draw(u64::try_from(below).expect("small"))).expect("small")
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.draw(many) == 0
    }

    fn scopes(&mut self) -> Set {
        let count = self.draw(4);
        let mut scopes: Set = (0..count).map(|_| SCOPES[self.index(SCOPES.len())]).collect();
        scopes.extend(self.one_in(5).then_some(crate::model::PAIRING));
        scopes
    }

    fn expect(&self, what: &str, is: bool) {
        if !is {
            let from = self.trace.len().saturating_sub(25);
            panic!("{what}\nthe last steps:\n{}", self.trace[from..].join("\n"));
        }
    }

    fn expect_same<T: PartialEq + std::fmt::Debug>(&self, what: &str, ours: &T, models: &T) {
        self.expect(&format!("{what}:\n  authority {ours:?}\n  model     {models:?}"), ours == models);
    }

    pub(crate) fn step(&mut self) -> &'static str {
        if self.one_in(3) && self.pass() {
            self.compare();
            return "expired";
        }
        let what = match self.draw(100) {
            0..50 => self.request_pairing(),
            50..76 => self.decide(),
            76..79 => self.own_client(),
            79..82 => self.own_key_elsewhere(),
            82..90 => self.manage(),
            90..92 => self.block(),
            92..94 => self.program_tokens(),
            94 => self.rotate_shared(),
            95..97 => self.remove_program(),
            97 => self.restart(),
            _ => self.disconnect(),
        };
        self.compare();
        what
    }

    /// Lets time pass on both sides; whether a request expired.
    fn pass(&mut self) -> bool {
        const SECOND: i64 = 1000;
        let (wall, monotonic) = match self.draw(20) {
            0..12 => (self.draw(20), 0),
            12..16 => (self.draw(7 * 60), 0),
            // Slept; the clock was set ahead or back, or corrected; only one clock went on.
            16 => (8 * 3600, 1),
            17 => (0, 2),
            18 => (0, 3),
            _ => (self.draw(400), 4),
        };
        let seconds = i64::try_from(wall).expect("small") * SECOND;
        let (wall, monotonic) = match monotonic {
            0 => (seconds, seconds),
            1 => (seconds, 0),
            2 => (-3600 * SECOND, SECOND),
            3 => (-3 * SECOND, SECOND),
            _ => (0, seconds),
        };
        self.trace.push(format!("time: wall {wall} ms, monotonic {monotonic} ms"));
        self.world.now = Timestamp {
            wall: UnixMillis(self.world.now.wall.0.saturating_add_signed(wall)),
            monotonic: self.world.now.monotonic
                + Duration::from_millis(u64::try_from(monotonic).expect("forwards")),
        };
        self.sync_clock();
        let ours = ended_ids(&self.world.authority.tick(self.world.now), Ended::Expired);
        let models = self.model.pass();
        self.expect_same("expired requests", &ours, &models);
        !ours.is_empty()
    }

    fn sync_clock(&mut self) {
        self.model.now = Time {
            wall: self.world.now.wall.0,
            monotonic: u64::try_from(self.world.now.monotonic.as_millis()).expect("small"),
        };
    }
}

fn their_level(level: Level) -> tidegate_trust::scopes::Level {
    match level {
        Level::Read => tidegate_trust::scopes::Level::Read,
        Level::Write => tidegate_trust::scopes::Level::Write,
        Level::Full => tidegate_trust::scopes::Level::Full,
    }
}
