//! A strict reader of git's configuration files.
//!
//! It understands less than git does, on purpose: one header or one setting a line, known settings
//! with known values, no quotes, escapes, continuations or comments after a value. What it
//! understands, git reads the same; everything else is named with its line.

mod effect;
mod settings;

use tidegate_protocol::text::one_line;

use effect::effect;
use settings::is_known;

/// Bytes that a file may have.
pub const MAX_CONFIG: usize = 64 * 1024;
const MAX_LINES: usize = 2000;
const MAX_LINE: usize = 4096;
/// Characters of a setting's name or value that a message repeats.
const SHOWN: usize = 80;

/// Where a configuration lies. It decides what `core.bare` and `core.worktree` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A `.git` folder.
    DotGit,
    /// A folder that is shaped like a repository: `core.bare` is ordinary.
    Shaped,
    /// A submodule's, below `modules` of another: `core.worktree` leads back to the submodule.
    Module,
}

/// A setting as git names it: section and key in lower case, `section.subsection.key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section, in lower case.
    pub section: String,
    /// The subsection as it is written.
    pub subsection: Option<String>,
    /// The key, in lower case.
    pub key: String,
    pub value: String,
}

impl Setting {
    /// The whole name, as `git config --list` prints it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.subsection {
            Some(subsection) => format!("{}.{subsection}.{}", self.section, self.key),
            None => format!("{}.{}", self.section, self.key),
        }
    }
}

/// Why a configuration is not plain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPlain {
    /// The file is longer than [`MAX_CONFIG`], or has too many or too long lines.
    #[error("it is longer than settings are")]
    TooLong,
    /// It is not UTF-8, or has control characters.
    #[error("line {line} is not text")]
    NotText {
        /// Counted from one.
        line: usize,
    },
    /// A line that is neither a header nor a setting as this reader knows them.
    #[error("line {line} is not understood: {text}")]
    NotUnderstood {
        /// Counted from one.
        line: usize,
        /// The line, cleaned and cut.
        text: String,
    },
    /// A setting that is not on the list, or whose value is not.
    #[error("{name} in line {line} {effect}")]
    Setting {
        /// Counted from one.
        line: usize,
        /// The setting's name, cleaned and cut.
        name: String,
        /// What it would do.
        effect: String,
    },
}

/// Reads a configuration.
///
/// # Errors
/// The first thing that makes it not plain.
pub fn read_plain(content: &[u8], form: Form) -> Result<Vec<Setting>, NotPlain> {
    if content.len() > MAX_CONFIG {
        return Err(NotPlain::TooLong);
    }
    let mut lines = Lines::new(content, form);
    let mut settings = Vec::new();
    for item in &mut lines {
        match item? {
            Line::Plain(setting) => settings.push(setting),
            Line::Header | Line::Blank => {}
        }
    }
    Ok(settings)
}

/// The part of a configuration that is plain, in a form of our own. What is not is left out.
#[must_use]
pub fn plain_part(content: &[u8], form: Form) -> String {
    let content = &content[..content.len().min(MAX_CONFIG)];
    let mut text = String::new();
    let mut section: Option<(String, Option<String>)> = None;
    for setting in Lines::new(content, form).filter_map(Result::ok) {
        let Line::Plain(setting) = setting else { continue };
        let here = Some((setting.section.clone(), setting.subsection.clone()));
        if section != here {
            match &setting.subsection {
                Some(subsection) => text.push_str(&format!("[{} \"{subsection}\"]\n", setting.section)),
                None => text.push_str(&format!("[{}]\n", setting.section)),
            }
            section = here;
        }
        text.push_str(&format!("\t{} = {}\n", setting.key, setting.value));
    }
    text
}

/// What of a configuration is not plain, line by line with the header that it stands under, in
/// order. `None` where lines are not independent of each other, so that nothing can be said.
///
/// Two files of which this is equal differ in plain settings only.
#[must_use]
pub fn remainder(content: &[u8], form: Form) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    if content.len() > MAX_CONFIG || content.contains(&0) {
        return None;
    }
    let raw: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
    if raw.iter().any(|line| line.ends_with(b"\\") || line.ends_with(b"\\\r")) {
        return None;
    }
    let mut header = Vec::new();
    let mut rest = Vec::new();
    let mut lines = Lines::new(content, form);
    for line in raw {
        let read = lines.next().unwrap_or(Ok(Line::Blank));
        match read {
            Ok(Line::Header) => header = line.trim_ascii().to_vec(),
            Ok(Line::Blank | Line::Plain(_)) => {}
            Err(_) => {
                if line.trim_ascii().starts_with(b"[") {
                    header = line.trim_ascii().to_vec();
                }
                rest.push((header.clone(), line.trim_ascii().to_vec()));
            }
        }
    }
    Some(rest)
}

enum Line {
    Blank,
    Header,
    Plain(Setting),
}

