//! The rules of trust once more, as plain lists and sets: slow, and easy to check by
//! reading. It shares no code with the crate, not even the scopes.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Set = BTreeSet<&'static str>;

pub(crate) const PAIRING: &str = "operator.pairing";
pub(crate) const ADMIN: &str = "operator.admin";
pub(crate) const SCOPES: [&str; 8] = [
    ADMIN,
    "operator.read",
    "operator.write",
    "operator.approvals",
    PAIRING,
    "operator.talk",
    "operator.questions",
    "custom.look",
];

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

fn covers(held: &str, needed: &str) -> bool {
    held == needed
        || held == ADMIN && needed.starts_with("operator.")
        || held == "operator.write" && ["operator.read", "operator.talk"].contains(&needed)
}

/// Managing pairing is held only by name.
pub(crate) fn holds(set: &Set, scope: &str) -> bool {
    if scope == PAIRING { set.contains(scope) } else { set.iter().any(|held| covers(held, scope)) }
}

fn holds_all(set: &Set, scopes: &Set) -> bool {
    scopes.iter().all(|scope| holds(set, scope))
}

/// What someone who asks for this may do under that grant.
pub(crate) fn allowed(asked: &Set, granted: &Set) -> Set {
    let both = |scope: &&str| {
        asked.iter().any(|held| covers(held, scope)) && granted.iter().any(|held| covers(held, scope))
    };
    let allowed = SCOPES.into_iter().filter(both);
    allowed.filter(|scope| *scope != PAIRING || granted.contains(PAIRING)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Read,
    Write,
    Full,
}

impl Level {
    pub(crate) fn scopes(self) -> Set {
        let scopes: &[&str] = match self {
            Self::Read => &["operator.read"],
            Self::Write => &["operator.read", "operator.write"],
            Self::Full => {
                &[ADMIN, "operator.read", "operator.write", "operator.approvals", "operator.questions"]
            }
        };
        SCOPES.into_iter().filter(|scope| scopes.contains(scope)).collect()
    }
}

/// By two clocks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) wall: u64,
    pub(crate) monotonic: u64,
}

impl Time {
    fn is_over(self, length: u64, now: Self) -> bool {
        now.wall.saturating_sub(self.wall) >= length
            || now.monotonic - self.monotonic >= length
            || self.wall.saturating_sub(now.wall) > 5 * SECOND
    }
}

/// Someone with a record or a request: a device by its number, or a program by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Device(usize),
    Program(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Length {
    Once,
    UntilQuit,
    Always,
}

/// One decision that counts. A shorter one stands before a longer one.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) ephemeral: bool,
    pub(crate) length: Length,
    pub(crate) begun: Time,
    pub(crate) decided: Set,
    pub(crate) granted: Set,
    pub(crate) platform: &'static str,
    pub(crate) id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    New,
    Platform,
    Scope,
    Unidentified,
}

/// What a person sees of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) subject: Subject,
    pub(crate) ephemeral: bool,
    /// Whether a command could be behind it.
    pub(crate) unidentified: bool,
    pub(crate) reason: Reason,
    pub(crate) asked: Set,
    pub(crate) has: Set,
    pub(crate) platform: &'static str,
    pub(crate) version: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) shown: Shown,
    pub(crate) source: String,
    born: Time,
    last: Time,
    pub(crate) later: bool,
}

/// Who acts on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actor {
    Own,
    Device(usize),
    Program(String),
    Token(String),
    Visitor,
}

#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) name: String,
    pub(crate) actor: Actor,
    pub(crate) allowed: Set,
    pub(crate) by_shared_token: bool,
    /// The program token that it came in with, by id.
    pub(crate) by_own_token: Option<String>,
    pub(crate) program: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct DeviceToken {
    /// None while it is withheld from who rotated it.
    pub(crate) text: Option<String>,
    pub(crate) revoked: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct OwnToken {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) granted: Set,
}

/// What a client sends to prove that it may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    None,
    Token(String),
    DeviceToken(String),
}

