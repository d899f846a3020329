//! What the tests of this crate share: clients with real keys, places they come from, a clock, and
//! entropy that never repeats.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use tidegate_protocol::device::{DeviceClaim, Nonce, PayloadVersion, SignedFields};
use tidegate_protocol::refusal::{AuthReason, PairingRequired, Refusal};
use tidegate_protocol::{
    ClientId, ClientInfo, ClientMode, ConnectParams, ConnectionId, DeviceId, PublicKey, Scope,
    SignatureBytes, UnixMillis, connect::AuthParams,
};
use tidegate_trust::admission::{Admission, Admitted, Attempt, LookUp};
use tidegate_trust::approval::{
    ApprovalQueue, ApprovalRequest, Decision, PendingApproval, Question, Requester, ResolveError,
    ResolvedApproval,
};
use tidegate_trust::audit::{AuditEvent, Severity};
use tidegate_trust::authority::{Effect, Entropy};
use tidegate_trust::decision::{Choice, Decider, DecisionError, Desktop, GrantLifetime, Verdict};
use tidegate_trust::origin::{CommandsAlive, DesktopKey, InProcessKey, Origin, Peer};
use tidegate_trust::principal::{command_line_session, window_session};
use tidegate_trust::program::{Ephemeral, Program};
use tidegate_trust::records::{Claims, DeviceRecord, Grant, ProgramIdentity, SharedToken};
use tidegate_trust::token::Token;
use tidegate_trust::transaction::PreparedTransaction;
use tidegate_trust::{Authority, Change, ScopeSet, Session, Timestamp, TrustRecords};

pub(crate) const SHARED: &str = "the-shared-token";

pub(crate) fn key(seed: u16) -> SigningKey {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&seed.to_be_bytes());
    SigningKey::from_bytes(&bytes)
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_bytes(key.verifying_key().to_bytes())
}

pub(crate) fn id(key: &SigningKey) -> DeviceId {
    public(key).device_id()
}

pub(crate) fn scopes<const N: usize>(scopes: [Scope; N]) -> ScopeSet {
    scopes.into_iter().collect()
}

/// A client that wants to connect.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) key: Option<SigningKey>,
    /// Signs in the place of `key`, whose public half is still claimed.
    pub(crate) signs: Option<SigningKey>,
    pub(crate) info: ClientInfo,
    pub(crate) role: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) auth: AuthParams,
    pub(crate) versions: (u32, u32),
}

impl Client {
    pub(crate) fn new(key: &SigningKey) -> Self {
        Self { key: Some(key.clone()), ..Self::without_device() }
    }

    pub(crate) fn without_device() -> Self {
        Self {
            key: None,
            signs: None,
            info: info(ClientId::Cli, ClientMode::Cli),
            role: Some("operator".to_owned()),
            scopes: Vec::new(),
            auth: AuthParams { token: Some(SHARED.to_owned()), ..AuthParams::default() },
            versions: (3, 4),
        }
    }

