//! Walks the events of one document and notes the line of every field.
//!
//! Also refuses what a value can't show any more: a key written twice, and aliases that unfold
//! into more than the document could ever have held.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::{Broken, Lines, MAX_NODES, is_switch_word};
use crate::compile::field::FieldPath;

/// Deepest nesting of maps and lists.
const MAX_DEPTH: usize = 64;

/// Notes the lines of the document in `piece`, whose first line is `first_line` of the file.
pub(super) fn scan(piece: &str, first_line: u32) -> Result<Lines, Broken> {
    let mut scan = Scan {
        lines: Lines::from_line(first_line),
        ..Scan::default()
    };
    for event in Parser::new_from_str(piece) {
        let outcome = match event {
            Ok((event, span)) => {
                let line = first_line + (span.start.line() as u32).saturating_sub(1);
                scan.event(event, line).map_err(|message| (line, message))
            }
            Err(error) => Err(syntax_error(piece, first_line, &error)),
        };
        if let Err((line, message)) = outcome {
            return Err(Broken {
                line,
                message,
                seen: scan.seen,
            });
        }
    }
    if let Some(line) = scan.top_line {
        scan.lines.first = line;
    }
    Ok(scan.lines)
}

/// The line and the words of whichever parser says it better: this one knows about tabs, the
/// other one tells where the unfinished part begins.
fn syntax_error(piece: &str, first_line: u32, error: &ScanError) -> (u32, String) {
    if !error.info().contains("tab")
        && let Err(other) = serde_yaml::from_str::<serde_yaml::Value>(piece)
    {
        return describe(&other, first_line);
    }
    let line = (error.marker().line() as u32).saturating_sub(1);
    (first_line + line, error.info().to_owned())
}

/// The error's line in the file and its words, with other lines they name counted in the file.
pub(super) fn describe(error: &serde_yaml::Error, first_line: u32) -> (u32, String) {
    let line = error.location().map_or(0, |at| at.line().saturating_sub(1)) as u32;
    let text = error.to_string();
    let mut parts = text.split(" at line ");
    let mut message = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let named: u32 = part[..digits].parse().unwrap_or(1);
        if index > 0 {
            message.push_str(&format!(" on line {}", first_line + named.saturating_sub(1)));
        }
        let rest = &part[digits..];
        let rest = rest
            .strip_prefix(" column ")
            .map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        message.push_str(rest);
    }
    (first_line + line, message)
}

#[derive(Default)]
struct Scan {
    lines: Lines,
    top_line: Option<u32>,
    frames: Vec<Frame>,
    /// Number of values below each anchor.
    anchors: BTreeMap<usize, u64>,
    seen: BTreeMap<String, String>,
}

/// A map or list that is still open.
struct Frame {
    path: FieldPath,
    place: Place,
    anchor: usize,
    nodes: u64,
}

enum Place {
    /// In a map, with the key whose value comes next.
    Map(Option<FieldPath>),
    /// In a list, before the element of this index.
    List(usize),
}

impl Scan {
    fn event(&mut self, event: Event<'_>, line: u32) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, _) => self.scalar(&text, style, anchor, line),
            Event::Alias(anchor) => {
                self.value(line)?;
                let nodes = self.anchors.get(&anchor).copied().unwrap_or(1);
                self.count(nodes)
            }
            Event::MappingStart(anchor, _) => self.open(Place::Map(None), anchor, line),
            Event::SequenceStart(anchor, _) => self.open(Place::List(0), anchor, line),
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(frame) = self.frames.pop() else {
                    return Ok(());
                };
                self.anchors.insert(frame.anchor, frame.nodes);
                self.count(frame.nodes)
            }
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, line: u32) -> Result<(), String> {
        if let Some(Frame {
            path,
            place: Place::Map(key @ None),
            ..
        }) = self.frames.last_mut()
        {
            let field = path.field(text);
            if let Some(earlier) = self.lines.by_path.insert(field.clone(), line) {
                return Err(format!("the key `{field}` is already set on line {earlier}"));
            }
            *key = Some(field);
            return Ok(());
        }
        let path = self.value(line)?;
        if style == ScalarStyle::Plain && is_switch_word(text) {
            self.lines.switches.insert(path.clone(), text.to_owned());
        }
        if self.frames.len() <= 2 {
            self.seen.insert(path.as_str().to_owned(), text.to_owned());
        }
        self.anchors.insert(anchor, 1);
        self.count(1)
    }

    fn open(&mut self, place: Place, anchor: usize, line: u32) -> Result<(), String> {
        let path = self.value(line)?;
        if self.frames.len() >= MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.frames.push(Frame {
            path,
            place,
            anchor,
            nodes: 1,
        });
        Ok(())
    }

    /// Steps to the next value and returns its path.
    fn value(&mut self, line: u32) -> Result<FieldPath, String> {
        let Some(Frame { path, place, .. }) = self.frames.last_mut() else {
            self.top_line.get_or_insert(line);
            return Ok(FieldPath::default());
        };
        match place {
            Place::Map(key) => key.take().ok_or_else(|| "a key must be a plain word".to_owned()),
            Place::List(index) => {
                let element = path.index(*index);
                *index += 1;
                self.lines.by_path.insert(element.clone(), line);
                Ok(element)
            }
        }
    }

    fn count(&mut self, nodes: u64) -> Result<(), String> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        frame.nodes = frame.nodes.saturating_add(nodes);
        if frame.nodes > MAX_NODES {
            return Err(format!("holds more than {MAX_NODES} values, aliases included"));
        }
        Ok(())
    }
}
