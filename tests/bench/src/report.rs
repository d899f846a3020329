//! The table of figures, on the terminal and in `docs/performance.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::figures::Figure;
use crate::machine::{BUSY, Machine};
use crate::setting::Setting;
use crate::statistics::{median, spread};

/// One figure and what it must be.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    /// The least and the most of what `measured` stands for.
    pub(crate) spread: Option<(f64, f64)>,
    /// The most that it may be; none for what is only measured.
    pub(crate) must: Option<f64>,
    /// What is aimed at.
    pub(crate) aim: Option<f64>,
    pub(crate) note: String,
}

impl Row {
    /// A row of one value.
    pub(crate) fn new(name: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { name: name.into(), measured, unit, spread: None, must: None, aim: None, note: String::new() }
    }

    /// A row of a sample: its median and spread.
    pub(crate) fn sample(name: impl Into<String>, sample: &[f64], unit: &'static str) -> Self {
        Self { spread: Some(spread(sample)), ..Self::new(name, median(sample), unit) }
    }

    /// The same with limits.
    pub(crate) fn limits(mut self, must: impl Into<Option<f64>>, aim: impl Into<Option<f64>>) -> Self {
        (self.must, self.aim) = (must.into(), aim.into());
        self
    }

    /// The same with a note.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn verdict(&self) -> &'static str {
        let within = |limit: f64| self.measured <= limit;
        match (self.must.map(within), self.aim.map(within)) {
            (Some(false), _) => "MISSED",
            (Some(true), Some(true)) => "met, aim too",
            (Some(true), _) => "met",
            (None, Some(true)) => "aim met",
            (None, Some(false)) => "aim missed",
            (None, None) => "",
        }
    }

    fn cells(&self, marked: bool) -> [String; 6] {
        let with_unit = |value: f64| format!("{} {}", number(value), self.unit).trim_end().to_owned();
        let mark = if marked { " *" } else { "" };
        [
            self.name.clone(),
            format!("{}{mark}", with_unit(self.measured)),
            self.spread
                .map(|(least, most)| format!("{} - {}", number(least), number(most)))
                .unwrap_or_default(),
            self.must.map(with_unit).unwrap_or_default(),
            self.aim.map(with_unit).unwrap_or_default(),
            self.verdict().to_owned(),
        ]
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// All that was measured.
pub(crate) struct Report {
    machine: Machine,
    rows: Vec<(Row, f64)>,
    failures: Vec<String>,
}

const HEADINGS: [&str; 6] = ["figure", "measured", "spread", "must", "aim", "verdict"];

impl Report {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { machine: Machine::look()?, rows: Vec::new(), failures: Vec::new() })
    }

    /// Adds rows that were taken while others kept so much of the processors busy.
    pub(crate) fn add(&mut self, rows: Vec<Row>, foreign: f64) {
        self.rows.extend(rows.into_iter().map(|row| (row, foreign)));
    }

    pub(crate) fn failed(&mut self, figure: Figure, error: &anyhow::Error) {
        self.failures.push(format!("{} could not be measured: {error:#}", figure.name()));
    }

    pub(crate) fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    fn cells(&self) -> Vec<[String; 6]> {
        self.rows.iter().map(|(row, foreign)| row.cells(*foreign > BUSY)).collect()
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        let of_rows = self.rows.iter().filter(|(row, _)| !row.note.is_empty());
        of_rows.map(|(row, _)| format!("{}: {}", row.name, row.note)).chain(self.failures.iter().cloned())
    }

    fn busy_note(&self) -> Option<String> {
        let busiest = self.rows.iter().map(|(_, foreign)| *foreign).fold(0.0, f64::max);
        (busiest > BUSY).then(|| {
            format!(
                "* taken under load: before this figure other programs kept up to {:.0}% of the processors busy.",
                busiest * 100.0
            )
        })
    }

    /// The table for a terminal.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![HEADINGS.map(str::to_owned)];
        rows.extend(self.cells());
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
        let mut text = format!("{}\n\n", self.machine_line());
        for row in &rows {
            let line: String =
                row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}  ")).collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for note in self.notes().chain(self.busy_note()) {
            text.push('\n');
            text.push_str(&note);
        }
        text
    }

    fn machine_line(&self) -> String {
        let Machine { processor, processors, memory_gib, kernel, load, date } = &self.machine;
        format!(
            "{date}; {processor}, {processors} processors, {memory_gib:.0} GiB; {kernel}; load average before: {load}"
        )
    }

    /// Writes `docs/performance.md` and gives its path. What other programs wrote there stays.
    pub(crate) fn write(&self, setting: &Setting) -> anyhow::Result<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = root.canonicalize()?.join("docs/performance.md");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let mut text = self.document(setting)?;
        if let Some(section) = desktop_section(&before) {
            text.push('\n');
            text.push_str(section);
            text.push('\n');
        }
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        Ok(path)
    }

    fn document(&self, setting: &Setting) -> Result<String, std::fmt::Error> {
        let mut text = String::from(include_str!("document_head.md"));
        let duration = if setting.full { "full (`--full`)" } else { "short" };
        writeln!(text, "\n## Figures\n\n{}. Durations: {duration}.\n", self.machine_line())?;
        writeln!(text, "| {} |", HEADINGS.join(" | "))?;
        writeln!(text, "|{}", "---|".repeat(HEADINGS.len()))?;
        for row in self.cells() {
            writeln!(text, "| {} |", row.join(" | "))?;
        }
        writeln!(text, "\n## Notes\n")?;
        for note in self.notes().chain(self.busy_note()) {
            writeln!(text, "- {}", note.replace('*', "\\*"))?;
        }
        Ok(text)
    }
}

/// The part of the page that `tests/desktop/figures` writes, with the lines around it.
fn desktop_section(page: &str) -> Option<&str> {
    const BEGIN: &str = "<!-- desktop: begin";
    const END: &str = "<!-- desktop: end -->";

    let begin = page.find(BEGIN)?;
    let end = begin + page[begin..].find(END)? + END.len();
    Some(&page[begin..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_the_desktop_is_found_with_the_lines_around_it() {
        let section = "<!-- desktop: begin. Written -->\n## Desktop\n<!-- desktop: end -->";

        assert_eq!(desktop_section(&format!("# Performance\n\n{section}\nmore\n")), Some(section));
        assert_eq!(desktop_section("# Performance\n<!-- desktop: begin. Cut"), None);
        assert_eq!(desktop_section("# Performance\n"), None);
    }

    #[test]
    fn a_verdict_is_missed_only_when_the_must_is() {
        let row = |measured| Row::new("x", measured, "ms").limits(2.0, 1.0);

        assert_eq!(row(0.5).verdict(), "met, aim too");
        assert_eq!(row(1.5).verdict(), "met");
        assert_eq!(row(2.5).verdict(), "MISSED");
        assert_eq!(Row::new("x", 2.0, "ms").limits(None, 1.0).verdict(), "aim missed");
        assert_eq!(Row::new("x", f64::NAN, "ms").limits(1.0, None).verdict(), "MISSED");
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        assert_eq!([1234.5, 12.34, 1.234, 0.1234, 3.0].map(number), ["1234", "12.3", "1.23", "0.123", "3"]);
    }
}