    pub(crate) fn asks<'a>(mut self, scopes: impl IntoIterator<Item = &'a Scope>) -> Self {
        self.scopes = scopes.into_iter().map(|scope| scope.name().to_owned()).collect();
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        self.info.display_name = Some(name.to_owned());
        self
    }

    pub(crate) fn token(mut self, token: &str) -> Self {
        self.auth = AuthParams { token: Some(token.to_owned()), ..AuthParams::default() };
        self
    }

    pub(crate) fn device_token(mut self, token: &str) -> Self {
        self.auth = AuthParams { device_token: Some(token.to_owned()), ..AuthParams::default() };
        self
    }

    pub(crate) fn no_token(mut self) -> Self {
        self.auth = AuthParams::default();
        self
    }

    pub(crate) fn platform(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.info.platform);
        self
    }

    pub(crate) fn params(&self, nonce: &Nonce, now: UnixMillis) -> ConnectParams {
        let mut params = ConnectParams {
            min_protocol: self.versions.0,
            max_protocol: self.versions.1,
            client: self.info.clone(),
            caps: Vec::new(),
            commands: Vec::new(),
            permissions: None,
            path_env: None,
            role: self.role.clone(),
            scopes: self.scopes.clone(),
            device: None,
            auth: (self.auth != AuthParams::default()).then(|| self.auth.clone()),
            locale: None,
            user_agent: None,
            model_catalog: None,
            computer_use: None,
            worker_runs: None,
        };
        let Some(key) = &self.key else { return params };
        let signer = self.signs.as_ref().unwrap_or(key);
        let payload = SignedFields {
            device: id(key),
            client: &params.client,
            role: params.role(),
            scopes: &params.scopes,
            signed_at: now.0,
            token: params.signed_token(),
            nonce: nonce.as_str(),
        }
        .payload(PayloadVersion::V3);
        params.device = Some(DeviceClaim {
            id: id(key).to_string(),
            public_key: public(key).to_string(),
            signature: SignatureBytes(signer.sign(payload.as_bytes()).to_bytes()).encode(),
            signed_at: now.0,
            nonce: nonce.as_str().to_owned(),
        });
        params
    }
}

pub(crate) fn info(id: ClientId, mode: ClientMode) -> ClientInfo {
    ClientInfo {
        id,
        display_name: None,
        version: "2026.9.6".to_owned(),
        platform: "linux".to_owned(),
        device_family: None,
        model_identifier: None,
        mode,
        instance_id: None,
        build_id: None,
        time_zone: None,
    }
}

pub(crate) fn program(executable: &str, script: Option<&str>, ephemeral: Option<Ephemeral>) -> Program {
    let identity = ProgramIdentity {
        uid: 1000,
        executable: PathBuf::from(executable),
        script: script.map(PathBuf::from),
    };
    Program { pid: 4242, identity, ephemeral }
}

/// Loopback, our own user, this program.
pub(crate) fn local(program: Program) -> Origin {
    Origin::Loopback(Peer::Process { uid: 1000, same_user: true, program: Some(program) })
}

/// Loopback, our own user, a program of this name.
pub(crate) fn local_named(name: &str) -> Origin {
    local(program(&format!("/usr/bin/{name}"), None, None))
}

pub(crate) fn remote(last: u8) -> Origin {
    Origin::Remote { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)) }
}

pub(crate) fn local_socket() -> Origin {
    Origin::LocalSocket(Peer::Process { uid: 1000, same_user: true, program: None })
}

pub(crate) fn shared_token() -> SharedToken {
    SharedToken { hash: Token::from_text(SHARED).hash(), generation: 1, created_at: UnixMillis(1) }
}

pub(crate) fn records() -> TrustRecords {
    TrustRecords { shared_token: Some(shared_token()), ..TrustRecords::default() }
}

pub(crate) fn record(key: &SigningKey, granted: &ScopeSet) -> DeviceRecord {
    DeviceRecord {
        id: id(key),
        key: public(key),
        claims: Claims::of(&info(ClientId::Cli, ClientMode::Cli)),
        label: None,
        grant: Grant { decided: granted.clone(), granted: granted.clone() },
        token: None,
        created_at: UnixMillis(1),
        approved_at: UnixMillis(1),
        last_seen_at: None,
        last_seen_from: None,
    }
}

/// An authority with its surroundings.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) in_process: InProcessKey,
    pub(crate) now: Timestamp,
    /// The commands that may be alive while someone connects.
    pub(crate) commands: CommandsAlive,
    counter: u64,
}

impl World {
    pub(crate) fn new(records: TrustRecords) -> Self {
        let (authority, in_process) = Authority::new(records);
        let now = Timestamp { wall: UnixMillis(1_795_000_000_000), monotonic: Duration::from_secs(1000) };
        Self { authority, in_process, now, commands: CommandsAlive::None, counter: 0 }
    }

    /// The one right to act for the person at a desktop.
    pub(crate) fn desktop_key(&mut self) -> DesktopKey {
        self.authority.take_desktop_key(Desktop::Running).expect("it was not taken")
    }

