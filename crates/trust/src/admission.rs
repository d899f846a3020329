//! Whether a connection is let in, and as what.

use std::time::Duration;

use tidegate_protocol::client::platform_family;
use tidegate_protocol::device::Nonce;
use tidegate_protocol::refusal::{AuthReason, PairingReason, PairingRequired, Refusal};
use tidegate_protocol::{ClientMode, ConnectParams, ConnectionId, Dialect, Scope, UnixMillis};

use unicode_normalization::UnicodeNormalization as _;

use crate::audit::{AuditEvent, Weight};
use crate::authority::{Authority, Effect, Entropy, Held, Lifetime, Live};
use crate::identity::{self, VerifiedDevice};
use crate::moment::Moment;
use crate::origin::{Origin, Peer};
use crate::pairing::{Ask, Ended, Knock, Subject};
use crate::principal::{Principal, Session};
use crate::records::{Change, Claims, DeviceRecord, DeviceToken, Grant};
use crate::scopes::{ScopeSet, was_decided};
use crate::token::{Token, TokenHash};

/// A `connect` that waits for a decision.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The connection.
    pub connection: ConnectionId,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// What it sent; [`ConnectParams::check`] passed.
    pub params: &'a ConnectParams,
    /// The nonce that it was sent.
    pub nonce: &'a Nonce,
}

/// What was decided about an attempt.
#[derive(Debug)]
pub enum Admission {
    /// It is let in.
    Admitted(Box<Admitted>),
    /// It is not.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The version to answer in.
        dialect: Dialect,
        /// How long the answer has to wait: the credential was wrong.
        delay: Duration,
        /// What to do besides.
        effects: Vec<Effect>,
    },
    /// Who the peer is decides: look it up as far as `depth` says, and ask again.
    LookUpPeer {
        /// How far.
        depth: LookUp,
        /// What to do besides.
        effects: Vec<Effect>,
    },
}

/// How much has to be known of a local peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    /// Whether it is a descendant of this process: [`Peer::Tool`], [`Peer::NotATool`] or
    /// [`Peer::Unknown`].
    Ancestry,
    /// Also its user and program: [`Peer::Process`].
    Program,
}

/// A connection that is let in.
#[derive(Debug)]
pub struct Admitted {
    /// The session.
    pub session: Session,
    /// How it was authenticated: `token`, `device-token`, `none`.
    pub method: &'static str,
    /// Whether it was authenticated with the shared token.
    pub uses_shared_token: bool,
    /// A new device token, to be put into `hello-ok` once `durable` is committed. When that
    /// fails the client is let in without it.
    pub device_token: Option<(Token, UnixMillis)>,
    /// What has to be committed for the device token.
    pub durable: Vec<Change>,
    /// What to do besides.
    pub effects: Vec<Effect>,
}

enum Credential {
    Shared,
    ProgramToken(usize),
    DeviceToken,
}

impl Credential {
    fn method(&self) -> &'static str {
        match self {
            Self::Shared | Self::ProgramToken(_) => "token",
            Self::DeviceToken => "device-token",
        }
    }
}

impl Authority {
    /// Decides about an attempt.
    pub fn admit(&mut self, attempt: &Attempt<'_>, entropy: &Entropy, now: Moment) -> Admission {
        let mut effects = self.tick(now);
        let params = attempt.params;
        let Some(dialect) = Dialect::negotiate(params.min_protocol, params.max_protocol) else {
            let refusal = Refusal::ProtocolMismatch {
                client_min: params.min_protocol,
                client_max: params.max_protocol,
            };
            return Admission::Refused { refusal, dialect: Dialect::NEWEST, delay: Duration::ZERO, effects };
        };
        match self.decide_admission(attempt, dialect, entropy, now, &mut effects) {
            Ok(mut admitted) => {
                self.live.insert(
                    attempt.connection.clone(),
                    Live {
                        principal: admitted.session.principal().clone(),
                        scopes: admitted.session.scopes().clone(),
                        program: match attempt.origin.peer() {
                            Some(Peer::Process { program: Some(program), .. }) => {
                                Some(program.identity.clone())
                            }
                            _ => None,
                        },
                        token_generation: admitted.uses_shared_token.then(|| self.token_generation()),
                    },
                );
                effects.append(&mut admitted.effects);
                admitted.effects = effects;
                Admission::Admitted(admitted)
            }
            Err(Stop::LookUpPeer(depth)) => Admission::LookUpPeer { depth, effects },
            Err(Stop::Refuse(refusal)) => {
                let failed = matches!(
                    refusal,
                    Refusal::DeviceProof(_)
                        | Refusal::Unauthorized {
                            reason: AuthReason::TokenMismatch
                                | AuthReason::DeviceTokenMismatch
                                | AuthReason::Blocked
                                | AuthReason::OwnKeyElsewhere,
                            ..
                        }
                );
                let delay = match failed {
                    true => self.throttle.failed(&attempt.origin.source(), now),
                    false => Duration::ZERO,
                };
                Admission::Refused { refusal, dialect, delay, effects }
            }
        }
    }

