//! Whether a connection is let in, and as what. The first line that fits decides.
//!
//! | attempt | decision |
//! |---|---|
//! | speaks no version of ours | refused |
//! | on the in-memory transport of our own client: the role `operator`, our own key, a valid signature | admitted as [`Principal::SubagentClient`] with what it asks; audited |
//! | on that transport otherwise, or on a window's | refused |
//! | proves our own key from elsewhere | refused; an alarm |
//! | local, not looked up yet, and a command of an agent runs or there is no device | looked up for ancestry |
//! | a tool of an agent | refused; audited |
//! | on the local socket, and cannot be identified | refused |
//! | asks for another role than `operator` | refused |
//! | **with a device**: proves it wrongly, or has no valid credential | refused; delayed where what it sent is wrong |
//! | blocked | refused; delayed |
//! | no record; another platform or family; a scope never decided; or unidentified while a command runs that is not contained, and no person vouched | looked up for its program, then a person is asked |
//! | every scope asked was decided | admitted with what is asked and granted (and vouched); a grant for once is used up |
//! | **without a device**: no valid credential | refused; delayed where what it sent is wrong |
//! | a probe, or asks for no scope | admitted as [`Principal::Visitor`], with none |
//! | a program's own token | admitted within the token's level, read-only where unidentified while a command runs that is not contained; looked up for its program before it may manage pairing |
//! | the shared token, and once looked up it is no program of our own user | refused |
//! | that program is blocked | refused; delayed |
//! | every scope asked was decided for it | admitted with what is asked and granted; a grant for once is used up |
//! | otherwise | a person is asked |

mod asking;
mod credential;
mod device;
mod without_device;

use std::time::Duration;

use tidegate_protocol::device::Nonce;
use tidegate_protocol::refusal::{AuthReason, DeviceProofError, Refusal};
use tidegate_protocol::{ConnectParams, ConnectionId, Dialect, UnixMillis};

use self::credential::Credential;
use crate::approval::program_of;
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect, Entropy};
use crate::identity::{self, VerifiedDevice};
use crate::origin::{CommandsAlive, Origin, Peer};
use crate::principal::{Principal, Session};
use crate::records::Claims;
use crate::scopes::ScopeSet;
use crate::stores::Live;
use crate::timestamp::Timestamp;
use crate::token::Token;
use crate::transaction::PreparedTransaction;

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
    /// A new device token and when it was made, to be put into `hello-ok` once it is committed. Where that
    /// fails, it is [rolled back](Authority::roll_back), and the client is let in without it.
    pub device_token: Option<PreparedTransaction<(Token, UnixMillis)>>,
    /// What to do besides, at once.
    pub effects: Vec<Effect>,
}

/// What an admission is decided by.
#[derive(Clone, Copy)]
struct AdmissionContext<'a> {
    attempt: &'a Attempt<'a>,
    dialect: Dialect,
    entropy: &'a Entropy,
    now: Timestamp,
}

impl AdmissionContext<'_> {
    fn params(&self) -> &ConnectParams {
        self.attempt.params
    }

    fn peer(&self) -> Option<&Peer> {
        self.attempt.origin.peer()
    }

    /// The scopes asked for.
    fn asked(&self) -> ScopeSet {
        self.params().requested_scopes().into_iter().collect()
    }

    fn claims(&self) -> Claims {
        Claims::of(&self.params().client)
    }

    fn audit(&self, kind: AuditKind, subject: impl Into<String>, line: &str) -> Effect {
        Effect::audit(self.now, kind, subject, format!("{line} conn={}", self.attempt.connection))
    }

    /// The only way to a session but for the surfaces of the person.
    fn admitted(&self, principal: Principal, scopes: ScopeSet, credential: Option<&Credential>) -> Admitted {
        let Attempt { connection, params, .. } = self.attempt;
        Admitted {
            session: Session::new(connection.clone(), principal, self.dialect, scopes, params.client.clone()),
            method: credential.map_or("none", Credential::method),
            uses_shared_token: matches!(credential, Some(Credential::Shared)),
            program_token: credential.and_then(Credential::program_token),
            device_token: None,
            effects: Vec::new(),
        }
    }
}

impl Authority {
    /// Decides about an attempt.
    pub fn admit(&mut self, attempt: &Attempt<'_>, entropy: &Entropy, now: Timestamp) -> Admission {
        let mut effects = self.tick(now);
        let (client_min, client_max) = (attempt.params.min_protocol, attempt.params.max_protocol);
        let Some(dialect) = Dialect::negotiate(client_min, client_max) else {
            let refusal = Refusal::ProtocolMismatch { client_min, client_max };
            return Admission::Refused { refusal, dialect: Dialect::NEWEST, delay: Duration::ZERO, effects };
        };
        let context = AdmissionContext { attempt, dialect, entropy, now };
        match self.decide_admission(&context) {
            Ok(mut admitted) => {
                self.connected(&context, &admitted);
                effects.append(&mut admitted.effects);
                Admission::Admitted(Box::new(Admitted { effects, ..admitted }))
            }
            Err(Stop { why, effects: more }) => {
                effects.extend(more);
                match why {
                    Why::LookUpPeer(depth) => Admission::LookUpPeer { depth, effects },
                    Why::Refused(refusal) => {
                        let delay = match is_failed_credential(&refusal) {
                            true => self.throttle.failed(&attempt.origin.source(), now),
                            false => Duration::ZERO,
                        };
                        Admission::Refused { refusal, dialect, delay, effects }
                    }
                }
            }
        }
    }

