//! Whether a connection is let in, and as what.

mod asking;
mod credential;
mod device;
mod without_device;

use std::time::Duration;

use tidegate_protocol::device::Nonce;
use tidegate_protocol::refusal::{AuthReason, DeviceProofError, Refusal};
use tidegate_protocol::{ConnectParams, ConnectionId, Dialect, UnixMillis};

pub(crate) use asking::subject_name;

use crate::approval::program_of;
use crate::audit::{AuditEvent, AuditKind};
use crate::authority::{Authority, Effect, Entropy, Live, Touched};
use crate::identity::{self, VerifiedDevice};
use crate::origin::{CommandsAlive, Origin, Peer};
use crate::principal::{Principal, Session};
use crate::records::Change;
use crate::scopes::ScopeSet;
use crate::timestamp::Timestamp;
use crate::token::Token;

/// A `connect` that waits for a decision. What its device proves is known from the beginning: when
/// the peer has to be looked up, only that is new when [`Authority::admit`] is asked again.
#[derive(Debug)]
pub struct Attempt<'a> {
    connection: ConnectionId,
    origin: Origin,
    params: &'a ConnectParams,
    device: Result<Option<VerifiedDevice>, DeviceProofError>,
    commands: CommandsAlive,
}

impl<'a> Attempt<'a> {
    /// An attempt of a connection that comes from `origin` and was sent `nonce`. For `params`
    /// [`ConnectParams::check`] passed. Verifies the signature, which takes longer than all the rest,
    /// so that it needs no [`Authority`].
    #[must_use]
    pub fn new(
        connection: ConnectionId,
        origin: Origin,
        params: &'a ConnectParams,
        nonce: &Nonce,
        now: UnixMillis,
    ) -> Self {
        let claim = params.device.as_ref();
        let device = claim.map(|claim| identity::verify(claim, params, nonce, now)).transpose();
        Self { connection, origin, params, device, commands: CommandsAlive::None }
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same attempt, now that the acceptor knows more of where it comes from.
    #[must_use]
    pub fn from_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The same attempt, while such commands of agents may be alive.
    #[must_use]
    pub fn during(self, commands: CommandsAlive) -> Self {
        Self { commands, ..self }
    }

    /// Whether a command could be behind it that has reached a person's keys: then a key or token
    /// alone is no proof.
    fn may_be_a_command(&self) -> bool {
        self.commands == CommandsAlive::Beyond && matches!(self.origin.peer(), Some(Peer::Unknown { .. }))
    }
}

/// What was decided about an attempt.
#[derive(Debug)]
pub enum Admission {
    /// It is let in.
    Admitted(Box<Admitted>),
    /// It is not.
    Refused {
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
        /// How much of it is needed.
        depth: LookUp,
        /// What to do besides.
        effects: Vec<Effect>,
    },
}

/// How much has to be known of a local peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    /// Whether an agent started it: [`Peer::Tool`], [`Peer::NotATool`] or [`Peer::Unknown`].
    Ancestry,
    /// Also its user and program: [`Peer::Process`].
    Program,
}

/// A connection that is let in.
#[derive(Debug)]
pub struct Admitted {
    pub session: Session,
    /// How it was authenticated: `token`, `device-token`, `none`.
    pub method: &'static str,
    /// Whether it was authenticated with the shared token.
    pub uses_shared_token: bool,
    /// The program token that it was authenticated with, by id.
    pub program_token: Option<String>,
    /// A new device token, to be put into `hello-ok` once `durable` is committed. When that
    /// fails the client is let in without it.
    pub device_token: Option<(Token, UnixMillis)>,
    /// What has to be committed for the device token.
    pub durable: Vec<Change>,
    /// What to do besides.
    pub effects: Vec<Effect>,
}

impl Authority {
    /// Decides about an attempt.
    pub fn admit(&mut self, attempt: &Attempt<'_>, entropy: &Entropy, now: Timestamp) -> Admission {
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
                if let Some(id) = &admitted.program_token {
                    self.token_was_used(id, now);
                }
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
                        program_token: admitted.program_token.clone(),
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

    fn token_was_used(&mut self, id: &str, now: Timestamp) {
        if let Some(token) = self.tokens.iter_mut().find(|token| token.id == id) {
            token.last_used_at = Some(now.wall);
            self.touched.insert(Touched::Token(id.to_owned()));
        }
    }

    fn decide_admission(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        entropy: &Entropy,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<Box<Admitted>, Stop> {
        let params = attempt.params;
        let device = attempt.device;
        let role_is_served = params.role() == "operator";
        if let Origin::InProcess(_) = &attempt.origin {
            if !role_is_served {
                return Err(Refusal::InvalidRole.into());
            }
            return self.admit_own_client(attempt, dialect, device, now);
        }
        if let Origin::Window(_) = &attempt.origin {
            // A window's session is made with its connection. It has nothing to claim.
            return Err(unauthorized(AuthReason::TokenMismatch));
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
            let event = AuditEvent::new(now.wall, AuditKind::OwnKeyElsewhere, device.id().to_string(), line);
            effects.push(Effect::Audit(event));
            return Err(unauthorized(AuthReason::OwnKeyElsewhere));
        }
        self.refuse_tools(attempt, now, effects)?;
        if !role_is_served {
            return Err(Refusal::InvalidRole.into());
        }
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
        device: Result<Option<VerifiedDevice>, DeviceProofError>,
        now: Timestamp,
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
        let event = AuditEvent::new(now.wall, AuditKind::OwnClientAdmitted, device.id().to_string(), line);
        Ok(Box::new(Admitted {
            session: session(attempt, Principal::SubagentClient, dialect, scopes),
            method: "none",
            uses_shared_token: false,
            program_token: None,
            device_token: None,
            durable: Vec::new(),
            effects: vec![Effect::Audit(event)],
        }))
    }

    /// A tool is refused, whatever it knows. A peer that could not be identified is a stranger, who
    /// has nothing to do on the local socket. Known keys are looked up only while there may be tools.
    fn refuse_tools(
        &self,
        attempt: &Attempt<'_>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Stop> {
        let command = match (&attempt.origin, attempt.origin.peer()) {
            (_, Some(Peer::NotLookedUp))
                if attempt.commands != CommandsAlive::None || attempt.params.device.is_none() =>
            {
                return Err(Stop::LookUpPeer(LookUp::Ancestry));
            }
            (_, Some(Peer::Tool { command })) => program_of(command),
            (Origin::LocalSocket(_), Some(Peer::Unknown { .. } | Peer::NotLookedUp)) => {
                return Err(unauthorized(AuthReason::PeerUnknown));
            }
            _ => return Ok(()),
        };
        let line = format!(
            "security audit: a program started by the agent tried to connect command={command} conn={}",
            attempt.connection
        );
        effects.push(Effect::Audit(AuditEvent::new(now.wall, AuditKind::ToolRefused, command, line)));
        Err(unauthorized(AuthReason::Tool))
    }
}

fn session(attempt: &Attempt<'_>, principal: Principal, dialect: Dialect, scopes: ScopeSet) -> Session {
    Session::new(attempt.connection.clone(), principal, dialect, scopes, attempt.params.client.clone())
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
