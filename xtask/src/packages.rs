//! Packages of the system. On Debian and its relatives the missing ones are installed with apt, after saying which and
//! why; elsewhere they are named.

use anyhow::Result;

use crate::session::Session;

/// Packages that belong together.
#[derive(Debug)]
pub(crate) struct Needed {
    reason: &'static str,
    names: &'static [&'static str],
}

impl Needed {
    pub(crate) const BUILD: Self =
        Self { reason: "to compile Rust and C code", names: &["build-essential", "pkg-config"] };
    /// The sandbox of agents' commands, and what it needs to know of a workspace.
    pub(crate) const COMMANDS: Self =
        Self { reason: "to run the commands of agents in a sandbox", names: &["bubblewrap", "git"] };
    /// The last four are what commands of agents work with in the tests of their sandbox. The programs of a session
    /// that some of these tests start are among the packages below.
    pub(crate) const TESTS: Self = Self {
        reason: "to test with a real keyring, session bus and terminal, and commands at ordinary work",
        names: &[
            "dbus",
            "gnome-keyring",
            "libsecret-tools",
            "tmux",
            "procps",
            "cargo",
            "python3-pip",
            "strace",
            "openssh-client",
        ],
    };
    pub(crate) const DESKTOP: Self = Self {
        reason: "to build the tray application (GTK, WebKit, tray icons)",
        names: &["libwebkit2gtk-4.1-dev", "libayatana-appindicator3-dev", "libdbus-1-dev"],
    };
    /// What draws, what answers on the session bus, and what a test looks through.
    pub(crate) const DESKTOP_TESTS: Self = Self {
        reason: "to test it on a display that nobody sees",
        names: &[
            "xvfb",
            "x11-utils",
            "xdotool",
            "wmctrl",
            "metacity",
            "libayatana-appindicator3-1",
            "dbus",
            "libglib2.0-bin",
            "dunst",
            "gnome-keyring",
            "at-spi2-core",
            "libfaketime",
            "python3-gi",
            "gir1.2-glib-2.0",
            "gir1.2-atspi-2.0",
            "gir1.2-gtk-3.0",
            "webkit2gtk-driver",
            "imagemagick",
            "sway",
            "grim",
            "wtype",
        ],
    };
    pub(crate) const BROWSER: Self =
        Self { reason: "to test the windows' pages in a browser", names: &["chromium"] };
    pub(crate) const BUNDLE: Self = Self {
        reason: "to make and check a Debian package",
        names: &["dpkg-dev", "file", "desktop-file-utils"],
    };
    pub(crate) const NODE: Self =
        Self { reason: "to fetch Node, which builds the windows' pages", names: &["npm"] };
}

/// Installs what is missing; whether everything is there now, as far as can be told.
///
/// # Errors
/// Where apt or sudo are there and cannot be started.
pub(crate) fn install(session: &Session, needed: &Needed) -> Result<bool> {
    if !session.has("dpkg-query") {
        println!(
            "Not a Debian system: needed are the equivalents of {} ({}).",
            needed.names.join(" "),
            needed.reason
        );
        return Ok(true);
    }
    let missing: Vec<_> = needed.names.iter().filter(|name| !is_installed(session, name)).copied().collect();
    if missing.is_empty() {
        return Ok(true);
    }
    let is_root = session.command("id").arg("-u").output()? == "0";
    if !is_root && !session.has("sudo") {
        println!(
            "Missing system packages, and no sudo to install them; as root: apt-get install {}",
            missing.join(" ")
        );
        return Ok(false);
    }
    let as_root: &[&str] = match (is_root, session.is_ci()) {
        (true, _) => &[],
        (false, true) => &["sudo", "-n"],
        (false, false) => &["sudo"],
    };
    let how = if is_root { "as root".to_owned() } else { as_root.join(" ") };
    println!("Installing system packages with apt ({how}): {}", missing.join(" "));
    println!("  They are needed {}.", needed.reason);
    let apt = |arguments: &[&str]| {
        let words = [as_root, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
        session.command(words[0]).args(&words[1..]).finish()
    };
    let install = [&["install", "-q", "-y", "--no-install-recommends"], missing.as_slice()].concat();
    Ok(apt(&["update", "-q"]).and_then(|()| apt(&install)).is_ok())
}

fn is_installed(session: &Session, name: &str) -> bool {
    let asked = session.command("dpkg-query").args(["-W", "-f=${Status}", name]).quiet_output();
    asked.is_some_and(|status| status.contains("ok installed"))
}
