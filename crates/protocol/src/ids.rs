//! Identifiers of the protocol, parsed at the edge.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{what} must not be empty")]
    Empty {
        /// Which identifier was parsed.
        what: &'static str,
    },
    /// The text has more characters than the identifier may have.
    #[error("{what} has {length} characters; at most {limit} are allowed")]
    TooLong {
        /// Which identifier was parsed.
        what: &'static str,
        /// How many characters it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The text has a character that the identifier may not have.
    #[error("{what} contains {character:?}, which is not allowed there")]
    Character {
        /// Which identifier was parsed.
        what: &'static str,
        /// The first character that is not allowed.
        character: char,
    },
}

pub(crate) fn check(
    what: &'static str,
    text: &str,
    limit: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    let length = text.chars().count();
    if length > limit {
        return Err(IdError::TooLong { what, length, limit });
    }
    match text.chars().find(|&character| !allowed(character)) {
        Some(character) => Err(IdError::Character { what, character }),
        None => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $what:literal, $limit:expr, $allowed:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the identifier.
            ///
            /// # Errors
            /// When the text is empty, too long, or has a character that is not allowed.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check($what, &text, $limit, $allowed)?;
                Ok(Self(text))
            }

            /// The identifier's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        string_form!($name, IdError);
    };
}

fn printable(character: char) -> bool {
    !character.is_control() && !crate::text::is_invisible(character)
}

text_id!(
    /// The id of one request on one connection; its answer carries the same.
    RequestId, "request id", 128, printable
);
text_id!(
    /// The id of one accepted connection: a UUID that the gateway makes.
    ConnectionId, "connection id", 64, |c: char| c.is_ascii_alphanumeric() || c == '-'
);
text_id!(
    /// The id of a run. A client's idempotency key doubles as it.
    RunId, "run id", 256, printable
);
text_id!(
    /// The identity of one transcript. A session key points to its current one.
    SessionId, "session id", 64, |c: char| c.is_ascii_alphanumeric() || c == '-'
);
text_id!(
    /// An agent's id: lower-case letters, digits, `_` and `-`.
    AgentId, "agent id", 64, |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-'
);

/// The agent that exists without being configured.
pub const DEFAULT_AGENT: &str = "main";

impl AgentId {
    /// The agent that exists without being configured.
    #[must_use]
    pub fn default_agent() -> Self {
        Self(DEFAULT_AGENT.to_owned())
    }
}

/// The key of a session, in its canonical form `agent:<agent>:<rest>`.
///
/// Clients may write `main` for the default agent's main session; parsing makes it canonical.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SessionKey(String);

impl SessionKey {
    /// The most characters that a key may have, as `chat.send` limits them.
    pub const MAX_LENGTH: usize = 512;

    /// Parses a key as a client writes it and makes it canonical.
    ///
    /// # Errors
    /// When it is empty, too long, has invisible characters, or names an impossible agent.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check("session key", text, Self::MAX_LENGTH, printable)?;
        let Some(rest) = text.strip_prefix("agent:") else {
            let canonical = format!("agent:{DEFAULT_AGENT}:{text}");
            // What is stored must be read again.
            check("session key", &canonical, Self::MAX_LENGTH, printable)?;
            return Ok(Self(canonical));
        };
        let (agent, name) = rest.split_once(':').unwrap_or((rest, ""));
        AgentId::parse(agent)?;
        if name.is_empty() {
            return Err(IdError::Empty { what: "session key after the agent" });
        }
        Ok(Self(text.to_owned()))
    }

    /// The main session of an agent.
    #[must_use]
    pub fn main(agent: &AgentId) -> Self {
        Self(format!("agent:{agent}:main"))
    }

    /// The session of a subagent of `agent`; `unique` is a UUID.
    #[must_use]
    pub fn subagent(agent: &AgentId, unique: &str) -> Self {
        Self(format!("agent:{agent}:subagent:{unique}"))
    }

    /// The agent that the session belongs to.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        let agent = self.0.split(':').nth(1).unwrap_or(DEFAULT_AGENT);
        AgentId(agent.to_owned())
    }

    /// Whether this is an agent's main session.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.0.split(':').nth(2) == Some("main") && self.0.split(':').count() == 3
    }

    /// Whether this is the session of a subagent.
    #[must_use]
    pub fn is_subagent(&self) -> bool {
        self.0.split(':').nth(2) == Some("subagent")
    }

    /// The key's canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

string_form!(SessionKey, IdError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_name_of_the_main_session_becomes_canonical() {
        let key = SessionKey::parse("main").expect("valid");
        assert_eq!(key.as_str(), "agent:main:main");
        assert!(key.is_main());
    }

    #[test]
    fn a_session_key_that_names_an_impossible_agent_is_refused() {
        for text in
            ["agent:", "agent:main", "agent:main:", "agent:../x:y", "agent:Main:x", "a\u{202e}b", "", "a\0b"]
        {
            assert!(SessionKey::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn a_subagent_key_knows_its_agent_and_kind() {
        let key = SessionKey::subagent(&AgentId::default_agent(), "b5275010");
        assert!(key.is_subagent());
        assert!(!key.is_main());
        assert_eq!(key.agent(), AgentId::default_agent());
    }
}
