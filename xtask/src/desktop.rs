//! The tray application: built, started, tested and measured.

use std::path::Path;

use anyhow::{Result, bail};

use crate::ordinary_user::{self, TestUser};
use crate::packages::{self, Needed};
use crate::report::Report;
use crate::session::Session;
use crate::{pages, prepare_build};

/// Builds and starts the tray application, or the gateway alone where there is no display or no way to build it.
pub(crate) fn run(session: &mut Session, arguments: &[String]) -> Result<()> {
    command_packages(session)?;
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| session.variable(name).is_some());
    if !has_display {
        println!(
            "Neither DISPLAY nor WAYLAND_DISPLAY is set: Tidegate runs headless, without tray and dialogs."
        );
        println!("New devices and programs wait for `tidegate devices approve`.");
        return run_headless(session, arguments);
    }
    if !packages::install(session, &Needed::DESKTOP)? {
        println!("Without these packages the tray application cannot be built: Tidegate runs headless.");
        return run_headless(session, arguments);
    }
    println!("Building the tray application (debug profile: built sooner, runs slower than a release).");
    build(session, &[])?;
    start(session, "tidegate-desktop", &[], arguments)
}

fn run_headless(session: &mut Session, arguments: &[String]) -> Result<()> {
    prepare_build(session)?;
    println!("Building tidegate (debug profile: built sooner, runs slower than a release).");
    session.cargo(&["build", "--locked", "-p", "tidegate-cli"]).finish()?;
    start(session, "tidegate", &["serve"], arguments)
}

fn start(session: &Session, program: &str, command: &[&str], arguments: &[String]) -> Result<()> {
    let programs = session.target()?.join("debug");
    println!("The command line, for a second terminal: {}", programs.join("tidegate").display());
    Err(session.command(programs.join(program)).args(command).args(arguments).replace())
}

/// Builds the tray application with its pages.
pub(crate) fn build(session: &mut Session, arguments: &[String]) -> Result<()> {
    needed(session, &Needed::DESKTOP, "to build the tray application")?;
    prepare_build(session)?;
    pages::build(session)?;
    // The command line beside it runs the tools that a person allows.
    let packages = ["build", "--locked", "-p", "tidegate-desktop", "-p", "tidegate-cli"];
    session.cargo(&packages).args(arguments).finish()
}

/// Tests it on a display that nobody sees.
pub(crate) fn test(session: &mut Session, arguments: &[String]) -> Result<()> {
    needed(session, &Needed::DESKTOP, "to build the tray application")?;
    needed(session, &Needed::DESKTOP_TESTS, "to test the tray application")?;
    command_packages(session)?;
    prepare_build(session)?;
    pages::build(session)?;
    // What `--interop` installs belongs to the caller, and so it runs as the caller.
    let is_interop = arguments.iter().any(|argument| argument == "--interop");
    let user = if is_interop { None } else { test_user(session)? };
    suite(session, user.as_ref(), arguments, &mut Report::default())
}

/// Measures its memory and times.
pub(crate) fn figures(session: &mut Session, arguments: &[String]) -> Result<()> {
    needed(session, &Needed::DESKTOP, "to build the tray application")?;
    needed(session, &Needed::DESKTOP_TESTS, "to measure the tray application")?;
    prepare_build(session)?;
    pages::build(session)?;
    session.command(session.root().join("tests/desktop/figures")).args(arguments).finish()
}

/// The tests of the tray application, which the caller builds.
pub(crate) fn suite(
    session: &Session,
    user: Option<&TestUser>,
    arguments: &[String],
    report: &mut Report,
) -> Result<()> {
    let script = session.root().join("tests/desktop/run");
    let Some(user) = user else { return report.watch(session.command(script).args(arguments)) };
    session.command(script).arg("--build-into").arg(user.programs()).finish()?;
    let script = user.checkout().join("tests/desktop/run");
    report.watch(user.run(session, script).arg("--binaries").arg(user.programs()).args(arguments))
}

/// Root lets another user run the tests; everybody else runs them as who they are.
pub(crate) fn test_user(session: &Session) -> Result<Option<TestUser>> {
    if !ordinary_user::is_needed(session)? {
        return Ok(None);
    }
    // X servers of ordinary users put their sockets there.
    if !Path::new("/tmp/.X11-unix").is_dir() {
        session.command("mkdir").args(["-m", "1777", "/tmp/.X11-unix"]).finish()?;
    }
    TestUser::prepare(session).map(Some)
}

/// What commands of agents need; Tidegate also works without it.
pub(crate) fn command_packages(session: &Session) -> Result<()> {
    if !packages::install(session, &Needed::COMMANDS)? {
        println!("Going on without them.");
    }
    Ok(())
}

/// # Errors
/// Where the packages are missing and cannot be installed.
pub(crate) fn needed(session: &Session, packages: &Needed, purpose: &str) -> Result<()> {
    if !packages::install(session, packages)? {
        bail!("the packages above are needed {purpose}.");
    }
    Ok(())
}
