//! A file that was set aside, as a person is shown it.

use tidegate_protocol::payload::files::{
    SetAsideAction, SetAsideCommand, SetAsideFile, SetAsideFileDetails, SetAsideKind,
};
use tidegate_protocol::text::one_line;
use tidegate_triggers::records::{CommandOrigin, Content, MAX_AGE, Record, Shown};
use tidegate_triggers::{Action, AsideKind, Class, Place, Trigger};

/// Characters of a path: what a system takes.
const MAX_PATH: usize = 4096;
/// Characters of an id.
const MAX_ID: usize = 200;

pub(super) fn file(record: &Record) -> SetAsideFile {
    let (kind, size, executable, target) = match &record.aside.kind {
        AsideKind::File { size, mode, .. } => (SetAsideKind::File, Some(*size), mode & 0o111 != 0, None),
        AsideKind::Link { target } => (SetAsideKind::Link, None, false, Some(path(target))),
        AsideKind::Folder => (SetAsideKind::Folder, None, false, None),
        AsideKind::Other => (SetAsideKind::Other, None, false, None),
    };
    SetAsideFile {
        id: record.id.clone(),
        path: path(&record.aside.place),
        workspace: path(&record.workspace),
        action: match record.action {
            Action::PlainPartKept => SetAsideAction::PlainPartKept,
            Action::Restored => SetAsideAction::Restored,
            Action::SetAside | Action::Named | Action::PutBack | Action::Failed { .. } => {
                SetAsideAction::SetAside
            }
        },
        kind,
        reason: record.reason.clone(),
        effect: effect(record.trigger).to_owned(),
        can_keep: matches!(kind, SetAsideKind::File | SetAsideKind::Link),
        size,
        executable,
        target,
        commands: record.commands.iter().map(command).collect(),
        set_aside_at_ms: record.at,
        expires_at_ms: record.at.plus(MAX_AGE),
    }
}

pub(super) fn details(shown: &Shown) -> SetAsideFileDetails {
    let (content, binary, cut) = match &shown.content {
        Content::Start { bytes, is_cut } => match text(bytes, *is_cut) {
            Some(text) => (Some(text), false, *is_cut),
            None => (None, true, false),
        },
        Content::NoFile => (None, false, false),
    };
    SetAsideFileDetails { file: file(&shown.record), digest: shown.record.digest(), content, binary, cut }
}

fn command(origin: &CommandOrigin) -> SetAsideCommand {
    SetAsideCommand {
        session_key: one_line(&origin.session, MAX_ID),
        run_id: one_line(&origin.run, MAX_ID),
        tool_call_id: one_line(&origin.call, MAX_ID),
        command: origin.command.clone(),
    }
}

fn path(place: &Place) -> String {
    one_line(&place.path().to_string_lossy(), MAX_PATH)
}

/// What can happen when a file is there.
fn effect(trigger: Trigger) -> &'static str {
    match (trigger, trigger.class()) {
        (Trigger::Interpreter, _) => "When an editor uses it, it runs as you, outside the sandbox.",
        (_, Class::Looking) => {
            "As soon as a shell, git or an editor looks at the folder, it can run commands as you, outside the \
             sandbox."
        }
        (_, Class::Opening) => {
            "When an editor or an agent opens the folder, it can run commands as you, outside the sandbox, or \
             instruct the agent."
        }
    }
}

/// The text of a file: `None` when it is none. Where the file goes on, its last character may be cut.
fn text(bytes: &[u8], is_cut: bool) -> Option<String> {
    /// Bytes of a character but for its last.
    const CUT: usize = 3;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if is_cut && error.error_len().is_none() && bytes.len() - error.valid_up_to() <= CUT => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.contains('\0') {
        return None;
    }
    let lines: Vec<String> =
        text.split('\n').map(|line| one_line(&line.replace('\t', "    "), usize::MAX)).collect();
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_characters_of_a_content_are_visible() {
        let shown = text("[core]\n\teditor = \u{202e}vi\u{1b}[2K\r\n".as_bytes(), false);
        assert_eq!(shown.as_deref(), Some("[core]\n    editor = \\u{202e}vi\\u{1b}[2K\\u{d}\n"));
    }

    #[test]
    fn a_character_that_the_limit_cut_makes_no_binary_file() {
        assert_eq!(text("a\u{20ac}".as_bytes().split_at(3).0, true).as_deref(), Some("a"));
        assert_eq!(text("a\u{20ac}".as_bytes().split_at(3).0, false), None);
        assert_eq!(text(b"a\0b", false), None);
        assert_eq!(text(b"a\xffb", true), None);
    }

    proptest! {
        #[test]
        fn no_content_has_a_control_character(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut: bool) {
            let shown = text(&bytes, cut).unwrap_or_default();
            prop_assert!(!shown.chars().any(|one| one.is_control() && one != '\n'), "{:?}", shown);
        }
    }
}
