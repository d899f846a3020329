//! How an agent's command is confined, and what it needs beyond that.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// The most needs of one command.
pub const MAX_NEEDS: usize = 16;
/// Bytes of a need.
pub const MAX_NEED: usize = 1024;
/// Bytes of a path that is shown.
const MAX_PATH: usize = 300;
/// Places that a sentence names.
const MAX_PLACES: usize = 6;
/// Bytes of the reason for which a command needs more: it is shown whole.
pub const MAX_REASON: usize = 500;

/// How far a command is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CommandClass {
    /// In a sandbox of which every required layer was tried on this computer.
    Contained,
    /// By a system call filter and Landlock alone: this system has no whole sandbox.
    Partial,
    /// Not at all: it runs as the person and can do anything that the person can.
    Unconfined,
}

/// What a command needs beyond its class, as the agent words it: `network:HOST[:PORT]`,
/// `write:/PATH`, `git`, `sockets`, `listen:PORT` or `unconfined`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Need {
    /// Connections to a host by its name, on ports 80 and 443 unless one is named.
    Network {
        /// The host's name, lower case.
        host: String,
        /// The only port.
        port: Option<u16>,
    },
    /// Changing files below an absolute path outside the workspace.
    Write(String),
    /// Changing the repository of the workspace: commits, branches, stashes.
    Git,
    /// Sockets that are bound to files.
    Sockets,
    /// A server on this port that the person's own programs can open.
    Listen(u16),
    /// No confinement at all.
    Unconfined,
}

/// Why a text is not a need. The sentence goes to the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a need: {problem}; needs are network:HOST, network:HOST:PORT, write:/PATH, git, sockets, \
     listen:PORT and unconfined"
)]
pub struct NeedError {
    given: String,
    problem: &'static str,
}

/// How a command runs, as a person decides about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Confinement {
    /// How far it is confined.
    pub class: CommandClass,
    /// What it needs beyond that.
    pub needs: Vec<Need>,
    /// Why, in the words of the agent.
    pub reason: Option<String>,
    /// Where the repository lies that `git` grants, when it is outside of the workspace.
    pub repository: Option<String>,
    /// Files in its folders that other folders hold as well: it can only read them.
    pub shared: Option<SharedFiles>,
    /// Whether a command with network ran before in this turn: what asks may be text from elsewhere.
    #[serde(default)]
    pub after_network: bool,
    /// Whether it has a terminal.
    pub pty: bool,
    /// When it is ended, in seconds after its start.
    pub timeout_seconds: u64,
}

/// Files that have names in other folders, too (hard links): who writes to one changes it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedFiles {
    /// How many. 0 where folders could not be looked into.
    pub files: u64,
    /// Files and folders that are read-only for that reason: relative to the workspace, which is `.`
    /// itself, or absolute.
    pub places: Vec<String>,
}

/// What a person is cautioned with, where the agent may ask because of what a command read elsewhere.
const AFTER_NETWORK: &str =
    "A command with network access ran before this one. Text that came from there may be why the agent asks.";
/// What is said before the needs of a contained command.
const CONTAINED_WITH_NEEDS: &str =
    "It runs in a sandbox: it can change files in the workspace, and beyond that:";

impl CommandClass {
    /// What a command of this class may do, as a sentence for the person who decides.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Contained => {
                "It runs in a sandbox: it can change files in the workspace, and reaches neither the network, \
                 nor your other files and programs."
            }
            Self::Partial => {
                "This system has no full sandbox. The command has no network and changes the content of files only \
                 in the workspace and the temporary directory, but it can read your files, and change their \
                 permissions."
            }
            Self::Unconfined => {
                "It runs as you and can do anything that you can, including press the buttons of this dialog."
            }
        }
    }
}

impl Need {
    /// What it adds, as a sentence for the person who decides.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Network { host, port } => {
                let port = port.map_or_else(String::new, |port| format!(" on port {port}"));
                format!("It can connect to {}{port} and send anything there.", text::one_line(host, 255))
            }
            Self::Write(path) => format!("It can change files below {}.", text::one_line(path, MAX_NEED)),
            Self::Git => git_sentence(None),
            Self::Sockets => {
                "It can make local sockets, and reach programs that listen on a socket file in its \
                              folders."
                    .to_owned()
            }
            Self::Listen(port) => {
                format!(
                    "Every program and browser on this computer can open its server at http://127.0.0.1:{port} until it ends."
                )
            }
            Self::Unconfined => CommandClass::Unconfined.sentence().to_owned(),
        }
    }
}

impl SharedFiles {
    /// What they mean for the command, as a sentence for the person who decides.
    #[must_use]
    pub fn sentence(&self) -> String {
        let places = self.named_places();
        match self.files {
            0 => format!("It cannot change what could not be looked into: {places}."),
            1 => format!(
                "1 file is shared with other folders by a hard link ({places}): it cannot change that."
            ),
            files => {
                format!(
                    "{} files are shared with other folders by hard links ({places}): it cannot change those.",
                    text::grouped(files)
                )
            }
        }
    }

