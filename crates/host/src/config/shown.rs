//! The configuration file as clients see it: what Tidegate knows to be harmless, and nothing else. A
//! list of suspicious names would never be whole.

use serde_json::{Map, Value, json};
use tidegate_agent::model::ModelName;
use tidegate_protocol::payload::system::{ConfigGetResult, ConfigIssue};
use tidegate_protocol::text;
use tidegate_trust::settings::{SettingState, ShownSetting, WebOrigin};

use super::Loaded;

/// What stands in for everything else; OpenClaw's clients know it.
pub(crate) const REDACTED: &str = "__OPENCLAW_REDACTED__";
/// The most characters of a path that is shown.
const MAX_PATH: usize = 4096;
/// The most bytes of a model's name that is shown.
const MAX_MODEL: usize = 256;
/// The most characters of a name that is shown.
const MAX_NAME: usize = 64;

/// What a harmless value looks like. One that looks otherwise is masked: people paste secrets into
/// the wrong line.
#[derive(Debug, Clone, Copy)]
enum Form {
    Number,
    Switch,
    Word(&'static [&'static str]),
    Path,
    Model,
    /// Shown as scheme, host and port.
    Url,
    Origins,
    Folders,
}

/// The keys whose values are shown.
const HARMLESS: &[(&str, Form)] = &[
    ("gateway.port", Form::Number),
    ("gateway.mode", Form::Word(&["local", "remote"])),
    ("gateway.bind", Form::Word(&["auto", "lan", "loopback", "custom", "tailnet"])),
    ("gateway.auth.mode", Form::Word(&["none", "token", "password", "trusted-proxy"])),
    ("gateway.remote.url", Form::Url),
    ("gateway.controlUi.enabled", Form::Switch),
    ("gateway.controlUi.allowedOrigins", Form::Origins),
    ("gateway.controlUi.allowInsecureAuth", Form::Switch),
    ("gateway.controlUi.dangerouslyDisableDeviceAuth", Form::Switch),
    ("agents.defaults.workspace", Form::Path),
    ("agents.defaults.model.primary", Form::Model),
    ("agents.defaults.subagents.maxSpawnDepth", Form::Number),
    ("agents.defaults.subagents.maxChildrenPerAgent", Form::Number),
    ("agents.defaults.subagents.maxConcurrent", Form::Number),
    ("agents.defaults.subagents.maxDescendants", Form::Number),
    ("agents.defaults.subagents.runTimeoutSeconds", Form::Number),
    ("agents.defaults.runs.keepDays", Form::Number),
    ("tools.exec.memoryMiB", Form::Number),
    ("tools.exec.memoryScope", Form::Switch),
    ("tools.exec.withoutToolchains", Form::Folders),
    ("tools.exec.ask", Form::Word(&["off", "on-miss", "always"])),
];

/// What is shown of a file.
pub(super) fn harmless(file: &Value) -> Value {
    below("", file)
}

fn below(path: &str, value: &Value) -> Value {
    if let Some((_, form)) = HARMLESS.iter().find(|(known, _)| *known == path) {
        return form.show(value).unwrap_or_else(|| masked(value));
    }
    let leads_on =
        |known: &str| path.is_empty() || known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    match value {
        Value::Object(fields) if HARMLESS.iter().any(|(known, _)| leads_on(known)) => {
            let field = |(name, value): (&String, &Value)| {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                (shown_name(name), below(&inner, value))
            };
            Value::Object(fields.iter().map(field).collect())
        }
        value => masked(value),
    }
}

fn shown_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
    let is_shown = name.len() <= MAX_NAME && name.chars().all(is_plain);
    if is_shown { name.to_owned() } else { REDACTED.to_owned() }
}

/// A list stays a list and an object an object, so that clients that go through them do not stumble.
fn masked(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Array(entries) if entries.is_empty() => json!([]),
        Value::Array(_) => json!([REDACTED]),
        Value::Object(fields) if fields.is_empty() => json!({}),
        Value::Object(_) => json!({ REDACTED: REDACTED }),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => json!(REDACTED),
    }
}

