//! Values that are parsed where they are typed.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tidegate_protocol::ids::IdError;
use tidegate_protocol::{RunId, Scope, SessionKey};
use tidegate_trust::Level;

/// `read`, `write` or `full`.
pub(super) fn level() -> impl TypedValueParser<Value = Level> {
    let level_of = |name: String| Level::ALL.iter().copied().find(|level| level.name() == name);
    PossibleValuesParser::new(Level::ALL.iter().map(|level| level.name()))
        .map(move |name| level_of(name).unwrap_or(Level::Read))
}

/// A scope by its name. The operator's scopes may be written without `operator.`.
pub(super) fn scope(text: &str) -> Result<Scope, IdError> {
    let known = Scope::known().into_iter().find(|scope| scope.name().strip_prefix("operator.") == Some(text));
    known.map_or_else(|| Scope::parse(text), Ok)
}

/// A session's key, canonical.
pub(super) fn session_key(text: &str) -> Result<SessionKey, IdError> {
    SessionKey::parse(text)
}

/// A run's id.
pub(super) fn run_id(text: &str) -> Result<RunId, IdError> {
    RunId::parse(text)
}

/// A reference to a secret: `{env:NAME}` or `{file:PATH}`. What it refers to is read by the
/// gateway.
pub(super) fn key_reference(text: &str) -> Result<String, &'static str> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match inner.and_then(|inner| inner.split_once(':')) {
        Some(("env" | "file", name)) if !name.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("write '{env:NAME}' or '{file:PATH}'; a key itself is never an argument, because \
                  other programs can read it there"),
    }
}
