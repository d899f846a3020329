//! Plain aligned text: tables and lists of fields. Cells are cleaned here, so that no cell can
//! forge another or a line.

use tidegate_protocol::text::one_line;
use unicode_width::UnicodeWidthStr as _;

/// The most characters of a cell, except of the last in a row.
const CELL: usize = 40;
/// The most characters of the last cell in a row, and of a field.
const LAST_CELL: usize = 400;

/// A table under a head line.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no rows yet.
    #[must_use]
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|&column| column.to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        let limit = |index| if index + 1 == N { LAST_CELL } else { CELL };
        self.rows.push(cells.iter().enumerate().map(|(index, cell)| one_line(cell, limit(index))).collect());
    }

    /// The lines, columns two spaces apart.
    #[must_use]
    pub(crate) fn render(&self) -> String {
        aligned(&self.rows, "")
    }
}

/// Named values, one a line.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    rows: Vec<Vec<String>>,
}

impl Fields {
    /// Starts without any fields.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.rows.push(vec![name.to_owned(), one_line(value, LAST_CELL)]);
    }

    /// Adds a field whose value is known and not empty.
    pub(crate) fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.add(name, value);
        }
    }

    /// The lines, indented by two spaces.
    #[must_use]
    pub(crate) fn render(&self) -> String {
        aligned(&self.rows, "  ")
    }
}

fn aligned(rows: &[Vec<String>], indent: &str) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["\u{65e5}\u{672c}", "ok"]);
        table.row(["b", "ok"]);

        assert_eq!(table.render(), "NAME  STATE\n\u{65e5}\u{672c}  ok\nb     ok\n");
    }

    #[test]
    fn a_cell_cannot_forge_a_line() {
        let mut table = Table::new(&["NAME"]);
        table.row(["a\nb\u{1b}[2K"]);

        assert_eq!(table.render(), "NAME\na\\u{a}b\\u{1b}[2K\n");
    }
}
