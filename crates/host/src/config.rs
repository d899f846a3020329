//! `openclaw.json` in the state directory: OpenClaw's keys where they exist, JSON5, never written
//! by us. It may tighten; what would loosen waits until a person confirms it, or is refused with a
//! sentence where Tidegate has no such thing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tidegate_trust::settings::{
    MAX_ORIGINS, NotAnOrigin, ProposedSetting, Setting, SettingState, ShownSetting, WebOrigin,
};

/// The configuration as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// `gateway.port`.
    pub port: Option<u16>,
    /// `agents.defaults.workspace`.
    pub workspace: Option<PathBuf>,
    /// `agents.defaults.model.primary`, as `provider/model`.
    pub model: Option<String>,
    /// `agents.defaults.subagents.maxSpawnDepth`.
    pub depth: Option<u32>,
    /// `agents.defaults.subagents.maxChildrenPerAgent`.
    pub children: Option<u32>,
    /// `agents.defaults.subagents.maxConcurrent`.
    pub concurrent_subagents: Option<usize>,
    /// `agents.defaults.subagents.maxDescendants`; Tidegate's own.
    pub descendants: Option<u32>,
    /// `agents.defaults.subagents.runTimeoutSeconds`.
    pub subagent_timeout_seconds: Option<u64>,
    /// `agents.defaults.runs.keepDays`: how many days the rows of ended runs are kept; Tidegate's own.
    pub keep_runs_days: Option<u64>,
}

/// What reading the configuration found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The configuration in use.
    pub config: Config,
    /// Whether there is a file.
    pub exists: bool,
    /// What is wrong with the file, all at once; then the last good copy is in use.
    pub problems: Vec<String>,
    /// What would loosen or redirect.
    pub policy: Policy,
}

/// The values of a file that would open Tidegate to others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Those that a person can confirm. None counts before.
    pub proposed: Vec<ProposedSetting>,
    /// Those that never count.
    pub refused: Vec<RefusedValue>,
}

/// A value that Tidegate does not honour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedValue {
    /// Where it stands in the file.
    pub path: &'static str,
    /// Why, as a sentence.
    pub reason: &'static str,
}

/// The file's name in the state directory, and that of its last good copy.
pub const FILE: &str = "openclaw.json";
const LAST_GOOD: &str = "openclaw.json.last-good";
/// The most bytes of the file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads the configuration. A broken file changes nothing: the last good copy is used, and the
/// problems are told.
#[must_use]
pub fn load(path: &Path) -> Loaded {
    let text = match read(path) {
        Ok(None) => return Loaded::default(),
        Ok(Some(text)) => text,
        Err(problem) => return fall_back(path, vec![problem]),
    };
    match parse(&text) {
        Ok((config, policy)) => {
            keep_last_good(path, &text);
            Loaded { config, exists: true, problems: Vec::new(), policy }
        }
        Err(problems) => fall_back(path, problems),
    }
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return Err(format!("{} has more than {MAX_BYTES} bytes", path.display()));
        }
        Ok(_) => {}
    }
    std::fs::read_to_string(path)
        .map(Some)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn last_good(path: &Path) -> PathBuf {
    path.with_file_name(LAST_GOOD)
}

fn fall_back(path: &Path, problems: Vec<String>) -> Loaded {
    let good = read(&last_good(path)).ok().flatten().and_then(|text| parse(&text).ok());
    let (config, policy) = good.unwrap_or_default();
    Loaded { config, exists: true, problems, policy }
}

/// Keeps a copy, unless it is kept already: an idle start writes nothing.
fn keep_last_good(path: &Path, text: &str) {
    let copy = last_good(path);
    if std::fs::read_to_string(&copy).is_ok_and(|kept| kept == text) {
        return;
    }
    if let Err(error) = std::fs::write(&copy, text) {
        tracing::warn!(%error, "the last good configuration could not be kept");
    }
}

/// Values that would open Tidegate to others and that it does not honour: by path, with what is safe
/// and why.
const REFUSED: [(&str, &[&str], &str); 7] = [
    ("gateway.bind", &["loopback"], "Tidegate serves loopback only."),
    (
        "gateway.auth.mode",
        &["token"],
        "Tidegate always asks for a token, a paired device, or a person's decision.",
    ),
    (
        "gateway.trustedProxies",
        &[],
        "Tidegate refuses connections through a proxy: behind one, nothing tells who is there.",
    ),
    (
        "gateway.controlUi.dangerouslyDisableDeviceAuth",
        &[],
        "Every device proves its key, and a person lets it in.",
    ),
    ("gateway.controlUi.allowInsecureAuth", &[], "Every device proves its key, and a person lets it in."),
    ("tools.exec.ask", &["always"], "A command of an agent always asks a person."),
    (
        "models.providers",
        &[],
        "Model servers are added with `tidegate models add`, so that a key is never sent to an address from a file.",
    ),
];

