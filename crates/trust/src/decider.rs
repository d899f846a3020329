//! Who may decide about others.

use tidegate_protocol::Scope;

use crate::origin::DesktopKey;
use crate::principal::{Principal, Session};
use crate::scopes::ScopeSet;

/// Whether a desktop is there for a person to decide at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desktop {
    /// The dialog decides; the command line opens it.
    Running,
    /// The command line is the person's place.
    Absent,
}

/// Someone who may decide. Only [`Decider::of`] and [`Decider::person_at_desktop`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    who: Who,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// The person: the command line where it is their place, or the dialog.
    Person,
    /// A surface of the person that is not the place of the person: it refuses, and lets nobody in.
    Surface(Principal),
    Client {
        principal: Principal,
        scopes: ScopeSet,
    },
}

/// Why a session may not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotADecider {
    /// Our own subagent client never decides, whatever its scopes: the agent is not the user.
    #[error("Tidegate's own subagent client cannot let anyone in; a person has to")]
    SubagentClient,
    /// A person did not give the client the right to manage pairing.
    #[error("missing scope: operator.pairing")]
    NotGiven,
}

impl Decider {
    /// Whether a session may decide about others.
    ///
    /// # Errors
    /// Why it may not.
    pub fn of(session: &Session, desktop: Desktop) -> Result<Self, NotADecider> {
        match session.principal() {
            Principal::SubagentClient => Err(NotADecider::SubagentClient),
            // A page can be injected, and other programs can start the command line: beside a
            // dialog they refuse, and let nobody in.
            principal @ Principal::Window => Ok(Self { who: Who::Surface(principal.clone()) }),
            principal @ Principal::CommandLine if desktop == Desktop::Running => {
                Ok(Self { who: Who::Surface(principal.clone()) })
            }
            Principal::CommandLine => Ok(Self { who: Who::Person }),
            // Being covered by admin is not enough: the right to manage pairing is given by name.
            principal if session.scopes().names(&Scope::Pairing) => Ok(Self {
                who: Who::Client { principal: principal.clone(), scopes: session.scopes().clone() },
            }),
            _ => Err(NotADecider::NotGiven),
        }
    }

    /// The person at a desktop: the holder of the key shows the native dialog, or the tray.
    #[must_use]
    pub fn person_at_desktop(_key: &DesktopKey) -> Self {
        Self { who: Who::Person }
    }

    /// Whether it is a client to which the person gave the right to manage pairing: the person hears of
    /// each of its decisions.
    #[must_use]
    pub fn is_client(&self) -> bool {
        matches!(self.who, Who::Client { .. })
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    pub(crate) fn is_person(&self) -> bool {
        self.who == Who::Person
    }

    pub(crate) fn name(&self) -> String {
        match &self.who {
            Who::Person => "person".to_owned(),
            Who::Surface(principal) | Who::Client { principal, .. } => principal.name(),
        }
    }
}
