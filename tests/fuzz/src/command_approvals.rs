//! Commands that wait for a person: nothing is allowed by the client that asked, by our own client, or
//! after its time.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use arbitrary::Unstructured;
use tidegate_protocol::{Scope, UnixMillis};
use tidegate_trust::approval::{
    ApprovalQueue, ApprovalRequest, Decision, MAX_WAITING, MAX_WAITING_OF_CLIENT, Operation, Question,
    Requester, ResolvedApproval,
};
use tidegate_trust::decision::Desktop;
use tidegate_trust::{Principal, Session, Timestamp};

use crate::admission::sessions;

/// Sessions of every kind; they are the same for every input.
fn known_sessions() -> &'static [Session] {
    static SESSIONS: OnceLock<Vec<Session>> = OnceLock::new();
    SESSIONS.get_or_init(sessions)
}

struct Asked {
    requester: Requester,
    created: Timestamp,
    timeout: Duration,
}

struct World {
    queue: ApprovalQueue,
    now: Timestamp,
    asked: BTreeMap<String, Asked>,
    counter: u32,
}

/// Arbitrary steps of a queue's life.
pub fn command_approvals(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let now = Timestamp { wall: UnixMillis(1_795_000_000_000), monotonic: Duration::from_secs(1000) };
    let mut world = World { queue: ApprovalQueue::default(), now, asked: BTreeMap::new(), counter: 0 };
    while !input.is_empty() {
        if world.step(&mut input).is_err() {
            break;
        }
        assert!(world.queue.waiting().len() <= MAX_WAITING);
    }
}

impl World {
    fn step(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        match input.int_in_range(0..=7_u8)? {
            0..=2 => self.ask(input)?,
            3..=5 => self.resolve(input)?,
            6 => {
                let passed = Duration::from_secs(*input.choose(&[1, 16, 60, 1801])?);
                if input.arbitrary()? {
                    self.now.wall = self.now.wall.plus(passed);
                }
                if input.arbitrary()? {
                    self.now.monotonic += passed;
                }
                for ended in self.queue.tick(self.now) {
                    assert_eq!(ended.decision, None, "no decision is a refusal");
                    self.settled(&ended);
                }
            }
            _ => {
                let session = input.choose(known_sessions())?;
                for ended in self.queue.withdraw_connection(session.connection(), self.now) {
                    assert_eq!(ended.decision, None);
                    self.settled(&ended);
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let requester = if input.arbitrary()? {
            Requester::Run
        } else {
            let session = input.choose(known_sessions())?;
            Requester::Client {
                connection: session.connection().clone(),
                principal: session.principal().clone(),
            }
        };
        // Some ids begin alike, and some come twice.
        self.counter += u32::from(!input.ratio(1_u8, 8_u8)?);
        let id = format!("{:04}-{}", self.counter / 2, self.counter);
        let command = ApprovalRequest {
            operation: Operation::Exec {
                command: "true".to_owned(),
                command_argv: vec!["true".to_owned()],
                cwd: "/".to_owned(),
                env: Vec::new(),
                confinement: None,
            },
            session_key: "agent:main:main".to_owned(),
            run_id: None,
            ancestors: Vec::new(),
            digest: "d".to_owned(),
            context: None,
        };
        let timeout = Duration::from_secs(*input.choose(&[1, 60, 1800])?);
        let is_taken = self.queue.waiting().iter().any(|waiting| waiting.id == id);
        let is_full = self.queue.waiting().len() >= MAX_WAITING;
        let is_its = |asked: &&Asked| match (&asked.requester, &requester) {
            (Requester::Client { principal, .. }, Requester::Client { principal: asking, .. }) => {
                principal == asking
            }
            _ => false,
        };
        let is_greedy = self.asked.values().filter(is_its).count() >= MAX_WAITING_OF_CLIENT;
        let is_known = self.queue.resolved(&id).is_some();
        let waiting =
            self.queue.ask(id.clone(), command, requester.clone(), Question::default(), timeout, self.now);
        let is_refused = is_taken || is_full || is_greedy;
        assert!(waiting.is_none() || !is_refused);
        assert!(waiting.is_some() || is_refused || is_known);
        if waiting.is_some() {
            assert!(self.queue.resolved(&id).is_none(), "an earlier command's outcome is not this one's");
            self.asked.insert(id, Asked { requester, created: self.now, timeout });
        }
        Ok(())
    }

    fn resolve(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let session = input.choose(known_sessions())?;
        let desktop = *input.choose(&[Desktop::Running, Desktop::Absent])?;
        let decision = *input.choose(&[Decision::AllowOnce, Decision::Deny])?;
        let number = input.int_in_range(0..=self.counter)?;
        let id = format!("{:04}-{number}", number / 2);
        let id = if input.ratio(1_u8, 4_u8)? { &id[..4] } else { &id };
        let resolved = match decision {
            Decision::Deny => self.queue.deny(session, id, None, self.now).ok(),
            _ => self.queue.clear(session, desktop, id, self.now).ok().map(|(clearance, _)| {
                self.queue.allow(clearance, None, self.now).expect("it was cleared at this moment")
            }),
        };
        let Some(resolved) = resolved else { return Ok(()) };
        assert_eq!(resolved.decision, Some(decision));
        assert!(resolved.waiting.id.starts_with(id));
        assert_ne!(session.principal(), &Principal::SubagentClient, "our own client never decides");
        let asked = self.settled(&resolved);
        let wall = self.now.wall.since(asked.created.wall);
        let monotonic = self.now.monotonic.saturating_sub(asked.created.monotonic);
        assert!(wall < asked.timeout && monotonic < asked.timeout, "its time was up");
        if decision == Decision::AllowOnce {
            let is_person = session.principal() == &Principal::CommandLine;
            assert!(!is_person || desktop == Desktop::Absent, "the dialog decides where there is one");
            assert_ne!(session.principal(), &Principal::Window, "a page allows nothing");
            assert!(is_person || session.scopes().covers(&Scope::Approvals));
            if let (false, Requester::Client { connection, principal }) = (is_person, asked.requester) {
                assert!(&connection != session.connection() && &principal != session.principal());
            }
        }
        Ok(())
    }

    /// It is decided once.
    fn settled(&mut self, resolved: &ResolvedApproval) -> Asked {
        let id = &resolved.waiting.id;
        assert!(!self.queue.waiting().iter().any(|waiting| &waiting.id == id));
        self.asked.remove(id).expect("it was asked and not settled before")
    }
}
