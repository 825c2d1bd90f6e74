//! Value patterns, compiled.

use regex::bytes::{Regex, RegexBuilder};

use crate::limits::MAX_REGEX_SIZE;
use crate::model::ValuePattern;
use crate::validate::Invalid;

/// What a value must look like.
#[derive(Debug)]
pub(crate) enum Pattern {
    Exact(String),
    Regex(Regex),
}

impl Pattern {
    pub(crate) fn compile(pattern: &ValuePattern) -> Result<Self, Invalid> {
        match pattern {
            ValuePattern::Exact(text) => Ok(Self::Exact(text.clone())),
            ValuePattern::Regex(text) => whole(text).map(Self::Regex),
        }
    }

    pub(crate) fn takes(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => text.as_bytes() == value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// Compiles a path's regular expression.
pub(crate) fn whole_path(pattern: &str) -> Result<Regex, Invalid> {
    whole(pattern)
}

/// A regular expression that must match the whole of a value.
fn whole(pattern: &str) -> Result<Regex, Invalid> {
    // By itself first: 'a)|(?:b' only compiles within the anchors, and would undo them.
    build(pattern)
        .and_then(|_| build(&format!(r"\A(?:{pattern})\z")))
        .map_err(|error| Invalid::Regex {
            pattern: pattern.to_owned(),
            reason: reason(&error),
        })
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX_SIZE)
        .dfa_size_limit(MAX_REGEX_SIZE)
        .build()
}

/// The engine draws the pattern with a caret below, over several lines; statuses and logs have one.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::Syntax(drawing) => {
            let last = drawing.lines().last().unwrap_or(drawing);
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
        regex::Error::CompiledTooBig(limit) => format!("it must not compile to more than {limit} bytes"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(pattern: &str, value: &str) -> bool {
        whole(pattern).unwrap().is_match(value.as_bytes())
    }

    #[test]
    fn the_whole_value_must_match() {
        assert!(takes("a|ab", "ab"));
        assert!(takes("/v[0-9]+/.*", "/v1/chat"));
        assert!(!takes("/v[0-9]+", "/v1/chat"));
        assert!(!takes("b", "ab"));
        assert!(!takes("a", "a\n"));
        assert!(!takes("(?m)^a$", "b\na\nb"));
        assert!(takes("", ""));
    }

    #[test]
    fn refusals_say_why_on_one_line() {
        for (pattern, says) in [
            ("(", "unclosed group"),
            ("a)|(?:b", "unopened group"),
            ("(?x) a # comment", "unclosed group"),
            (r"(a)\1", "backreferences are not supported"),
            (
                "(?:a{1000}){1000}",
                "it must not compile to more than 1048576 bytes",
            ),
        ] {
            let error = whole(pattern).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("regular expression '{pattern}' is not usable: {says}")
            );
        }
    }
}
