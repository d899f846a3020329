//! `sessions.patch`, and what every method that changes a session's settings is held to.

use serde_json::{Value, json};
use tidegate_protocol::field::Change;
use tidegate_protocol::params::{FastMode, SessionsPatch};
use tidegate_protocol::payload::sessions::SessionsPatchResult;
use tidegate_protocol::{ErrorShape, SessionId, SessionKey, rpc, text};
use tidegate_store::{SessionPatch, SessionRow};

use super::turns::known_model;
use super::{require_scope, store_error};
use crate::dispatch::{Caller, Handler};
use crate::now;
use crate::runtime_events::session_changed;
use crate::session_rows::{ARCHIVED_AT, FILE, row_payload};

/// The most characters of a label or category.
const MAX_NAME: usize = 512;
/// The most bytes of another setting.
const MAX_SETTING: usize = 256;

/// Lineage is a fact of the runtime: naming it here is an error.
impl Handler for rpc::SessionsPatch {
    async fn handle(caller: &Caller, params: SessionsPatch) -> Result<SessionsPatchResult, ErrorShape> {
        require_scope(caller, &params.scope())?;
        let key = params.key.clone();
        if params.archived == Some(true) && key.is_main() {
            return Err(ErrorShape::invalid(format!("Cannot archive the main session ({key}).")));
        }
        let expected = params.expected_session_id.clone();
        if let Change::Set(model) = &params.model {
            known_model(caller, model).await?;
        }
        let changes = changes(params)?;
        if expected.is_some() {
            let row = caller.gateway.inner().store.session(key.clone()).await;
            let row = row.map_err(|error| store_error(&error))?;
            expect_session(&key, row.as_ref(), expected.as_deref())?;
        }
        let row = patch(caller, &key, changes).await?;
        let entry = row_payload(&row);
        Ok(SessionsPatchResult { ok: true, path: FILE.to_owned(), key: row.key, entry })
    }
}

fn changes(params: SessionsPatch) -> Result<SessionPatch, ErrorShape> {
    let mut settings = Settings::of("sessions.patch");
    settings.label("label", params.label)?;
    settings.category(params.category)?;
    for (name, text) in [
        ("icon", params.icon),
        ("color", params.color),
        ("model", params.model),
        ("thinkingLevel", params.thinking_level),
        ("verboseLevel", params.verbose_level),
        ("traceLevel", params.trace_level),
        ("reasoningLevel", params.reasoning_level),
        ("responseUsage", params.response_usage),
    ] {
        settings.text(name, text)?;
    }
    settings.fast_mode(params.fast_mode);
    settings.flag("archived", params.archived, true);
    settings.flag(ARCHIVED_AT, params.archived, now::wall().0);
    settings.flag("pinned", params.pinned, true);
    Ok(settings.into_patch())
}

/// The settings that a method changes. Each text is bounded, and stored as one clean line.
pub(crate) struct Settings {
    method: &'static str,
    patch: SessionPatch,
}

impl Settings {
    /// No change yet. The method is named in errors.
    pub(crate) fn of(method: &'static str) -> Self {
        Self { method, patch: SessionPatch::default() }
    }

    /// The label, from a parameter of this name.
    pub(crate) fn label(&mut self, parameter: &str, label: Change<String>) -> Result<(), ErrorShape> {
        match self.line(parameter, label, is_name)? {
            Change::Absent => {}
            Change::Clear => self.patch.label = Some(None),
            Change::Set(label) => self.patch.label = Some(Some(label)),
        }
        Ok(())
    }

    pub(crate) fn category(&mut self, category: Change<String>) -> Result<(), ErrorShape> {
        let category = self.line("category", category, is_name)?;
        self.put("category", category.map(Value::from));
        Ok(())
    }

    /// Another setting that is a text.
    pub(crate) fn text(&mut self, name: &str, text: Change<String>) -> Result<(), ErrorShape> {
        let text = self.line(name, text, |text| text.len() <= MAX_SETTING)?;
        self.put(name, text.map(Value::from));
        Ok(())
    }

    pub(crate) fn fast_mode(&mut self, mode: Change<FastMode>) {
        self.put("fastMode", mode.map(|mode| json!(mode)));
    }

    /// A setting that has this value while something is on. What is off is not stored.
    fn flag(&mut self, name: &str, flag: Option<bool>, value: impl Into<Value>) {
        self.put(
            name,
            match flag {
                None => Change::Absent,
                Some(true) => Change::Set(value.into()),
                Some(false) => Change::Clear,
            },
        );
    }

    pub(crate) fn into_patch(self) -> SessionPatch {
        self.patch
    }

    fn put(&mut self, name: &str, change: Change<Value>) {
        let value = match change {
            Change::Absent => return,
            Change::Clear => Value::Null,
            Change::Set(value) => value,
        };
        self.patch.settings.insert(name.to_owned(), value);
    }

    /// A text that fits, as one line.
    fn line(
        &self,
        parameter: &str,
        text: Change<String>,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Change<String>, ErrorShape> {
        match text {
            Change::Set(text) if !fits(&text) => Err(ErrorShape::invalid(format!(
                "invalid {} params: at /{parameter}: is too long; send a shorter text",
                self.method
            ))),
            text => Ok(text.map(|text| text::one_line(&text, MAX_NAME))),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.chars().count() <= MAX_NAME
}

/// A fresh id for a transcript.
pub(crate) fn new_session_id() -> Result<SessionId, ErrorShape> {
    let id = now::entropy().map_err(|error| ErrorShape::unavailable(error.to_string()))?.uuid();
    SessionId::parse(id).map_err(|error| ErrorShape::unavailable(error.to_string()))
}

/// The answer where a session is missing.
pub(crate) fn unknown_session(key: &SessionKey) -> ErrorShape {
    ErrorShape::invalid(format!("session not found: {key}"))
}

/// Holds a session to what a client saw of it.
pub(crate) fn expect_session(
    key: &SessionKey,
    row: Option<&SessionRow>,
    expected: Option<&str>,
) -> Result<(), ErrorShape> {
    match (row, expected) {
        (_, None) => Ok(()),
        (Some(row), Some(expected)) if row.session_id.as_str() == expected => Ok(()),
        (Some(_), Some(_)) => Err(overtaken(key, "it has a new transcript since")),
        (None, Some(_)) => Err(unknown_session(key)),
    }
}

/// A session that is not what the client saw.
pub(crate) fn overtaken(key: &SessionKey, what: &str) -> ErrorShape {
    ErrorShape::invalid(format!("session {key} has changed: {what}; list the sessions again"))
}

/// Changes a session, which is made when it is missing.
pub(crate) async fn patch(
    caller: &Caller,
    key: &SessionKey,
    patch: SessionPatch,
) -> Result<SessionRow, ErrorShape> {
    let store = &caller.gateway.inner().store;
    let ensured = store.ensure_session(key.clone(), new_session_id()?, now::wall()).await;
    ensured.map_err(|error| store_error(&error))?;
    let row = store.patch_session(key.clone(), patch, now::wall()).await;
    let row = row.map_err(|error| store_error(&error))?.ok_or_else(|| unknown_session(key))?;
    session_changed(caller.gateway.inner(), &row, "patch");
    Ok(row)
}
