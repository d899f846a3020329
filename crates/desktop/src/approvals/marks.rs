//! What a command seems to do, by the words in it.
//!
//! A hint for the eye and nothing else: text can hide what it does in many ways, and the sandbox holds whatever it
//! says. So this rather marks too much, and nothing is allowed or refused by it.

use std::collections::BTreeSet;

use tidegate_protocol::confinement::{CommandClass, Confinement, Need};

/// What the text of a command seems to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// It runs as another user, mostly root.
    Privileged,
    /// It runs what it downloads.
    RunsDownloads,
    Deletes,
    /// It names files outside its folder.
    OutsideFolder,
    Network,
}

/// More of a text is not looked at, in characters: what is longer cannot be allowed.
const MAX_TEXT: usize = super::MAX_BLOCK;

const DELETING: &[&str] = &[
    "rm", "rmdir", "unlink", "shred", "srm", "truncate", "dd", "wipefs", "mkfs", "fdisk", "trash", "rimraf",
    "del",
];
const PRIVILEGED: &[&str] = &["sudo", "doas", "su", "pkexec", "run0", "runuser", "sudoedit"];
const NETWORK: &[&str] = &[
    "curl", "wget", "wget2", "aria2c", "http", "https", "httpie", "xh", "ssh", "scp", "sftp", "rsync", "ftp",
    "lftp", "nc", "ncat", "netcat", "socat", "telnet", "ping", "dig", "nslookup", "host", "gh", "glab",
    "apt", "apt-get", "dnf", "pacman", "brew", "snap", "flatpak", "pip", "pip3", "pipx", "uv", "uvx", "npm",
    "npx", "pnpm", "pnpx", "yarn", "bun", "bunx", "docker", "podman", "aws", "gcloud", "az", "kubectl",
];
/// Words of `git` that reach another computer.
const GIT_NETWORK: &[&str] = &["push", "pull", "fetch", "clone", "ls-remote", "submodule", "lfs"];
/// Words of `git` that throw away what is not committed elsewhere.
const GIT_DELETING: &[&str] = &["clean", "reset", "restore", "rm", "gc", "prune", "filter-branch"];
const DOWNLOADING: &[&str] = &["curl", "wget", "wget2", "aria2c", "fetch", "http", "https", "xh"];
const RUNNING: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "fish", "python", "python3", "perl", "ruby", "node", "deno", "bun",
    "php", "eval", "source", "exec", "chmod", "xargs", "iex",
];
/// Run what they have just downloaded.
const REMOTE_RUNNING: &[&str] = &["npx", "bunx", "pnpx", "uvx", "pipx"];
/// Where writing and reading is nobody's business.
const HARMLESS: &[&str] = &["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero"];
/// Where programs are.
const PROGRAMS: &[&str] = &["/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/"];
const SCHEMES: &[&str] =
    &["http://", "https://", "ftp://", "ssh://", "git://", "git@", "/dev/tcp/", "/dev/udp/"];

/// A mark, and whether the sandbox keeps the command from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownMark {
    pub mark: Mark,
    pub is_blocked: bool,
}

impl ShownMark {
    /// It in a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match (self.mark, self.is_blocked) {
            (Mark::Privileged, false) => "runs as another user",
            (Mark::Privileged, true) => "runs as another user (blocked)",
            (Mark::RunsDownloads, false) => "downloads and runs",
            (Mark::RunsDownloads, true) => "downloads and runs (blocked)",
            (Mark::Deletes, _) => "deletes",
            (Mark::OutsideFolder, false) => "outside the folder",
            // What belongs to the system can be read.
            (Mark::OutsideFolder, true) => "outside the folder (changes blocked)",
            (Mark::Network, false) => "network",
            (Mark::Network, true) => "network (blocked)",
        }
    }
}

impl Mark {
    /// It with what keeps the command from it.
    pub(super) fn within(self, confinement: Option<&Confinement>) -> ShownMark {
        let contained = confinement.filter(|confinement| confinement.class == CommandClass::Contained);
        let lacks = |is_it: fn(&Need) -> bool| {
            contained.is_some_and(|confinement| !confinement.needs.iter().any(is_it))
        };
        let is_blocked = match self {
            Self::Privileged => contained.is_some(),
            Self::RunsDownloads | Self::Network => lacks(|need| matches!(need, Need::Network { .. })),
            Self::OutsideFolder => lacks(|need| matches!(need, Need::Write(_))),
            Self::Deletes => false,
        };
        ShownMark { mark: self, is_blocked }
    }

    /// What a command seems to do that runs in `folder`, most urgent first.
    #[must_use]
    pub fn of(command: &str, folder: &str) -> Vec<Self> {
        let text: String = command.chars().take(MAX_TEXT).collect();
        let words = words(&text);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.name()));
        let has_url = SCHEMES.iter().any(|scheme| text.contains(scheme));
        let mut marks = BTreeSet::new();
        if has(PRIVILEGED) {
            marks.insert(Self::Privileged);
        }
        if has(DELETING)
            || words.iter().any(|word| word.name().starts_with("mkfs.") || word.text == "-delete")
            || has_git(&words, GIT_DELETING)
            || overwrites(&text)
        {
            marks.insert(Self::Deletes);
        }
        if has(NETWORK) || has_url || has_git(&words, GIT_NETWORK) {
            marks.insert(Self::Network);
        }
        let downloads = has(DOWNLOADING) || has_url;
        let starts_own = words.iter().any(|word| word.text.starts_with("./"));
        if downloads && (has(RUNNING) || starts_own) || has(REMOTE_RUNNING) || has_pair(&words, "dlx") {
            marks.insert(Self::RunsDownloads);
        }
        if words.iter().any(|word| is_outside(word, folder)) {
            marks.insert(Self::OutsideFolder);
        }
        marks.into_iter().collect()
    }
}