    /// Another gateway takes the place of the one before, in the same process.
    pub(crate) fn restart_gateway(&mut self) {
        self.authority.all_disconnected();
        // Its first look at what waits.
        self.authority.tick(self.now);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = Timestamp { wall: self.now.wall.plus(time), monotonic: self.now.monotonic + time };
    }

    pub(crate) fn entropy(&mut self) -> Entropy {
        self.counter += 1;
        self.last_entropy()
    }

    /// The token that the next admission makes, if it makes one.
    pub(crate) fn next_token(&mut self) -> Token {
        let next = self.entropy();
        self.counter -= 1;
        Token::from_entropy(next.token)
    }

    fn last_entropy(&self) -> Entropy {
        let mut id = [0x5a; 16];
        let mut token = [0xa5; 32];
        // In front, so that prefixes of ids differ too.
        id[..8].copy_from_slice(&self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        token[..8].copy_from_slice(&self.counter.to_be_bytes());
        Entropy { id, token }
    }

    pub(crate) fn connect(&mut self, origin: &Origin, client: &Client) -> Admission {
        let entropy = self.entropy();
        let nonce = Nonce::from_entropy(self.entropy().id);
        let params = client.params(&nonce, self.now.wall);
        let connection = ConnectionId::parse(format!("conn-{}", self.counter)).expect("a valid id");
        let attempt = Attempt::new(connection, origin.clone(), &params, &nonce, self.now.wall);
        self.authority.admit(&attempt.during(self.commands), &entropy, self.now)
    }

    pub(crate) fn admitted(&mut self, origin: &Origin, client: &Client) -> Admitted {
        match self.connect(origin, client) {
            Admission::Admitted(admitted) => *admitted,
            other => panic!("expected to be admitted: {other:?}"),
        }
    }

    pub(crate) fn refused(&mut self, origin: &Origin, client: &Client) -> (Refusal, Vec<Effect>) {
        match self.connect(origin, client) {
            Admission::Refused { refusal, effects, .. } => (refusal, effects),
            other => panic!("expected to be refused: {other:?}"),
        }
    }

    pub(crate) fn unauthorized(&mut self, origin: &Origin, client: &Client) -> AuthReason {
        match self.refused(origin, client).0 {
            Refusal::Unauthorized { reason, .. } => reason,
            other => panic!("expected unauthorized: {other:?}"),
        }
    }

    pub(crate) fn asks_a_person(&mut self, origin: &Origin, client: &Client) -> PairingRequired {
        match self.refused(origin, client).0 {
            Refusal::PairingRequired(required) => *required,
            other => panic!("expected to need a person: {other:?}"),
        }
    }

    /// The id of the request that this attempt leaves waiting.
    pub(crate) fn request(&mut self, origin: &Origin, client: &Client) -> String {
        self.asks_a_person(origin, client).request_id.expect("a request waits")
    }

    pub(crate) fn look_up(&mut self, origin: &Origin, client: &Client) -> LookUp {
        match self.connect(origin, client) {
            Admission::LookUpPeer { depth, .. } => depth,
            other => panic!("expected a look-up: {other:?}"),
        }
    }

    /// Decides and commits.
    pub(crate) fn decide(
        &mut self,
        decider: &Decider,
        request: &str,
        verdict: &Verdict,
    ) -> Result<(Vec<Change>, Vec<Effect>), DecisionError> {
        let entropy = self.entropy();
        let mut decided = self.authority.decide(decider, request, None, verdict, &entropy, self.now)?;
        let durable = std::mem::take(&mut decided.durable);
        Ok((durable, self.authority.apply(decided, self.now).effects))
    }

    /// Commits a change and puts it in effect. What it gives.
    pub(crate) fn commit<T>(&mut self, prepared: PreparedTransaction<T>) -> T {
        self.authority.apply(prepared, self.now).value.expect("nothing overtook it")
    }

    /// A person approves.
    pub(crate) fn approve(&mut self, request: &str, choice: Choice, duration: GrantLifetime) -> Vec<Change> {
        let verdict = Verdict::Approve { choice, duration };
        self.decide(&person(), request, &verdict).expect("a person may decide").0
    }

    /// Asks to pair, and a person grants all of it for good.
    pub(crate) fn pair(&mut self, origin: &Origin, client: &Client) {
        let request = self.request(origin, client);
        self.approve(&request, Choice::All, GrantLifetime::Always);
    }

    /// Our own client, in-process.
    pub(crate) fn own_session(&mut self, own: &SigningKey) -> Session {
        self.authority.set_own_key(public(own));
        let origin = self.in_process.origin();
        self.admitted(&origin, &Client::new(own).no_token().asks(&[Scope::Admin])).session
    }
}

pub(crate) fn command_line() -> Session {
    let connection = ConnectionId::parse("cli").expect("valid");
    command_line_session(connection, &local_socket(), info(ClientId::Cli, ClientMode::Cli))
        .expect("the person")
}

/// The person, where no desktop runs.
pub(crate) fn person() -> Decider {
    Decider::of(&command_line(), Desktop::Absent).expect("the person")
}

/// The queue of who is offered nothing but the one time.
pub(crate) trait DecidesOnce {
    fn ask_once(
        &mut self,
        id: String,
        command: ApprovalRequest,
        requester: Requester,
        timeout: Duration,
        now: Timestamp,
    ) -> Option<PendingApproval>;

