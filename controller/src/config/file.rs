//! The settings file: a flat YAML map whose keys are the names of the flags.
//!
//! Its values become arguments, so that they meet the same parsers as flags do.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde_json::Value;

use crate::did_you_mean::closest;
use crate::yaml;

/// Largest settings file, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// The file's settings as arguments, without those that a flag or variable already gives.
pub(super) fn arguments(
    path: &Path,
    command: &mut Command,
    given: &ArgMatches,
) -> Result<Vec<OsString>, String> {
    let mut arguments = Vec::new();
    let Some(document) = read(path)? else {
        return Ok(arguments);
    };
    let Value::Object(map) = &document.value else {
        return Err(format!(
            "{}: must be a map such as 'log-level: debug'",
            path.display()
        ));
    };
    for (key, value) in map {
        let place = format!("{}:{}", path.display(), document.lines.line_of(key));
        let id = known(command, key).map_err(|message| format!("{place}: {message}"))?;
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(format!("{place}: `{key}` must be one value, not a list or map")),
        };
        let argument = OsString::from(format!("--{key}={value}"));
        // By itself, so that a bad value is reported with its file even if a flag overrides it.
        if let Err(error) = command.try_get_matches_from_mut([OsString::from("-"), argument.clone()]) {
            let text = error.to_string();
            let reason = text
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            return Err(format!("{place}: {reason}"));
        }
        if given
            .value_source(&id)
            .is_none_or(|source| source == ValueSource::DefaultValue)
        {
            arguments.push(argument);
        }
    }
    Ok(arguments)
}

fn read(path: &Path) -> Result<Option<yaml::Document>, String> {
    let place = path.display();
    let unreadable = |error| format!("can't read '{place}': {error}");
    let len = fs::metadata(path).map_err(unreadable)?.len();
    if len > MAX_LEN {
        return Err(format!(
            "{place}: must not be larger than {MAX_LEN} bytes; it has {len}"
        ));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mut documents = yaml::documents(&text);
    match documents.len() {
        0 => Ok(None),
        1 => documents
            .remove(0)
            .map(Some)
            .map_err(|broken| format!("{place}:{}: {broken}", broken.line)),
        _ => Err(format!("{place}: must hold one document")),
    }
}

/// The id of the setting that the file may give under this key.
fn known(command: &Command, key: &str) -> Result<String, String> {
    let settings: Vec<(&str, &str)> = command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?, arg.get_id().as_str())))
        // A file that names a file, or asks for help, means nothing.
        .filter(|(long, _)| !matches!(*long, "config" | "help" | "version"))
        .collect();
    if let Some((_, id)) = settings.iter().find(|(long, _)| *long == key) {
        return Ok((*id).to_owned());
    }
    let names: Vec<&str> = settings.iter().map(|(long, _)| *long).collect();
    Err(match closest(&key.replace('_', "-"), names.iter().copied()) {
        Some(meant) => format!("unknown setting `{key}`; did you mean `{meant}`?"),
        None => format!("unknown setting `{key}`; known are `{}`", names.join("`, `")),
    })
}