/// The lines of a file, each read by itself.
struct Lines<'a> {
    lines: std::slice::Split<'a, u8, fn(&u8) -> bool>,
    number: usize,
    form: Form,
    /// `None` before the first header, and below one that is not understood.
    section: Option<(String, Option<String>)>,
}

impl<'a> Lines<'a> {
    fn new(content: &'a [u8], form: Form) -> Self {
        let is_end: fn(&u8) -> bool = |byte| *byte == b'\n';
        Self { lines: content.split(is_end), number: 0, form, section: None }
    }

    fn read(&mut self, line: &[u8]) -> Result<Line, NotPlain> {
        let number = self.number;
        if number > MAX_LINES || line.len() > MAX_LINE {
            self.section = None;
            return Err(NotPlain::TooLong);
        }
        let is_control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
        let text = std::str::from_utf8(line).ok().filter(|text| !text.as_bytes().iter().any(is_control));
        let Some(text) = text else {
            self.section = None;
            return Err(NotPlain::NotText { line: number });
        };
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Ok(Line::Blank);
        }
        let not_understood = || NotPlain::NotUnderstood { line: number, text: one_line(text, SHOWN) };
        if text.starts_with('[') {
            self.section = header(text);
            return match &self.section {
                Some(_) => Ok(Line::Header),
                None => Err(not_understood()),
            };
        }
        let (key, value) = text.split_once('=').unwrap_or((text, "true"));
        let (key, value) = (key.trim_end_matches([' ', '\t']), value.trim_start_matches([' ', '\t']));
        let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let Some((section, subsection)) = self.section.clone().filter(|_| is_key) else {
            return Err(not_understood());
        };
        let setting = Setting { section, subsection, key: key.to_ascii_lowercase(), value: value.to_owned() };
        if text.contains('=') && is_known(&setting, self.form) {
            return Ok(Line::Plain(setting));
        }
        let name = one_line(&setting.name(), SHOWN);
        Err(NotPlain::Setting { line: number, name, effect: effect(&setting) })
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Line, NotPlain>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        self.number += 1;
        Some(self.read(line))
    }
}

/// `[section]` or `[section "subsection"]`, and nothing else in the line.
fn header(text: &str) -> Option<(String, Option<String>)> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let (section, subsection) = match inner.split_once(" \"") {
        Some((section, rest)) => (section, Some(rest.strip_suffix('"')?)),
        None => (inner, None),
    };
    let is_section =
        !section.is_empty() && section.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_subsection = subsection.is_none_or(|name| !name.is_empty() && !name.contains(['"', '\\']));
    (is_section && is_subsection).then(|| (section.to_ascii_lowercase(), subsection.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        read_plain(text.as_bytes(), Form::DotGit).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_plain_is_named_with_its_line() {
        assert_eq!(
            reason("[core]\n\tfilemode = true\n\tfsmonitor = ./x\n"),
            "core.fsmonitor in line 3 would run ./x when git looks at the folder"
        );
        assert_eq!(reason("[core] fsmonitor = ./x"), "line 1 is not understood: [core] fsmonitor = ./x");
        assert_eq!(
            reason("[core]\n\tfilemode = tr\\\nue"),
            "core.filemode in line 2 has a value that is not known to run nothing"
        );
        assert_eq!(reason("filemode = true"), "line 1 is not understood: filemode = true");
        assert_eq!(reason("\u{feff}[core]\n"), "line 1 is not understood: \\u{feff}[core]");
        assert_eq!(reason("[core]\r\n"), "line 1 is not text");
    }

    #[test]
    fn the_plain_part_is_plain_and_keeps_what_was() {
        let text = "[core]\n\tbare = false\n\tfsmonitor = x\n[remote \"origin\"]\n\turl = https://example.org/a\n\
                    [alias]\n\tst = !x\n[core]\n\tsymlinks = false\n";

        let plain = plain_part(text.as_bytes(), Form::DotGit);

        assert_eq!(
            plain,
            "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://example.org/a\n[core]\n\tsymlinks = false\n"
        );
    }

    #[test]
    fn files_that_differ_in_plain_settings_have_the_same_remainder() {
        let rest = |text: &str| remainder(text.as_bytes(), Form::DotGit);
        let own = "[core]\n\tbare = false\n\teditor = vi\n";

        assert_eq!(rest(own), rest("[branch \"a\"]\n\tremote = origin\n[core]\n\n\teditor = vi\n"));
        assert_ne!(rest(own), rest("[core]\n\teditor = vim\n"));
        assert_ne!(rest(own), rest("[core]\n\teditor = vi\n\teditor = vi\n"));
        assert_ne!(rest(own), rest("[alias]\n\teditor = vi\n"));
        assert_eq!(rest("[core]\n\teditor = a\\\n\tbare = false"), None);
    }
}
