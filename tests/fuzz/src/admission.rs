//! Who is let in: a gateway's life as bytes. Our own client always gets in, and nobody else does
//! without a decision that covers it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use arbitrary::Unstructured;
use ed25519_dalek::{Signer as _, SigningKey};
use tidegate_protocol::connect::AuthParams;
use tidegate_protocol::device::{DeviceClaim, Nonce, PayloadVersion, SignedFields};
use tidegate_protocol::limits::{MAX_PENDING, MAX_PENDING_PER_SOURCE};
use tidegate_protocol::{
    ClientId, ClientInfo, ClientMode, ConnectParams, ConnectionId, DeviceId, PublicKey, Scope,
    SignatureBytes, UnixMillis,
};
use tidegate_trust::admission::{Admission, Admitted, Attempt};
use tidegate_trust::authority::{Effect, Entropy};
use tidegate_trust::decision::{Choice, Decider, Desktop, GrantLifetime, NotADecider, Verdict};
use tidegate_trust::origin::{InProcessKey, Origin, Peer};
use tidegate_trust::principal::command_line_session;
use tidegate_trust::program::{Ephemeral, Program};
use tidegate_trust::records::{ProgramIdentity, SharedToken, Subject};
use tidegate_trust::scopes::Level;
use tidegate_trust::token::Token;
use tidegate_trust::transaction::PreparedTransaction;
use tidegate_trust::{Authority, Principal, ScopeSet, Session, Timestamp, TrustRecords};

const OWN: u8 = 0;
/// The devices have numbers from 1 to this.
const DEVICES: u8 = 4;
const PROGRAMS: u8 = 3;
const MAX_STEPS: usize = 64;
const SCOPES: [Scope; 6] =
    [Scope::Admin, Scope::Read, Scope::Write, Scope::Approvals, Scope::Pairing, Scope::Talk];

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number.wrapping_add(7); 32])
}

fn public(number: u8) -> PublicKey {
    PublicKey::from_bytes(key(number).verifying_key().to_bytes())
}

fn device(number: u8) -> DeviceId {
    public(number).device_id()
}

fn identity(number: u8) -> ProgramIdentity {
    ProgramIdentity { uid: 1000, executable: PathBuf::from(format!("/usr/bin/p{number}")), script: None }
}

/// What was let in by decisions, at most: an oracle that only ever says too much.
#[derive(Default)]
struct Allowed {
    devices: BTreeMap<DeviceId, ScopeSet>,
    programs: Vec<(ProgramIdentity, ScopeSet)>,
    tokens: BTreeMap<String, ScopeSet>,
    blocked: BTreeSet<String>,
}

struct World {
    authority: Authority,
    in_process: InProcessKey,
    now: Timestamp,
    counter: u64,
    shared: String,
    tokens: Vec<String>,
    device_tokens: BTreeMap<DeviceId, String>,
    sessions: Vec<Session>,
    allowed: Allowed,
}

/// Arbitrary steps of a gateway's life.
pub fn admission(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut world = World::new();
    for _ in 0..MAX_STEPS {
        if input.is_empty() || world.step(&mut input).is_err() {
            break;
        }
        world.check_queue();
    }
    world.own_client_is_let_in();
}

impl World {
    fn new() -> Self {
        let shared = "the-shared-token".to_owned();
        let token =
            SharedToken { hash: Token::from_text(&shared).hash(), generation: 1, created_at: UnixMillis(1) };
        let records = TrustRecords { shared_token: Some(token), ..TrustRecords::default() };
        let (mut authority, in_process) = Authority::new(records);
        authority.set_own_key(public(OWN));
        let now = Timestamp { wall: UnixMillis(1_795_000_000_000), monotonic: Duration::from_secs(1000) };
        Self {
            authority,
            in_process,
            now,
            counter: 0,
            shared,
            tokens: Vec::new(),
            device_tokens: BTreeMap::new(),
            sessions: Vec::new(),
            allowed: Allowed::default(),
        }
    }