    fn decide_admission(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        entropy: &Entropy,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Result<Box<Admitted>, Stop> {
        let params = attempt.params;
        let device = params
            .device
            .as_ref()
            .map(|claim| identity::verify(claim, params, attempt.nonce, now.wall))
            .transpose();
        let role_is_served = params.role() == "operator";
        if let Origin::InProcess(_) = attempt.origin {
            if !role_is_served {
                return Err(Refusal::InvalidRole.into());
            }
            return self.admit_own_client(attempt, dialect, device, now);
        }
        if let Ok(Some(device)) = &device
            && self.is_own(device.id())
        {
            let line = format!(
                "security audit: the gateway's own key was used from elsewhere device={} from={} conn={}",
                device.id(),
                attempt.origin.describe(),
                attempt.connection
            );
            let event =
                AuditEvent::new(now.wall, Weight::Alarm, "own-key.elsewhere", device.id().to_string(), line);
            effects.push(Effect::Audit(event));
            return Err(unauthorized(AuthReason::OwnKeyElsewhere));
        }
        if !role_is_served {
            return Err(Refusal::InvalidRole.into());
        }
        self.refuse_tools(attempt, now, effects)?;
        let credential = self.credential(params, device.as_ref().ok().and_then(Option::as_ref));
        match params.device {
            None => self.admit_without_device(attempt, dialect, credential, entropy, now, effects),
            Some(_) => {
                let device = device.map_err(Refusal::DeviceProof)?.ok_or(Refusal::DeviceIdentityRequired)?;
                let credential = credential?;
                self.throttle.succeeded(&attempt.origin.source());
                self.admit_device(attempt, dialect, device, &credential, entropy, now, effects)
            }
        }
    }

    /// Our own client: the in-memory transport, the key of this start, and a valid signature over
    /// this connection's nonce. No record, block, token or write plays a part.
    fn admit_own_client(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        device: Result<Option<VerifiedDevice>, tidegate_protocol::refusal::DeviceProofError>,
        now: Moment,
    ) -> Result<Box<Admitted>, Stop> {
        let device = device.map_err(Refusal::DeviceProof)?.ok_or(Refusal::DeviceIdentityRequired)?;
        if !self.is_own(device.id()) {
            return Err(unauthorized(AuthReason::TokenMismatch));
        }
        self.own_client_seen = Some(now.wall);
        let scopes = attempt.params.requested_scopes().into_iter().collect::<ScopeSet>();
        let line = format!(
            "device pairing auto-approved device={} role=operator scopes={} built-in conn={}",
            device.id(),
            scopes.to_csv(),
            attempt.connection
        );
        let event =
            AuditEvent::new(now.wall, Weight::Info, "own-client.admitted", device.id().to_string(), line);
        Ok(Box::new(Admitted {
            session: session(attempt, Principal::SubagentClient, dialect, scopes),
            method: "none",
            uses_shared_token: false,
            device_token: None,
            durable: Vec::new(),
            effects: vec![Effect::Audit(event)],
        }))
    }

    /// A descendant of this process is a tool, whatever it knows. Where that cannot be ruled out
    /// it counts as one.
    fn refuse_tools(
        &self,
        attempt: &Attempt<'_>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Stop> {
        let (reason, command) = match attempt.origin.peer() {
            Some(Peer::NotLookedUp) => return Err(Stop::LookUpPeer(LookUp::Ancestry)),
            Some(Peer::Tool { command }) => (AuthReason::Tool, command.as_str()),
            Some(Peer::Unknown) => (AuthReason::PeerUnknown, "unknown"),
            Some(Peer::NotATool | Peer::Process { .. }) | None => return Ok(()),
        };
        let line = format!(
            "security audit: a program started by the agent tried to connect command={command} conn={}",
            attempt.connection
        );
        effects.push(Effect::Audit(AuditEvent::new(now.wall, Weight::Warn, "tool.refused", command, line)));
        Err(unauthorized(reason))
    }

    /// Which of our credentials the client holds (protocol section 5.2).
    fn credential(
        &self,
        params: &ConnectParams,
        device: Option<&VerifiedDevice>,
    ) -> Result<Credential, Refusal> {
        let auth = params.auth.as_ref();
        let text = |value: Option<&String>| {
            value.map(|text| text.trim()).filter(|text| !text.is_empty()).map(TokenHash::of)
        };
        let token = text(auth.and_then(|auth| auth.token.as_ref()));
        // The Control UI sends the token as the password, too.
        let password = text(auth.and_then(|auth| auth.password.as_ref()));
        let device_token = text(auth.and_then(|auth| auth.device_token.as_ref()));
        for hash in [token, password].into_iter().flatten() {
            if self.is_shared_token(&hash) {
                return Ok(Credential::Shared);
            }
            if let Some(index) = self.tokens.iter().position(|token| token.hash.matches(&hash)) {
                return Ok(Credential::ProgramToken(index));
            }
        }
        let stored = device
            .and_then(|device| self.devices.get(&device.id()))
            .and_then(|held| held.record.token.as_ref())
            .filter(|stored| stored.revoked_at.is_none());
        if let Some(stored) = stored
            && device_token.or(token).is_some_and(|hash| stored.hash.matches(&hash))
        {
            return Ok(Credential::DeviceToken);
        }
        let reason = match (token.or(password), device_token) {
            (None, None) => AuthReason::TokenMissing,
            (None, Some(_)) => AuthReason::DeviceTokenMismatch,
            (Some(_), _) => AuthReason::TokenMismatch,
        };
        Err(Refusal::Unauthorized {
            reason,
            can_retry_with_device_token: reason == AuthReason::TokenMismatch
                && params.device.is_some()
                && device_token.is_none(),
        })
    }

    fn is_shared_token(&self, hash: &TokenHash) -> bool {
        match (&self.override_token, &self.shared_token) {
            (Some(expected), _) => expected.matches(hash),
            (None, Some(shared)) => shared.hash.matches(hash),
            (None, None) => false,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the whole attempt decides")]
    fn admit_device(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        device: VerifiedDevice,
        credential: &Credential,
        entropy: &Entropy,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Result<Box<Admitted>, Stop> {
        let subject = Subject::Device(device.id());
        if self.is_blocked(&subject) {
            return Err(unauthorized(AuthReason::Blocked));
        }
        let params = attempt.params;
        let asked: ScopeSet = params.requested_scopes().into_iter().collect();
        let claims = Claims::of(&params.client);
        let record = self.devices.get(&device.id()).map(|held| &held.record);
        let reason = match record {
            None => Some(PairingReason::NotPaired),
            Some(record) if platform_changed(record, &claims) => Some(PairingReason::MetadataUpgrade),
            Some(record) if !all_decided(&record.grant, &asked) => Some(PairingReason::ScopeUpgrade),
            Some(_) => None,
        };
        let has = record.map(|record| record.grant.granted.clone()).unwrap_or_default();
        let Some(reason) = reason else {
            return Ok(self.admit_known_device(attempt, dialect, device, credential, &asked, entropy, now));
        };
        if attempt.origin.peer() == Some(&Peer::NotATool) {
            return Err(Stop::LookUpPeer(LookUp::Program));
        }
        let approved = record.map(|record| record.grant.granted.to_vec());
        let known_name = self.is_name_of_another(&claims, device);
        let ask = Ask {
            subject,
            key: Some(device.key()),
            reason,
            claims,
            role: params.role().to_owned(),
            added: asked.not_held_by(&has),
            asked,
            has,
            from: attempt.origin.describe(),
            source: attempt.origin.source(),
            known_name,
            fleeting: None,
        };
        Err(self.ask_a_person(ask, attempt, approved, entropy, now, effects))
    }

    #[expect(clippy::too_many_arguments, reason = "the whole attempt decides")]
    fn admit_known_device(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        device: VerifiedDevice,
        credential: &Credential,
        asked: &ScopeSet,
        entropy: &Entropy,
        now: Moment,
    ) -> Box<Admitted> {
        let mut admitted = Admitted {
            session: session(attempt, Principal::Device(device.id()), dialect, ScopeSet::none()),
            method: credential.method(),
            uses_shared_token: matches!(credential, Credential::Shared),
            device_token: None,
            durable: Vec::new(),
            effects: Vec::new(),
        };
        let Some(held) = self.devices.get_mut(&device.id()) else {
            return Box::new(admitted);
        };
        let scopes = asked.under_grant(&held.record.grant.granted);
        admitted.session = session(attempt, Principal::Device(device.id()), dialect, scopes);
        let claims = Claims::of(&attempt.params.client);
        if held.record.claims != claims {
            let line =
                format!("device metadata refreshed device={} client={}", device.id(), claims.client_id);
            let event =
                AuditEvent::new(now.wall, Weight::Info, "device.refreshed", device.id().to_string(), line);
            admitted.effects.push(Effect::Audit(event));
        }
        let from = attempt.origin.describe();
        held.change(&mut |record| {
            // A platform that was let in for a while is not pinned for longer.
            if !platform_changed(record, &claims) {
                record.claims = claims.clone();
            }
            record.last_seen_at = Some(now.wall);
            record.last_seen_from = Some(from.clone());
        });
        match held.lifetime {
            Lifetime::Once(_) => {
                // The grant was for one admission, and this is it.
                let rest = self.devices.remove(&device.id()).and_then(Held::ended);
                self.devices.extend(rest.map(|rest| (device.id(), rest)));
                self.touched.push(device.id());
            }
            Lifetime::UntilQuit => self.touched.push(device.id()),
            Lifetime::Always => {
                let record = &mut held.record;
                if record.token.is_none() && !record.grant.granted.is_empty() {
                    let token = Token::from_entropy(entropy.token);
                    record.token = Some(DeviceToken {
                        hash: token.hash(),
                        created_at: now.wall,
                        rotated_at: None,
                        revoked_at: None,
                    });
                    admitted.durable.push(Change::PutDevice(Box::new(record.clone())));
                    admitted.device_token = Some((token, now.wall));
                } else {
                    self.touched.push(device.id());
                }
            }
        }
        Box::new(admitted)
    }

    fn admit_without_device(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        credential: Result<Credential, Refusal>,
        entropy: &Entropy,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Result<Box<Admitted>, Stop> {
        let params = attempt.params;
        let sent_something =
            params.auth.as_ref().is_some_and(|auth| auth.token.is_some() || auth.password.is_some());
        let credential = match credential {
            Ok(credential) => credential,
            Err(refusal) if sent_something => return Err(refusal.into()),
            Err(_) => return Err(Refusal::DeviceIdentityRequired.into()),
        };
        self.throttle.succeeded(&attempt.origin.source());
        let asked: ScopeSet = params.requested_scopes().into_iter().collect();
        let uses_shared_token = matches!(credential, Credential::Shared);
        let admitted = |principal, scopes| {
            Ok(Box::new(Admitted {
                session: session(attempt, principal, dialect, scopes),
                method: "token",
                uses_shared_token,
                device_token: None,
                durable: Vec::new(),
                effects: Vec::new(),
            }))
        };
        if asked.is_empty() || params.client.mode == ClientMode::Probe {
            return admitted(Principal::Visitor, ScopeSet::none());
        }
        if let Credential::ProgramToken(index) = credential
            && let Some(token) = self.tokens.get_mut(index)
        {
            token.last_used_at = Some(now.wall);
            return admitted(Principal::ProgramToken(token.id.clone()), asked.under_grant(&token.granted()));
        }
        let program = match attempt.origin.peer() {
            Some(Peer::NotATool) => return Err(Stop::LookUpPeer(LookUp::Program)),
            Some(Peer::Process { same_user: true, program: Some(program), .. }) => program,
            _ => return Err(Refusal::DeviceIdentityRequired.into()),
        };
        let subject = Subject::Program(program.identity.clone());
        if self.is_blocked(&subject) {
            return Err(unauthorized(AuthReason::Blocked));
        }
        let generation = self.token_generation();
        let programs = match program.fleeting {
            // What may be anything the next time can only use a grant of its own, for one time.
            Some(_) => &mut self.fleeting_programs,
            None => &mut self.programs,
        };
        let position = programs.iter().position(|held| {
            held.record.program == program.identity && held.record.token_generation == generation
        });
        let grant =
            position.and_then(|position| programs.get(position)).map(|held| held.record.grant.clone());
        match (&grant, position) {
            (Some(grant), Some(position)) if all_decided(grant, &asked) => {
                let held = &mut programs[position];
                held.record.last_seen_at = Some(now.wall);
                let id = held.record.id.clone();
                if matches!(held.lifetime, Lifetime::Once(_)) {
                    let rest = programs.remove(position).ended();
                    programs.extend(rest);
                }
                admitted(Principal::Program(id), asked.under_grant(&grant.granted))
            }
            _ => {
                let has = grant.map(|grant| grant.granted).unwrap_or_default();
                let ask = Ask {
                    subject,
                    key: None,
                    reason: if has.is_empty() {
                        PairingReason::NotPaired
                    } else {
                        PairingReason::ScopeUpgrade
                    },
                    claims: Claims::of(&params.client),
                    role: params.role().to_owned(),
                    added: asked.not_held_by(&has),
                    asked,
                    has,
                    from: attempt.origin.describe(),
                    source: attempt.origin.source(),
                    known_name: false,
                    fleeting: program.fleeting.map(crate::program::Fleeting::sentence),
                };
                Err(self.ask_a_person(ask, attempt, None, entropy, now, effects))
            }
        }
    }

    fn ask_a_person(
        &mut self,
        ask: Ask,
        attempt: &Attempt<'_>,
        approved: Option<Vec<Scope>>,
        entropy: &Entropy,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Stop {
        let mut required = PairingRequired {
            reason: ask.reason,
            request_id: None,
            device: match ask.subject {
                Subject::Device(device) => Some(device),
                Subject::Program(_) => None,
            },
            role: ask.role.clone(),
            scopes: ask.asked.to_vec(),
            approved,
            expect_decision: true,
        };
        let line = access_line(&ask, attempt);
        let name = subject_name(&ask.subject);
        match self.pending.knock(ask, entropy.uuid(), now) {
            Knock::Silenced => required.expect_decision = false,
            Knock::Full => {}
            Knock::Waiting { id, created, superseded } => {
                if let Some(request) = superseded {
                    effects.push(Effect::Ended { request, how: Ended::Superseded });
                }
                if created && let Some(request) = self.pending.get(&id) {
                    effects.push(Effect::Requested(Box::new(request.clone())));
                    let event = AuditEvent::new(now.wall, Weight::Warn, "pairing.requested", name, line);
                    effects.push(Effect::Audit(event));
                }
                required.request_id = Some(id);
            }
        }
        Refusal::PairingRequired(Box::new(required)).into()
    }

    fn is_name_of_another(&self, claims: &Claims, device: VerifiedDevice) -> bool {
        let Some(name) = claims.display_name.as_deref().map(as_it_looks) else { return false };
        let same = |label: &Option<String>| label.as_deref().is_some_and(|label| as_it_looks(label) == name);
        self.devices.values().any(|held| held.record.id != device.id() && same(&held.record.label))
    }
}

/// A name without what people overlook: case, width, and white space.
fn as_it_looks(name: &str) -> String {
    let lower: String = name.nfkc().flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect()
}

/// The line of protocol section 6.6.
fn access_line(ask: &Ask, attempt: &Attempt<'_>) -> String {
    let ip = match attempt.origin {
        Origin::Remote { address } => address.to_string(),
        _ => "unknown-ip".to_owned(),
    };
    let role_from = if ask.has.is_empty() { "<none>" } else { "operator" };
    format!(
        "security audit: device access upgrade requested reason={} device={} ip={ip} auth=token roleFrom={role_from} \
         roleTo={} scopesFrom={} scopesTo={} client={} conn={}",
        ask.reason.name(),
        subject_name(&ask.subject),
        ask.role,
        ask.has.to_csv(),
        ask.asked.to_csv(),
        ask.claims.client_id,
        attempt.connection
    )
}

pub(crate) fn subject_name(subject: &Subject) -> String {
    match subject {
        Subject::Device(device) => device.to_string(),
        Subject::Program(program) => {
            let file = program.script.as_ref().unwrap_or(&program.executable);
            format!("program:{}", tidegate_protocol::text::one_line(&file.display().to_string(), 200))
        }
    }
}

fn session(attempt: &Attempt<'_>, principal: Principal, dialect: Dialect, scopes: ScopeSet) -> Session {
    Session::new(attempt.connection.clone(), principal, dialect, scopes, attempt.params.client.clone())
}

fn all_decided(grant: &Grant, asked: &ScopeSet) -> bool {
    asked.iter().all(|scope| was_decided(&grant.decided, scope))
}

/// Platform (without its version) and family are pinned; everything else a client says of itself
/// is only refreshed. Both are compared as they are kept, cleaned and bounded: else a client with
/// an odd one would have to ask each time.
fn platform_changed(record: &DeviceRecord, claims: &Claims) -> bool {
    let pinned = platform_family(&record.claims.platform);
    let family = |family: Option<&str>| family.map(tidegate_protocol::client::normalised).unwrap_or_default();
    let pinned_family = family(record.claims.device_family.as_deref());
    let claimed_family = family(claims.device_family.as_deref());
    (!pinned.is_empty() && pinned != platform_family(&claims.platform))
        || (!pinned_family.is_empty() && pinned_family != claimed_family)
}

fn unauthorized(reason: AuthReason) -> Stop {
    Refusal::Unauthorized { reason, can_retry_with_device_token: false }.into()
}

enum Stop {
    Refuse(Refusal),
    LookUpPeer(LookUp),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}
