//! What `./dev` does, with stand-ins for cargo, apt and df: what it installs, where it builds, and which build caches
//! it keeps.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

mod common;

use common::{root, xtask};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A home of its own, and programs that write down how they were called.
struct Machine {
    home: TempDir,
}

impl Machine {
    /// Everything installed, and plenty of room.
    fn new() -> Self {
        let machine = Self { home: tempfile::tempdir().unwrap() };
        fs::create_dir(machine.programs()).unwrap();
        machine.program(
            "cargo",
            r#"[ "$1" != --version ] || { echo "cargo 99.0.0"; exit; }
               echo "cargo $* in $CARGO_TARGET_DIR" >>"$HOME/calls"
               [ "$1" != build ] || { mkdir -p "$CARGO_TARGET_DIR/debug"
                   for program in tidegate tidegate-desktop; do
                       printf '#!/bin/sh\necho started %s "$@"\n' $program >"$CARGO_TARGET_DIR/debug/$program"
                       chmod +x "$CARGO_TARGET_DIR/debug/$program"
                   done; }"#,
        );
        machine.program("node", "exit 0");
        machine.program("npm", r#"echo "npm $*" >>"$HOME/calls""#);
        machine.program("rustc", "echo rustc 1.0");
        machine.program("id", "echo 1000");
        machine.program("dpkg-query", "echo install ok installed");
        machine.program("apt-get", r#"echo "apt-get $*" >>"$HOME/calls""#);
        machine.program("sudo", r#"echo "sudo" >>"$HOME/calls"; [ "$1" != -n ] || shift; exec "$@""#);
        machine.free_gib(100);
        machine
    }

    fn programs(&self) -> PathBuf {
        self.home.path().join("programs")
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.programs().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Root calls, and nobody made the user for the tests yet.
    fn of_root() -> Self {
        let machine = Self::new();
        let home = machine.home.path().display();
        machine.program(
            "id",
            r#"case "$*" in -u) echo 0;; *) [ ! -e "${0%/*}/../user" ] && exit 1; echo 1234;; esac"#,
        );
        machine.program("useradd", &format!(r#"echo "useradd $*" >>"$HOME/calls"; mkdir {home}/user"#));
        machine.program("getent", &format!("echo tidegate-test:x:1234:1234::{home}/user:/bin/bash"));
        machine.program(
            "setpriv",
            &format!(
                r#"while [ "${{1#--}}" != "$1" ]; do shift; done
                   echo "as the user in $PWD: $*" >>{home}/calls; exec "$@""#
            ),
        );
        machine
    }

    /// Stand-ins that print what tests print: two of five in Rust fail, and one of five in the pages.
    fn has_tests(&self) {
        let home = self.home.path().display();
        self.program(
            "cargo",
            r#"[ "$1" != --version ] || { echo "cargo 99.0.0"; exit; }
               echo "cargo $*" >>"$HOME/calls"
               case "$*" in
               "nextest --version") ;;
               "nextest archive"*) touch "$5";;
               nextest*as_root*) echo "     Summary [   1.1s] 1 test run: 1 passed, 9 skipped" >&2;;
               nextest*"not (package"*) printf '     Summary [   1.1s] 5 tests run: 3 passed, 2 failed, 4 skipped\n        FAIL [   0.1s] (1/5) a::b breaks\n' >&2; exit 100;;
               nextest*) echo "     Summary [   1.1s] 7 tests run: 7 passed, 0 skipped" >&2;;
               test*--doc*) echo "test result: ok. 2 passed; 0 failed; 0 ignored";;
               clippy*) echo "clippy incremental=$CARGO_INCREMENTAL";;
               esac"#,
        );
        self.program(
            "cargo-nextest",
            &format!(
                r#"echo "cargo-nextest $*" >>{home}/calls
                   case "$*" in
                   *"not (package"*) printf '     Summary [   1.1s] 5 tests run: 3 passed, 2 failed, 4 skipped\n        FAIL [   0.1s] (1/5) a::b breaks\n' >&2; exit 100;;
                   *) echo "     Summary [   1.1s] 7 tests run: 7 passed, 0 skipped" >&2;;
                   esac"#
            ),
        );
        self.program(
            "npm",
            r#"case "$*" in "--prefix ui test") echo "      Tests  1 failed | 4 passed (5)";; esac"#,
        );
    }

    fn free_gib(&self, gib: u64) {
        let free = gib * 1024 * 1024;
        self.program("df", &format!("printf 'Filesystem\\nx 1 1 {free} 1%% /\\n'"));
    }

    fn dev(&self, arguments: &[&str]) -> Output {
        self.dev_with(arguments, &[])
    }

    fn dev_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(xtask(), arguments, environment)
    }

    fn command(&self, program: PathBuf, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(root())
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", format!("{}:/usr/bin:/bin", self.programs().display()))
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.home.path().join("calls")).unwrap_or_default()
    }

    fn caches(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.home.path().join(".cache/tidegate")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A cache of some other lock file, last used `age` ago.
    fn add_cache(&self, name: &str, age: Duration) {
        let directory = self.home.path().join(".cache/tidegate").join(name);
        fs::create_dir_all(&directory).unwrap();
        let marker = fs::File::create(directory.join("checkout")).unwrap();
        marker.set_modified(SystemTime::now() - age).unwrap();
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn help_names_every_command_and_an_unknown_one_is_an_error() {
    let machine = Machine::new();

    let help = text(&machine.dev(&["help"]));
    let unknown = machine.dev(&["tset"]);

    let commands = [
        "run",
        "test",
        "fmt",
        "lint",
        "ui",
        "desktop",
        "desktop-test",
        "bundle",
        "bench",
        "interop",
        "soak",
        "fuzz",
        "help",
    ];
    for command in commands {
        assert!(help.contains(&format!("./dev {command} ")), "{command}");
    }
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown).contains("there is no command tset"));
}