#[derive(Debug, Clone)]
pub(crate) struct PairingAttempt {
    pub(crate) device: Option<usize>,
    /// The program at the other end; `None` from afar.
    pub(crate) program: Option<usize>,
    pub(crate) ephemeral: bool,
    /// Whether it is local and nobody can tell who it is.
    pub(crate) unidentified: bool,
    /// Whether a command runs that is not contained.
    pub(crate) beside_a_command: bool,
    pub(crate) source: String,
    pub(crate) asked: Set,
    pub(crate) platform: &'static str,
    pub(crate) version: u64,
    pub(crate) credential: Credential,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Admitted {
        actor: Actor,
        allowed: Set,
        by_shared_token: bool,
        by_own_token: Option<String>,
        mints: bool,
    },
    /// The request that goes on waiting.
    Same(String),
    /// The one that goes on waiting, which asks for more.
    Wider(String),
    /// A new one, and the one that it ends.
    New {
        ends: Option<String>,
    },
    Full,
    Silenced,
    Unauthorized,
    NoIdentity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    All(Length),
    Scopes(Set, Length),
    Level(Level, bool, Length),
    Reject,
    Later,
    Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Problem {
    NoDecider,
    Unknown,
    Changed,
    Own,
    PersonOnly,
    DesktopDecides,
    OnlyOnce,
    NotAsked,
    Beyond,
    NeedsOwnToken,
}

pub(crate) struct Model {
    pub(crate) now: Time,
    pub(crate) rows: Vec<Row>,
    /// Devices whose unidentified client was approved: since when, and with what.
    pub(crate) vouched: BTreeMap<usize, (Time, Set)>,
    pub(crate) requests: Vec<Request>,
    pub(crate) silenced: BTreeMap<Subject, Time>,
    pub(crate) blocked: BTreeSet<Subject>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) device_tokens: BTreeMap<usize, DeviceToken>,
    pub(crate) own_tokens: Vec<OwnToken>,
    pub(crate) shared: String,
}

