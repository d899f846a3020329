//! What `./dev` does. Each command is a function over a [`Session`]: the checkout, and what the programs that are
//! started find in their environment.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bundle;
mod cache;
mod desktop;
mod ordinary_user;
mod packages;
mod pages;
mod phases;
mod report;
mod session;
mod tests;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::packages::Needed;
use crate::session::Session;

const HELP: &str = "\
./dev run [ARGUMENTS]   build Tidegate and start it: on a desktop the tray application, elsewhere the
                        gateway alone (`tidegate serve`); ARGUMENTS go to what is started
./dev test              everything that has to pass: format, lints, tests, rules of the workspace; where root
                        calls, the tests run as the user tidegate-test, who is made for it
./dev fmt               format all code
./dev lint              format check and clippy, warnings are errors
./dev ui                check, test and build the windows' pages
./dev desktop           build the tray application with its pages (needs the GTK and WebKit packages)
./dev desktop-test      test it on a display that nobody sees; `--interop`: with OpenClaw's own
                        command lines as the clients
./dev bundle [--debug]  make the Debian package; tests/bundle/run tries it in a fresh system
./dev bench             measure against the budgets; `--desktop`: memory and times of the tray application
./dev interop           run foreign clients against the gateway
./dev soak              long runs: kill loops, floods, leaks
./dev fuzz              fuzz the parsers
./dev help              this list

Missing system packages are installed with apt, after saying which and why. The build cache is
outside the checkout, in $XDG_CACHE_HOME/tidegate (or ~/.cache/tidegate); set CARGO_TARGET_DIR to
use a directory of your own. Where Node is missing or too old, one is fetched into that cache.
";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_else(|| "help".to_owned());
    let arguments: Vec<String> = arguments.collect();
    match dispatch(&command, &arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, arguments: &[String]) -> Result<ExitCode> {
    let mut session = Session::new()?;
    match command {
        "run" => desktop::run(&mut session, arguments)?,
        "test" => return tests::all(&mut session, arguments),
        "fmt" => session.cargo(&["fmt", "--all"]).args(arguments).finish()?,
        "lint" => lint(&mut session)?,
        "ui" => pages::all(&mut session)?,
        "desktop" => desktop::build(&mut session, arguments)?,
        "desktop-test" => desktop::test(&mut session, arguments)?,
        "bundle" => bundle::make(&mut session, arguments)?,
        "bench" if arguments.first().is_some_and(|first| first == "--desktop") => {
            desktop::figures(&mut session, &arguments[1..])?;
        }
        "bench" | "interop" | "soak" | "fuzz" => return suite(&mut session, command, arguments),
        "help" | "-h" | "--help" => print!("{HELP}"),
        unknown => {
            eprintln!("dev: there is no command {unknown}\n\n{HELP}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn lint(session: &mut Session) -> Result<()> {
    prepare_build(session)?;
    tests::format_check(session)?;
    tests::clippy(session)
}

/// What every build needs: a C compiler, and a directory to build in.
fn prepare_build(session: &mut Session) -> Result<()> {
    if !packages::install(session, &Needed::BUILD)? && !session.has("cc") {
        bail!("no C compiler: see the message above.");
    }
    cache::choose(session)
}

/// A script in `tests/NAME/run`, with the build directory set.
fn suite(session: &mut Session, name: &str, arguments: &[String]) -> Result<ExitCode> {
    let script = format!("tests/{name}/run");
    if !session.root().join(&script).exists() {
        println!("./dev {name} is not there yet: {script} does not exist.");
        return Ok(ExitCode::from(2));
    }
    prepare_build(session)?;
    let script = session.root().join(script);
    session.command(&script).args(arguments).exit_code()
}
