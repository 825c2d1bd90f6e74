//! The log of three processes as one stream on stderr, each line with the name of its process.
//!
//! Text lines get a short prefix, JSON lines a first member `process`, so that both stay what they are.

use std::io::{self, Write};

use clap::ValueEnum;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tracing_subscriber::fmt::MakeWriter;

/// A longer line is cut in two.
const LINE_MOST: u64 = 64 * 1024;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// `line` (without its line end) as it goes to stderr, with its line end.
    fn decorate(self, process: &str, line: &str) -> String {
        match (self, line.strip_prefix('{')) {
            (Self::Text, _) => format!("{process:<10} | {line}\n"),
            (Self::Json, Some(members)) if members.len() > 1 && members.ends_with('}') => {
                format!("{{\"process\":\"{process}\",{members}\n")
            }
            // A panic message, or what the dynamic linker has to say.
            (Self::Json, _) => format!("{}\n", serde_json::json!({"process": process, "message": line})),
        }
    }
}

/// Copies lines to stderr until the end of `lines`, showing each to `watch` first; a line that `watch`
/// takes (returns true) is not copied.
pub(super) async fn forward<R>(
    format: LogFormat,
    process: &'static str,
    mut lines: R,
    mut watch: impl FnMut(&str) -> bool,
) where
    R: AsyncBufRead + Unpin,
{
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines).take(LINE_MOST).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !watch(text) {
            // Nobody is left to tell when stderr is gone.
            let _ = io::stderr().write_all(format.decorate(process, text).as_bytes());
        }
    }
}

/// Sends this process's own events the same way.
pub(super) fn init(format: LogFormat, level: tracing::Level) {
    let events = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Own(format))
        .with_ansi(false);
    // Fails only when a log is set up already, which is then used.
    let _ = match format {
        LogFormat::Text => events.with_target(false).try_init(),
        LogFormat::Json => events.json().flatten_event(true).with_target(false).try_init(),
    };
}

struct Own(LogFormat);

impl<'a> MakeWriter<'a> for Own {
    type Writer = OwnLine;

    fn make_writer(&'a self) -> OwnLine {
        OwnLine(self.0)
    }
}

struct OwnLine(LogFormat);

impl Write for OwnLine {
    /// Called once with each whole event.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        for line in text.lines() {
            io::stderr().write_all(self.0.decorate("serve", line).as_bytes())?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_its_process() {
        assert_eq!(LogFormat::Text.decorate("dataplane", "up"), "dataplane  | up\n");
        assert_eq!(
            LogFormat::Json.decorate("dataplane", r#"{"level":"INFO"}"#),
            "{\"process\":\"dataplane\",\"level\":\"INFO\"}\n"
        );
        for odd in ["thread 'main' panicked at \"x\"", "{}", "{", ""] {
            let line = LogFormat::Json.decorate("controller", odd);
            let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(value["message"], odd);
        }
    }

    #[tokio::test]
    async fn lines_are_bounded_and_the_last_needs_no_end() {
        let mut input = vec![b'x'; LINE_MOST as usize + 1];
        input.extend_from_slice(b"\nready\nlast");
        let mut seen = Vec::new();
        forward(LogFormat::Text, "test", &input[..], |line| {
            seen.push(line.len());
            true
        })
        .await;
        assert_eq!(seen, [LINE_MOST as usize, 1, 5, 4]);
    }
}
