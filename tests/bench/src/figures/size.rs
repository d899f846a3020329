//! The sizes of what is shipped.

use std::path::Path;

use crate::report::Row;
use crate::setting::Setting;

pub(super) fn program(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![Row::new("binary, headless", megabytes(&setting.tidegate)?, "MB").limits(15.0, 8.0)];
    // Made by `./dev bundle`, in the same build directory.
    let packages = setting.tidegate.with_file_name("bundle").join("deb");
    for entry in std::fs::read_dir(packages).into_iter().flatten() {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let note = "with the tray application and the headless program.";
            rows.push(Row::new("Debian package", megabytes(&package)?, "MB").limits(12.0, 8.0).note(note));
        }
    }
    Ok(rows)
}

fn megabytes(file: &Path) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(std::fs::metadata(file)?.len())?) / 1e6)
}