const EVERY_ORIGIN: &str = "`*` and `null` would let in web pages that nobody named. Name each origin.";

/// Parses the whole text, and names every problem at once.
///
/// # Errors
/// All problems.
pub fn parse(text: &str) -> Result<(Config, Policy), Vec<String>> {
    let value: Value = json5::from_str(text).map_err(|error| vec![format!("it is not JSON5: {error}")])?;
    if !value.is_object() {
        return Err(vec!["it must be an object".to_owned()]);
    }
    let mut problems = Vec::new();
    let config = Config {
        port: number(&value, "/gateway/port", 1, 65_535, &mut problems)
            .and_then(|port| u16::try_from(port).ok()),
        workspace: text_at(&value, "/agents/defaults/workspace", &mut problems).map(PathBuf::from),
        model: text_at(&value, "/agents/defaults/model/primary", &mut problems),
        depth: small(&value, "/agents/defaults/subagents/maxSpawnDepth", 1, 5, &mut problems),
        children: small(&value, "/agents/defaults/subagents/maxChildrenPerAgent", 1, 64, &mut problems),
        concurrent_subagents: number(
            &value,
            "/agents/defaults/subagents/maxConcurrent",
            1,
            64,
            &mut problems,
        )
        .and_then(|number| usize::try_from(number).ok()),
        descendants: small(&value, "/agents/defaults/subagents/maxDescendants", 1, 1024, &mut problems),
        subagent_timeout_seconds: number(
            &value,
            "/agents/defaults/subagents/runTimeoutSeconds",
            1,
            86_400,
            &mut problems,
        ),
        keep_runs_days: number(&value, "/agents/defaults/runs/keepDays", 1, 3_650, &mut problems),
    };
    if let Some(workspace) = &config.workspace
        && !workspace.is_absolute()
    {
        problems.push("agents.defaults.workspace must be an absolute path".to_owned());
    }
    if let Some(model) = &config.model
        && tidegate_agent::model::ModelName::parse(model).is_none()
    {
        problems.push("agents.defaults.model.primary must be provider/model".to_owned());
    }
    let policy = policy(&value, &mut problems);
    if problems.is_empty() { Ok((config, policy)) } else { Err(problems) }
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn policy(value: &Value, problems: &mut Vec<String>) -> Policy {
    let refuses = |(path, safe, reason): &(&'static str, &[&str], &'static str)| {
        let set = value.pointer(&format!("/{}", path.replace('.', "/")))?;
        let is_safe = match set {
            Value::String(text) => safe.contains(&text.as_str()),
            Value::Array(entries) => entries.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            Value::Bool(on) => !on,
            Value::Null => true,
            Value::Number(_) => false,
        };
        (!is_safe).then_some(RefusedValue { path, reason })
    };
    let mut policy = Policy { proposed: Vec::new(), refused: REFUSED.iter().filter_map(refuses).collect() };
    propose_origins(value, &mut policy, problems);
    policy
}

fn propose_origins(value: &Value, policy: &mut Policy, problems: &mut Vec<String>) {
    let setting = Setting::AllowedOrigins;
    let entries = match value.pointer("/gateway/controlUi/allowedOrigins") {
        None | Some(Value::Null) => return,
        Some(Value::Array(entries)) if entries.len() <= MAX_ORIGINS => entries,
        Some(_) => {
            problems.push(format!("{} must be a list of at most {MAX_ORIGINS} origins", setting.path()));
            return;
        }
    };
    let mut origins = BTreeSet::new();
    let mut names_everyone = false;
    for (index, entry) in entries.iter().enumerate() {
        match entry.as_str().ok_or(NotAnOrigin::Form).and_then(WebOrigin::parse) {
            Ok(origin) => {
                origins.insert(origin);
            }
            Err(NotAnOrigin::Every | NotAnOrigin::Null) => names_everyone = true,
            Err(error @ NotAnOrigin::Form) => problems.push(format!("{}[{index}]: {error}", setting.path())),
        }
    }
    if names_everyone {
        policy.refused.push(RefusedValue { path: setting.path(), reason: EVERY_ORIGIN });
    } else if !origins.is_empty() {
        policy.proposed.push(ProposedSetting { setting, value: origins });
    }
}

fn number(value: &Value, pointer: &str, least: u64, most: u64, problems: &mut Vec<String>) -> Option<u64> {
    let set = value.pointer(pointer)?;
    let number = set.as_u64().or_else(|| {
        // JSON5 numbers arrive as floating point.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and in range"
        )]
        set.as_f64()
            .filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))
            .map(|number| number as u64)
    });
    match number.filter(|number| (least..=most).contains(number)) {
        Some(number) => Some(number),
        None => {
            problems.push(format!("{} must be a whole number from {least} to {most}", dotted(pointer)));
            None
        }
    }
}