impl Model {
    pub(crate) fn rows_of(&self, subject: Subject, ephemeral: bool) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.subject == subject && row.ephemeral == ephemeral)
    }

    /// The decision that counts now: the shortest.
    pub(crate) fn row(&self, subject: Subject, ephemeral: bool) -> Option<&Row> {
        self.rows_of(subject, ephemeral).min_by_key(|row| row.length)
    }

    pub(crate) fn lasting(&self, device: usize) -> Option<&Row> {
        self.rows_of(Subject::Device(device), false).find(|row| row.length == Length::Always)
    }

    /// Ends what has expired; the ids of the requests.
    pub(crate) fn pass(&mut self) -> BTreeSet<String> {
        let now = self.now;
        let is_over = |request: &Request| {
            request.last.is_over(5 * MINUTE, now) || request.born.is_over(15 * MINUTE, now)
        };
        let ended = self.requests.iter().filter(|request| is_over(request)).map(|request| request.id.clone());
        let ended = ended.collect();
        self.requests.retain(|request| !is_over(request));
        self.rows.retain(|row| row.length != Length::Once || !row.begun.is_over(5 * MINUTE, now));
        self.vouched.retain(|_, (since, _)| !since.is_over(5 * MINUTE, now));
        self.silenced.retain(|_, since| !since.is_over(10 * MINUTE, now));
        self.forget_tokens();
        ended
    }

    /// A device's token goes with its last row.
    fn forget_tokens(&mut self) {
        let rows = &self.rows;
        self.device_tokens.retain(|device, _| rows.iter().any(|row| row.subject == Subject::Device(*device)));
    }

    fn own_token(&self, credential: &Credential) -> Option<&OwnToken> {
        let Credential::Token(text) = credential else { return None };
        self.own_tokens.iter().find(|token| &token.text == text)
    }

    fn has_credential(&self, attempt: &PairingAttempt) -> bool {
        let shared = matches!(&attempt.credential, Credential::Token(text) if *text == self.shared);
        let devices = match (&attempt.credential, attempt.device) {
            (Credential::Token(text) | Credential::DeviceToken(text), Some(device)) => self
                .device_tokens
                .get(&device)
                .is_some_and(|token| token.text.as_ref() == Some(text) && !token.revoked),
            _ => false,
        };
        shared || devices || self.own_token(&attempt.credential).is_some()
    }

    pub(crate) fn request_pairing(&mut self, attempt: &PairingAttempt) -> Outcome {
        let by_shared_token = matches!(&attempt.credential, Credential::Token(text) if *text == self.shared);
        let by_own_token = self.own_token(&attempt.credential).map(|token| token.id.clone());
        if !self.has_credential(attempt) {
            return match (&attempt.credential, attempt.device) {
                (Credential::None | Credential::DeviceToken(_), None) => Outcome::NoIdentity,
                _ => Outcome::Unauthorized,
            };
        }
        if attempt.device.is_none() && attempt.asked.is_empty() {
            let (actor, allowed) = (Actor::Visitor, Set::new());
            return Outcome::Admitted { actor, allowed, by_shared_token, by_own_token, mints: false };
        }
        let subject = match (attempt.device, attempt.program) {
            (Some(device), _) => Subject::Device(device),
            (None, program) => {
                if let Some(token) = self.own_token(&attempt.credential) {
                    let mut allowed = allowed(&attempt.asked, &token.granted);
                    if attempt.may_be_a_command() {
                        allowed.retain(|scope| covers("operator.read", scope));
                    }
                    let actor = Actor::Token(token.id.clone());
                    return Outcome::Admitted { actor, allowed, by_shared_token, by_own_token, mints: false };
                }
                let Some(program) = program else { return Outcome::NoIdentity };
                Subject::Program(program)
            }
        };
        if self.blocked.contains(&subject) {
            return Outcome::Unauthorized;
        }
        let is_device = attempt.device.is_some();
        let ephemeral = !is_device && attempt.ephemeral;
        let row = self.row(subject, ephemeral).cloned();
        let has = row.as_ref().map(|row| row.granted.clone()).unwrap_or_default();
        let reason = match &row {
            None => Reason::New,
            Some(row) if is_device && row.platform != attempt.platform => Reason::Platform,
            Some(row) if !holds_all(&row.decided, &attempt.asked) => match is_device || !has.is_empty() {
                true => Reason::Scope,
                false => Reason::New,
            },
            Some(row) => {
                let vouched = match subject {
                    Subject::Device(device) => self.vouched.remove(&device).map(|(_, left)| left),
                    Subject::Program(_) => None,
                };
                let vouched = match is_device && attempt.may_be_a_command() {
                    true => vouched,
                    false => Some(SCOPES.into()),
                };
                match vouched {
                    Some(left) => {
                        return self.admit(
                            attempt,
                            subject,
                            &row.clone(),
                            &left,
                            by_shared_token,
                            by_own_token,
                        );
                    }
                    None => Reason::Unidentified,
                }
            }
        };
        let (asked, platform, version) = (attempt.asked.clone(), attempt.platform, attempt.version);
        let unidentified = is_device && attempt.may_be_a_command();
        let shown = Shown { subject, ephemeral, unidentified, reason, asked, has, platform, version };
        self.ask(shown, &attempt.source)
    }

    fn admit(
        &mut self,
        attempt: &PairingAttempt,
        subject: Subject,
        row: &Row,
        left: &Set,
        by_shared_token: bool,
        by_own_token: Option<String>,
    ) -> Outcome {
        if row.length == Length::Once {
            self.rows.retain(|other| {
                (other.subject, other.ephemeral, other.length) != (subject, row.ephemeral, Length::Once)
            });
            self.forget_tokens();
        }
        let (actor, mints) = match subject {
            Subject::Device(device) => {
                let new = row.length == Length::Always
                    && !row.granted.is_empty()
                    && self
                        .device_tokens
                        .get(&device)
                        .is_none_or(|token| token.text.is_none() && !token.revoked);
                (Actor::Device(device), new)
            }
            Subject::Program(_) => (Actor::Program(row.id.clone()), false),
        };
        let mut allowed = allowed(&attempt.asked, &row.granted);
        allowed.retain(|scope| holds(left, scope));
        Outcome::Admitted { actor, allowed, by_shared_token, by_own_token, mints }
    }

    fn ask(&mut self, shown: Shown, source: &str) -> Outcome {
        if self.silenced.contains_key(&shown.subject) {
            return Outcome::Silenced;
        }
        let now = self.now;
        if let Some(request) = self.requests.iter_mut().find(|request| request.shown.takes_in(&shown)) {
            request.last = now;
            let id = request.id.clone();
            return if request.shown == shown { Outcome::Same(id) } else { Outcome::Wider(id) };
        }
        let keeps_its_place = self
            .requests
            .iter()
            .any(|request| request.shown.subject == shown.subject && request.source == source);
        if !keeps_its_place && !self.has_place_for(&shown, source) {
            return Outcome::Full;
        }
        let old = self.requests.iter().position(|request| request.shown.subject == shown.subject);
        let old = old.map(|position| self.requests.remove(position));
        self.requests.push(Request {
            id: String::new(),
            shown,
            source: source.to_owned(),
            born: old.as_ref().map_or(now, |old| old.born),
            last: now,
            later: old.as_ref().is_some_and(|old| old.later),
        });
        Outcome::New { ends: old.map(|old| old.id) }
    }

    fn has_place_for(&self, shown: &Shown, source: &str) -> bool {
        // All programs of the walk are of one user.
        let is_local = |source: &str| source.starts_with("user ");
        let others: Vec<_> =
            self.requests.iter().filter(|request| request.shown.subject != shown.subject).collect();
        let of_user = others.iter().filter(|request| is_local(&request.source)).count();
        let places = if is_local(source) && of_user >= 7 { 0 } else { 8 };
        match others.iter().filter(|request| request.source == source).count() {
            0 => others.len() < places,
            1 => others.len() < places.min(4),
            _ => false,
        }
    }

    /// What an approval would grant, and what is wrong with it.
    fn grant(&self, request: &Request, verdict: &Verdict) -> (Set, Set, Option<Problem>) {
        let Shown { subject, ephemeral, asked, .. } = &request.shown;
        let length = verdict.length();
        let before = self.rows_of(*subject, *ephemeral).filter(|row| row.length >= length);
        let before = before.min_by_key(|row| row.length);
        let (decided, granted) =
            before.map(|row| (row.decided.clone(), row.granted.clone())).unwrap_or_default();
        let shown: Set = decided.union(asked).copied().collect();
        match verdict {
            Verdict::Scopes(scopes, _) => {
                let problem = (!holds_all(asked, scopes)).then_some(Problem::NotAsked);
                (shown, granted.union(scopes).copied().collect(), problem)
            }
            Verdict::Level(level, pairing, _) => {
                let may = asked.contains(PAIRING) || granted.contains(PAIRING);
                let mut scopes = level.scopes();
                scopes.extend(pairing.then_some(PAIRING));
                let decided = shown.union(&Level::Full.scopes()).copied().collect();
                (decided, scopes, (*pairing && !may).then_some(Problem::NotAsked))
            }
            _ => (shown, granted.union(asked).copied().collect(), None),
        }
    }

    /// Why a decision cannot be taken. Any of these is a good answer. A surface of the person is no
    /// client, and not the person where a dialog decides.
    pub(crate) fn problems(
        &self,
        id: &str,
        decider: Option<&Connection>,
        by_surface: bool,
        right_digest: bool,
        verdict: &Verdict,
    ) -> BTreeSet<Problem> {
        let mut problems = BTreeSet::new();
        if let Some(client) = decider
            && (client.actor == Actor::Own || !client.allowed.contains(PAIRING))
        {
            return [Problem::NoDecider].into();
        }
        let Some(request) = self.requests.iter().find(|request| request.id == id) else {
            return [Problem::Unknown].into();
        };
        if !right_digest {
            problems.insert(Problem::Changed);
        }
        if let Some(client) = decider {
            let own = match request.shown.subject {
                Subject::Device(device) => client.actor == Actor::Device(device),
                Subject::Program(program) => self.connections.iter().any(|connection| {
                    connection.actor == client.actor && connection.program == Some(program)
                }),
            };
            problems.extend(own.then_some(Problem::Own));
            problems.extend((*verdict == Verdict::Block).then_some(Problem::PersonOnly));
        }
        if !verdict.approves() {
            return problems;
        }
        problems.extend(by_surface.then_some(Problem::DesktopDecides));
        let Shown { subject, ephemeral, .. } = request.shown;
        let length = verdict.length();
        problems.extend((ephemeral && length != Length::Once).then_some(Problem::OnlyOnce));
        let (_, granted, problem) = self.grant(request, verdict);
        problems.extend(problem);
        if let Some(client) = decider {
            // Who says that it is the device answers for all that the device has.
            let counts = |row: &&Row| row.length >= length && !request.shown.unidentified;
            let before = self.rows_of(subject, ephemeral).filter(counts);
            let before =
                before.min_by_key(|row| row.length).map(|row| row.granted.clone()).unwrap_or_default();
            let new = granted.iter().filter(|scope| !holds(&before, scope));
            let beyond = new.filter(|scope| !client.allowed.contains(*scope)).count() > 0;
            problems.extend(beyond.then_some(Problem::Beyond));
        }
        let is_program = matches!(subject, Subject::Program(_));
        problems.extend((is_program && granted.contains(ADMIN)).then_some(Problem::NeedsOwnToken));
        problems
    }

    /// Takes a decision that has no problem; the connections that it closes.
    pub(crate) fn decide(&mut self, id: &str, verdict: &Verdict, fresh_id: String) -> BTreeSet<String> {
        let position = self.requests.iter().position(|request| request.id == id).expect("it waits");
        if *verdict == Verdict::Later {
            self.requests[position].later = true;
            return BTreeSet::new();
        }
        let (decided, granted, _) = self.grant(&self.requests[position], verdict);
        let request = self.requests.remove(position);
        let Shown { subject, ephemeral, unidentified, platform, .. } = request.shown;
        match verdict {
            Verdict::Reject => {
                if let Subject::Device(device) = subject {
                    self.vouched.remove(&device);
                }
                self.silenced.insert(subject, self.now);
                BTreeSet::new()
            }
            Verdict::Block => self.block(subject),
            _ => {
                self.silenced.remove(&subject);
                if let (Subject::Device(device), true) = (subject, unidentified) {
                    let asked = request.shown.asked;
                    let left = match verdict {
                        Verdict::Scopes(scopes, _) => scopes.clone(),
                        // A level may be more than was asked.
                        Verdict::Level(..) => {
                            let both = allowed(&asked, &granted).into_iter();
                            both.filter(|scope| *scope != PAIRING || asked.contains(PAIRING)).collect()
                        }
                        _ => asked,
                    };
                    self.vouched.insert(device, (self.now, left));
                }
                let length = verdict.length();
                let id = self.row(subject, ephemeral).map_or(fresh_id, |row| row.id.clone());
                self.rows.retain(|row| {
                    (row.subject, row.ephemeral) != (subject, ephemeral) || row.length > length
                });
                let begun = self.now;
                let closes = match verdict {
                    Verdict::Level(..) if length != Length::Once => {
                        let actor = self.actor(subject, &id);
                        self.close(|connection| {
                            connection.actor == actor && !holds_all(&granted, &connection.allowed)
                        })
                    }
                    _ => BTreeSet::new(),
                };
                self.rows.push(Row { subject, ephemeral, length, begun, decided, granted, platform, id });
                closes
            }
        }
    }

    fn actor(&self, subject: Subject, id: &str) -> Actor {
        match subject {
            Subject::Device(device) => Actor::Device(device),
            Subject::Program(_) => Actor::Program(id.to_owned()),
        }
    }

    pub(crate) fn close(&mut self, ends: impl Fn(&Connection) -> bool) -> BTreeSet<String> {
        let closed = self.connections.iter().filter(|connection| ends(connection));
        let closed = closed.map(|connection| connection.name.clone()).collect();
        self.connections.retain(|connection| !ends(connection));
        closed
    }

    pub(crate) fn block(&mut self, subject: Subject) -> BTreeSet<String> {
        self.blocked.insert(subject);
        self.rows.retain(|row| row.subject != subject);
        self.requests.retain(|request| request.shown.subject != subject);
        self.forget_tokens();
        match subject {
            Subject::Device(device) => {
                self.vouched.remove(&device);
                self.close(|connection| connection.actor == Actor::Device(device))
            }
            Subject::Program(program) => self.close(|connection| {
                matches!(connection.actor, Actor::Program(_)) && connection.program == Some(program)
            }),
        }
    }

    /// What someone was granted, whatever they asked for on a connection.
    fn granted_to(&self, actor: &Actor) -> Set {
        let row = match actor {
            Actor::Own | Actor::Visitor => None,
            Actor::Device(device) => self.row(Subject::Device(*device), false),
            Actor::Program(id) => self.rows.iter().filter(|row| &row.id == id).min_by_key(|row| row.length),
            Actor::Token(id) => {
                let token = self.own_tokens.iter().find(|token| &token.id == id);
                return token.map(|token| token.granted.clone()).unwrap_or_default();
            }
        };
        row.map(|row| row.granted.clone()).unwrap_or_default()
    }

    /// Whether a client, or the person, may change a device.
    pub(crate) fn may_manage(&self, client: Option<&Connection>, device: usize) -> bool {
        let row = self.row(Subject::Device(device), false);
        let connected = self.connections.iter().filter(|other| other.actor == Actor::Device(device));
        let granted = match row {
            Some(row) => row.granted.clone(),
            None if connected.clone().count() == 0 => return false,
            None => connected.flat_map(|connection| connection.allowed.iter().copied()).collect(),
        };
        match client {
            None => true,
            Some(client) if client.actor == Actor::Own => false,
            Some(client) if client.actor == Actor::Device(device) => true,
            // OpenClaw's clients ask for no more than pairing when they manage devices.
            Some(client) => {
                let own = self.granted_to(&client.actor);
                let has = |scope: &&str| client.allowed.contains(scope) || holds(&own, scope);
                client.allowed.contains(PAIRING) && granted.iter().all(has)
            }
        }
    }

    /// Takes a device's grants away.
    pub(crate) fn remove(&mut self, device: usize) -> BTreeSet<String> {
        self.rows.retain(|row| row.subject != Subject::Device(device));
        self.vouched.remove(&device);
        self.forget_tokens();
        self.close(|connection| connection.actor == Actor::Device(device))
    }

    pub(crate) fn rotate_shared(&mut self, text: String) -> BTreeSet<String> {
        self.shared = text;
        self.rows.retain(|row| matches!(row.subject, Subject::Device(_)));
        self.close(|connection| connection.by_shared_token)
    }
}

impl Shown {
    /// Whether someone who asks like that asks for nothing that is not shown already.
    fn takes_in(&self, other: &Self) -> bool {
        let same_but_for_scopes = Self { asked: self.asked.clone(), ..other.clone() };
        *self == same_but_for_scopes && holds_all(&self.asked, &other.asked)
    }
}

impl PairingAttempt {
    /// Whether a command could be behind it that has read a person's keys.
    pub(crate) fn may_be_a_command(&self) -> bool {
        self.unidentified && self.beside_a_command
    }
}

impl Verdict {
    pub(crate) fn approves(&self) -> bool {
        matches!(self, Self::All(_) | Self::Scopes(..) | Self::Level(..))
    }

    pub(crate) fn length(&self) -> Length {
        match self {
            Self::All(length) | Self::Scopes(_, length) | Self::Level(_, _, length) => *length,
            Self::Reject | Self::Later | Self::Block => Length::Always,
        }
    }
}
