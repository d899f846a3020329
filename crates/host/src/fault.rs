//! Faults on purpose, for tests. Compiled in with the feature `fault-injection` only.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in the state directory that names the part which is to panic.
const FILE: &str = "fault";
/// How often the file is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a part until a file `fault` in the state directory holds its name: then it panics. The
/// file is removed first, so that each file is one fault.
pub async fn may_strike(state_dir: PathBuf, name: &'static str, part: impl Future<Output = ()>) {
    let file = state_dir.join(FILE);
    tokio::select! {
        () = part => {}
        () = asked_for(&file, name) => panic!("the {name} was asked to panic"),
    }
}

async fn asked_for(file: &Path, name: &str) {
    loop {
        if std::fs::read_to_string(file).is_ok_and(|text| text.trim() == name)
            && std::fs::remove_file(file).is_ok()
        {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
