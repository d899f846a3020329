//! Who commits in a sandbox: the person's settings of git are not there, so name and address go in by
//! variables.

use std::io::Read as _;
use std::path::Path;

/// Bytes of a settings file that are read.
const MAX_FILE: u64 = 256 * 1024;
/// Characters of a name or an address.
const MAX_VALUE: usize = 200;

/// The variables, from `.gitconfig` or `.config/git/config` in the home directory. Only plain values of
/// the section `user` count; nothing is included or run.
pub(super) fn variables(home: &Path) -> Vec<(String, String)> {
    let files = [".config/git/config", ".gitconfig"].map(|name| home.join(name));
    let (mut name, mut email) = (None, None);
    for text in files.iter().filter_map(|file| read(file)) {
        let found = user(&text);
        name = found.0.or(name);
        email = found.1.or(email);
    }
    let mut variables = Vec::new();
    for (value, suffix) in [(name, "NAME"), (email, "EMAIL")] {
        let Some(value) = value else { continue };
        variables.extend(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_{suffix}"), value.clone())));
    }
    variables
}

fn read(file: &Path) -> Option<String> {
    if !std::fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(file).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

fn user(text: &str) -> (Option<String>, Option<String>) {
    let (mut in_user, mut name, mut email) = (false, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_user = section.trim_end_matches(']').trim().eq_ignore_ascii_case("user");
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| in_user) else { continue };
        let value = value.trim().trim_matches('"').to_owned();
        let is_plain = !value.is_empty()
            && value.chars().count() <= MAX_VALUE
            && !value.contains(['\\', '"', '#', ';'])
            && !value.chars().any(char::is_control);
        match key.trim().to_ascii_lowercase().as_str() {
            "name" if is_plain => name = Some(value),
            "email" if is_plain => email = Some(value),
            _ => {}
        }
    }
    (name, email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_address_are_read_and_the_later_file_wins() {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(home.path().join(".config/git")).expect("made");
        std::fs::write(
            home.path().join(".config/git/config"),
            "[user]\nname = Old\nemail = old@example.org\n",
        )
        .expect("written");
        std::fs::write(home.path().join(".gitconfig"), "[core]\nname = no\n[ User ]\n\tname = \"Ada L\"\n")
            .expect("written");
        let variables = variables(home.path());
        let of =
            |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(of("GIT_AUTHOR_NAME"), Some("Ada L"));
        assert_eq!(of("GIT_COMMITTER_EMAIL"), Some("old@example.org"));
    }

    #[test]
    fn values_that_need_reading_are_left_out() {
        assert_eq!(user("[user]\nname = a\\\n b\nemail = x # y\n[user \"other\"]\nname = z\n"), (None, None));
    }
}
