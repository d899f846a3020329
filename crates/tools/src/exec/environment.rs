//! Which variables a command sees, and which a call may set.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use tidegate_protocol::text::one_line;

/// Where commands look for programs: the usual places, never a directory that an agent may write to.
pub(super) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of the host that a command sees as well.
const INHERITED: &[&str] = &["HOME", "USER", "LOGNAME", "LANG", "TZ"];
/// Beginnings of such variables.
const INHERITED_PREFIXES: &[&str] = &["LC_"];

/// Variables of the host that only an unconfined command sees: where the person's programs lie, and how
/// they reach the display, the session and the agents that hold keys.
const SESSION: &[&str] = &[
    "PATH",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
];

/// Variables that name the proxy of a company's network. Commands never see it: it may hold a password.
const PROXY: &[&str] = &["HTTPS_PROXY", "https_proxy"];
/// Variables that name the hosts which are reached without it.
const NO_PROXY: &[&str] = &["NO_PROXY", "no_proxy"];

/// Variables that a call cannot set: they choose or load code, change who the command seems to be
/// for, or reach the person's session.
const DENIED: &[&str] = &[
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "CDPATH",
    "GLOBIGNORE",
    "ZDOTDIR",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONUSERBASE",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5OPT",
    "PERL5LIB",
    "PERLLIB",
    "PERL5DB",
    "RUBYOPT",
    "RUBYLIB",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RES_OPTIONS",
    "OPENSSL_CONF",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_EXEC_PATH",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_EXTERNAL_DIFF",
    "GIT_TEMPLATE_DIR",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SUDO_ASKPASS",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MANPAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "BROWSER",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "WAYLAND_SOCKET",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DBUS_STARTER_ADDRESS",
    "GPG_AGENT_INFO",
];

/// Beginnings of such variables.
const DENIED_PREFIXES: &[&str] =
    &["LD_", "DYLD_", "BASH_FUNC_", "GIT_CONFIG", "NPM_CONFIG_", "AT_SPI_", "TIDEGATE_", "OPENCLAW_"];

/// Variables that one call may add.
const MAX_VARIABLES: usize = 64;
/// Bytes of all of them.
const MAX_BYTES: usize = 32 * 1024;

/// Why a call cannot set its variables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvironmentError {
    #[error("env has {count} variables; at most {MAX_VARIABLES} are allowed")]
    TooMany { count: usize },
    #[error("env has {bytes} bytes; at most {MAX_BYTES} are allowed")]
    TooLarge { bytes: usize },
    #[error("env names {name:?}, which is not a variable name (letters, digits and _, no digit first)")]
    Name { name: String },
    #[error("env cannot set {name}, because it chooses code, identity or session; leave it out")]
    Denied { name: String },
    #[error("the value of {name} in env contains a NUL character")]
    Nul { name: String },
}

/// The variables of every command: an allow-list of the host's, and fixed ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolEnvironment {
    common: BTreeMap<String, String>,
    session: BTreeMap<String, String>,
    proxy: Option<String>,
    no_proxy: Option<String>,
}

