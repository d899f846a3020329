//! The walk: draws a step, takes it on both sides, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use tidegate_protocol::refusal::{AuthReason, Refusal};
use tidegate_protocol::{ConnectionId, DeviceId, Scope, UnixMillis};
use tidegate_trust::admission::Admission;
use tidegate_trust::authority::{Effect, Entropy, Lifetime};
use tidegate_trust::decision::{self, Choice, Decider, DecisionError, Desktop};
use tidegate_trust::pairing::{self, Ended};
use tidegate_trust::records::BlockedSubject;
use tidegate_trust::{Change, Moment, Origin, Principal, ScopeSet, Session};

use crate::model::{
    Actor, Connection, Credential, DeviceToken, Knock, Length, Level, Model, Outcome, OwnToken, Problem,
    SCOPES, Set, Subject, Time, Verdict,
};
use crate::support::{self, Client, World};

const DEVICES: usize = 12;
const PROGRAMS: usize = 3;

/// What a long walk must have met at least once.
pub(crate) const OUTCOMES: [&str; 27] = [
    "admitted",
    "admitted once",
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
    "not managed",
    "rotated the shared token",
    "rotated",
    "revoked",
    "expired",
];

pub(crate) struct Walk {
    world: World,
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

fn length(lifetime: Lifetime) -> Length {
    match lifetime {
        Lifetime::Once(_) => Length::Once,
        Lifetime::UntilQuit => Length::UntilQuit,
        Lifetime::Always => Length::Always,
    }
}

fn program_of(program: usize, fleeting: bool) -> tidegate_trust::program::Program {
    let fleeting = fleeting.then_some(tidegate_trust::program::Fleeting::Preload);
    support::program("/usr/bin/node", Some(&format!("/opt/{program}.mjs")), fleeting)
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
            requests: Vec::new(),
            silenced: BTreeMap::new(),
            blocked: BTreeSet::new(),
            connections: Vec::new(),
            device_tokens: BTreeMap::new(),
            own_tokens: Vec::new(),
            shared: support::SHARED.to_owned(),
        };
        let mut walk = Self {
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
            0..50 => self.knock(),
            50..76 => self.decide(),
            76..79 => self.own_client(),
            79..82 => self.own_key_elsewhere(),
            82..90 => self.manage(),
            90..92 => self.block(),
            92..94 => self.program_tokens(),
            94 => self.rotate_shared(),
            95..97 => self.remove_program(),
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
        self.world.now = Moment {
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

    fn credential(&mut self, device: Option<usize>) -> Credential {
        let any_device = self.index(DEVICES);
        let own = device.unwrap_or(any_device);
        let text_of =
            |model: &Model, device| model.device_tokens.get(&device).map(|token| token.text.clone());
        match self.draw(24) {
            0 => Credential::None,
            1 => Credential::Token("wrong".to_owned()),
            2 => Credential::DeviceToken("wrong".to_owned()),
            3 if !self.old_texts.is_empty() => {
                let index = self.index(self.old_texts.len());
                Credential::Token(self.old_texts[index].clone())
            }
            4..6 => text_of(&self.model, own).map_or(Credential::None, Credential::DeviceToken),
            6 => text_of(&self.model, own).map_or(Credential::None, Credential::Token),
            7 => text_of(&self.model, any_device).map_or(Credential::None, Credential::Token),
            8 if !self.model.own_tokens.is_empty() => {
                let index = self.index(self.model.own_tokens.len());
                Credential::Token(self.model.own_tokens[index].text.clone())
            }
            _ => Credential::Token(self.model.shared.clone()),
        }
    }

    fn draw_knock(&mut self) -> Knock {
        let device = (!self.one_in(4)).then(|| self.index(DEVICES));
        let program = (device.is_none() && !self.one_in(8) || self.one_in(3)).then(|| self.index(PROGRAMS));
        let source = match program {
            Some(program) => support::local(program_of(program, false)).source(),
            None => format!("192.0.2.{}", self.draw(5)),
        };
        Knock {
            device,
            program,
            fleeting: self.one_in(4),
            source,
            asked: self.scopes(),
            platform: if self.one_in(10) { "darwin" } else { "linux" },
            version: self.draw(12) / 11,
            credential: self.credential(device),
        }
    }

    fn knock(&mut self) -> &'static str {
        let repeats = self.one_in(3) && !self.model.requests.is_empty();
        let mut knock = self.draw_knock();
        if repeats {
            self.repeat_a_request(&mut knock);
        } else if self.one_in(3) && !self.model.rows.is_empty() {
            self.come_back(&mut knock);
        }
        let origin = match knock.program {
            Some(program) => support::local(program_of(program, knock.fleeting)),
            None => Origin::Remote { address: knock.source.parse().expect("an address") },
        };
        let mut client = match knock.device {
            Some(device) => Client::new(&device_key(device)),
            None => Client::without_device(),
        };
        client = match &knock.credential {
            Credential::None => client.no_token(),
            Credential::Token(text) => client.token(text),
            Credential::DeviceToken(text) => client.device_token(text),
        };
        client = client.asks(scope_set(&knock.asked).iter()).platform(knock.platform);
        client.info.version = knock.version.to_string();
        self.trace.push(format!("{knock:?}"));

        let admission = self.world.connect(&origin, &client);
        let once = self.once_row(&knock);
        let outcome = self.model.knock(&knock);
        self.trace.push(format!("  {outcome:?}"));
        self.compare_admission(admission, outcome, &knock, once)
    }

    fn once_row(&self, knock: &Knock) -> bool {
        let subject = match (knock.device, knock.program) {
            (Some(device), _) => Subject::Device(device),
            (None, Some(program)) => Subject::Program(program),
            (None, None) => return false,
        };
        let fleeting = knock.device.is_none() && knock.fleeting;
        self.model.row(subject, fleeting).is_some_and(|row| row.length == Length::Once)
    }

    /// Makes a knock the return of someone who was let in.
    fn come_back(&mut self, knock: &mut Knock) {
        let index = self.index(self.model.rows.len());
        let row = self.model.rows[index].clone();
        match row.subject {
            Subject::Device(device) => knock.device = Some(device),
            Subject::Program(program) => {
                knock.device = None;
                knock.program = Some(program);
                knock.fleeting = row.fleeting;
                knock.source = support::local(program_of(program, false)).source();
            }
        }
        knock.platform = row.platform;
        knock.asked = row.decided.iter().copied().filter(|_| !self.one_in(3)).collect();
        if self.one_in(3) {
            knock.credential = Credential::Token(self.model.shared.clone());
        }
    }

    /// Makes a knock the retry of a waiting request.
    fn repeat_a_request(&mut self, knock: &mut Knock) {
        let index = self.index(self.model.requests.len());
        let request = self.model.requests[index].clone();
        match request.shown.subject {
            Subject::Device(device) => knock.device = Some(device),
            Subject::Program(program) => {
                knock.device = None;
                knock.program = Some(program);
                knock.fleeting = request.shown.fleeting;
                knock.source = support::local(program_of(program, false)).source();
            }
        }
        knock.asked.clone_from(&request.shown.asked);
        knock.platform = request.shown.platform;
        knock.version = request.shown.version;
        knock.credential = Credential::Token(self.model.shared.clone());
    }

    fn compare_admission(
        &mut self,
        admission: Admission,
        outcome: Outcome,
        knock: &Knock,
        once: bool,
    ) -> &'static str {
        let (refusal, effects) = match (admission, outcome) {
            (Admission::Admitted(admitted), Outcome::Admitted { actor, allowed, by_shared_token, mints }) => {
                let connection = Connection {
                    name: String::new(),
                    actor,
                    allowed,
                    by_shared_token,
                    program: knock.program,
                };
                return self.admitted(*admitted, connection, mints, once);
            }
            (Admission::Refused { refusal, effects, .. }, outcome) => {
                return self.compare_refusal(&refusal, &effects, outcome);
            }
            (admission, outcome) => (format!("{admission:?}"), format!("{outcome:?}")),
        };
        self.expect(&format!("authority {refusal}\nmodel {effects}"), false);
        unreachable!("the line before has failed")
    }