    fn entropy(&mut self) -> Entropy {
        self.counter += 1;
        let (mut id, mut token) = ([0; 16], [0; 32]);
        id[..8].copy_from_slice(&self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        token[..8].copy_from_slice(&self.counter.to_be_bytes());
        Entropy { id, token }
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        match input.int_in_range(0..=11_u8)? {
            0..=4 => self.connect(input)?,
            5..=6 => self.decide(input)?,
            7 => self.manage_device(input)?,
            8 => self.manage_tokens(input)?,
            9 => {
                let seconds = *input.choose(&[1, 20, 61, 301, 901])?;
                let passed = Duration::from_secs(seconds);
                // The clocks need not agree.
                if input.arbitrary()? {
                    self.now.wall = self.now.wall.plus(passed);
                }
                if input.arbitrary()? {
                    self.now.monotonic += passed;
                }
                if input.ratio(1_u8, 8_u8)? {
                    self.now.wall = UnixMillis(self.now.wall.0.saturating_sub(seconds * 1000));
                }
                self.authority.tick(self.now);
            }
            10 => {
                if !self.sessions.is_empty() {
                    let at = input.choose_index(self.sessions.len())?;
                    let session = self.sessions.swap_remove(at);
                    self.authority.disconnected(session.connection());
                    assert!(!self.authority.is_live(session.connection()));
                }
            }
            _ => self.own_client_is_let_in(),
        }
        Ok(())
    }

    /// The one promise that holds in every state.
    fn own_client_is_let_in(&mut self) {
        let origin = self.in_process.origin();
        let params = Client { key: Some(OWN), scopes: vec![Scope::Admin], ..Client::default() };
        let admitted = match self.admit(&origin, &params) {
            Admission::Admitted(admitted) => admitted,
            other => panic!("our own client must be let in: {other:?}"),
        };
        let session = admitted.session;
        assert_eq!(session.principal(), &Principal::SubagentClient);
        assert!(session.scopes().covers(&Scope::Admin));
        for desktop in [Desktop::Running, Desktop::Absent] {
            assert_eq!(Decider::of(&session, desktop), Err(NotADecider::SubagentClient));
        }
        assert!(self.authority.remove_device(&session, device(OWN), self.now).is_err(), "it is built in");
        assert!(self.authority.block_device(device(OWN), self.now).is_err(), "it is built in");
    }

    fn admit(&mut self, origin: &Origin, client: &Client) -> Admission {
        let entropy = self.entropy();
        let nonce = Nonce::from_entropy(self.entropy().id);
        let params = client.params(&nonce, self.now.wall);
        params.check().expect("the parameters are in bounds");
        let connection = ConnectionId::parse(format!("conn-{}", self.counter)).expect("an id");
        let attempt = Attempt::new(connection, origin.clone(), &params, &nonce, self.now.wall);
        self.authority.admit(&attempt, &entropy, self.now)
    }

    fn connect(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let client = Client::draw(input, self)?;
        let origin = self.origin(input)?;
        match self.admit(&origin, &client) {
            Admission::Admitted(admitted) => self.check_admitted(&origin, &client, *admitted),
            Admission::Refused { effects, .. } => {
                let requests = effects.iter().filter(|effect| matches!(effect, Effect::Requested(_))).count();
                assert!(requests <= 1);
                if requests == 1 {
                    assert!(client.proves_its_key() && client.key != Some(OWN), "a request needs a proof");
                    assert!(client.sends_a_text(), "a request needs a credential");
                }
            }
            Admission::LookUpPeer { .. } => {
                assert!(matches!(origin.peer(), Some(Peer::NotLookedUp | Peer::NotATool)));
            }
        }
        Ok(())
    }

    fn origin(&self, input: &mut Unstructured<'_>) -> arbitrary::Result<Origin> {
        let ephemeral = if input.ratio(1_u8, 4_u8)? { Some(Ephemeral::InlineCode) } else { None };
        let number = input.int_in_range(0..=PROGRAMS)?;
        let program = (number > 0).then(|| Program { pid: 42, identity: identity(number), ephemeral });
        let same_user = !input.ratio(1_u8, 8_u8)?;
        let process = Peer::Process { uid: if same_user { 1000 } else { 65_534 }, same_user, program };
        Ok(match input.int_in_range(0..=9_u8)? {
            0 => self.in_process.origin(),
            1 => Origin::Remote { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, input.int_in_range(1..=3)?)) },
            2 => Origin::Loopback(Peer::Tool { command: "sh".to_owned() }),
            3 => Origin::Loopback(Peer::Unknown { uid: None }),
            4 => Origin::LocalSocket(process),
            5 => Origin::Loopback(Peer::NotATool),
            6 => Origin::Loopback(Peer::NotLookedUp),
            _ => Origin::Loopback(process),
        })
    }

    fn check_admitted(&mut self, origin: &Origin, client: &Client, admitted: Admitted) {
        let session = admitted.session;
        let scopes = session.scopes();
        assert!(!matches!(origin.peer(), Some(Peer::Tool { .. })));
        assert_eq!(client.role.as_deref().unwrap_or("operator"), "operator");
        match session.principal() {
            Principal::SubagentClient => {
                assert!(matches!(origin, Origin::InProcess(_)), "only from inside: {origin:?}");
                assert!(client.key == Some(OWN) && client.proves_its_key());
            }
            Principal::CommandLine | Principal::Window => panic!("nobody connects as the person"),
            Principal::Device(id) => {
                assert!(client.proves_its_key() && client.key.map(device) == Some(*id));
                assert!(!self.allowed.blocked.contains(&id.to_string()), "{id} is blocked");
                let granted = self.allowed.devices.get(id);
                let granted = granted.unwrap_or_else(|| panic!("{id} was never let in"));
                assert!(granted.covers_all(scopes), "{scopes:?} of {granted:?}");
                assert!(!scopes.names(&Scope::Pairing) || granted.names(&Scope::Pairing));
                if let Some(made) = admitted.device_token {
                    let (token, _) = self.commit(made);
                    self.device_tokens.insert(*id, token.reveal().to_owned());
                }
            }
            Principal::Program(_) => {
                let Some(Peer::Process { same_user: true, program: Some(program), .. }) = origin.peer()
                else {
                    panic!("a program without a program: {origin:?}");
                };
                let granted = self.allowed.programs.iter().find(|(known, _)| known == &program.identity);
                let (_, granted) = granted.expect("the program was let in");
                assert!(granted.covers_all(scopes) && !scopes.covers(&Scope::Admin), "{scopes:?}");
                assert!(client.key.is_none());
            }
            Principal::ProgramToken(id) => {
                let granted = self.allowed.tokens.get(id).expect("the token was made");
                assert!(granted.covers_all(scopes), "{scopes:?} of {granted:?}");
            }
            Principal::Visitor => assert!(scopes.is_empty(), "a visitor has nothing: {scopes:?}"),
        }
        assert!(client.asked().covers_all(scopes), "nobody gets what they did not ask for");
        assert!(self.authority.is_live(session.connection()));
        self.sessions.push(session);
    }

    /// The command line: the person where there is no dialog, one of its surfaces otherwise.
    fn command_line(desktop: Desktop) -> Decider {
        let connection = ConnectionId::parse("cli").expect("an id");
        let origin = Origin::LocalSocket(Peer::Process { uid: 1000, same_user: true, program: None });
        let session =
            command_line_session(connection, &origin, Client::default().info()).expect("the person");
        Decider::of(&session, desktop).expect("it may refuse at least")
    }

    fn decide(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        self.authority.tick(self.now);
        if self.authority.waiting().is_empty() {
            return Ok(());
        }
        let at = input.choose_index(self.authority.waiting().len())?;
        let request = self.authority.waiting()[at].clone();
        let beside_a_dialog = input.ratio(1_u8, 8_u8)?;
        let (decider, ceiling) = if beside_a_dialog {
            (Self::command_line(Desktop::Running), None)
        } else if self.sessions.is_empty() || input.ratio(3_u8, 4_u8)? {
            (Self::command_line(Desktop::Absent), None)
        } else {
            let session = input.choose(&self.sessions)?;
            match Decider::of(session, Desktop::Absent) {
                Ok(decider) => {
                    assert!(session.scopes().names(&Scope::Pairing), "the right is given by name");
                    (decider, Some(session.scopes().clone()))
                }
                Err(_) => return Ok(()),
            }
        };
        let choice = match input.int_in_range(0..=2_u8)? {
            0 => Choice::All,
            1 => Choice::Scopes(draw_scopes(input)?.into_iter().collect()),
            _ => Choice::Level {
                level: *input.choose(&[Level::Read, Level::Write, Level::Full])?,
                pairing: input.arbitrary()?,
            },
        };
        let verdict = match input.int_in_range(0..=6_u8)? {
            0 => Verdict::Reject,
            1 => Verdict::Later,
            2 => Verdict::Block,
            _ => Verdict::Approve {
                choice: choice.clone(),
                duration: *input.choose(&[
                    GrantLifetime::Always,
                    GrantLifetime::UntilQuit,
                    GrantLifetime::Once,
                ])?,
            },
        };
        let entropy = self.entropy();
        let decided = self.authority.decide(&decider, &request.id, None, &verdict, &entropy, self.now);
        let Ok(decided) = decided else { return Ok(()) };
        let lets_in = matches!(verdict, Verdict::Approve { .. });
        assert!(!(lets_in && beside_a_dialog), "where there is a dialog only it lets anyone in");
        if input.ratio(1_u8, 8_u8)? {
            self.authority.roll_back(decided);
            return Ok(());
        }
        self.commit(decided);
        match verdict {
            Verdict::Approve { .. } => {
                let granted = match choice {
                    Choice::All => request.details.asked.clone(),
                    Choice::Scopes(scopes) => scopes,
                    Choice::Level { level, pairing } => {
                        ScopeSet::from(level).union(&pairing.then_some(Scope::Pairing).into_iter().collect())
                    }
                };
                if let Some(ceiling) = ceiling {
                    let before = match &request.details.subject {
                        Subject::Device(id) => self.allowed.devices.get(id).cloned().unwrap_or_default(),
                        Subject::Program(_) => ScopeSet::none(),
                    };
                    assert!(ceiling.union(&before).covers_all(&granted), "{granted:?} beyond {ceiling:?}");
                }
                self.allow(&request.details.subject, &granted);
            }
            Verdict::Block => {
                assert!(ceiling.is_none(), "only the person blocks");
                if let Subject::Device(id) = &request.details.subject {
                    self.allowed.blocked.insert(id.to_string());
                    self.ended(&Principal::Device(*id));
                }
            }
            Verdict::Reject | Verdict::Later => {}
        }
        Ok(())
    }

    fn allow(&mut self, subject: &Subject, granted: &ScopeSet) {
        match subject {
            Subject::Device(id) => {
                let before = self.allowed.devices.entry(*id).or_default();
                *before = before.union(granted);
            }
            Subject::Program(program) => {
                let before = self.allowed.programs.iter().position(|(known, _)| known == program);
                let before = before.map(|at| self.allowed.programs.swap_remove(at).1);
                self.allowed.programs.push((program.clone(), granted.union(&before.unwrap_or_default())));
            }
        }
    }

    /// A client that was cut off is cut off everywhere.
    fn ended(&mut self, principal: &Principal) {
        let authority = &self.authority;
        self.sessions.retain(|session| {
            let ends = session.principal() == principal;
            assert!(!ends || !authority.is_live(session.connection()), "{principal:?} may still act");
            !ends
        });
    }

    fn manage_device(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let number = input.int_in_range(OWN..=DEVICES)?;
        let id = device(number);
        let choice = input.int_in_range(0..=3_u8)?;
        let session =
            if self.sessions.is_empty() { None } else { Some(input.choose(&self.sessions)?.clone()) };
        match (choice, session) {
            (0, Some(session)) => {
                let removed = self.authority.remove_device(&session, id, self.now);
                assert!(removed.is_err() || number != OWN, "it is built in");
                if removed.is_ok() {
                    self.allowed.devices.remove(&id);
                    self.ended(&Principal::Device(id));
                }
            }
            (1, _) => {
                let blocked = self.authority.block_device(id, self.now);
                assert_eq!(blocked.is_err(), number == OWN, "it is built in");
                if blocked.is_ok() {
                    self.allowed.blocked.insert(id.to_string());
                    self.ended(&Principal::Device(id));
                }
            }
            (2, _) => {
                if self.authority.unblock(&Subject::Device(id), self.now).is_ok() {
                    self.allowed.blocked.remove(&id.to_string());
                }
            }
            (_, Some(session)) => {
                let entropy = self.entropy();
                let rotated = self.authority.rotate_token(&session, id, "operator", &entropy, self.now);
                assert!(rotated.is_err() || number != OWN, "it is built in");
            }
            (_, None) => {}
        }
        Ok(())
    }

    fn manage_tokens(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let entropy = self.entropy();
        if input.arbitrary()? {
            let changed = self.authority.rotate_shared_token(&entropy, self.now);
            self.shared = changed.value.reveal().to_owned();
            self.allowed.programs.clear();
            return Ok(());
        }
        let level = *input.choose(&[Level::Read, Level::Write, Level::Full])?;
        let pairing: bool = input.arbitrary()?;
        let name = format!("token {}", self.counter);
        if let Ok(made) = self.authority.new_program_token(&name, level, pairing, &entropy, self.now) {
            let (token, record) = self.commit(made);
            self.tokens.push(token.reveal().to_owned());
            self.allowed.tokens.insert(record.id.clone(), record.granted());
        }
        Ok(())
    }

    /// Commits a change and puts it in effect. What it gives.
    fn commit<T>(&mut self, prepared: PreparedTransaction<T>) -> T {
        self.authority.apply(prepared, self.now).value.expect("nothing overtook it")
    }

    fn check_queue(&self) {
        let waiting = self.authority.waiting();
        assert!(waiting.len() <= MAX_PENDING);
        for request in waiting {
            let same = waiting.iter().filter(|other| other.details.source == request.details.source).count();
            assert!(same <= MAX_PENDING_PER_SOURCE, "{} waits {same} times", request.details.source);
            let subjects =
                waiting.iter().filter(|other| other.details.subject == request.details.subject).count();
            assert_eq!(subjects, 1, "one request for each key or program");
            assert_ne!(request.details.subject, Subject::Device(device(OWN)), "nobody decides about our own");
        }
    }
}

