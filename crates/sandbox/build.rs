//! Builds `tidegate-inside` as a static program, which this crate carries: it runs where the libraries
//! of the system need not be those that Tidegate was built with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables by which the outer build would change the inner one.
const OUTER: &[&str] = &[
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let output = PathBuf::from(variable("OUT_DIR")?);
    let program = output.join("tidegate-inside");
    if variable("CARGO_CFG_TARGET_OS")? != "linux" {
        std::fs::write(&program, [])?;
        return Ok(());
    }
    let package = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../inside");
    for source in ["src", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", package.join(source).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let target = variable("TARGET")?;
    // Its own directory: the outer build holds the lock of the usual one.
    let directory = output.join("inside");
    let mut command = Command::new(variable("CARGO")?);
    for name in OUTER {
        command.env_remove(name);
    }
    let status = command
        .args(["build", "--locked", "--quiet", "--profile", "inside", "--bin", "tidegate-inside"])
        .args(["--target", &target])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&directory)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .status()?;
    if !status.success() {
        return Err("tidegate-inside could not be built as a static program; it needs the static C library \
                    (Debian: libc6-dev, Fedora: glibc-static)"
            .into());
    }
    std::fs::copy(directory.join(target).join("inside/tidegate-inside"), &program)?;
    Ok(())
}