    fn compare_refusal(&mut self, refusal: &Refusal, effects: &[Effect], outcome: Outcome) -> &'static str {
        let requested: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Requested(request) => Some(request.id.clone()),
                _ => None,
            })
            .collect();
        let superseded = ended_ids(effects, Ended::Superseded);
        let (id, expect_decision) = match refusal {
            Refusal::PairingRequired(required) => (required.request_id.clone(), required.expect_decision),
            _ => (None, true),
        };
        let asks = matches!(refusal, Refusal::PairingRequired(_));
        let (is, what) = match outcome {
            Outcome::Same(expected) => (id == Some(expected) && requested.is_empty(), "asked: same request"),
            Outcome::New { ends } => {
                let new = id.clone().unwrap_or_default();
                let fresh = asks && self.ids.insert(new.clone());
                let announced = requested == [new.clone()];
                if let Some(request) = self.model.requests.last_mut() {
                    request.id = new;
                }
                let what = if ends.is_some() { "asked: superseded" } else { "asked: new request" };
                (fresh && announced && superseded == ends.into_iter().collect(), what)
            }
            Outcome::Full => (asks && id.is_none() && expect_decision, "asked: full"),
            Outcome::Silenced => (asks && id.is_none() && !expect_decision, "asked: silenced"),
            Outcome::Unauthorized => {
                (matches!(refusal, Refusal::Unauthorized { .. }), "refused: unauthorized")
            }
            Outcome::NoIdentity => (*refusal == Refusal::DeviceIdentityRequired, "refused: no identity"),
            Outcome::Admitted { .. } => (false, "admitted"),
        };
        self.expect(&format!("expected {what}, got {refusal:?} and {effects:?}"), is);
        what
    }

    fn admitted(
        &mut self,
        admitted: tidegate_trust::admission::Admitted,
        mut connection: Connection,
        mints: bool,
        once: bool,
    ) -> &'static str {
        let session = admitted.session;
        connection.name = session.connection().as_str().to_owned();
        let principal = match &connection.actor {
            Actor::Own => Principal::SubagentClient,
            Actor::Device(device) => Principal::Device(device_id(*device)),
            Actor::Program(id) => Principal::Program(id.clone()),
            Actor::Token(id) => Principal::ProgramToken(id.clone()),
            Actor::Visitor => Principal::Visitor,
        };
        self.expect_same("principal", session.principal(), &principal);
        let holds: Set = SCOPES
            .into_iter()
            .filter(|name| session.scopes().holds(&Scope::parse(name).expect("a scope")))
            .collect();
        self.expect_same("scopes", &holds, &connection.allowed);
        self.expect_same("by the shared token", &admitted.uses_shared_token, &connection.by_shared_token);
        self.expect_same("mints a token", &admitted.device_token.is_some(), &mints);
        self.expect_same("durable only with a token", &!admitted.durable.is_empty(), &mints);
        let actor = connection.actor.clone();
        if let (Some((token, _)), Actor::Device(device)) = (admitted.device_token, &actor) {
            let text = token.reveal().to_owned();
            self.model.device_tokens.insert(*device, DeviceToken { text, revoked: false });
        }
        self.stored(&admitted.durable);
        self.sessions.insert(connection.name.clone(), session);
        self.model.connections.push(connection);
        match actor {
            _ if mints => "minted a device token",
            _ if once => "admitted once",
            Actor::Own => "admitted our own client",
            Actor::Visitor => "admitted a visitor",
            Actor::Program(_) => "admitted a program",
            Actor::Token(_) => "admitted a program token",
            Actor::Device(_) => "admitted",
        }
    }

    fn draw_verdict(&mut self, request: &str) -> Verdict {
        let length = [Length::Always, Length::UntilQuit, Length::Once][self.index(3)];
        let level = [Level::Read, Level::Write, Level::Full][self.index(3)];
        let asked = self.model.requests.iter().find(|known| known.id == request);
        let asked: Vec<_> =
            asked.map(|known| known.shown.asked.iter().copied().collect()).unwrap_or_default();
        match self.draw(20) {
            0..8 => Verdict::All(length),
            8..11 => {
                let mut scopes: Set = asked.into_iter().filter(|_| self.one_in(2)).collect();
                if self.one_in(4) {
                    scopes.extend(self.scopes());
                }
                Verdict::Scopes(scopes, length)
            }
            11..16 => Verdict::Level(level, self.one_in(3), length),
            16..18 => Verdict::Reject,
            18 => Verdict::Later,
            _ if self.one_in(3) => Verdict::Block,
            _ => Verdict::Later,
        }
    }

    /// A client that may act: preferably one that was given the right to let others in.
    fn client(&mut self) -> Option<Connection> {
        let pairing = !self.one_in(4);
        let clients: Vec<_> = self
            .model
            .connections
            .iter()
            .filter(|client| !pairing || client.allowed.contains(crate::model::PAIRING))
            .cloned()
            .collect();
        (!clients.is_empty()).then(|| clients[self.index(clients.len())].clone())
    }

    fn decide(&mut self) -> &'static str {
        let client = if self.one_in(2) { self.client() } else { None };
        let request = match self.one_in(12) {
            true => self.ids.iter().next().cloned().unwrap_or_default(),
            false if self.model.requests.is_empty() => String::new(),
            false => {
                let index = self.index(self.model.requests.len());
                self.model.requests[index].id.clone()
            }
        };
        let verdict = self.draw_verdict(&request);
        let right_digest = !self.one_in(10);
        self.trace
            .push(format!("decide {request} by {client:?} as {verdict:?}, digest right: {right_digest}"));
        let problems = self.model.problems(&request, client.as_ref(), right_digest, &verdict);
        let decider = match &client {
            None => Ok(support::person()),
            Some(client) => Decider::of(&self.sessions[&client.name], Desktop::Running),
        };
        let Ok(decider) = decider else {
            self.expect_same("not a decider", &BTreeSet::from([Problem::NoDecider]), &problems);
            return "not decided";
        };
        let digest = self.world.authority.waiting().iter().find(|waiting| waiting.id == request);
        let digest = digest.map(|waiting| waiting.ask.digest());
        let digest = if right_digest { digest } else { Some("another".to_owned()) };
        let entropy = self.world.entropy();
        let before = self.world.authority.waiting().len();
        let result = self.world.authority.decide(
            &decider,
            &request,
            digest.as_deref(),
            &theirs(&verdict),
            &entropy,
            self.world.now,
        );
        let decided = match result {
            Err(error) => {
                self.expect(
                    &format!("{error:?} is none of {problems:?}"),
                    problems.contains(&problem(&error)),
                );
                self.expect_same("waiting", &self.world.authority.waiting().len(), &before);
                return "not decided";
            }
            Ok(decided) => decided,
        };
        self.expect(&format!("decided in spite of {problems:?}"), problems.is_empty());
        if self.one_in(10) {
            self.world.authority.withdraw(&decided);
            return "decision withdrawn";
        }
        self.commit(decided, &request, &verdict, &entropy, before, client.is_some())
    }

    fn commit(
        &mut self,
        decided: decision::Decided,
        request: &str,
        verdict: &Verdict,
        entropy: &Entropy,
        before: usize,
        by_client: bool,
    ) -> &'static str {
        let durable = decided.durable.clone();
        let effects = self.world.authority.complete(decided, self.world.now);
        let closes = self.model.decide(request, verdict, entropy.uuid());
        self.expect_same("closed by a decision", &names(&support::closed(&effects)), &closes);
        self.ended.extend(closes);
        let left = self.world.authority.waiting().len();
        let resolved: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Resolved { request, approved } => Some((request.id.as_str(), *approved)),
                _ => None,
            })
            .collect();
        let approves = matches!(verdict, Verdict::All(_) | Verdict::Scopes(..) | Verdict::Level(..));
        if *verdict == Verdict::Later {
            self.expect("later consumes nothing", left == before && resolved.is_empty());
        } else {
            self.expect("a decision consumes exactly one request", left + 1 == before);
            self.expect("and says so", resolved == [(request, approves)]);
        }
        if approves {
            let lasting = verdict.length() == Length::Always;
            self.expect_same("only what lasts is stored", &durable.len(), &usize::from(lasting));
        }
        self.stored(&durable);
        match verdict {
            Verdict::Reject => "rejected",
            Verdict::Later => "later",
            Verdict::Block => "blocked",
            _ if by_client => "approved by a client",
            _ => "approved by the person",
        }
    }

    /// I8: what is to be stored is what lasts, and nothing else.
    fn stored(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::PutDevice(record) => {
                    let device = (0..DEVICES).find(|&device| device_id(device) == record.id);
                    let row = self.model.lasting(device.expect("a device of ours"));
                    let granted = row.map(|row| (row.decided.clone(), row.granted.clone()));
                    let stored = (plain(&record.grant.decided), plain(&record.grant.granted));
                    self.expect_same("stored grant", &Some(stored), &granted);
                }
                Change::PutProgram(record) => {
                    let row = self.model.rows.iter().find(|row| row.id == record.id && !row.fleeting);
                    let lasting = row.is_some_and(|row| row.length == Length::Always);
                    self.expect("only a lasting grant of a program is stored", lasting);
                }
                _ => {}
            }
        }
    }

    fn own_client(&mut self) -> &'static str {
        let asked: Set = if self.one_in(2) { ["operator.admin"].into() } else { self.scopes() };
        self.trace.push(format!("our own client asks {asked:?}"));
        let origin = self.world.in_process.origin();
        let client = Client::new(&own()).no_token().asks(scope_set(&asked).iter());
        let admitted = self.world.admitted(&origin, &client);
        let connection = Connection {
            name: String::new(),
            actor: Actor::Own,
            allowed: SCOPES.into_iter().filter(|scope| crate::model::holds(&asked, scope)).collect(),
            by_shared_token: false,
            program: None,
        };
        self.admitted(admitted, connection, false, false)
    }

    fn own_key_elsewhere(&mut self) -> &'static str {
        self.trace.push("our own key from elsewhere".to_owned());
        let (refusal, effects) =
            self.world.refused(&support::local_named("thief"), &Client::new(&own()).asks(&[Scope::Admin]));
        let refused = matches!(refusal, Refusal::Unauthorized { reason: AuthReason::OwnKeyElsewhere, .. });
        self.expect("a stolen key is refused with an alarm", refused && support::alarms(&effects) == 1);
        "our own key from elsewhere"
    }

    fn manage(&mut self) -> &'static str {
        let client = if self.one_in(2) { self.client() } else { None };
        let device = self.index(DEVICES);
        let id = device_id(device);
        let what = self.draw(4);
        self.trace.push(format!("manage {what} device {device} by {client:?}"));
        let session = match &client {
            None => support::command_line(),
            Some(client) => self.sessions[&client.name].clone(),
        };
        let may = self.model.may_manage(client.as_ref(), device);
        let known = self.model.row(Subject::Device(device), false).is_some();
        let entropy = self.world.entropy();
        let now = self.world.now;
        let authority = &mut self.world.authority;
        let (result, expected, what) = match what {
            0 => {
                let result = authority.remove_device(&session, id, now);
                (result.map(|changed| (changed.durable, changed.effects)), may, "removed")
            }
            1 => {
                let result = authority.rename_device(&session, id, "a name", now);
                (result.map(|changed| (changed.durable, changed.effects)), may && known, "renamed")
            }
            2 => {
                let result = authority.rotate_token(&session, id, "operator", &entropy, now);
                if let Ok(changed) = &result {
                    match &changed.value.token {
                        Some(token) => {
                            let text = token.reveal().to_owned();
                            self.model.device_tokens.insert(device, DeviceToken { text, revoked: false });
                        }
                        None => drop(self.model.device_tokens.remove(&device)),
                    }
                }
                (result.map(|changed| (changed.durable, changed.effects)), may && known, "rotated")
            }
            _ => {
                let result = authority.revoke_token(&session, id, "operator", now);
                let expected = may && known && self.model.device_tokens.contains_key(&device);
                (result.map(|changed| (changed.durable, changed.effects)), expected, "revoked")
            }
        };
        let Ok((durable, effects)) = result else {
            self.expect("it may", !expected);
            return "not managed";
        };
        self.expect("it may not", expected);
        let lasting = self.model.lasting(device).is_some();
        let closes = match what {
            "removed" => self.model.remove(device),
            "renamed" => BTreeSet::new(),
            _ => self.model.close(|connection| connection.actor == Actor::Device(device)),
        };
        if what == "revoked"
            && let Some(token) = self.model.device_tokens.get_mut(&device)
        {
            token.revoked = true;
        }
        self.expect_same("closed", &names(&support::closed(&effects)), &closes);
        self.ended.extend(closes);
        if what != "removed" {
            self.expect_same("stored when it lasts", &durable.len(), &usize::from(lasting));
            self.stored(&durable);
        }
        what
    }

    fn block(&mut self) -> &'static str {
        let blocked: Vec<_> = self.model.blocked.iter().copied().collect();
        if !blocked.is_empty() && self.one_in(2) {
            let subject = blocked[self.index(blocked.len())];
            self.trace.push(format!("unblock {subject:?}"));
            let theirs = match subject {
                Subject::Device(device) => BlockedSubject::Device(device_id(device)),
                Subject::Program(program) => BlockedSubject::Program(program_of(program, false).identity),
            };
            self.world.authority.unblock(&theirs, self.world.now).expect("blocked");
            self.model.blocked.remove(&subject);
            return "unblocked";
        }
        if !self.one_in(3) {
            return "nothing";
        }
        let device = self.index(DEVICES);
        self.trace.push(format!("block device {device}"));
        let id = device_id(device);
        let changed = self.world.authority.block_device(id, self.world.now).expect("not built in");
        let closes = self.model.block(Subject::Device(device));
        self.expect_same("closed by a block", &names(&support::closed(&changed.effects)), &closes);
        self.ended.extend(closes);
        "blocked a device"
    }

    fn program_tokens(&mut self) -> &'static str {
        if self.model.own_tokens.len() >= 3 || !self.model.own_tokens.is_empty() && self.one_in(3) {
            let index = self.index(self.model.own_tokens.len());
            let token = self.model.own_tokens.remove(index);
            self.trace.push(format!("revoke program token {}", token.id));
            self.old_texts.push(token.text);
            let changed =
                self.world.authority.revoke_program_token(&token.id, self.world.now).expect("known");
            let closes = self.model.close(|connection| connection.actor == Actor::Token(token.id.clone()));
            self.expect_same("closed", &names(&support::closed(&changed.effects)), &closes);
            self.ended.extend(closes);
            return "revoked a program token";
        }
        let (level, pairing) = ([Level::Read, Level::Write, Level::Full][self.index(3)], self.one_in(2));
        let entropy = self.world.entropy();
        let name = entropy.uuid();
        self.trace.push(format!("new program token {level:?} {pairing}"));
        let authority = &mut self.world.authority;
        let made = authority
            .new_program_token(&name, their_level(level), pairing, &entropy, self.world.now)
            .expect("a new name");
        let mut granted = level.scopes();
        granted.extend(pairing.then_some(crate::model::PAIRING));
        let (token, record) = made.value;
        let text = token.reveal().to_owned();
        self.model.own_tokens.push(OwnToken { id: record.id, text, granted });
        "new program token"
    }

    fn rotate_shared(&mut self) -> &'static str {
        if !self.one_in(2) {
            return "nothing";
        }
        self.trace.push("rotate the shared token".to_owned());
        let entropy = self.world.entropy();
        let changed = self.world.authority.rotate_shared_token(&entropy, self.world.now);
        self.old_texts.push(self.model.shared.clone());
        let closes = self.model.rotate_shared(changed.value.reveal().to_owned());
        self.expect_same("closed", &names(&support::closed(&changed.effects)), &closes);
        self.ended.extend(closes);
        "rotated the shared token"
    }

    fn remove_program(&mut self) -> &'static str {
        let of_rows = self.model.rows.iter().filter(|row| matches!(row.subject, Subject::Program(_)));
        let mut ids: Vec<String> = of_rows.map(|row| row.id.clone()).collect();
        ids.extend(self.model.connections.iter().filter_map(|connection| match &connection.actor {
            Actor::Program(id) => Some(id.clone()),
            _ => None,
        }));
        if ids.is_empty() {
            return "nothing";
        }
        let id = ids[self.index(ids.len())].clone();
        self.trace.push(format!("remove program {id}"));
        let changed = self.world.authority.remove_program(&id, self.world.now).expect("known");
        self.model.rows.retain(|row| matches!(row.subject, Subject::Device(_)) || row.id != id);
        let closes = self.model.close(|connection| connection.actor == Actor::Program(id.clone()));
        self.expect_same("closed", &names(&support::closed(&changed.effects)), &closes);
        self.ended.extend(closes);
        "removed a program"
    }

    fn disconnect(&mut self) -> &'static str {
        if self.model.connections.is_empty() {
            return "nothing";
        }
        let index = self.index(self.model.connections.len());
        let connection = self.model.connections.remove(index);
        self.trace.push(format!("disconnect {}", connection.name));
        let session = &self.sessions[&connection.name];
        self.world.authority.disconnected(session.connection());
        self.ended.insert(connection.name);
        "disconnected"
    }

    /// What both sides hold is the same.
    fn compare(&mut self) {
        let ours: Vec<_> = self
            .world
            .authority
            .waiting()
            .iter()
            .map(|request| (request.id.clone(), request.later))
            .collect();
        let models: Vec<_> =
            self.model.requests.iter().map(|request| (request.id.clone(), request.later)).collect();
        self.expect_same("waiting requests", &ours, &models);
        self.expect("I4: 8 wait at most", ours.len() <= 8);
        let mut sources = BTreeMap::new();
        for request in self.world.authority.waiting() {
            *sources.entry(request.ask.source.clone()).or_insert(0) += 1;
        }
        self.expect("I4: 2 of one source", sources.values().all(|&count| count <= 2));
        for (request, known) in self.world.authority.waiting().iter().zip(&self.model.requests) {
            self.expect_same("asked", &plain(&request.ask.asked), &known.shown.asked);
            self.expect_same("has", &plain(&request.ask.has), &known.shown.has);
            let subject = match &request.ask.subject {
                pairing::Subject::Device(id) => {
                    (0..DEVICES).find(|&device| device_id(device) == *id).map(Subject::Device)
                }
                pairing::Subject::Program(identity) => (0..PROGRAMS)
                    .find(|&program| program_of(program, false).identity == *identity)
                    .map(Subject::Program),
            };
            self.expect_same("subject", &subject, &Some(known.shown.subject));
        }
        self.compare_grants();
        for connection in &self.model.connections {
            let live = self.world.authority.is_live(self.sessions[&connection.name].connection());
            self.expect(&format!("{} serves", connection.name), live);
        }
        for name in &self.ended {
            let live = self.world.authority.is_live(self.sessions[name].connection());
            self.expect(&format!("I3: {name} never serves again"), !live);
        }
        let touched = self.world.authority.take_touched();
        self.stored(&touched);
        for device in 0..DEVICES {
            let ours = self.world.authority.is_connected(device_id(device));
            let models = self.model.connections.iter().any(|other| other.actor == Actor::Device(device));
            self.expect_same("connected", &ours, &models);
        }
    }

    fn compare_grants(&self) {
        for device in 0..DEVICES {
            let id = device_id(device);
            let ours = self.world.authority.devices().find(|(record, _)| record.id == id);
            let ours = ours.map(|(record, lifetime)| {
                (plain(&record.grant.decided), plain(&record.grant.granted), length(lifetime))
            });
            let row = self.model.row(Subject::Device(device), false);
            let models = row.map(|row| (row.decided.clone(), row.granted.clone(), row.length));
            self.expect_same("grant", &ours, &models);
        }
        let ours: BTreeMap<_, _> = self
            .world
            .authority
            .programs()
            .map(|(record, lifetime)| (record.id.clone(), (plain(&record.grant.granted), length(lifetime))))
            .collect();
        let mut models = BTreeMap::new();
        for program in 0..PROGRAMS {
            for fleeting in [false, true] {
                if let Some(row) = self.model.row(Subject::Program(program), fleeting) {
                    models.insert(row.id.clone(), (row.granted.clone(), row.length));
                }
            }
        }
        self.expect_same("programs", &ours, &models);
        self.expect(
            "no program holds admin with the shared token",
            ours.values().all(|(granted, _)| !granted.contains("operator.admin")),
        );
    }
}