/// One session of each kind: our own client, the person, devices with and without the right to
/// allow commands, and a program's token.
pub(crate) fn sessions() -> Vec<Session> {
    let mut world = World::new();
    let own = Client { key: Some(OWN), scopes: vec![Scope::Admin], ..Client::default() };
    let origin = world.in_process.origin();
    let mut sessions = Vec::new();
    let mut keep = |admission: Admission| match admission {
        Admission::Admitted(admitted) => sessions.push(admitted.session),
        other => panic!("must be let in: {other:?}"),
    };
    keep(world.admit(&origin, &own));
    let remote = Origin::Remote { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)) };
    let grants = [vec![Scope::Admin], vec![Scope::Approvals], vec![Scope::Read, Scope::Write]];
    for (number, scopes) in (1..).zip(grants) {
        let token = Some(world.shared.clone());
        let client = Client { key: Some(number), scopes, token, ..Client::default() };
        world.admit(&remote, &client);
        let request = world.authority.waiting()[0].id.clone();
        let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
        let (decider, entropy) = (World::command_line(Desktop::Absent), world.entropy());
        let decided = world.authority.decide(&decider, &request, None, &verdict, &entropy, world.now);
        world.commit(decided.expect("the person decides"));
        keep(world.admit(&remote, &client));
        keep(world.admit(&remote, &client));
    }
    let origin = Origin::LocalSocket(Peer::Process { uid: 1000, same_user: true, program: None });
    let connection = ConnectionId::parse("cli").expect("an id");
    let person = command_line_session(connection, &origin, Client::default().info());
    sessions.push(person.expect("the person"));
    sessions
}