impl ToolEnvironment {
    /// Takes from the host's variables `HOME`, `USER`, `LOGNAME`, `LANG`, `LC_*` and `TZ`, and adds a
    /// fixed `PATH`, `TERM=dumb`, and `TMPDIR`. Nothing else gets through: no token, key, display,
    /// bus or agent. Only an unconfined command sees the person's `PATH`, display, bus and agents as
    /// well. Values that are not UTF-8 are left out.
    #[must_use]
    pub fn from_host(variables: impl IntoIterator<Item = (OsString, OsString)>, temporary: &Path) -> Self {
        let texts = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(_, value)| !value.contains('\0'));
        let (mut kept, mut session) = (BTreeMap::new(), BTreeMap::new());
        let (mut proxy, mut no_proxy) = (None, None);
        for (name, value) in texts {
            if is_inherited(&name) {
                kept.insert(name, value);
            } else if PROXY.contains(&name.as_str()) && !value.is_empty() {
                proxy = Some(value);
            } else if NO_PROXY.contains(&name.as_str()) && !value.is_empty() {
                no_proxy = Some(value);
            } else if SESSION.contains(&name.as_str()) {
                session.insert(name, value);
            }
        }
        kept.insert("PATH".to_owned(), SEARCH_PATH.to_owned());
        kept.insert("TERM".to_owned(), "dumb".to_owned());
        kept.extend(temporary.to_str().map(|path| ("TMPDIR".to_owned(), path.to_owned())));
        Self { common: kept, session, proxy, no_proxy }
    }

    /// The proxy through which the host's own programs reach the network.
    pub(super) fn proxy(&self) -> Option<String> {
        self.proxy.clone()
    }

    /// The hosts that they reach without it.
    pub(super) fn no_proxy(&self) -> Option<String> {
        self.no_proxy.clone()
    }

    /// The person's runtime directory.
    pub(super) fn runtime_directory(&self) -> Option<&str> {
        self.session.get("XDG_RUNTIME_DIR").map(String::as_str)
    }

    /// Where commands look for the system's programs.
    pub(super) fn search_path(&self) -> &'static str {
        SEARCH_PATH
    }

    /// These variables with others in their place.
    pub(super) fn changed(&self, others: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut changed = self.clone();
        changed.common.extend(others);
        changed
    }

    /// The variables of a command that runs as the person: these, and those by which the person's own
    /// programs find the session.
    pub(super) fn unconfined(&self) -> Self {
        self.changed(self.session.clone())
    }

    /// The same with one by which the host knows its commands. A call cannot change it if its name
    /// begins with `TIDEGATE_`.
    #[must_use]
    pub fn marked(mut self, name: &str, value: &str) -> Self {
        self.common.insert(name.to_owned(), value.to_owned());
        self
    }

    /// These variables with those of one call.
    pub(super) fn with(&self, added: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
        let mut all = self.common.clone();
        all.extend(added);
        all.into_iter().collect()
    }
}

/// Checks the variables that a call wants to add or change.
pub(super) fn check(variables: &BTreeMap<String, String>) -> Result<(), EnvironmentError> {
    if variables.len() > MAX_VARIABLES {
        return Err(EnvironmentError::TooMany { count: variables.len() });
    }
    let bytes = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES {
        return Err(EnvironmentError::TooLarge { bytes });
    }
    for (name, value) in variables {
        let shown = || one_line(name, 64);
        if !is_name(name) {
            return Err(EnvironmentError::Name { name: shown() });
        }
        if is_denied(name) {
            return Err(EnvironmentError::Denied { name: shown() });
        }
        if value.contains('\0') {
            return Err(EnvironmentError::Nul { name: shown() });
        }
    }
    Ok(())
}

fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name)
        || (is_name(name) && INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// Some programs do not distinguish case, so neither does this list.
fn is_denied(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    DENIED.contains(&name.as_str()) || DENIED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn variables_that_choose_code_or_reach_the_session_cannot_be_set() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "GIT_SSH_COMMAND",
            "DISPLAY",
            "npm_config_script_shell",
            "TIDEGATE_TOKEN",
            "HOME",
        ] {
            assert!(matches!(check(&one(name, "x")), Err(EnvironmentError::Denied { .. })), "{name}");
        }
        assert_eq!(check(&one("RUST_LOG", "debug")), Ok(()));
    }

    #[test]
    fn names_and_values_that_no_program_could_read_are_refused() {
        for name in ["", "A=B", "1A", "A B", "A\0", "\u{e4}"] {
            assert!(matches!(check(&one(name, "x")), Err(EnvironmentError::Name { .. })), "{name:?}");
        }
        assert!(matches!(check(&one("A", "x\0y")), Err(EnvironmentError::Nul { .. })));
        assert!(matches!(check(&one("A", &"x".repeat(MAX_BYTES))), Err(EnvironmentError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn nothing_but_the_allow_list_comes_from_the_host(name in "[A-Z_]{1,20}", value in ".{0,20}") {
            let variables = [(OsString::from(&name), OsString::from(&value))];
            let environment = ToolEnvironment::from_host(variables, Path::new("/tmp"));
            let allowed = ["HOME", "USER", "LOGNAME", "LANG", "TZ", "PATH", "TERM", "TMPDIR"];
            for (name, _) in environment.with([]) {
                prop_assert!(allowed.contains(&name.as_str()) || name.starts_with("LC_"), "{}", name);
            }
        }

        #[test]
        fn a_denied_name_is_denied_however_it_is_written(prefix in "(ld|LD|Ld)_", rest in "[A-Za-z]{1,9}") {
            let denied = matches!(check(&one(&format!("{prefix}{rest}"), "x")), Err(EnvironmentError::Denied { .. }));
            prop_assert!(denied);
        }
    }
}