impl Form {
    /// The value as it is shown; `None` when it does not look as it should.
    fn show(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Number, Value::Number(_)) | (Self::Switch, Value::Bool(_)) => Some(value.clone()),
            (Self::Word(words), Value::String(word)) => words.contains(&&**word).then(|| value.clone()),
            (Self::Path, Value::String(path)) => {
                path.starts_with('/').then(|| json!(text::one_line(path, MAX_PATH)))
            }
            (Self::Model, Value::String(name)) => {
                let is_plain = name.len() <= MAX_MODEL && name.chars().all(|c| c.is_ascii_graphic());
                (is_plain && ModelName::parse(name).is_some()).then(|| value.clone())
            }
            (Self::Url, Value::String(url)) => address(url).map(Value::String),
            (Self::Folders, Value::Array(entries)) => {
                let folder = |entry: &Value| match entry.as_str() {
                    Some(path) if path.starts_with('/') || path.starts_with("~/") => {
                        json!(text::one_line(path, MAX_PATH))
                    }
                    _ => json!(REDACTED),
                };
                Some(Value::Array(entries.iter().map(folder).collect()))
            }
            (Self::Origins, Value::Array(entries)) => {
                let origin = |entry: &Value| match entry.as_str().map(WebOrigin::parse) {
                    Some(Ok(origin)) => json!(origin),
                    _ => json!(REDACTED),
                };
                Some(Value::Array(entries.iter().map(origin).collect()))
            }
            _ => None,
        }
    }
}

/// Scheme, host and port of a URL: what else it has may be a secret.
fn address(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']');
    let is_known = matches!(scheme, "http" | "https" | "ws" | "wss");
    (is_known && !host.is_empty() && host.len() <= 280 && host.chars().all(is_host))
        .then(|| format!("{scheme}://{host}"))
}

/// The answer to `config.get`: the file as it was loaded, and with what became of the values that a
/// person has to confirm.
#[must_use]
pub fn config_get(path: &std::path::Path, loaded: &Loaded, settings: &[ShownSetting]) -> ConfigGetResult {
    let shown = loaded.shown.as_ref();
    let issue = |problem: &String| ConfigIssue { path: String::new(), message: problem.clone() };
    ConfigGetResult {
        path: path.display().to_string(),
        exists: loaded.exists,
        raw: shown.and_then(|value| serde_json::to_string_pretty(value).ok()),
        parsed: shown.cloned(),
        resolved: shown.cloned(),
        valid: loaded.problems.is_empty(),
        config: shown.cloned().unwrap_or_else(|| Value::Object(Map::new())),
        hash: None,
        issues: loaded.problems.iter().map(issue).collect(),
        warnings: warnings(loaded, settings),
        legacy_issues: Vec::new(),
    }
}

fn warnings(loaded: &Loaded, settings: &[ShownSetting]) -> Vec<ConfigIssue> {
    let refused = loaded.policy.refused.iter().map(|refused| ConfigIssue {
        path: refused.path.to_string(),
        message: format!("not applied: {}", refused.reason),
    });
    let undecided = settings.iter().filter_map(|shown| {
        let message = match shown.state {
            SettingState::Confirmed => return None,
            SettingState::Waiting => {
                "not applied: it would loosen or redirect, so it waits until a person confirms it"
            }
            SettingState::Rejected => "not applied: a person rejected it",
        };
        let path = shown.proposed.setting.path().to_owned();
        Some(ConfigIssue { path, message: message.to_owned() })
    });
    refused.chain(undecided).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_neither_user_nor_path_nor_query() {
        for (url, shown) in [
            ("https://u:p@host.example:8443/p?q=s#f", Some("https://host.example:8443")),
            ("wss://[::1]:1", Some("wss://[::1]:1")),
            ("https://a@b@c.example", Some("https://c.example")),
            ("https://host?token@other", Some("https://host")),
            ("https://host\\@other", Some("https://host")),
            ("ftp://host", None),
            ("sk-secret", None),
            ("https://", None),
            ("https://ho st", None),
        ] {
            assert_eq!(address(url).as_deref(), shown, "{url}");
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let name = || {
            prop_oneof![
                Just("gateway".to_owned()),
                Just("auth".to_owned()),
                Just("mode".to_owned()),
                Just("agents".to_owned()),
                Just("defaults".to_owned()),
                Just("workspace".to_owned()),
                Just("bind".to_owned()),
                Just("tools".to_owned()),
                Just("token".to_owned()),
            ]
        };
        let leaf = prop_oneof![Just(json!("hush")), Just(json!(true)), Just(json!(7)), Just(Value::Null)];
        leaf.prop_recursive(5, 64, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(name(), inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_secret_is_masked_wherever_it_stands(file in document()) {
            prop_assert!(!harmless(&file).to_string().contains("hush"));
        }
    }
}
