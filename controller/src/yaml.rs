//! The one module of the controller that reads and prints YAML.
//!
//! Cuts a text into documents, reads each into a JSON value (serde_yaml) and remembers on which
//! line each field stands (saphyr-parser's events). Never knows what a document means.
//!
//! Values follow YAML 1.2, where `Off` is a word; kubectl reads YAML 1.1, where it is a boolean.
//! Such words are remembered, so that a file that works here also works there.

mod scan;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::compile::field::FieldPath;

/// Most values in one document, aliases resolved.
pub const MAX_NODES: u64 = 1_000_000;

/// One document that could be read.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its content. Never [`Value::Null`] at the top.
    pub value: Value,
    /// Where its fields stand.
    pub lines: Lines,
}

/// One document that could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Broken {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// The values of top-level and second-level fields seen before the error.
    pub seen: BTreeMap<String, String>,
}

/// Where the fields of a document stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    first: u32,
    by_path: BTreeMap<FieldPath, u32>,
    switches: BTreeMap<FieldPath, String>,
}

impl Lines {
    /// A document of which only the first line is known.
    pub fn from_line(first: u32) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// The line of `field`, or of the nearest field around it.
    pub fn line_of(&self, field: &str) -> u32 {
        let mut path = Some(FieldPath::new(field));
        while let Some(candidate) = path {
            if let Some(line) = self.by_path.get(&candidate) {
                return *line;
            }
            path = candidate.parent();
        }
        self.first
    }

    /// The unquoted word at `field` if YAML 1.1 reads it as a boolean (`Off`, `yes`, …).
    pub fn switch_word(&self, field: &str) -> Option<&str> {
        self.switches.get(&FieldPath::new(field)).map(String::as_str)
    }
}

/// Reads every document of `text`. Empty documents are skipped; a broken one hides no other,
/// because a `---` at the start of a line always separates documents.
pub fn documents(text: &str) -> Vec<Result<Document, Broken>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    pieces(text)
        .into_iter()
        .filter_map(|(line, piece)| read(piece, line).transpose())
        .collect()
}

/// Prints a value as YAML.
///
/// # Errors
/// The value has a form that YAML has no way to write.
pub fn print(value: &impl Serialize) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(value)
}

/// Cuts the text at document markers, as (first line from 1, text).
fn pieces(text: &str) -> Vec<(u32, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let marker = line.trim_end();
        if marker == "---" || marker == "..." || line.starts_with("--- ") || line.starts_with("---\t") {
            pieces.push((start_line, &text[start..offset]));
            // What follows the marker on its line belongs to the next document.
            start = offset + 3;
            start_line = number;
        }
        offset += line.len();
    }
    pieces.push((start_line, &text[start..]));
    pieces
}

fn read(piece: &str, first_line: u32) -> Result<Option<Document>, Broken> {
    let is_blank =
        |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#') || line.starts_with('%');
    if piece.lines().all(is_blank) {
        return Ok(None);
    }
    let lines = scan::scan(piece, first_line)?;
    let broken = |error: serde_yaml::Error| {
        let (line, message) = scan::describe(&error, first_line);
        Broken {
            line,
            message,
            seen: BTreeMap::new(),
        }
    };
    let mut value: serde_yaml::Value = serde_yaml::from_str(piece).map_err(broken)?;
    value.apply_merge().map_err(broken)?;
    let value = serde_yaml::from_value(value).map_err(broken)?;
    Ok(if value == Value::Null {
        None
    } else {
        Some(Document { value, lines })
    })
}

/// Words that YAML 1.1 reads as booleans and YAML 1.2 as words.
fn is_switch_word(word: &str) -> bool {
    let words: BTreeSet<&str> = ["y", "n", "yes", "no", "on", "off"].into();
    let all_upper = word.to_uppercase() == word;
    let capitalised = word.chars().skip(1).all(char::is_lowercase);
    words.contains(word.to_lowercase().as_str()) && (all_upper || capitalised)
}

#[cfg(test)]
mod tests;
