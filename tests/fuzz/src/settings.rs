//! What the person's files and other programs' command lines say.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate_providers::base_url::BaseUrl;
use tidegate_trust::program::{Invocation, invocation};
use tidegate_trust::settings::{MAX_ORIGINS, Setting, ValuePart, WebOrigin};

/// `openclaw.json`.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match tidegate_host::config::parse(text) {
        Ok((config, policy)) => {
            assert!(config.port != Some(0));
            assert!(config.model.is_none_or(|model| model.provider == "offline"), "nothing else counts");
            assert!(policy.workspace.is_none_or(|workspace| workspace.is_absolute()));
            assert!(config.depth.is_none_or(|depth| (1..=5).contains(&depth)));
            assert!(config.children.is_none_or(|children| (1..=64).contains(&children)));
            for proposed in &policy.proposed {
                assert!((1..=MAX_ORIGINS).contains(&proposed.value.len()));
                for part in proposed.value.iter().map(ValuePart::as_str) {
                    match proposed.setting {
                        Setting::AllowedOrigins => assert!(WebOrigin::parse(part).is_ok(), "{part}"),
                        Setting::Model => assert!(part.contains('/'), "{part}"),
                        Setting::Workspace => panic!("a folder is proposed once it was looked at"),
                    }
                }
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.is_empty()));
            if serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()) {
                let is_syntax = |problem: &String| problem.starts_with("it is not JSON5");
                assert!(!problems.iter().any(is_syntax), "JSON is JSON5: {problems:?}");
            }
        }
    }
}

/// The base URL of a model server.
pub fn base_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match BaseUrl::parse(text) {
        Ok(base) => {
            let shown = base.to_string();
            assert_eq!(BaseUrl::parse(&shown).as_ref(), Ok(&base), "{shown}");
            let host = shown.strip_prefix("http://").or_else(|| shown.strip_prefix("https://"));
            let host = host.expect("http or https").split('/').next().unwrap_or_default();
            assert!(!host.is_empty() && !host.contains('@'), "{shown}");
            assert!(!shown.contains(['?', '#']), "{shown}");
            assert!(base.is_private() == (shown.starts_with("https:") || base.is_loopback()));
            assert!(shown.starts_with(&base.address()), "{shown}");
        }
        Err(error) => {
            let secret = text.trim();
            assert!(secret.len() < 24 || !error.to_string().contains(secret), "it may be a key");
        }
    }
}

/// A command line: the executable and its arguments, one a line.
pub fn command_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let executable = Path::new(lines.next().unwrap_or_default());
    let arguments: Vec<String> = lines.map(str::to_owned).collect();
    let found = invocation(executable, &arguments);
    if let Invocation::Script(script) = &found {
        assert!(arguments.iter().any(|argument| &PathBuf::from(argument) == script), "{script:?}");
        let first = arguments.first().map(String::as_str);
        let runs_inline = match executable.file_name().and_then(|name| name.to_str()) {
            Some("node") => matches!(first, Some("-" | "-e" | "--eval" | "-p")),
            Some("python3" | "bash") => matches!(first, Some("-" | "-c")),
            _ => false,
        };
        assert!(!runs_inline, "code on the command line is no script: {arguments:?}");
    }
}