#[test]
fn a_suite_without_a_script_is_called_missing() {
    let machine = Machine::new();
    for suite in ["bench", "interop", "soak", "fuzz"] {
        if root().join("tests").join(suite).join("run").exists() {
            continue;
        }
        let output = machine.dev(&[suite]);
        assert_eq!(output.status.code(), Some(2), "{suite}");
        assert!(text(&output).contains("not there yet"), "{}", text(&output));
    }
}

#[test]
fn nothing_is_installed_when_all_packages_are_there() {
    let machine = Machine::new();

    assert!(machine.dev(&["lint"]).status.success());

    assert!(!machine.calls().contains("apt-get"), "{}", machine.calls());
}

#[test]
fn missing_packages_are_installed_after_saying_which_and_why() {
    let machine = Machine::new();
    machine.program("dpkg-query", r#"case "$*" in *pkg-config*) exit 1;; esac; echo install ok installed"#);

    let output = machine.dev(&["lint"]);

    assert!(output.status.success(), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains(": pkg-config\n") && said.contains("needed to compile"), "{said}");
    assert!(machine.calls().contains("--no-install-recommends pkg-config\n"), "{}", machine.calls());
}

#[test]
fn a_cargo_that_is_too_old_is_named_with_what_to_install() {
    let machine = Machine::new();
    machine.program("cargo", r#"echo "cargo 1.65.0""#);

    let output = machine.command(root().join("dev"), &["run"], &[]);

    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("programs/cargo is version 1.65.0, and Rust ") && said.contains("rustup"),
        "{said}"
    );
    assert!(machine.caches().is_empty());
}

#[test]
fn the_build_goes_to_a_cache_outside_the_checkout_which_remembers_it() {
    let machine = Machine::new();

    let first = machine.dev(&["lint"]);
    let calls = machine.calls();
    let second = machine.dev(&["lint"]);

    assert!(first.status.success() && second.status.success(), "{}", text(&first));
    let caches = machine.caches();
    assert!(
        matches!(caches.as_slice(), [name] if name.starts_with("target-") && name.len() == 19),
        "{caches:?}"
    );
    let cache = machine.home.path().join(".cache/tidegate").join(&caches[0]);
    assert!(calls.contains(&format!("clippy --locked --all-targets -- -D warnings in {}", cache.display())));
    assert_eq!(fs::read_to_string(cache.join("checkout")).unwrap().trim(), root().to_str().unwrap());
    assert!(!machine.calls().contains("cargo clean"));
}

#[test]
fn a_cache_from_another_checkout_loses_our_own_packages_only() {
    let machine = Machine::new();
    machine.dev(&["lint"]);
    let marker = machine.home.path().join(".cache/tidegate").join(&machine.caches()[0]).join("checkout");
    fs::write(&marker, "/elsewhere\n").unwrap();

    let output = machine.dev(&["lint"]);

    assert!(output.status.success(), "{}", text(&output));
    let calls = machine.calls();
    let clean = calls.lines().find(|line| line.starts_with("cargo clean")).unwrap();
    for package in ["tidegate-desktop ", "tidegate-protocol ", "tidegate-cli ", "tidegate-workspace-tests "] {
        assert!(clean.contains(&format!("-p {package}")), "{clean}");
    }
    assert_eq!(fs::read_to_string(marker).unwrap().trim(), root().to_str().unwrap());
}

#[test]
fn old_and_surplus_caches_are_removed_and_nothing_else_is() {
    let machine = Machine::new();
    machine.add_cache("target-aaaaaaaaaaaa", DAY);
    machine.add_cache("target-bbbbbbbbbbbb", DAY * 2);
    machine.add_cache("target-cccccccccccc", DAY * 30);
    machine.add_cache("target-mine", DAY * 30);

    machine.dev(&["lint"]);

    let caches = machine.caches();
    assert!(caches.contains(&"target-aaaaaaaaaaaa".to_owned()), "{caches:?}");
    assert!(caches.contains(&"target-mine".to_owned()), "{caches:?}");
    assert_eq!(caches.len(), 3, "{caches:?}");
}

#[test]
fn a_cache_that_was_not_used_for_two_weeks_goes_even_when_there_are_only_two() {
    let machine = Machine::new();
    machine.add_cache("target-aaaaaaaaaaaa", DAY * 16);

    machine.dev(&["lint"]);

    assert_eq!(machine.caches().len(), 1);
}

#[test]
fn with_little_room_other_caches_go_first_and_tests_leave_none() {
    let machine = Machine::new();
    machine.has_tests();
    machine.add_cache("target-aaaaaaaaaaaa", DAY);
    machine.free_gib(11);

    let linted = machine.dev(&["lint"]);
    let caches = machine.caches();
    let tested = machine.dev(&["test"]);

    assert!(text(&linted).contains("Less than 12 GiB are free"), "{}", text(&linted));
    assert!(matches!(caches.as_slice(), [own] if own != "target-aaaaaaaaaaaa"), "{caches:?}");
    assert!(text(&tested).contains("the disk has little room"), "{}", text(&tested));
    assert_eq!(machine.caches(), Vec::<String>::new());
}

#[test]
fn a_cache_that_another_checkout_took_over_is_left_to_it() {
    let machine = Machine::new();
    machine.has_tests();
    machine.free_gib(11);
    machine
        .program("npm", r#"[ "$*" != "--prefix ui test" ] || echo /elsewhere >"$CARGO_TARGET_DIR/checkout""#);

    machine.dev(&["test"]);

    assert_eq!(machine.caches().len(), 1);
}

#[test]
fn a_target_directory_that_the_caller_chose_is_used_and_nothing_is_cached() {
    let machine = Machine::new();
    let mine = machine.home.path().join("mine");

    let output = machine.dev_with(&["lint"], &[("CARGO_TARGET_DIR", mine.to_str().unwrap())]);

    assert!(output.status.success(), "{}", text(&output));
    assert!(machine.calls().contains(&format!("in {}\n", mine.display())));
    assert!(machine.caches().is_empty());
}

#[test]
fn run_without_a_display_says_so_and_serves_headless_with_the_given_arguments() {
    let machine = Machine::new();

    let headless = machine.dev(&["run", "--port", "1 2"]);
    machine.free_gib(1);
    let without_cache = machine.dev(&["run"]);

    assert!(text(&headless).contains("runs headless"), "{}", text(&headless));
    assert!(text(&headless).ends_with("started tidegate serve --port 1 2\n"), "{}", text(&headless));
    assert!(text(&without_cache).ends_with("started tidegate serve\n"), "{}", text(&without_cache));
    assert!(!machine.calls().contains("npm"), "{}", machine.calls());
}

#[test]
fn run_on_a_desktop_builds_the_pages_and_starts_the_tray_application() {
    let machine = Machine::new();

    let output = machine.dev_with(&["run", "--port", "1"], &[("DISPLAY", ":1")]);

    let said = text(&output);
    assert!(!said.contains("headless"), "{said}");
    assert!(said.ends_with("started tidegate-desktop --port 1\n"), "{said}");
    let calls = machine.calls();
    let (pages, programs) = (calls.find("npm --prefix ui run build"), calls.find("cargo build"));
    assert!(pages.is_some() && pages < programs, "{calls}");
    assert!(calls.contains("-p tidegate-desktop -p tidegate-cli"), "{calls}");
}

#[test]
fn run_on_a_desktop_without_the_packages_to_build_it_serves_headless_and_says_so() {
    let machine = Machine::new();
    machine.program("dpkg-query", r#"case "$*" in *webkit*) exit 1;; esac; echo install ok installed"#);
    machine.program("apt-get", "exit 100");

    let output = machine.dev_with(&["run"], &[("DISPLAY", ":1")]);

    let said = text(&output);
    assert!(said.contains("libwebkit2gtk-4.1-dev") && said.contains("runs headless"), "{said}");
    assert!(said.ends_with("started tidegate serve\n"), "{said}");
}

#[test]
fn a_node_that_is_too_old_is_replaced_by_one_in_the_cache() {
    let machine = Machine::new();
    machine.program("node", r#"case "$0" in */.cache/*) exit 0;; esac; exit 1"#);
    machine.program(
        "npm",
        r#"echo "npm $*" >>"$HOME/calls"
           [ "$1" != install ] || { mkdir -p "$3/node_modules/npm/bin"
               for architecture in x64 arm64; do
                   mkdir -p "$3/node_modules/node-linux-$architecture/bin"
                   cp "$(command -v node)" "$3/node_modules/node-linux-$architecture/bin/node"
               done
               cp "$0" "$3/node_modules/npm/bin/npm-cli.js"; }"#,
    );

    let first = machine.dev_with(&["run"], &[("DISPLAY", ":1")]);
    let second = machine.dev_with(&["run"], &[("DISPLAY", ":1")]);

    assert!(text(&first).contains("Fetching Node"), "{}", text(&first));
    assert!(!text(&second).contains("Fetching Node"), "{}", text(&second));
    for output in [first, second] {
        assert!(text(&output).ends_with("started tidegate-desktop\n"), "{}", text(&output));
    }
    assert!(machine.calls().contains("npm install --prefix"), "{}", machine.calls());
}

#[test]
fn continuous_integration_runs_the_same_command() {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    let workflow = fs::read_to_string(root().join(".github/workflows/ci.yml")).unwrap();

    assert!(script.contains("exec ./dev test") && is_executable(&root().join(".ci/run")));
    assert!(script.contains("PROPTEST_RNG_SEED="), "a change is judged by cases that do not change");
    assert!(workflow.contains("run: .ci/run") && workflow.contains("cargo deny --workspace check"));
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).unwrap().permissions().mode() & 0o111 != 0
}

/// The phases of `./dev test` with stand-ins: each is timed, a failure does not hide the others,
/// and the last line adds up.
#[test]
fn test_goes_through_all_phases_and_closes_with_the_sum() {
    let machine = Machine::new();
    machine.has_tests();

    let output = machine.dev(&["test"]);

    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("clippy incremental=0"), "{said}");
    let phases = [
        "packages",
        "format",
        "UI",
        "UI in a browser",
        "clippy",
        "tests",
        "doc tests",
        "rules of the workspace",
        "clippy of the shell",
        "documentation",
        "tests of the shell",
        "desktop",
    ];
    for phase in phases {
        assert!(said.contains(&format!("-- {phase}: ")), "{phase}: {said}");
    }
    assert!(said.contains("-- tests: FAILED") && said.contains("-- doc tests: ok"), "{said}");
    // The stand-in for cargo builds no tray application to test.
    assert!(said.contains("-- desktop: FAILED"), "{said}");
    assert!(said.contains("\nfailed: a::b breaks\n23 passed, 3 failed\n"), "{said}");
}

#[test]
fn where_root_calls_the_tests_run_as_an_ordinary_user() {
    let machine = Machine::of_root();
    machine.has_tests();

    let first = text(&machine.dev(&["test"]));
    let calls = machine.calls();
    let again = text(&machine.dev(&["test"]));

    assert!(first.contains("Making the user tidegate-test"), "{first}");
    assert!(first.contains("-- tests: FAILED") && first.contains("-- tests of the shell: ok"), "{first}");
    assert!(first.contains("-- tests as root: ok"), "{first}");
    assert!(first.contains("\nfailed: a::b breaks\n24 passed, 3 failed\n"), "{first}");
    let run = machine.home.path().join("user/run-").display().to_string();
    let as_user: Vec<&str> = calls.lines().filter(|call| call.starts_with("as the user")).collect();
    let tests = as_user.iter().filter(|call| call.contains("/cargo-nextest nextest run --archive-file"));
    assert_eq!(tests.clone().count(), 2, "the tests and those of the shell: {calls}");
    for call in tests {
        assert!(call.starts_with(&format!("as the user in {run}")), "{call}");
        assert!(call.contains("/checkout ") && call.contains(" env -i HOME="), "{call}");
    }
    let by_root = calls.lines().filter(|call| call.starts_with("cargo nextest run"));
    assert_eq!(by_root.count(), 2, "those that need root and the rules of the workspace: {calls}");
    assert_eq!(fs::read_dir(machine.home.path().join("user")).unwrap().count(), 0, "nothing is left");
    assert!(!again.contains("Making the user"), "{again}");
}

#[test]
fn the_tests_read_a_copy_of_the_checkout_that_the_user_can_read() {
    let machine = Machine::of_root();
    machine.has_tests();
    let seen = machine.home.path().join("seen");
    machine.program("cargo-nextest", &format!("ls -l checkout checkout/schemas >{}", seen.display()));

    machine.dev(&["test"]);

    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("protocol.json") && seen.contains("Cargo.toml"), "{seen}");
    for line in seen.lines().filter(|line| line.starts_with('d')) {
        assert_eq!(&line[7..10], "r-x", "{line}");
    }
}

#[test]
fn where_no_user_can_be_made_root_learns_what_to_do() {
    let machine = Machine::of_root();
    machine.has_tests();
    machine.program("useradd", "exit 1");

    let output = machine.dev(&["test"]);

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("call ./dev test as an ordinary user"), "{}", text(&output));
    assert!(!machine.calls().contains("nextest run"), "{}", machine.calls());
}

#[test]
fn an_ordinary_caller_runs_the_tests_and_learns_what_is_left_out() {
    let machine = Machine::new();
    machine.has_tests();

    let said = text(&machine.dev(&["test"]));

    assert!(said.contains("Left out: the tests in modules named as_root"), "{said}");
    assert!(!said.contains("-- tests as root"), "{said}");
    assert!(machine.calls().contains("cargo nextest run"), "{}", machine.calls());
}

#[test]
fn the_sandbox_of_commands_is_installed_to_run_and_to_test() {
    for command in ["run", "test"] {
        let machine = Machine::new();
        machine.has_tests();
        machine
            .program("dpkg-query", r#"case "$*" in *bubblewrap*) exit 1;; esac; echo install ok installed"#);

        let said = text(&machine.dev(&[command]));

        assert!(said.contains(": bubblewrap\n") && said.contains("commands of agents"), "{command}: {said}");
        assert!(machine.calls().contains("install -q -y --no-install-recommends bubblewrap\n"), "{command}");
    }
}
