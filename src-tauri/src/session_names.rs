//! What sessions are called where an agent asks for something.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_desktop_core::approvals::SessionName;
use tidegate_host::RunningHost;
use tidegate_protocol::SessionKey;
use tidegate_trust::approval::PendingApproval;

/// A dialog without names is better than one that comes late.
const WITHIN: Duration = Duration::from_millis(250);
/// The most sessions above one that are looked at.
const MAX_DEPTH: usize = 16;
const MAIN: &str = "agent:main:main";

/// The names of the sessions that ask, by their keys, as far as they are found soon.
pub(crate) async fn of(host: &RunningHost, commands: &[PendingApproval]) -> BTreeMap<String, SessionName> {
    let mut names = BTreeMap::new();
    let look = async {
        for waiting in commands {
            let key = &waiting.command.session_key;
            if !names.contains_key(key)
                && let Some(name) = name(host, key).await
            {
                names.insert(key.clone(), name);
            }
        }
    };
    if tokio::time::timeout(WITHIN, look).await.is_err() {
        tracing::warn!("session names took too long; the dialog shows none");
    }
    names
}

async fn name(host: &RunningHost, key: &str) -> Option<SessionName> {
    let store = host.store();
    let mut row = store.session(SessionKey::parse(key).ok()?).await.ok()??;
    let subagent = row.parent.as_ref().map(|_| row.label.clone().unwrap_or_else(|| "not named".to_owned()));
    for _ in 0..MAX_DEPTH {
        let Some(parent) = row.parent.take() else { break };
        row = store.session(parent).await.ok()??;
    }
    Some(SessionName { chat: title(row.label.as_deref(), &row.key.to_string()), subagent })
}

/// What the window calls a session, too.
fn title(label: Option<&str>, key: &str) -> String {
    let label = label.map(str::trim).filter(|label| !label.is_empty());
    let name = key.splitn(3, ':').nth(2).unwrap_or(key);
    match label {
        Some(label) => label.to_owned(),
        None if key == MAIN => "Main".to_owned(),
        None if name.starts_with("chat-") => "a chat without a name".to_owned(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_called_as_in_the_window() {
        for (label, key, expected) in [
            (Some("Letters"), "agent:main:chat-7", "Letters"),
            (Some(" "), MAIN, "Main"),
            (None, MAIN, "Main"),
            (None, "agent:main:chat-7", "a chat without a name"),
            (None, "agent:main:openclaw:tui", "openclaw:tui"),
        ] {
            assert_eq!(title(label, key), expected);
        }
    }
}
