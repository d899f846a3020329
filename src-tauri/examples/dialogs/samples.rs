//! One dialog of each kind, and some with what wants to break them.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_desktop_core::dialog::{Dialog, Field, FieldStyle, MessageDialog, ReviewDialog};
use tidegate_desktop_core::review;
use tidegate_desktop_core::scope_words::scope_lines;
use tidegate_protocol::{Scope, UnixMillis};
use tidegate_trust::ScopeSet;
use tidegate_trust::settings::{ProposedSetting, SettingState, ShownSetting, WebOrigin};

use crate::{opened, pairing, requests};

/// What [`sample`] knows.
pub(crate) const KINDS: &[&str] = &[
    "device",
    "upgrade",
    "known-name",
    "program",
    "role",
    "hostile",
    "long",
    "expiring",
    "expired",
    "command",
    "command-needs",
    "command-unconfined",
    "command-shared",
    "command-after-network",
    "command-deletes",
    "command-details",
    "command-rule",
    "long-command",
    "side-by-side",
    "side-by-side-more",
    "side-by-side-gone",
    "file-read",
    "file-write",
    "file-edit",
    "file-trigger",
    "setting",
    "new-token",
    "empty-token",
    "token",
    "model-key",
    "model-problem",
    "message",
    "question",
    "model-server",
    "keep-file",
    "unshare",
    "workspace",
    "workspace-client",
    "folder",
    "port-taken",
];

/// The dialog of a kind.
pub(crate) fn sample(kind: &str) -> Option<Dialog> {
    let review = |dialog| Dialog::Review(Box::new(dialog));
    Some(match kind {
        "device" => review(pairing::device()?),
        "upgrade" => review(pairing::upgrade()?),
        "known-name" => review(pairing::known_name()?),
        "program" => review(pairing::program()?),
        "role" => review(pairing::role()?),
        "hostile" => review(hostile()?),
        "long" => review(long()?),
        "expiring" => review(ReviewDialog { expires_at: from_now(4), ..pairing::device()? }),
        "expired" => review(ReviewDialog { expires_at: from_now(0), ..pairing::device()? }),
        "setting" => review(setting()),
        "new-token" => opened::new_token("OpenClaw on the laptop")?,
        "empty-token" => opened::new_token("")?,
        "token" => opened::token("OpenClaw on the laptop")?,
        "model-key" => opened::model_key()?,
        "model-problem" => opened::model_key_again()?,
        "message" => Dialog::Message(MessageDialog {
            heading: "The gateway could not start.".to_owned(),
            text: "Port 18789 is used by node (process 4711, user ada).\nEnd it, or choose another port in the settings."
                .to_owned(),
            proceed: None,
            other: None,
            dismiss: "OK",
        }),
        "question" => opened::quit()?,
        "model-server" => opened::model_server()?,
        "keep-file" => opened::keep_file()?,
        "unshare" => opened::unshare()?,
        "workspace" => opened::workspace(false)?,
        "workspace-client" => opened::workspace(true)?,
        "folder" => opened::folder()?,
        "port-taken" => opened::port_taken()?,
        other => Dialog::Approvals(Box::new(requests::sample(other)?)),
    })
}

fn setting() -> ReviewDialog {
    let origins = |texts: &[&str]| {
        ProposedSetting::origins(texts.iter().filter_map(|text| WebOrigin::parse(text).ok()))
    };
    review::of_setting(&ShownSetting {
        proposed: origins(&["https://ui.example", "http://127.0.0.1:5173"]),
        present: origins(&["http://127.0.0.1:5173"]).value,
        state: SettingState::Waiting,
        since: from_now(-40),
    })
    .dialog
}

fn hostile() -> Option<ReviewDialog> {
    let asked = ScopeSet::from([Scope::Read, Scope::Other("<b>x</b>%s%n&amp;".to_owned())]);
    Some(ReviewDialog {
        fields: vec![
            text("Claimed name", "%s%n <b>x</b> & \" \\u{202e}gnp.exe\u{0}_File <span size='100000'>"),
            text("Comes from", "internet, 203.0.113.9"),
            text("Platform (as it says)", &"W".repeat(300)),
            code("Fingerprint", &"0123456789abcdef".repeat(16)),
        ],
        rights: scope_lines(&asked, &asked),
        code: "<i>%s</i>".to_owned(),
        behind: "<b>200</b> more wait".to_owned(),
        ..pairing::device()?
    })
}

fn long() -> Option<ReviewDialog> {
    let mut scopes: Vec<Scope> = Scope::known().into_iter().collect();
    scopes.extend((0..24).map(|at| Scope::Other(format!("custom.scope.number{at}"))));
    let asked: ScopeSet = scopes.into_iter().collect();
    Some(ReviewDialog {
        heading: "A known device says that it is another kind of device now, and asks for more than it has."
            .to_owned(),
        cautions: vec!["It comes from the internet.".to_owned(), "Long caution. ".repeat(20)],
        fields: std::iter::once(text("Claimed name", &"name ".repeat(12)))
            .chain((0..12).map(|_| text("Field", &"several words that wrap ".repeat(8))))
            .collect(),
        rights: scope_lines(&asked, &asked),
        ..pairing::device()?
    })
}

fn text(label: &'static str, value: &str) -> Field {
    Field { label, value: value.to_owned(), style: FieldStyle::Text }
}

fn code(label: &'static str, value: &str) -> Field {
    Field { label, value: value.to_owned(), style: FieldStyle::Code }
}

pub(crate) fn from_now(seconds: i64) -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    UnixMillis(u64::try_from(now.saturating_add(seconds * 1000)).unwrap_or(0))
}
