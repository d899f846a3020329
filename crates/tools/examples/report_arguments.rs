//! A program that reports how it was called, for tests, whatever its name is: appends to the file that
//! `REPORT` names, in one write, the number of its arguments, its name and the arguments, each with a NUL
//! behind it. Before that it waits for the end of its input. Ends as `status_of` in `tests/plain_commands` says.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let mut arguments = std::env::args_os();
    let path = arguments.next().unwrap_or_default();
    let name = Path::new(&path).file_name().unwrap_or_default().to_owned();
    let arguments: Vec<OsString> = arguments.collect();
    let count = OsString::from(arguments.len().to_string());
    let mut record = Vec::new();
    for field in [&count, &name].into_iter().chain(&arguments) {
        record.extend_from_slice(field.as_bytes());
        record.push(0);
    }
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    let report = std::env::var_os("REPORT").unwrap_or_default();
    File::options().append(true).open(report)?.write_all(&record)?;
    let fails = name.as_bytes().last().is_some_and(|last| b"1t".contains(last));
    Ok(ExitCode::from(u8::from(fails)))
}