fn their_level(level: Level) -> tidegate_trust::scopes::Level {
    match level {
        Level::Read => tidegate_trust::scopes::Level::Read,
        Level::Write => tidegate_trust::scopes::Level::Write,
        Level::Full => tidegate_trust::scopes::Level::Full,
    }
}

fn theirs(verdict: &Verdict) -> decision::Verdict {
    let duration = match verdict.length() {
        Length::Once => decision::Duration::Once,
        Length::UntilQuit => decision::Duration::UntilQuit,
        Length::Always => decision::Duration::Always,
    };
    let choice = match verdict {
        Verdict::Reject => return decision::Verdict::Reject,
        Verdict::Later => return decision::Verdict::Later,
        Verdict::Block => return decision::Verdict::Block,
        Verdict::All(_) => Choice::All,
        Verdict::Scopes(scopes, _) => Choice::Scopes(scope_set(scopes)),
        Verdict::Level(level, pairing, _) => Choice::Level { level: their_level(*level), pairing: *pairing },
    };
    decision::Verdict::Approve { choice, duration }
}

fn problem(error: &DecisionError) -> Problem {
    match error {
        DecisionError::Unknown => Problem::Unknown,
        DecisionError::Changed => Problem::Changed,
        DecisionError::BeyondDecider(_) => Problem::Beyond,
        DecisionError::Own => Problem::Own,
        DecisionError::PersonOnly => Problem::PersonOnly,
        DecisionError::NotAsked(_) => Problem::NotAsked,
        DecisionError::NeedsOwnToken => Problem::NeedsOwnToken,
        DecisionError::OnlyOnce(_) => Problem::OnlyOnce,
    }
}
