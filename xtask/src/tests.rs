//! `./dev test`: everything that has to pass.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::ordinary_user::{self, TestUser};
use crate::packages::{self, Needed};
use crate::phases::Phases;
use crate::report::Report;
use crate::session::{Program, Session};
use crate::{cache, desktop, pages};

/// Packages whose tests are about files, not programs: they need cargo and git, and the caller has them.
const RULES: &str = "package(tidegate-workspace-tests) | package(xtask)";

/// Runs all phases, and closes with a table of them, the tests that failed, and the sum.
pub(crate) fn all(session: &mut Session, arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("test takes no arguments; for a part: cargo nextest run -p CRATE");
    }
    session.set("CARGO_INCREMENTAL", "0");
    if !session.is_ci() && io::stdout().is_terminal() {
        session.set("CARGO_TERM_COLOR", "always");
    }
    let mut phases = Phases::default();
    let mut report = Report::default();
    phases.run("packages", || install_packages(session));
    cache::choose(session)?;
    println!("Build cache: {}", session.target()?.display());
    phases.run("test runner", || install_nextest(session));
    let has_nextest = has_nextest(session);
    let is_root = ordinary_user::is_needed(session)?;
    let user = if has_nextest { desktop::test_user(session)? } else { None };
    if is_root && user.is_none() {
        println!(
            "Without the test runner the tests run as root, who does not see the faults that ordinary users meet."
        );
    }

    phases.run("format", || format_check(session));
    phases.run("UI", || pages::test(session, &mut report));
    phases.run("UI in a browser", || pages::browser_test(session, &mut report));
    phases.run("clippy", || clippy(session));
    let mut tests = Tests { session, report: &mut report, user: user.as_ref(), has_nextest };
    // The kill loop and the spawn suite are among these, in their short forms.
    phases.run("tests", || tests.run(&format!("not ({RULES})"), &[]));
    if is_root {
        phases.run("tests as root", || tests.run_as_root());
    } else {
        println!("Left out: the tests in modules named as_root; they run where root calls.");
    }
    phases.run("doc tests", || {
        tests.report.watch(tests.session.cargo(&["test", "--locked", "--doc", "--no-fail-fast"]))
    });
    if has_nextest {
        phases.run("rules of the workspace", || tests.run_as_caller(RULES, &[]));
    }
    phases.run("clippy of the shell", || clippy_of_shell(tests.session));
    phases.run("documentation", || documentation(tests.session));
    phases.run("tests of the shell", || tests.run("package(tidegate-desktop)", &["-p", "tidegate-desktop"]));
    phases.run("desktop", || desktop::suite(tests.session, tests.user, &[], tests.report));

    println!("\n{}", phases.table());
    for name in report.failed_tests() {
        println!("failed: {name}");
    }
    println!("{}", report.sum());
    drop(user);
    cache::leave(session)?;
    if phases.failed().is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}", phases.failed().join(","));
    Ok(ExitCode::FAILURE)
}

pub(crate) fn format_check(session: &Session) -> Result<()> {
    session.cargo(&["fmt", "--all", "--check"]).finish()
}

