//! The pages of the windows, and the Node that builds them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::packages::{self, Needed};
use crate::report::Report;
use crate::session::Session;

// Vite 8 wants Node 20.19, or 22.12 and later.
const NODE: &str = "24.21.0";
const NPM: &str = "11.21.2";
const RECENT_ENOUGH: &str = "
    const [major, minor] = process.versions.node.split('.').map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1);";

/// Checks, tests and builds the pages, also in a browser.
pub(crate) fn all(session: &mut Session) -> Result<()> {
    let mut report = Report::default();
    test(session, &mut report)?;
    browser_packages(session)?;
    browser_test(session, &mut report)
}

/// Checks and tests the pages, and builds them as they are shipped.
pub(crate) fn test(session: &mut Session, report: &mut Report) -> Result<()> {
    prepare(session)?;
    npm(session, &["run", "check"]).finish()?;
    report.watch(npm(session, &["test"]))?;
    npm(session, &["run", "build"]).finish()
}

pub(crate) fn browser_test(session: &mut Session, report: &mut Report) -> Result<()> {
    prepare(session)?;
    let browser = browser(session).unwrap_or_default();
    report.watch(npm(session, &["run", "test:browser"]).env("CHROMIUM", browser))
}

pub(crate) fn browser_packages(session: &Session) -> Result<bool> {
    Ok(browser(session).is_some() || packages::install(session, &Needed::BROWSER)?)
}

pub(crate) fn build(session: &mut Session) -> Result<()> {
    prepare(session)?;
    npm(session, &["run", "build"]).finish()
}

/// Installs packages of npm into a directory of the cache, without running what they bring.
pub(crate) fn install(session: &Session, directory: &Path, names: &[String]) -> Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("package.json"), "{ \"private\": true }\n")?;
    let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--silent"];
    session.command("npm").args(["install", "--prefix"]).arg(directory).args(quiet).args(names).finish()
}

fn npm(session: &Session, arguments: &[&str]) -> crate::session::Program {
    session.command("npm").args(["--prefix", "ui"]).args(arguments)
}

/// A browser of Chromium's family.
fn browser(session: &Session) -> Option<PathBuf> {
    ["chromium", "google-chrome", "chromium-browser"].into_iter().find_map(|name| session.find(name))
}

/// Node, and the libraries of the pages exactly as the lock file names them.
fn prepare(session: &mut Session) -> Result<()> {
    require_node(session)?;
    let modified =
        |file: &str| fs::metadata(session.root().join(file)).and_then(|found| found.modified()).ok();
    // npm writes the first of these when it is done.
    if modified("ui/node_modules/.package-lock.json") > modified("ui/package-lock.json") {
        return Ok(());
    }
    npm(session, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).finish()
}

fn is_recent_enough(session: &Session) -> bool {
    session.has("npm") && session.command("node").args(["-e", RECENT_ENOUGH]).succeeds()
}

/// Finds a Node that can build the pages, in the cache where the system has none.
fn require_node(session: &mut Session) -> Result<()> {
    if is_recent_enough(session) {
        return Ok(());
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("the windows' pages need Node 22.12 or later; there is no ready one for {other}."),
    };
    let directory = session.cache().join(format!("node-{NODE}"));
    if !directory.join("bin/npm").exists() {
        packages::install(session, &Needed::NODE)?;
        if !session.has("npm") {
            bail!("npm is missing: install Node 22.12 or later (Debian: apt-get install npm).");
        }
        println!("Fetching Node {NODE} and npm {NPM} into {} (once, about 130 MB).", directory.display());
        // Of a try that was cut off.
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        let package = format!("node-linux-{architecture}");
        install(session, &directory, &[format!("{package}@{NODE}"), format!("npm@{NPM}")])?;
        link_programs(&directory, &package)?;
    }
    session.search_first(&directory.join("bin"))?;
    if !is_recent_enough(session) {
        bail!("the Node in {} does not work; remove it and try again.", directory.display());
    }
    Ok(())
}

#[cfg(unix)]
fn link_programs(directory: &Path, package: &str) -> Result<()> {
    use std::os::unix::fs::symlink;

    let programs = directory.join("bin");
    fs::create_dir_all(&programs)?;
    symlink(format!("../node_modules/{package}/bin/node"), programs.join("node"))?;
    symlink("../node_modules/npm/bin/npx-cli.js", programs.join("npx"))?;
    // The last one, by which the others are known to be there.
    Ok(symlink("../node_modules/npm/bin/npm-cli.js", programs.join("npm"))?)
}

#[cfg(not(unix))]
fn link_programs(_directory: &Path, _package: &str) -> Result<()> {
    bail!("Node is fetched on Linux alone; install Node 22.12 or later.")
}