    /// The places as a list, not all of many.
    #[must_use]
    pub fn named_places(&self) -> String {
        let name = |place: &String| match place.as_str() {
            "." => "the whole workspace".to_owned(),
            place => text::one_line(place, MAX_PATH),
        };
        let mut named: Vec<String> = self.places.iter().take(MAX_PLACES).map(name).collect();
        if let Some(more) = self.places.len().checked_sub(MAX_PLACES).filter(|&more| more > 0) {
            named.push(format!("{more} more"));
        }
        named.join(", ")
    }
}

/// What `git` adds, where the repository is in the workspace or in this other folder.
fn git_sentence(elsewhere: Option<&str>) -> String {
    let place = elsewhere
        .map_or_else(String::new, |folder| format!(", which lies in {}", text::one_line(folder, MAX_NEED)));
    format!(
        "It can change the repository of the workspace{place}: commits, branches, stashes. Do not use git there until \
         it ends."
    )
}

impl Confinement {
    /// Nothing beyond a class, and no terminal.
    #[must_use]
    pub fn plain(class: CommandClass, timeout_seconds: u64) -> Self {
        Self {
            class,
            needs: Vec::new(),
            reason: None,
            repository: None,
            shared: None,
            after_network: false,
            pty: false,
            timeout_seconds,
        }
    }

    /// A caution about who may be behind what the command wants beyond the sandbox.
    #[must_use]
    pub fn caution(&self) -> Option<&'static str> {
        let wants_more = self.class == CommandClass::Unconfined || !self.needs.is_empty();
        (self.after_network && wants_more).then_some(AFTER_NETWORK)
    }

    /// What the command may do: a sentence about its class, and one for each need.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        if self.class == CommandClass::Unconfined {
            // What it may do, it may do without being granted.
            return vec![self.class.sentence().to_owned()];
        }
        let is_plain = self.class != CommandClass::Contained || self.needs.is_empty();
        let first = if is_plain { self.class.sentence() } else { CONTAINED_WITH_NEEDS };
        let needs = self.needs.iter().filter(|_| !is_plain).map(|need| match need {
            Need::Git => git_sentence(self.repository.as_deref()),
            need => need.sentence(),
        });
        let shared = self.shared.as_ref().map(SharedFiles::sentence);
        std::iter::once(first.to_owned()).chain(needs).chain(shared).collect()
    }
}

impl fmt::Display for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { host, port: None } => write!(formatter, "network:{host}"),
            Self::Network { host, port: Some(port) } => write!(formatter, "network:{host}:{port}"),
            Self::Write(path) => write!(formatter, "write:{path}"),
            Self::Git => formatter.write_str("git"),
            Self::Sockets => formatter.write_str("sockets"),
            Self::Listen(port) => write!(formatter, "listen:{port}"),
            Self::Unconfined => formatter.write_str("unconfined"),
        }
    }
}

impl FromStr for Need {
    type Err = NeedError;

    fn from_str(given: &str) -> Result<Self, NeedError> {
        let error = |problem| NeedError { given: text::one_line(given, 80), problem };
        if given.len() > MAX_NEED {
            return Err(error("it is too long"));
        }
        if given.chars().any(|one| one.is_control() || text::is_invisible(one)) {
            return Err(error("it has characters that cannot be seen"));
        }
        let port = |text: &str| text.parse().ok().filter(|&port: &u16| port != 0);
        match given.split_once(':') {
            None if given == "git" => Ok(Self::Git),
            None if given == "sockets" => Ok(Self::Sockets),
            None if given == "unconfined" => Ok(Self::Unconfined),
            Some(("listen", number)) => port(number)
                .map(Self::Listen)
                .ok_or_else(|| error("the port is not a number from 1 to 65535")),
            Some(("write", path)) if is_absolute_and_plain(path) => Ok(Self::Write(path.to_owned())),
            Some(("write", _)) => Err(error("the path is not absolute, or has . or .. in it")),
            Some(("network", rest)) => {
                let (host, number) = match rest.split_once(':') {
                    None => (rest, None),
                    Some((host, number)) => (
                        host,
                        Some(port(number).ok_or_else(|| error("the port is not a number from 1 to 65535"))?),
                    ),
                };
                if is_host_name(host) {
                    Ok(Self::Network { host: host.to_ascii_lowercase(), port: number })
                } else {
                    Err(error("the host is not a name such as example.org; addresses cannot be granted"))
                }
            }
            _ => Err(error("it is none of the known ones")),
        }
    }
}

/// A path that means the same however it is read.
fn is_absolute_and_plain(path: &str) -> bool {
    path.len() > 1
        && path.starts_with('/')
        && path.trim_end_matches('/').split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."))
}

/// A host name of at least two labels (RFC 1123), the last of which is no number: so it is no address
/// in any notation, and no name of the local network.
fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // All names below one.
    let host = host.strip_prefix("*.").unwrap_or(host);
    let mut labels = host.split('.').rev();
    let last_is_word = labels.next().is_some_and(|last| {
        is_label(last) && last.bytes().any(|byte| byte.is_ascii_alphabetic()) && !last.starts_with("0x")
    });
    host.len() <= 253 && last_is_word && host.contains('.') && labels.all(is_label)
}

