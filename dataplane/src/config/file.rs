//! The settings file: a flat YAML map whose keys are the names of the flags.
//!
//! Its values become arguments, so that they meet the same parsers as flags do.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde_yaml::{Mapping, Value};

/// Largest settings file, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// Least likeness of an unknown key to a known one for a did-you-mean.
const SIMILAR: f64 = 0.7;

/// The file's settings as arguments, without those that a flag or variable already gives.
pub(super) fn arguments(
    path: &Path,
    command: &mut Command,
    given: &ArgMatches,
) -> Result<Vec<OsString>, String> {
    let place = path.display();
    let mut arguments = Vec::new();
    for (key, value) in read(path).map_err(|e| format!("cannot read `{place}`: {e}"))? {
        let key = key
            .as_str()
            .ok_or_else(|| format!("{place}: keys must be strings"))?;
        let id = known(command, key).map_err(|e| format!("{place}: {e}"))?;
        let value = scalar(&value).ok_or_else(|| {
            format!("{place}: `{key}` must be one value, such as '{key}: …', not a list or map")
        })?;
        let argument = OsString::from(format!("--{key}={value}"));
        // By itself, so that a bad value is reported with its file even if a flag overrides it.
        if let Err(error) = command.try_get_matches_from_mut([OsString::from("-"), argument.clone()]) {
            return Err(format!("{place}: `{key}`: {}", reason(&error, &value)));
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

fn read(path: &Path) -> Result<Mapping, String> {
    let len = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if len > MAX_LEN {
        return Err(format!("it has {len} bytes; must not exceed {MAX_LEN}"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    match serde_yaml::from_str(&text).map_err(|e| e.to_string())? {
        Value::Null => Ok(Mapping::new()),
        Value::Mapping(map) => Ok(map),
        _ => Err("must be a map such as 'http: 0.0.0.0:8080'".into()),
    }
}

/// The id of the setting that the file may give under this key.
fn known(command: &Command, key: &str) -> Result<String, String> {
    let settings = || {
        command
            .get_arguments()
            .filter_map(|a| Some((a.get_long()?, a.get_id().as_str())))
            .filter(|(long, _)| {
                // A file that names a file, or asks for help, means nothing.
                !matches!(*long, "config" | "help" | "version")
            })
    };
    if let Some((_, id)) = settings().find(|(long, _)| *long == key) {
        return Ok(id.to_owned());
    }
    let similar = settings()
        .map(|(long, _)| {
            (
                strsim::jaro_winkler(&key.replace('_', "-").to_lowercase(), long),
                long,
            )
        })
        .filter(|(likeness, _)| *likeness > SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(match similar {
        Some((_, long)) => format!("unknown setting `{key}`; did you mean `{long}`?"),
        None => format!("unknown setting `{key}`; see --help for their names"),
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The core of clap's message, which speaks of flags.
fn reason(error: &clap::Error, value: &str) -> String {
    let text = error.to_string();
    let first = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    let detail = first.split_once(">': ").map(|(_, detail)| detail.to_owned());
    let choices = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("[possible values: "));
    match (detail, choices) {
        (Some(detail), _) => format!("'{value}' is not valid: {detail}"),
        (None, Some(choices)) => format!(
            "'{value}' is not valid: must be one of {}",
            choices.trim_end_matches(']')
        ),
        (None, None) => format!("'{value}' is not valid"),
    }
}