fn small(value: &Value, pointer: &str, least: u64, most: u64, problems: &mut Vec<String>) -> Option<u32> {
    number(value, pointer, least, most, problems).and_then(|number| u32::try_from(number).ok())
}

fn text_at(value: &Value, pointer: &str, problems: &mut Vec<String>) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.is_empty() && text.len() <= 4096 => Some(text.clone()),
        _ => {
            problems.push(format!("{} must be a text that is not empty", dotted(pointer)));
            None
        }
    }
}

/// What stands in for a secret.
const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// The file as `config.get` shows it: without secrets, and with what became of the values that a
/// person has to confirm.
#[must_use]
pub fn redacted(path: &Path, loaded: &Loaded, settings: &[ShownSetting]) -> Value {
    let parsed = read(path).ok().flatten().and_then(|text| json5::from_str::<Value>(&text).ok());
    let shown = parsed.map(|mut value| {
        redact(&mut value);
        value
    });
    json!({
        "path": path.display().to_string(),
        "exists": loaded.exists,
        "raw": shown.as_ref().and_then(|value| serde_json::to_string_pretty(value).ok()),
        "parsed": shown,
        "resolved": shown,
        "valid": loaded.problems.is_empty(),
        "config": shown.clone().unwrap_or_else(|| json!({})),
        "hash": null,
        "issues": loaded.problems.iter().map(|problem| json!({ "path": "", "message": problem })).collect::<Vec<_>>(),
        "warnings": warnings(loaded, settings),
        "legacyIssues": [],
    })
}

fn warnings(loaded: &Loaded, settings: &[ShownSetting]) -> Vec<Value> {
    let refused = loaded.policy.refused.iter().map(
        |refused| json!({ "path": refused.path, "message": format!("not applied: {}", refused.reason) }),
    );
    let undecided = settings.iter().filter_map(|shown| {
        let message = match shown.state {
            SettingState::Confirmed => return None,
            SettingState::Waiting => "not applied: it would loosen, so it waits until a person confirms it",
            SettingState::Rejected => "not applied: a person rejected it",
        };
        Some(json!({ "path": shown.proposed.setting.path(), "message": message }))
    });
    refused.chain(undecided).collect()
}

fn redact(value: &mut Value) {
    const SECRET: [&str; 6] = ["token", "password", "key", "secret", "authorization", "cookie"];
    match value {
        Value::Object(fields) => redact_fields(fields, &SECRET),
        Value::Array(entries) => entries.iter_mut().for_each(redact),
        _ => {}
    }
}

