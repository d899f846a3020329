//! What the tests start, and where.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::env;
use std::path::{Path, PathBuf};

/// The top of the checkout.
pub(crate) fn root() -> PathBuf {
    let manifest = env::var("CARGO_MANIFEST_DIR").unwrap();
    Path::new(&manifest).parent().unwrap().to_owned()
}

/// The program that `./dev` hands over to.
pub(crate) fn xtask() -> PathBuf {
    PathBuf::from(env::var("CARGO_BIN_EXE_xtask").unwrap())
}
