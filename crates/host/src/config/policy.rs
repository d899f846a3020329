//! What a file would loosen or redirect: refused, or proposed to a person.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use tidegate_agent::model::ModelName;
use tidegate_trust::settings::{MAX_ORIGINS, NotAnOrigin, ProposedSetting, Setting, WebOrigin};

use super::fields::Fields;

/// The values of a file that would open Tidegate to others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The folder for agents, as it is written. It is proposed once it was looked at.
    pub workspace: Option<PathBuf>,
    /// Those that a person can confirm. None counts before.
    pub proposed: Vec<ProposedSetting>,
    /// Those that never count.
    pub refused: Vec<RefusedValue>,
}

impl Policy {
    /// Ports of the web pages that the file names: who answers there would be taken for them.
    pub(crate) fn page_ports(&self) -> impl Iterator<Item = u16> {
        let parts = self.proposed.iter().flat_map(|proposed| &proposed.value);
        let origins = parts.filter_map(|part| WebOrigin::parse(part.as_str()).ok());
        origins.filter_map(|origin| origin.as_str().rsplit_once(':')?.1.parse().ok())
    }
}

/// A value that Tidegate does not honour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedValue {
    /// Where it stands in the file.
    pub path: &'static str,
    /// Why, as a sentence.
    pub reason: Cow<'static, str>,
}

/// Values that would open Tidegate to others and that it does not honour: by path, with what is safe
/// and why.
pub(super) const REFUSED: [(&str, &[&str], &str); 7] = [
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
    (
        "tools.exec.ask",
        &["always"],
        "A command of an agent asks a person, unless they allowed such commands.",
    ),
    (
        "models.providers",
        &[],
        "Model servers are added with `tidegate models add`, so that a key is never sent to an address from a file.",
    ),
];

/// The provider of the built-in model.
const BUILT_IN: &str = "offline";

const EVERY_ORIGIN: &str = "`*` and `null` would allow web pages that nobody named. Name each origin.";

/// What the file would loosen.
pub(super) fn policy(fields: &mut Fields<'_>) -> Policy {
    let refuses = |(path, safe, reason): &(&'static str, &[&str], &'static str)| {
        let set = fields.value.pointer(&format!("/{}", path.replace('.', "/")))?;
        let is_safe = match set {
            Value::String(text) => safe.contains(&text.as_str()),
            Value::Array(entries) => entries.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            Value::Bool(on) => !on,
            Value::Null => true,
            Value::Number(_) => false,
        };
        (!is_safe).then_some(RefusedValue { path, reason: Cow::Borrowed(reason) })
    };
    let refused = REFUSED.iter().filter_map(refuses).collect();
    let workspace = fields.text("/agents/defaults/workspace").map(PathBuf::from);
    if workspace.as_ref().is_some_and(|workspace| !workspace.is_absolute()) {
        fields.problems.push(format!("{} must be an absolute path", Setting::Workspace.path()));
    }
    let mut policy = Policy { workspace, proposed: Vec::new(), refused };
    propose_origins(fields, &mut policy);
    policy
}

/// The model, where it counts at once: the built-in one sends nothing anywhere. Any other is proposed.
pub(super) fn model(fields: &mut Fields<'_>, policy: &mut Policy) -> Option<ModelName> {
    let path = Setting::Model.path();
    let name = fields.text("/agents/defaults/model/primary")?;
    match (ModelName::parse(&name), ProposedSetting::model(&name)) {
        (Some(model), _) if model.provider == BUILT_IN => return Some(model),
        (Some(_), Ok(proposed)) => policy.proposed.push(proposed),
        (Some(_), Err(error)) => fields.problems.push(format!("{path} cannot be shown: {error}")),
        (None, _) => fields.problems.push(format!("{path} must be provider/model")),
    }
    None
}

fn propose_origins(fields: &mut Fields<'_>, policy: &mut Policy) {
    let Fields { value, problems } = fields;
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
        policy.refused.push(RefusedValue { path: setting.path(), reason: Cow::Borrowed(EVERY_ORIGIN) });
    } else if !origins.is_empty() {
        policy.proposed.push(ProposedSetting::origins(origins));
    }
}
