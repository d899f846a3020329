//! The size of the program.

use crate::report::Row;
use crate::setting::Setting;

pub(super) fn program(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let bytes = std::fs::metadata(&setting.tidegate)?.len();
    let megabytes = f64::from(u32::try_from(bytes)?) / 1e6;
    Ok(vec![Row::new("binary, headless", megabytes, "MB").limits(15.0, 8.0)])
}