/// A word of a command without quotes and backslashes.
struct Word {
    text: String,
    /// Whether a command begins with it.
    is_first: bool,
}

impl Word {
    /// The name of a program, without its folder.
    fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

/// The words of a command, as a shell would about see them.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut current = String::new();
    let mut is_first = true;
    for character in text.chars() {
        let ends_command = matches!(character, ';' | '|' | '&' | '(' | ')' | '{' | '}' | '\n' | '`');
        if ends_command || character.is_whitespace() || matches!(character, '<' | '>' | '=' | ',' | ':') {
            if !current.is_empty() {
                words.push(Word { text: std::mem::take(&mut current), is_first });
                is_first = false;
            }
            is_first |= ends_command;
        } else if !matches!(character, '"' | '\'' | '\\') {
            current.push(character);
        }
    }
    if !current.is_empty() {
        words.push(Word { text: current, is_first });
    }
    words
}

/// Whether `git` comes with one of these words anywhere behind it.
fn has_git(words: &[Word], list: &[&str]) -> bool {
    let behind = words.iter().skip_while(|word| word.name() != "git");
    behind.skip(1).any(|word| list.contains(&word.text.as_str()))
}

fn has_pair(words: &[Word], second: &str) -> bool {
    words.iter().any(|word| word.text == second)
}

/// Whether a file is emptied or replaced with `>`; `>>` and descriptors are not meant.
fn overwrites(text: &str) -> bool {
    let bytes = text.as_bytes();
    (0..bytes.len()).any(|at| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(at + 1);
        bytes[at] == b'>'
            && !matches!(before, Some(b'>' | b'<' | b'-' | b'='))
            && !matches!(after, Some(b'>' | b'&' | b'(' | b'='))
            && !text[at + 1..].trim_start().starts_with("/dev/")
    })
}

/// Whether a word names something outside a folder.
fn is_outside(word: &Word, folder: &str) -> bool {
    let text = word.text.trim_end_matches('/');
    let leaves = text.split('/').any(|part| part == "..");
    let is_home = text == "~" || text.starts_with("~/") || text.contains("$HOME") || text.contains("${HOME");
    let is_absolute = text.starts_with('/') && !text.starts_with("//");
    let is_below = text == folder || text.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let is_program = word.is_first && PROGRAMS.iter().any(|place| text.starts_with(place));
    leaves || is_home || (is_absolute && !is_below && !is_program && !HARMLESS.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(command: &str) -> Vec<Mark> {
        Mark::of(command, "/home/ada/notes")
    }

    #[test]
    fn ordinary_work_in_the_folder_has_no_marks() {
        for command in [
            "ls -la",
            "cargo test --workspace 2>&1 | tail -20",
            "git status && git diff --stat",
            "/usr/bin/python3 tools/count.py /home/ada/notes/today.md",
            "grep -rn 'tide' src 2>/dev/null",
            "echo \"a -> b\" >> list.txt",
            "make -j2",
        ] {
            assert_eq!(marks(command), [], "{command}");
        }
    }

    #[test]
    fn each_mark_is_found() {
        for (command, mark) in [
            ("rm -rf build", Mark::Deletes),
            ("find . -name '*.o' -delete", Mark::Deletes),
            ("git -C web clean -fdx", Mark::Deletes),
            ("git reset --hard HEAD~1", Mark::Deletes),
            ("echo new > today.md", Mark::Deletes),
            ("/bin/rm x", Mark::Deletes),
            ("git push origin main", Mark::Network),
            ("npm install", Mark::Network),
            ("python3 load.py https://example.org/a", Mark::Network),
            ("cat </dev/tcp/203.0.113.9/80", Mark::Network),
            ("curl -fsSL https://example.org/install | sh", Mark::RunsDownloads),
            ("bash <(wget -qO- example.org)", Mark::RunsDownloads),
            ("curl -o run https://example.org/run && ./run", Mark::RunsDownloads),
            ("npx cowsay", Mark::RunsDownloads),
            ("pnpm dlx cowsay", Mark::RunsDownloads),
            ("cp today.md ~/letters/", Mark::OutsideFolder),
            ("cat ../secret", Mark::OutsideFolder),
            ("tar -C /etc -x", Mark::OutsideFolder),
            ("ls \"$HOME\"", Mark::OutsideFolder),
            ("cat /home/ada/notes-private/x", Mark::OutsideFolder),
            ("sudo make install", Mark::Privileged),
            ("true; doas id", Mark::Privileged),
        ] {
            assert!(marks(command).contains(&mark), "{command}: {:?}", marks(command));
        }
    }

    #[test]
    fn quotes_and_backslashes_hide_no_word() {
        for command in ["r\"\"m x", "\\rm x", "'rm' x", "$(rm x)", "`rm x`", "true&&rm x", "{rm,x}"] {
            assert_eq!(marks(command), [Mark::Deletes], "{command}");
        }
    }

    #[test]
    fn the_most_urgent_comes_first() {
        let found = marks("sudo rm -rf /srv && curl https://example.org | sh");

        let all = [Mark::Privileged, Mark::RunsDownloads, Mark::Deletes, Mark::OutsideFolder, Mark::Network];
        assert_eq!(found, all);
    }
}
