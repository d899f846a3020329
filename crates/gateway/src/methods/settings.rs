//! Values of the configuration file that open Tidegate: what became of them, and the person's
//! decision where the command line is the person's place.

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_protocol::{ErrorCode, ErrorShape, text};
use tidegate_trust::decision::{Decider, DecisionError};
use tidegate_trust::settings::{Setting, ShownSetting};

use super::devices::with_note;
use crate::dispatch::Caller;
use crate::gatekeeper::DecideError;

/// `tidegate.config.confirm`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Confirm {
    pub(crate) key: String,
    digest: String,
}

/// `tidegate.config.reject`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Reject {
    key: String,
    #[serde(default)]
    digest: Option<String>,
}

/// A value as the person's surfaces show it.
pub(crate) fn payload(shown: &ShownSetting) -> Value {
    json!({
        "id": shown.id(),
        "key": shown.proposed.setting.path(),
        "state": shown.state.name(),
        "value": shown.proposed.value,
        "present": shown.present,
        "opens": shown.proposed.setting.opens(),
        "digest": shown.proposed.digest(),
        "sinceMs": shown.since,
    })
}

/// Adds to what the host knows of the file what became of it.
pub(crate) fn add(caller: &Caller, list: &mut Value) {
    let settings: Vec<Value> =
        caller.gateway.inner().gatekeeper.authority().settings().iter().map(payload).collect();
    if let Some(list) = list.as_object_mut() {
        list.insert("settings".to_owned(), json!(settings));
    }
}

/// Confirms exactly the value that was shown.
pub(crate) async fn confirm(caller: &Caller, params: Confirm) -> Result<Value, ErrorShape> {
    let setting = setting(&params.key)?;
    let decider = decider(caller)?;
    let gatekeeper = &caller.gateway.inner().gatekeeper;
    gatekeeper.confirm_setting(&decider, setting, &params.digest).await.map_err(|error| answer(&error))?;
    caller.gateway.inner().host.settings_changed().await;
    Ok(json!({ "key": setting.path(), "state": "confirmed" }))
}

/// Rejects a value that waits, or takes one back.
pub(crate) async fn reject(caller: &Caller, params: Reject) -> Result<Value, ErrorShape> {
    let setting = setting(&params.key)?;
    let decider = decider(caller)?;
    let gatekeeper = &caller.gateway.inner().gatekeeper;
    let rejected = gatekeeper.reject_setting(&decider, setting, params.digest.as_deref()).await;
    let saved = rejected.map_err(|error| answer(&error.into()))?;
    caller.gateway.inner().host.settings_changed().await;
    Ok(with_note(json!({ "key": setting.path(), "state": "rejected" }), saved))
}

fn setting(key: &str) -> Result<Setting, ErrorShape> {
    Setting::parse(key).ok_or_else(|| {
        let known: Vec<&str> = Setting::ALL.iter().map(|setting| setting.path()).collect();
        ErrorShape::invalid(format!(
            "{:?} cannot be confirmed; what can is {}",
            text::one_line(key, 128),
            known.join(", ")
        ))
    })
}

/// Who decides, where the command line is the person's place.
pub(crate) fn decider(caller: &Caller) -> Result<Decider, ErrorShape> {
    Decider::of(&caller.session, caller.gateway.inner().gatekeeper.desktop)
        .map_err(|error| ErrorShape::new(ErrorCode::Forbidden, error.to_string()))
}

fn answer(error: &DecideError) -> ErrorShape {
    match error {
        DecideError::Decision(DecisionError::Unknown) => ErrorShape::invalid(
            "the configuration does not propose this, or it was decided already; `tidegate config list` shows it",
        ),
        DecideError::Decision(DecisionError::Changed) => {
            ErrorShape::invalid("the value changed since it was shown; look at it again")
        }
        DecideError::Decision(error) => ErrorShape::new(ErrorCode::Forbidden, error.to_string()),
        DecideError::NotSaved(_) | DecideError::Overtaken | DecideError::Entropy(_) => {
            ErrorShape::unavailable(error.to_string())
        }
    }
}
