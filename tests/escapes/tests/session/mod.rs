//! A real session of a desktop, of the user who runs the tests: X server, compositor, buses, keyring and
//! a terminal, each with what a command could want of it. Root has no compositor: sway refuses to run.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::common::{DEADLINE, Fixture};

/// What the keyring holds.
pub(crate) const KEPT: &str = "a secret of the keyring";
/// Programs of the session that make a file where somebody else has them do so.
const MARKS: [&str; 3] = ["bus", "compositor", "terminal"];
/// The programs, and Debian's packages of them.
const PROGRAMS: [(&str, &str); 13] = [
    ("Xvfb", "xvfb"),
    ("dbus-daemon", "dbus"),
    ("dbus-send", "dbus"),
    ("dunst", "dunst"),
    ("gdbus", "libglib2.0-bin"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("grim", "grim"),
    ("import", "imagemagick"),
    ("secret-tool", "libsecret-tools"),
    ("sway", "sway"),
    ("tmux", "tmux"),
    ("xdotool", "xdotool"),
    ("xdpyinfo", "x11-utils"),
];
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=FILE</listen>
  <listen>unix:abstract=NAME</listen>
  <auth>EXTERNAL</auth>
  <servicedir>SERVICES</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;
/// The name of a keyring on the bus.
const SECRETS: &str = "org.freedesktop.secrets";
/// An output that programs can take pictures of, and no X server.
const SWAY: &str = "output HEADLESS-1 resolution 320x200\nxwayland disable\n";

/// For a program to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between looks at a condition.
const INTERVAL: Duration = Duration::from_millis(10);

pub(crate) struct Session {
    directory: PathBuf,
    variables: Vec<(&'static str, String)>,
    display: u16,
    /// What its clients show.
    cookie: [u8; 16],
    accessibility: String,
    /// The last that was started is the first to end.
    programs: Vec<Program>,
}

/// A program with all that it starts.
struct Program(Child);

impl Drop for Program {
    /// Asked first: an X server removes its socket file.
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("a number");
        // It may have ended by itself.
        let _ = kill_process_group(group, Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < PATIENCE && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(INTERVAL);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        while self.programs.pop().is_some() {}
    }
}

impl Session {
    /// In `session/` of the fixture; the person's home directory is the fixture's.
    pub(crate) fn start(fixture: &Fixture) -> Self {
        for (program, package) in PROGRAMS {
            let is_there = Path::new("/usr/bin").join(program).exists();
            assert!(is_there, "{program} is missing; as root: apt-get install {package}");
        }
        let directory = fixture.root.join("session");
        let home = fixture.root.join("home");
        for folder in ["run", "services"] {
            std::fs::create_dir_all(directory.join(folder)).expect("a directory");
        }
        let variables = vec![
            ("HOME", text(&home)),
            ("XDG_RUNTIME_DIR", text(&directory.join("run"))),
            ("XAUTHORITY", text(&home.join(".Xauthority"))),
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
        ];
        let mut session = Self {
            directory,
            variables,
            display: 0,
            cookie: [0; 16],
            accessibility: String::new(),
            programs: Vec::new(),
        };
        private(&session.directory.join("run"));
        session.start_display();
        session.start_bus();
        session.start_keyring();
        session.start_compositor();
        session.start_terminal();
        session
    }

    /// The variables of the session's programs.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// What an attacker knows, as `attacks/session.py` reads it.
    pub(crate) fn known(&self) -> Value {
        let marks: serde_json::Map<_, _> =
            MARKS.iter().map(|name| ((*name).to_owned(), json!(self.mark(name)))).collect();
        let user = rustix::process::getuid().as_raw();
        json!({
            "variables": self.variables().collect::<std::collections::BTreeMap<_, _>>(),
            "run": Path::new("/run/user").join(user.to_string()).is_dir(),
            "display": self.display,
            "cookie": self.cookie.map(|byte| format!("{byte:02x}")).concat(),
            "sway": self.run("sway.sock"),
            "bus": {"file": self.run("bus"), "name": self.abstract_name()},
            "accessibility": self.accessibility,
            "keyring": self.keyring(),
            "secret": KEPT,
            "tmux": self.run("tmux"),
            "marks": marks,
        })
    }

    /// The file that authorizes clients of the display.
    pub(crate) fn cookie_file(&self) -> Vec<u8> {
        // Xau(3): the family for every address, then address, display, name and data.
        let mut file = vec![0xff, 0xff];
        for part in [&b""[..], b"", b"MIT-MAGIC-COOKIE-1", &self.cookie] {
            file.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
            file.extend(part);
        }
        file
    }

    /// What the person's programs did that nobody asked them for.
    pub(crate) fn done_for_somebody(&self) -> Vec<&'static str> {
        MARKS.into_iter().filter(|name| self.mark(name).exists()).collect()
    }

    pub(crate) fn forget_what_was_done(&self) {
        for name in MARKS {
            let _ = std::fs::remove_file(self.mark(name));
        }
        self.output("xdotool", &["mousemove", "1", "1"]);
    }

    /// Where the pointer of the display is, from 1, 1.
    pub(crate) fn pointer(&self) -> String {
        self.output("xdotool", &["getmouselocation"])
    }

    fn run(&self, name: &str) -> PathBuf {
        self.directory.join("run").join(name)
    }

    fn mark(&self, name: &str) -> PathBuf {
        self.directory.join(format!("done-by-the-{name}"))
    }

    fn abstract_name(&self) -> String {
        format!("{}/bus", self.directory.display())
    }

    fn keyring(&self) -> PathBuf {
        self.directory.with_file_name("home").join(".local/share/keyrings/login.keyring")
    }

    fn start_display(&mut self) {
        // Other computers reach the display, too.
        let mut random = std::fs::File::open("/dev/urandom").expect("a system that has it");
        random.read_exact(&mut self.cookie).expect("random bytes");
        let cookie = self.cookie_file();
        let authority = self.variable("XAUTHORITY").to_owned();
        std::fs::write(&authority, cookie).expect("written");
        private(Path::new(&authority));
        let options = "-displayfd 1 -screen 0 320x200x24 -listen tcp -noreset -auth";
        let line = self.start_and_read("Xvfb", options.split(' ').chain([authority.as_str()]));
        self.display = line.parse().expect("a display");
        self.variables.push(("DISPLAY", format!(":{line}")));
    }

    fn start_bus(&mut self) {
        let services = self.directory.join("services");
        let mark = format!("/usr/bin/touch {}", self.mark("bus").display());
        for (name, program) in [
            ("org.freedesktop.Notifications", "/usr/bin/dunst"),
            ("org.freedesktop.systemd1", mark.as_str()),
            ("org.a11y.Bus", "/usr/libexec/at-spi-bus-launcher"),
        ] {
            let file = services.join(format!("{name}.service"));
            std::fs::write(file, format!("[D-BUS Service]\nName={name}\nExec={program}\n")).expect("written");
        }
        let configuration = BUS
            .replace("FILE", &text(&self.run("bus")))
            .replace("NAME", &self.abstract_name())
            .replace("SERVICES", &text(&services));
        let file = self.directory.join("bus.conf");
        std::fs::write(&file, configuration).expect("written");
        let file = format!("--config-file={}", file.display());
        self.start_and_read("dbus-daemon", ["--nofork", "--nopidfile", "--print-address=1", file.as_str()]);
        self.variables.push(("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.run("bus").display())));

        let address = self.call("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus.GetAddress");
        let (_, path) = address.split_once("unix:path=").expect("an address with a file");
        self.accessibility = path.split([',', '\'']).next().expect("a path").to_owned();
    }

    fn start_keyring(&mut self) {
        let words = ["--foreground", "--components=secrets", "--unlock"];
        let mut daemon = spawn(self.command("gnome-keyring-daemon", words).stdin(Stdio::piped()));
        daemon.stdin.take().expect("piped").write_all(b"password").expect("written");
        self.programs.push(Program(daemon));
        until("the keyring is on the bus", || self.keyring().exists() && self.names().contains(SECRETS));
        let words = ["store", "--label=Account", "tidegate-escapes", "account"];
        let mut store = spawn(self.command("secret-tool", words).stdin(Stdio::piped()));
        store.stdin.take().expect("piped").write_all(KEPT.as_bytes()).expect("written");
        assert!(store.wait().expect("it ran").success(), "the secret is not kept");
    }

    /// Those that programs have on the bus.
    fn names(&self) -> String {
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames")
    }

    fn call(&self, name: &str, path: &str, method: &str) -> String {
        self.output("gdbus", &["call", "--session", "-d", name, "-o", path, "-m", method])
    }

    fn start_compositor(&mut self) {
        if rustix::process::geteuid().is_root() {
            return;
        }
        let file = self.directory.join("sway.conf");
        std::fs::write(&file, SWAY).expect("written");
        let mut command = self.command("sway", ["--unsupported-gpu", "--config", &text(&file)]);
        command.env_remove("DISPLAY").env("SWAYSOCK", self.run("sway.sock"));
        command.envs([
            ("WLR_BACKENDS", "headless"),
            ("WLR_LIBINPUT_NO_DEVICES", "1"),
            ("WLR_RENDERER", "pixman"),
        ]);
        let program = Program(spawn(&mut command));
        self.programs.push(program);
        let display = || {
            let names = std::fs::read_dir(self.directory.join("run")).expect("there").flatten();
            let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
            names.find(|name| name.starts_with("wayland-") && !name.ends_with(".lock"))
        };
        until("sway gives a display", || display().is_some() && self.run("sway.sock").exists());
        self.variables.push(("WAYLAND_DISPLAY", display().expect("just seen")));
    }

    fn start_terminal(&mut self) {
        let words = ["-S", &text(&self.run("tmux")), "-f", "/dev/null", "-D"];
        let program = Program(spawn(&mut self.command("tmux", words)));
        self.programs.push(program);
        until("tmux can be asked", || self.run("tmux").exists());
    }

    fn variable(&self, name: &str) -> &str {
        self.variables().find_map(|(known, value)| (known == name).then_some(value)).expect("set")
    }

    /// A program of the session, in a process group of its own.
    fn command<'a>(&self, program: &str, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(program);
        command.args(words).env_clear().envs(self.variables()).current_dir(&self.directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command
    }

    /// The first line of what a program prints that goes on.
    fn start_and_read<'a>(&mut self, program: &str, words: impl IntoIterator<Item = &'a str>) -> String {
        let mut child = spawn(self.command(program, words).stdout(Stdio::piped()));
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        self.programs.push(Program(child));
        BufReader::new(output).read_line(&mut line).expect("read");
        assert!(!line.is_empty(), "{program} did not start");
        line.trim().to_owned()
    }

    /// All that a program prints which ends.
    fn output(&self, program: &str, words: &[&str]) -> String {
        let mut command = self.command(program, words.iter().copied());
        let done = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it is installed");
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    }
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().expect("it is installed")
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "it did not happen in time: {what}");
        std::thread::sleep(INTERVAL);
    }
}
