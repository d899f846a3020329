//! Reads the commands that the documentation of [`super`] lists.

use serde_json::{Value, json};

/// The longest label of a subagent, in bytes.
const LABEL_BYTES: usize = 64;
/// What a subagent's first message calls its task.
const TASK_MARK: &str = "[Subagent Task]:";

/// Why a command needs more: all that a demo can say.
const NEEDS_REASON: &str = "the message asks for it";

/// What one line of a message asks the offline model to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line<'a> {
    /// A tool call.
    Call(Call),
    /// `/demo`, or `/help` where the gateway has not taken that for itself.
    Help,
    /// A command that is not complete, with what it should be, or one that does not exist.
    Wrong {
        command: &'a str,
        /// How it is written; none when there is no such command.
        form: Option<&'static str>,
    },
    /// Anything else that is not empty.
    Text(&'a str),
}

/// A tool and its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
}

/// Reads a message. Of a subagent's first message only its task counts.
pub(super) fn lines(message: &str) -> impl Iterator<Item = Line<'_>> {
    let task = message.find(TASK_MARK).map_or(message, |at| &message[at + TASK_MARK.len()..]);
    task.lines().map(str::trim).filter(|line| !line.is_empty()).map(line)
}

fn line(text: &str) -> Line<'_> {
    if !text.starts_with('/') {
        return Line::Text(text);
    }
    let (command, rest) = word(text);
    let call = |tool, arguments| Line::Call(Call { tool, arguments });
    let wrong = |form| Line::Wrong { command, form: Some(form) };
    match command {
        "/run" if rest.is_empty() => wrong("/run COMMAND"),
        "/run" => call("exec", json!({"command": rest})),
        "/needs" => match word(rest) {
            ("", _) | (_, "") => wrong("/needs NEED[,NEED] COMMAND"),
            (needs, command) => {
                let needs: Vec<&str> = needs.split(',').collect();
                call("exec", json!({"command": command, "needs": needs, "reason": NEEDS_REASON}))
            }
        },
        "/read" if rest.is_empty() => wrong("/read PATH"),
        "/read" => call("read", json!({"path": rest})),
        "/ls" if rest.is_empty() => call("ls", json!({})),
        "/ls" => call("ls", json!({"path": rest})),
        "/glob" if rest.is_empty() => wrong("/glob PATTERN"),
        "/glob" => call("glob", json!({"pattern": rest})),
        "/grep" if rest.is_empty() => wrong("/grep PATTERN"),
        "/grep" => call("grep", json!({"pattern": rest})),
        "/write" => match word(rest) {
            ("", _) | (_, "") => wrong("/write PATH TEXT"),
            (path, content) => call("write", json!({"path": path, "content": content})),
        },
        "/spawn" => match label(rest) {
            (_, "") => wrong("/spawn [LABEL:] TASK"),
            (None, task) => call("sessions_spawn", json!({"task": task})),
            (Some(label), task) => call("sessions_spawn", json!({"task": task, "label": label})),
        },
        "/list" => call("sessions_list", json!({})),
        "/history" if rest.is_empty() => wrong("/history KEY"),
        "/history" => call("sessions_history", json!({"sessionKey": rest})),
        "/status" => call("session_status", json!({})),
        "/demo" | "/help" => Line::Help,
        _ => Line::Wrong { command, form: None },
    }
}

fn word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

/// `LABEL: TASK`; the blank after the colon keeps URLs and the like part of the task.
fn label(text: &str) -> (Option<&str>, &str) {
    let is_label = |text: &str| {
        !text.is_empty()
            && text.len() <= LABEL_BYTES
            && text.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    match text.split_once(": ") {
        Some((label, task)) if is_label(label) => (Some(label), task.trim()),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Line<'_> {
        let mut lines = lines(text);
        let first = lines.next().expect("one line");
        assert_eq!(lines.next(), None);
        first
    }

    fn call(tool: &'static str, arguments: Value) -> Line<'static> {
        Line::Call(Call { tool, arguments })
    }

    #[test]
    fn each_command_becomes_its_tool_call() {
        assert_eq!(one("/run ls -l | wc"), call("exec", json!({"command": "ls -l | wc"})));
        assert_eq!(
            one("/needs git,write:/srv make all"),
            call(
                "exec",
                json!({"command": "make all", "needs": ["git", "write:/srv"], "reason": NEEDS_REASON})
            )
        );
        assert_eq!(one(" /read a b.txt "), call("read", json!({"path": "a b.txt"})));
        assert_eq!(one("/ls"), call("ls", json!({})));
        assert_eq!(one("/ls src"), call("ls", json!({"path": "src"})));
        assert_eq!(one("/glob *.rs"), call("glob", json!({"pattern": "*.rs"})));
        assert_eq!(one("/grep two words"), call("grep", json!({"pattern": "two words"})));
        assert_eq!(
            one("/write a.txt two words"),
            call("write", json!({"path": "a.txt", "content": "two words"}))
        );
        assert_eq!(
            one("/spawn count: all files"),
            call("sessions_spawn", json!({"task": "all files", "label": "count"}))
        );
        assert_eq!(one("/list"), call("sessions_list", json!({})));
        assert_eq!(one("/history agent:main"), call("sessions_history", json!({"sessionKey": "agent:main"})));
        assert_eq!(one("/status"), call("session_status", json!({})));
        assert_eq!(one("/help"), Line::Help);
        assert_eq!(one("/demo"), Line::Help);
    }

    #[test]
    fn only_a_word_before_a_colon_and_a_blank_is_a_label() {
        for task in ["http://a.example", "read this: now it is", ": nothing", "a:b"] {
            assert_eq!(one(&format!("/spawn {task}")), call("sessions_spawn", json!({"task": task})));
        }
    }

    #[test]
    fn incomplete_and_unknown_commands_are_reported_apart() {
        for text in ["/run", "/needs git", "/read ", "/glob", "/grep ", "/write a.txt", "/spawn", "/history"]
        {
            assert!(matches!(one(text), Line::Wrong { form: Some(_), .. }), "{text}");
        }
        assert_eq!(one("/runaway x"), Line::Wrong { command: "/runaway", form: None });
    }

    #[test]
    fn of_a_subagents_first_message_only_the_task_counts() {
        assert_eq!(
            one("[Subagent Context] depth 1/3\n\n[Subagent Task]: /run ls"),
            call("exec", json!({"command": "ls"}))
        );
    }
}