pub(crate) fn clippy(session: &Session) -> Result<()> {
    session.cargo(&["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]).finish()
}

fn clippy_of_shell(session: &Session) -> Result<()> {
    let arguments = ["clippy", "--locked", "-p", "tidegate-desktop", "--all-targets", "--", "-D", "warnings"];
    session.cargo(&arguments).finish()
}

/// What the doc comments say, private items included: a link that leads nowhere is an error.
fn documentation(session: &Session) -> Result<()> {
    let arguments = ["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"];
    session.cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings").finish()
}

fn install_packages(session: &Session) -> Result<()> {
    let can_compile = packages::install(session, &Needed::BUILD)? || session.has("cc");
    desktop::command_packages(session)?;
    if !packages::install(session, &Needed::TESTS)? {
        println!("Going on without them: the tests that need them say that they are skipped.");
    }
    let can_build = packages::install(session, &Needed::DESKTOP)?;
    let can_test = packages::install(session, &Needed::DESKTOP_TESTS)?;
    let can_browse = pages::browser_packages(session)?;
    if !(can_compile && can_build && can_test && can_browse) {
        bail!("packages are missing: see above.");
    }
    Ok(())
}

fn has_nextest(session: &Session) -> bool {
    session.cargo(&["nextest", "--version"]).succeeds()
}

fn install_nextest(session: &Session) -> Result<()> {
    if has_nextest(session) {
        return Ok(());
    }
    println!("Installing cargo-nextest, the test runner (once, a few minutes).");
    // Built outside the cache, which would grow by its release build.
    let install = session.cargo(&["install", "cargo-nextest", "--locked"]).without("CARGO_TARGET_DIR");
    if install.finish().is_err() {
        println!("That failed: cargo test is used instead.");
    }
    Ok(())
}

/// How Rust's tests are run here.
struct Tests<'a> {
    session: &'a Session,
    report: &'a mut Report,
    user: Option<&'a TestUser>,
    has_nextest: bool,
}

impl Tests<'_> {
    /// The tests that `filter` (a nextest expression over packages) selects, as the ordinary user where there is one;
    /// `arguments` choose for cargo what is built.
    fn run(&mut self, filter: &str, arguments: &[&str]) -> Result<()> {
        match self.user {
            Some(user) => self.run_as_user(user, filter, arguments),
            None => self.run_as_caller(filter, arguments),
        }
    }

    fn run_as_caller(&mut self, filter: &str, arguments: &[&str]) -> Result<()> {
        let program = if self.has_nextest {
            let run = self.session.cargo(&["nextest", "run", "--locked", "--no-tests=pass"]);
            self.filtered(run, filter).args(arguments)
        } else {
            let targets = ["--lib", "--bins", "--examples", "--tests"];
            self.session.cargo(&["test", "--locked", "--no-fail-fast"]).args(arguments).args(targets)
        };
        self.report.watch(program)
    }

    fn run_as_user(&mut self, user: &TestUser, filter: &str, arguments: &[&str]) -> Result<()> {
        let archive = user.directory().join("tests.tar.zst");
        let unpacked = user.directory().join("unpacked");
        let runner = user.directory().join("cargo-nextest");
        // The least compression: it is read once.
        self.session
            .cargo(&["nextest", "archive", "--locked", "--archive-file"])
            .arg(&archive)
            .args(["--zstd-level", "-7", "-E", filter])
            .args(arguments)
            .finish()?;
        fs::copy(self.nextest()?, &runner)?;
        ordinary_user::readable(&archive)?;
        ordinary_user::readable(&runner)?;
        user.run(self.session, "mkdir").arg(&unpacked).finish()?;
        let run = user.run(self.session, &runner).args(["nextest", "run", "--archive-file"]).arg(&archive);
        let run = run.arg("--extract-to").arg(&unpacked).arg("--workspace-remap").arg(user.checkout());
        let outcome = self.report.watch(self.filtered(run.arg("--no-tests=pass"), filter));
        fs::remove_file(archive)?;
        fs::remove_dir_all(unpacked)?;
        outcome
    }

    /// The tests in modules named `as_root`, which everybody else ignores.
    fn run_as_root(&mut self) -> Result<()> {
        let program = if self.has_nextest {
            let run = self.session.cargo(&["nextest", "run", "--locked", "--run-ignored", "only"]);
            self.filtered(run, "test(/(^|::)as_root::/)")
        } else {
            let arguments = ["test", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests", "as_root::"];
            self.session.cargo(&arguments).args(["--", "--ignored"])
        };
        self.report.watch(program)
    }

    fn filtered(&self, run: Program, filter: &str) -> Program {
        let profile = if self.session.is_ci() { "ci" } else { "default" };
        run.args(["--profile", profile, "-E", filter])
    }

    /// The program of the test runner.
    fn nextest(&self) -> Result<PathBuf> {
        let of_cargo = || {
            let home = self.session.variable("CARGO_HOME").map(PathBuf::from);
            let home = home.or_else(|| Some(PathBuf::from(self.session.variable("HOME")?).join(".cargo")));
            Some(home?.join("bin/cargo-nextest"))
        };
        self.session.find("cargo-nextest").or_else(of_cargo).context("cargo-nextest is not found")
    }
}