/// A client that asks to pair.
#[derive(Debug, Clone, Default)]
struct Client {
    key: Option<u8>,
    /// Signs in the place of the key.
    signer: Option<u8>,
    scopes: Vec<Scope>,
    token: Option<String>,
    device_token: Option<String>,
    role: Option<String>,
    name: Option<String>,
    probes: bool,
    platform: bool,
}

fn draw_scopes(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<Scope>> {
    let chosen: u8 = input.arbitrary()?;
    let known = SCOPES.iter().enumerate().filter(|(at, _)| chosen & 1 << at != 0);
    let mut scopes: Vec<Scope> = known.map(|(_, scope)| scope.clone()).collect();
    if chosen & 0xc0 == 0xc0 {
        scopes.push(Scope::Other("operator.*".to_owned()));
    }
    Ok(scopes)
}

impl Client {
    fn draw(input: &mut Unstructured<'_>, world: &World) -> arbitrary::Result<Self> {
        let key = match input.int_in_range(OWN..=DEVICES + 2)? {
            number @ OWN..=DEVICES => Some(number),
            _ => None,
        };
        let signer = if input.ratio(1_u8, 8_u8)? { Some(input.int_in_range(OWN..=DEVICES)?) } else { None };
        let token = match input.int_in_range(0..=5_u8)? {
            0 => None,
            1 => Some("wrong".to_owned()),
            2 if !world.tokens.is_empty() => Some(input.choose(&world.tokens)?.clone()),
            _ => Some(world.shared.clone()),
        };
        let device_token = key.and_then(|key| world.device_tokens.get(&device(key)).cloned());
        Ok(Self {
            key,
            signer,
            scopes: draw_scopes(input)?,
            token,
            device_token: device_token.filter(|_| input.arbitrary().unwrap_or(false)),
            role: input.choose(&[None, None, None, Some("operator"), Some("node")])?.map(str::to_owned),
            name: input
                .choose(&[None, Some("Phone"), Some("Tidegate's own subagent client")])?
                .map(str::to_owned),
            probes: input.ratio(1_u8, 8_u8)?,
            platform: input.ratio(1_u8, 8_u8)?,
        })
    }

    fn proves_its_key(&self) -> bool {
        self.key.is_none() || self.signer.is_none() || self.signer == self.key
    }

    fn sends_a_text(&self) -> bool {
        self.token.is_some() || self.device_token.is_some()
    }

    fn asked(&self) -> ScopeSet {
        self.scopes.iter().cloned().collect()
    }

    fn info(&self) -> ClientInfo {
        ClientInfo {
            id: ClientId::Cli,
            display_name: self.name.clone(),
            version: "1".to_owned(),
            platform: if self.platform { "win32" } else { "linux" }.to_owned(),
            device_family: None,
            model_identifier: None,
            mode: if self.probes { ClientMode::Probe } else { ClientMode::Cli },
            instance_id: None,
            build_id: None,
            time_zone: None,
        }
    }

    fn params(&self, nonce: &Nonce, now: UnixMillis) -> ConnectParams {
        let auth = AuthParams {
            token: self.token.clone(),
            device_token: self.device_token.clone(),
            ..AuthParams::default()
        };
        let mut params = ConnectParams {
            min_protocol: 3,
            max_protocol: 4,
            client: self.info(),
            caps: Vec::new(),
            commands: Vec::new(),
            permissions: None,
            path_env: None,
            role: self.role.clone(),
            scopes: self.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            device: None,
            auth: Some(auth),
            locale: None,
            user_agent: None,
            model_catalog: None,
            computer_use: None,
            worker_runs: None,
        };
        let Some(number) = self.key else { return params };
        let payload = SignedFields {
            device: device(number),
            client: &params.client,
            role: params.role(),
            scopes: &params.scopes,
            signed_at: now.0,
            token: params.signed_token(),
            nonce: nonce.as_str(),
        }
        .payload(PayloadVersion::V3);
        let signature = key(self.signer.unwrap_or(number)).sign(payload.as_bytes());
        params.device = Some(DeviceClaim {
            id: device(number).to_string(),
            public_key: public(number).to_string(),
            signature: SignatureBytes(signature.to_bytes()).encode(),
            signed_at: now.0,
            nonce: nonce.as_str().to_owned(),
        });
        params
    }
}
