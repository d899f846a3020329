//! Names of scopes. What covers what is decided in one place: the trust crate's lattice.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{IdError, check};

/// The most characters that a scope's name may have.
pub const MAX_SCOPE_LENGTH: usize = 64;

/// A right of a session, by the protocol's name for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Scope {
    /// `operator.admin`
    Admin,
    /// `operator.read`
    Read,
    /// `operator.write`
    Write,
    /// `operator.approvals`
    Approvals,
    /// `operator.pairing`
    Pairing,
    /// `operator.questions`
    Questions,
    /// `operator.talk`
    Talk,
    /// `operator.talk.secrets`
    TalkSecrets,
    /// `operator.sessions.read`
    SessionsRead,
    /// `operator.sessions.write`
    SessionsWrite,
    /// Any other name. It covers nothing but itself.
    Other(String),
}

const NAMES: [(Scope, &str); 10] = [
    (Scope::Admin, "operator.admin"),
    (Scope::Read, "operator.read"),
    (Scope::Write, "operator.write"),
    (Scope::Approvals, "operator.approvals"),
    (Scope::Pairing, "operator.pairing"),
    (Scope::Questions, "operator.questions"),
    (Scope::Talk, "operator.talk"),
    (Scope::TalkSecrets, "operator.talk.secrets"),
    (Scope::SessionsRead, "operator.sessions.read"),
    (Scope::SessionsWrite, "operator.sessions.write"),
];

impl Scope {
    /// Every scope with a name of its own.
    #[must_use]
    pub fn known() -> Vec<Self> {
        NAMES.iter().map(|(scope, _)| scope.clone()).collect()
    }

    /// Parses a scope's name.
    ///
    /// # Errors
    /// When it is empty, longer than [`MAX_SCOPE_LENGTH`], or has characters that no scope has.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if let Some((scope, _)) = NAMES.iter().find(|(_, name)| *name == text) {
            return Ok(scope.clone());
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '*');
        check("scope", text, MAX_SCOPE_LENGTH, allowed)?;
        Ok(Self::Other(text.to_owned()))
    }

    /// The scope's name on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES.iter().find(|(scope, _)| scope == known).map_or("", |(_, name)| name),
        }
    }

    /// Whether it is one of the operator's scopes.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.name().starts_with("operator.")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

string_form!(Scope, IdError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_scope_parses_back_from_its_name() {
        for scope in Scope::known() {
            assert_eq!(Scope::parse(scope.name()), Ok(scope));
        }
    }

    #[test]
    fn a_wildcard_is_a_name_like_any_other() {
        assert_eq!(Scope::parse("operator.*"), Ok(Scope::Other("operator.*".to_owned())));
    }

    #[test]
    fn look_alike_letters_are_refused() {
        assert!(Scope::parse("operator.\u{0430}dmin").is_err());
        assert!(Scope::parse("").is_err());
        assert!(Scope::parse(&"x".repeat(65)).is_err());
    }
}