    fn resolve(
        &mut self,
        session: &Session,
        desktop: Desktop,
        id: &str,
        decision: Decision,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError>;

    fn resolve_shown(
        &mut self,
        person: &Decider,
        id: &str,
        digest: &str,
        decision: Decision,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError>;
}

impl DecidesOnce for ApprovalQueue {
    fn ask_once(
        &mut self,
        id: String,
        command: ApprovalRequest,
        requester: Requester,
        timeout: Duration,
        now: Timestamp,
    ) -> Option<PendingApproval> {
        self.ask(id, command, requester, Question::default(), timeout, now)
    }

    fn resolve(
        &mut self,
        session: &Session,
        desktop: Desktop,
        id: &str,
        decision: Decision,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError> {
        if decision == Decision::Deny {
            return self.deny(session, id, None, now);
        }
        let (clearance, _) = self.clear(session, desktop, id, now)?;
        Ok(self.allow(clearance, None, now).expect("cleared at this moment"))
    }

    fn resolve_shown(
        &mut self,
        person: &Decider,
        id: &str,
        digest: &str,
        decision: Decision,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError> {
        if decision == Decision::Deny {
            return self.deny_shown(person, id, digest, None, now);
        }
        let (clearance, _) = self.clear_shown(person, id, digest, now)?;
        Ok(self.allow(clearance, None, now).expect("cleared at this moment"))
    }
}

/// The person at the desktop whose authority this is.
pub(crate) fn person_at_desktop(world: &mut World) -> Decider {
    Decider::person_at_desktop(&world.desktop_key())
}

pub(crate) fn window(key: &DesktopKey) -> Session {
    let connection = ConnectionId::parse("window").expect("valid");
    window_session(connection, &key.window(), info(ClientId::Cli, ClientMode::Ui)).expect("a window")
}

pub(crate) fn audits(effects: &[Effect]) -> Vec<&AuditEvent> {
    fn audit(effect: &Effect) -> Option<&AuditEvent> {
        match effect {
            Effect::Audit(event) => Some(event),
            _ => None,
        }
    }
    effects.iter().filter_map(audit).collect()
}

pub(crate) fn alarms(effects: &[Effect]) -> usize {
    audits(effects).iter().filter(|event| event.severity == Severity::Alarm).count()
}

pub(crate) fn closed(effects: &[Effect]) -> Vec<ConnectionId> {
    let close = |effect: &Effect| match effect {
        Effect::Close { connections } => connections.clone(),
        _ => Vec::new(),
    };
    effects.iter().flat_map(close).collect()
}
