//! Lines and tables on stdout.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line; a reader that has seen enough and left is no failure.
pub(super) fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints rows under their head, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        print(cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}