impl TryFrom<String> for Need {
    type Error = NeedError;

    fn try_from(given: String) -> Result<Self, NeedError> {
        given.parse()
    }
}

impl From<Need> for String {
    fn from(need: Need) -> Self {
        need.to_string()
    }
}

impl JsonSchema for Need {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Need".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(network:[^:]+(:[0-9]+)?|write:/.+|git|sockets|listen:[0-9]+|unconfined)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn needs_are_written_as_they_are_read() {
        for text in [
            "network:example.org",
            "network:a-b.example.org:8443",
            "write:/srv/a b",
            "git",
            "sockets",
            "listen:80",
        ] {
            assert_eq!(text.parse::<Need>().map(|need| need.to_string()).as_deref(), Ok(text));
        }
        let upper = "network:Example.ORG".parse::<Need>();
        assert_eq!(upper, Ok(Need::Network { host: "example.org".to_owned(), port: None }));
    }

    #[test]
    fn addresses_and_local_names_are_no_hosts() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "1.0x1",
            "localhost",
            "[::1]",
            "a..b",
            "-a.org",
            "a.org.",
            "",
        ] {
            assert!(format!("network:{host}").parse::<Need>().is_err(), "{host}");
        }
    }

    #[test]
    fn paths_that_mean_something_else_are_refused() {
        for path in ["", "/", "relative", "/a/../b", "/a/./b", "/a//b", "~/a", "/a\u{202e}b", "/a\nb"] {
            assert!(format!("write:{path}").parse::<Need>().is_err(), "{path:?}");
        }
    }

    #[test]
    fn no_sentence_denies_what_another_one_grants() {
        let network: Need = "network:example.org".parse().expect("a need");
        let plain = Confinement::plain(CommandClass::Contained, 60);
        assert!(plain.sentences()[0].contains("neither the network"));
        let granted = Confinement { needs: vec![network.clone(), Need::Git], ..plain };
        let sentences = granted.sentences();
        assert_eq!(sentences.len(), 3);
        assert!(!sentences[0].contains("network") && sentences[1].contains("example.org"), "{sentences:?}");
        let unconfined =
            Confinement { class: CommandClass::Unconfined, needs: vec![Need::Unconfined], ..granted };
        assert_eq!(unconfined.sentences(), [CommandClass::Unconfined.sentence()]);
    }

    #[test]
    fn a_repository_elsewhere_is_named() {
        let plain = Confinement::plain(CommandClass::Contained, 60);
        let inside = Confinement { needs: vec![Need::Git], ..plain };
        let repository = Some("/home/ada/main\n/.git".to_owned());
        let elsewhere = Confinement { repository, ..inside.clone() };
        assert_eq!(inside.sentences()[1], Need::Git.sentence());
        assert_eq!(
            elsewhere.sentences()[1],
            "It can change the repository of the workspace, which lies in /home/ada/main\\u{a}/.git: commits, \
             branches, stashes. Do not use git there until it ends."
        );
    }

    #[test]
    fn shared_files_are_counted_and_their_places_named() {
        let shared = |files, places: &[&str]| SharedFiles {
            files,
            places: places.iter().map(|&place| place.to_owned()).collect(),
        };
        assert_eq!(
            shared(1_204, &[".venv", "node_modules"]).sentence(),
            "1,204 files are shared with other folders by hard links (.venv, node_modules): it cannot change those."
        );
        assert_eq!(
            shared(1, &["."]).sentence(),
            "1 file is shared with other folders by a hard link (the whole workspace): it cannot change that."
        );
        let unknown = shared(0, &["a\u{202e}", "b", "c", "d", "e", "f", "g", "h"]).sentence();
        assert_eq!(
            unknown,
            "It cannot change what could not be looked into: a\\u{202e}, b, c, d, e, f, 2 more."
        );
        let plain = Confinement::plain(CommandClass::Partial, 60);
        let with = |class| Confinement { class, shared: Some(shared(2, &["a"])), ..plain.clone() };
        for (class, sentences) in
            [(CommandClass::Contained, 2), (CommandClass::Partial, 2), (CommandClass::Unconfined, 1)]
        {
            assert_eq!(with(class).sentences().len(), sentences, "{class:?}");
        }
        assert_eq!([0, 999, 1000, 1_000_000].map(text::grouped), ["0", "999", "1,000", "1,000,000"]);
    }

    #[test]
    fn an_error_names_the_need_and_what_there_is() {
        let error = "docker".parse::<Need>().expect_err("not a need").to_string();
        assert!(
            error.starts_with("\"docker\" is not a need: it is none of the known ones; needs are network:")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_crash(text in ".{0,80}") {
            if let Ok(need) = text.parse::<Need>() {
                prop_assert_eq!(need.to_string().parse::<Need>(), Ok(need));
            }
        }
    }
}
