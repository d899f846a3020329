//! Values of the configuration file that open Tidegate: what became of them, and the person's
//! decision where the command line is the person's place.

use std::collections::BTreeSet;

use tidegate_access::DecideError;
use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::payload::surface_params::{ConfirmSetting, RejectSetting};
use tidegate_protocol::payload::surfaces::{SettingDecidedResult, SettingEntry};
use tidegate_protocol::{ErrorCode, ErrorShape, rpc, text};
use tidegate_trust::decision::{Decider, DecisionError};
use tidegate_trust::settings::{Setting, ShownSetting, ValuePart};

use super::unsaved_note;
use crate::dialog_requests::DialogRequest;
use crate::dispatch::{Caller, Handler, parse};

/// A value as the person's surfaces show it.
pub(crate) fn payload(shown: &ShownSetting) -> SettingEntry {
    SettingEntry {
        id: shown.id(),
        key: shown.proposed.setting.path().to_owned(),
        state: shown.state.name().to_owned(),
        value: texts(&shown.proposed.value),
        present: texts(&shown.present),
        opens: shown.proposed.setting.opens().to_owned(),
        digest: shown.proposed.digest(),
        since_ms: shown.since,
    }
}

fn texts(parts: &BTreeSet<ValuePart>) -> Vec<String> {
    parts.iter().map(|part| part.as_str().to_owned()).collect()
}

/// Confirms exactly the value that was shown.
impl Handler for rpc::TidegateConfigConfirm {
    async fn handle(caller: &Caller, params: ConfirmSetting) -> Result<SettingDecidedResult, ErrorShape> {
        let setting = setting(&params.key)?;
        let decider = decider(caller)?;
        let inner = caller.gateway.inner();
        let confirmed = inner.trust.confirm_setting(&decider, setting, &params.digest).await;
        confirmed.map_err(|error| answer(&error))?;
        inner.host.settings_changed().await;
        Ok(SettingDecidedResult { key: setting.path().to_owned(), state: "confirmed".to_owned(), note: None })
    }

    async fn dialog(caller: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let params = parse::<Self>(request)?;
        let trust = caller.trust();
        let id = Setting::parse(&params.key).and_then(|setting| trust.authority().ask_again(setting));
        if id.is_some() {
            // A rejected value waits again.
            trust.changed();
        }
        Ok(id.map(Some).map(DialogRequest::Review))
    }
}

/// Rejects a value that waits, or takes one back.
impl Handler for rpc::TidegateConfigReject {
    async fn handle(caller: &Caller, params: RejectSetting) -> Result<SettingDecidedResult, ErrorShape> {
        let setting = setting(&params.key)?;
        let decider = decider(caller)?;
        let inner = caller.gateway.inner();
        let rejected = inner.trust.reject_setting(&decider, setting, params.digest.as_deref()).await;
        let saved = rejected.map_err(|error| answer(&error.into()))?;
        inner.host.settings_changed().await;
        Ok(SettingDecidedResult {
            key: setting.path().to_owned(),
            state: "rejected".to_owned(),
            note: unsaved_note(saved),
        })
    }
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
    Decider::of(&caller.session, caller.trust().desktop())
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
