//! The first program inside a command's sandbox; see the library of this crate.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod become_command;
#[cfg(target_os = "linux")]
mod file_rules;
#[cfg(target_os = "linux")]
mod probe;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("probe"), Some(targets)) => probe::main(&targets),
        _ => become_command::main(),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