    /// From now on the connection may act.
    fn connected(&mut self, context: &AdmissionContext<'_>, admitted: &Admitted) {
        if let Some(id) = &admitted.program_token {
            self.tokens.used(id, context.now);
        }
        let program = match context.peer() {
            Some(Peer::Process { program: Some(program), .. }) => Some(program.identity.clone()),
            _ => None,
        };
        let live = Live {
            principal: admitted.session.principal().clone(),
            scopes: admitted.session.scopes().clone(),
            program,
            token_generation: admitted.uses_shared_token.then(|| self.tokens.generation()),
            program_token: admitted.program_token.clone(),
        };
        self.sessions.insert(context.attempt.connection.clone(), live);
    }

    fn decide_admission(&mut self, context: &AdmissionContext<'_>) -> Result<Admitted, Stop> {
        let AdmissionContext { attempt, .. } = context;
        let role = match context.params().role() {
            "operator" => Ok(()),
            _ => Err(Stop::from(Refusal::InvalidRole)),
        };
        match &attempt.origin {
            Origin::InProcess(_) => {
                role?;
                return self.admit_own_client(context);
            }
            // A window's session is made with its connection. It has nothing to claim.
            Origin::Window(_) => return Err(unauthorized(AuthReason::TokenMismatch)),
            Origin::LocalSocket(_) | Origin::Loopback(_) | Origin::Remote { .. } => {}
        }
        self.refuse_own_key(context)?;
        refuse_tools(context)?;
        role?;
        let proven = attempt.device.as_ref().ok().and_then(Option::as_ref);
        let credential = self.credential(context.params(), proven);
        let Some(device) = attempt.device.transpose() else {
            return self.admit_without_device(context, credential);
        };
        let (device, credential) = (device.map_err(Refusal::DeviceProof)?, credential?);
        self.throttle.succeeded(&attempt.origin.source());
        self.admit_device(context, device, &credential)
    }

    /// Our own client: the in-memory transport, the key of this start, and a valid signature over
    /// this connection's nonce. No record, block, token or write plays a part.
    fn admit_own_client(&mut self, context: &AdmissionContext<'_>) -> Result<Admitted, Stop> {
        let device = context.attempt.device.map_err(Refusal::DeviceProof)?;
        let device = device.ok_or(Refusal::DeviceIdentityRequired)?;
        if !self.is_own(device.id()) {
            return Err(unauthorized(AuthReason::TokenMismatch));
        }
        self.own_client_was_seen(context.now);
        let scopes = context.asked();
        let line = format!(
            "device pairing auto-approved device={} role=operator scopes={} built-in",
            device.id(),
            scopes.to_csv()
        );
        let audit = context.audit(AuditKind::OwnClientAdmitted, device.id().to_string(), &line);
        let admitted = context.admitted(Principal::SubagentClient, scopes, None);
        Ok(Admitted { effects: vec![audit], ..admitted })
    }

    /// Our own key comes over one way only. From anywhere else it was stolen.
    fn refuse_own_key(&self, context: &AdmissionContext<'_>) -> Result<(), Stop> {
        let Ok(Some(device)) = &context.attempt.device else { return Ok(()) };
        if !self.is_own(device.id()) {
            return Ok(());
        }
        let line = format!(
            "security audit: the gateway's own key was used from elsewhere device={} from={}",
            device.id(),
            context.attempt.origin.describe()
        );
        let audit = context.audit(AuditKind::OwnKeyElsewhere, device.id().to_string(), &line);
        Err(unauthorized(AuthReason::OwnKeyElsewhere).with(audit))
    }
}

/// A tool is refused, whatever it knows. A peer that could not be identified is a stranger, who
/// has nothing to do on the local socket. Known keys are looked up only while there may be tools.
fn refuse_tools(context: &AdmissionContext<'_>) -> Result<(), Stop> {
    let AdmissionContext { attempt, .. } = context;
    match (&attempt.origin, context.peer()) {
        (_, Some(Peer::NotLookedUp))
            if attempt.commands != CommandsAlive::None || context.params().device.is_none() =>
        {
            Err(Why::LookUpPeer(LookUp::Ancestry).into())
        }
        (_, Some(Peer::Tool { command })) => {
            let command = program_of(command);
            let line =
                format!("security audit: a program started by the agent tried to connect command={command}");
            Err(unauthorized(AuthReason::Tool).with(context.audit(AuditKind::ToolRefused, command, &line)))
        }
        (Origin::LocalSocket(_), Some(Peer::Unknown { .. } | Peer::NotLookedUp)) => {
            Err(unauthorized(AuthReason::PeerUnknown))
        }
        _ => Ok(()),
    }
}

/// Whether a client that guesses has to wait.
fn is_failed_credential(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::DeviceProof(_)
            | Refusal::Unauthorized {
                reason: AuthReason::TokenMismatch
                    | AuthReason::DeviceTokenMismatch
                    | AuthReason::Blocked
                    | AuthReason::OwnKeyElsewhere,
                ..
            }
    )
}

fn unauthorized(reason: AuthReason) -> Stop {
    Refusal::Unauthorized { reason, can_retry_with_device_token: false }.into()
}

/// Why an attempt is not admitted, or not yet, and what to do besides.
struct Stop {
    why: Why,
    effects: Vec<Effect>,
}

enum Why {
    Refused(Refusal),
    LookUpPeer(LookUp),
}

impl Stop {
    fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}

impl From<Why> for Stop {
    fn from(why: Why) -> Self {
        Self { why, effects: Vec::new() }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Why::Refused(refusal).into()
    }
}
