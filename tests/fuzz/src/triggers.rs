//! Names, git's settings and gitfiles, as an agent may write them.

use std::path::{Component, Path};

use tidegate_triggers::config::{Form, plain_part, read_plain, remainder};
use tidegate_triggers::name::fold;
use tidegate_triggers::pointer::gitfile_target;
use tidegate_triggers::{Class, kind_of};

/// A repository's configuration.
pub fn git_config(data: &[u8]) {
    for form in [Form::DotGit, Form::Shaped, Form::Module] {
        let plain = plain_part(data, form);
        let again = read_plain(plain.as_bytes(), form).expect("the plain part is plain");
        assert_eq!(plain_part(plain.as_bytes(), form), plain, "and nothing of it is lost");
        let rest = remainder(data, form);
        match read_plain(data, form) {
            Ok(settings) => {
                assert_eq!(settings, again, "all of it is plain");
                assert!(rest.is_none_or(|rest| rest.is_empty()));
                let runs =
                    |key: &str| matches!(key, "fsmonitor" | "hookspath" | "sshcommand" | "path" | "helper");
                assert!(!settings.iter().any(|setting| runs(&setting.key)));
                assert!(settings.iter().all(|setting| !setting.value.contains("::")));
            }
            Err(problem) => {
                let line = problem.to_string();
                assert!(line.len() < 1500 && !line.contains(char::is_control), "{line:?}");
                assert!(rest.is_none_or(|rest| !rest.is_empty()));
            }
        }
    }
}

/// Paths in a workspace, and gitfiles.
pub fn trigger_paths(data: &[u8]) {
    let folder = Path::new("a/b");
    if let Ok(target) = gitfile_target(data, folder, Path::new("/home/ada/project")) {
        let is_inside = target.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(is_inside, "{target:?}");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new(text);
    let is_git = path.iter().any(|name| fold(&name.to_string_lossy()) == ".git");
    for is_directory in [false, true] {
        let kind = kind_of(path.iter(), is_directory, true);
        assert!(!is_git || kind.map(tidegate_triggers::Trigger::class) == Some(Class::Looking), "{text:?}");
        let loud = text.to_ascii_uppercase();
        assert_eq!(kind_of(Path::new(&loud).iter(), is_directory, true), kind, "{text:?}");
    }
    let once = fold(text).into_owned();
    assert_eq!(fold(&once), once);
}