fn redact_fields(fields: &mut Map<String, Value>, secret: &[&str]) {
    for (name, value) in fields {
        let lower = name.to_ascii_lowercase();
        let is_secret =
            secret.iter().any(|word| lower.contains(word)) && !value.is_object() && !value.is_array();
        if is_secret && !value.is_null() {
            *value = Value::String(REDACTED.to_owned());
        } else {
            redact(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openclaws_keys_are_read_from_json5() {
        let (config, policy) = parse(
            "{ // a comment\n gateway: { port: 19000, bind: 'loopback' }, agents: { defaults: { workspace: '/w',\n\
             model: { primary: 'ollama/qwen3' }, subagents: { maxConcurrent: 4, }, runs: { keepDays: 90 } } }, }",
        )
        .expect("valid");
        assert_eq!(config.port, Some(19_000));
        assert_eq!(config.workspace, Some(PathBuf::from("/w")));
        assert_eq!(config.model.as_deref(), Some("ollama/qwen3"));
        assert_eq!(config.concurrent_subagents, Some(4));
        assert_eq!(config.keep_runs_days, Some(90));
        assert_eq!(policy, Policy::default());
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let problems =
            parse("{gateway:{port:'x'},agents:{defaults:{workspace:'w',subagents:{maxSpawnDepth:99}}}}")
                .expect_err("invalid");
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    fn refused(policy: &Policy) -> Vec<&str> {
        policy.refused.iter().map(|refused| refused.path).collect()
    }

    #[test]
    fn what_tidegate_does_not_have_is_refused_with_a_sentence() {
        let text = "{gateway:{bind:'lan',auth:{mode:'none'},trustedProxies:['10.0.0.1'],\
                    controlUi:{dangerouslyDisableDeviceAuth:true,allowInsecureAuth:true}},\
                    tools:{exec:{ask:'off'}},models:{providers:{x:{baseUrl:'http://evil.example'}}}}";
        let (config, policy) = parse(text).expect("valid");
        assert_eq!(config, Config::default());
        assert_eq!(policy.proposed, []);
        assert_eq!(refused(&policy), REFUSED.map(|(path, ..)| path));
        assert!(policy.refused.iter().all(|refused| refused.reason.ends_with('.')));
        assert_eq!(policy.refused[0].reason, "Tidegate serves loopback only.");
        let safe =
            "{gateway:{bind:'loopback',auth:{mode:'token'},trustedProxies:[]},tools:{exec:{ask:'always'}}}";
        assert_eq!(parse(safe).expect("valid").1, Policy::default());
    }

    #[test]
    fn exact_origins_are_proposed_and_never_every_page() {
        let text = "{gateway:{controlUi:{allowedOrigins:['https://ui.example','http://127.0.0.1:5173','https://ui.example']}}}";
        let (_, policy) = parse(text).expect("valid");
        let [proposed] = &policy.proposed[..] else { panic!("{policy:?}") };
        let values: Vec<&str> = proposed.value.iter().map(WebOrigin::as_str).collect();
        assert_eq!(values, ["http://127.0.0.1:5173", "https://ui.example"]);
        for everyone in ["'*'", "'null'", "'https://ui.example','*'", "'https://*.example'"] {
            let (_, policy) =
                parse(&format!("{{gateway:{{controlUi:{{allowedOrigins:[{everyone}]}}}}}}")).expect("valid");
            assert_eq!(
                (policy.proposed.len(), refused(&policy)),
                (0, vec!["gateway.controlUi.allowedOrigins"])
            );
        }
        let problems = parse("{gateway:{controlUi:{allowedOrigins:['https://ui.example/',7,'ui.example']}}}");
        assert_eq!(problems.expect_err("invalid").len(), 3);
        assert!(parse("{gateway:{controlUi:{allowedOrigins:'https://ui.example'}}}").is_err());
    }

    #[test]
    fn config_get_says_what_is_not_applied() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        let text = "{gateway:{bind:'lan',controlUi:{allowedOrigins:['https://ui.example']}}}";
        std::fs::write(&path, text).expect("written");
        let loaded = load(&path);
        let mut shown = ShownSetting {
            proposed: loaded.policy.proposed[0].clone(),
            present: BTreeSet::new(),
            state: SettingState::Waiting,
            since: tidegate_protocol::UnixMillis(0),
        };
        let paths = |shown: &ShownSetting| -> Vec<String> {
            let warnings = redacted(&path, &loaded, std::slice::from_ref(shown))["warnings"].clone();
            let warnings = warnings.as_array().expect("a list").clone();
            warnings.iter().map(|warning| format!("{}: {}", warning["path"], warning["message"])).collect()
        };
        assert_eq!(
            paths(&shown),
            [
                "\"gateway.bind\": \"not applied: Tidegate serves loopback only.\"",
                "\"gateway.controlUi.allowedOrigins\": \"not applied: it would loosen, so it waits until a \
                 person confirms it\""
            ]
        );
        shown.state = SettingState::Confirmed;
        assert_eq!(paths(&shown).len(), 1);
    }

    #[test]
    fn a_broken_file_leaves_the_last_good_copy_in_use() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        std::fs::write(&path, "{gateway:{port:19001}}").expect("written");
        assert_eq!(load(&path).config.port, Some(19_001));
        std::fs::write(&path, "{gateway:{port:").expect("written");
        let loaded = load(&path);
        assert_eq!(loaded.config.port, Some(19_001));
        assert_eq!(loaded.problems.len(), 1);
    }

    #[test]
    fn secrets_are_not_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        std::fs::write(&path, "{gateway:{auth:{token:'hush'}},models:{providers:{x:{apiKey:'hush'}}}}")
            .expect("written");
        let shown = redacted(&path, &load(&path), &[]).to_string();
        assert!(!shown.contains("hush"), "{shown}");
    }
}
