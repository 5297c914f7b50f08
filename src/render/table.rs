//! Tables: columns by what a terminal shows, long cells cut, the last column wrapped.

use super::plain::cut;
use super::style::{Style, padded, visible_width};

/// The columns of a cell that is not in the last column.
const CELL_COLUMNS: usize = 44;

/// The columns that the last column has at least, however narrow the screen.
const LAST_COLUMNS: usize = 24;

/// Rows of cells under a heading. Cells are written already: escaped, perhaps coloured.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading.
    pub(crate) fn new(heading: &[&str]) -> Table {
        Table {
            rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }

    /// With one more row; a cell that is empty is shown as `-`.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        let shown = cells.into_iter().enumerate().map(|(at, cell)| match cell.is_empty() {
            true if at > 0 => "-".to_owned(),
            _ => cell,
        });
        self.rows.push(shown.collect());
    }

    /// Its lines.
    pub(crate) fn text(&self, style: &Style) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |at: usize| {
            let cells = self
                .rows
                .iter()
                .filter(|row| at + 1 < row.len())
                .filter_map(|row| row.get(at));
            cells
                .map(|cell| visible_width(cell))
                .max()
                .unwrap_or(0)
                .min(CELL_COLUMNS)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut lead = String::new();
            for (at, cell) in row.iter().enumerate() {
                if at + 1 < row.len() {
                    // A coloured cell is a word of ours and short.
                    let cell = if cell.contains('\x1b') {
                        cell.into()
                    } else {
                        cut(cell, CELL_COLUMNS)
                    };
                    lead.push_str(&padded(&cell, widths[at] + 2));
                    continue;
                }
                let room = Style {
                    width: style.width.max(visible_width(&lead) + LAST_COLUMNS),
                    ..*style
                };
                out.push_str(&room.hang(&lead, cell));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use deminer_worker::text::HostBytes;

    use super::*;

    /// What an intruder may put where a name or an argument is shown.
    fn hostile() -> Vec<HostBytes> {
        vec![
            HostBytes::new(&b"\xff\xfe\x80 not text"[..]),
            HostBytes::from("line\nfeed\r\nand\ttab"),
            HostBytes::from("\x1b]0;title\x07\x1b[2J\x1b[31mred"),
            HostBytes::from("{{ 7*7 }} {host} {% raw %}"),
            HostBytes::from("a\u{202e}b\u{200b}c\u{9b}31m"),
            HostBytes::new(vec![b'A'; 128 << 10]),
            HostBytes::new(vec![0x1b; 128 << 10]),
            HostBytes::from("挖矿木马在此"),
        ]
    }

    #[test]
    fn hostile_cells_stay_in_their_cells() {
        let mut table = Table::new(&["host", "argv", "note"]);
        for bytes in hostile() {
            table.row(vec!["web-1".to_owned(), bytes.to_string(), "said".to_owned()]);
        }
        let text = table.text(&Style::PLAIN);
        assert_eq!(text.lines().count(), hostile().len() + 1);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
        assert!(
            text.lines().all(|line| visible_width(line) <= Style::PLAIN.width),
            "{text}"
        );
        insta::assert_snapshot!("hostile_table", text);
    }

    #[test]
    fn a_narrow_screen_wraps_only_the_last_column() {
        let mut table = Table::new(&["host", "status", "why"]);
        table.row(vec![
            "web-1".to_owned(),
            "\x1b[31mreturned\x1b[0m".to_owned(),
            "one two three four five six seven".to_owned(),
        ]);
        table.row(vec!["db-1".to_owned(), "clean".to_owned(), String::new()]);
        let text = table.text(&Style {
            color: true,
            width: 30,
            ..Style::PLAIN
        });
        assert_eq!(
            text,
            "host   status    why\n\
             web-1  \x1b[31mreturned\x1b[0m  one two three four five\n                 six seven\n\
             db-1   clean     -\n"
        );
    }
}
