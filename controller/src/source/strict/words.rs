//! The sentences for what does not fit a schema.

use serde_json::Value;

use crate::compile::field::FieldPath;
use crate::crd::validation::is_duration;
use crate::did_you_mean::closest;

/// Longest list of known fields in a message.
const MAX_LISTED: usize = 12;

/// The type that `schema` asks for; empty when it takes anything.
pub(super) fn expected(schema: &Value) -> &str {
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return "int-or-string";
    }
    match schema.get("type") {
        Some(Value::String(name)) => name,
        // An optional field: the type beside null.
        Some(Value::Array(types)) => types
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or_default(),
        _ if variants(schema).is_empty() => "",
        _ => "string",
    }
}

/// What `schema` asks for, in words.
pub(super) fn describe(schema: &Value) -> String {
    let variants = variants(schema);
    if !variants.is_empty() {
        return one_of(&variants);
    }
    match expected(schema) {
        "string" if is_duration(schema) => "a duration string such as '1h'",
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "int-or-string" => "a number or a name",
        "array" => "a list",
        "object" => "a map of fields",
        _ => "a value",
    }
    .to_owned()
}

/// A value of another type.
pub(super) fn mismatch(value: &Value, schema: &Value, field: &FieldPath) -> String {
    if let (Value::Bool(_), "string" | "int-or-string") = (value, expected(schema)) {
        return switch(&value.to_string(), schema);
    }
    let got = match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the string '{}'", shorten(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    };
    let instead = match (expected(schema), value) {
        ("string", Value::Number(number)) if !is_duration(schema) && variants(schema).is_empty() => {
            format!("; write '\"{number}\"' with quotes")
        }
        ("integer", Value::String(text)) if text.parse::<i64>().is_ok() => {
            format!("; write {text} without quotes")
        }
        ("boolean", Value::String(text)) => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => "; write true".to_owned(),
            "no" | "off" | "n" | "false" => "; write false".to_owned(),
            _ => String::new(),
        },
        ("array", Value::Object(_) | Value::String(_) | Value::Number(_)) => {
            "; put '- ' before each entry".to_owned()
        }
        _ => String::new(),
    };
    let field = if field.as_str().is_empty() {
        "the document".to_owned()
    } else {
        format!("`{field}`")
    };
    format!("{field} must be {}; got {got}{instead}", describe(schema))
}

/// A word that YAML 1.1 reads as a boolean, where a string is expected.
pub(super) fn switch(word: &str, schema: &Value) -> String {
    let variants = variants(schema);
    match variants.as_slice() {
        [] => format!("'{word}' unquoted is a YAML boolean; write '\"{word}\"' with quotes"),
        names => format!("'{word}' unquoted is a YAML boolean; write {}", one_of(names)),
    }
}

/// A field that is not there.
pub(super) fn unknown_field(name: &str, known: Vec<&str>, parent: &FieldPath) -> String {
    let field = parent.field(name);
    if let Some(meant) = closest(name, known.iter().copied()) {
        return format!("unknown field `{field}`; did you mean `{}`?", parent.field(meant));
    }
    let parent = if parent.as_str().is_empty() {
        "the object".to_owned()
    } else {
        format!("`{parent}`")
    };
    match known.len() {
        0 => format!("unknown field `{field}`; {parent} holds no fields"),
        1..=MAX_LISTED => format!(
            "unknown field `{field}`; {parent} may hold `{}`",
            known.join("`, `")
        ),
        _ => format!("unknown field `{field}`; remove it"),
    }
}

/// A value of the right type that the schema's bounds or variants exclude.
pub(super) fn out_of_bounds(value: &Value, schema: &Value, field: &FieldPath) -> Option<String> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let variants = variants(schema);
    match value {
        Value::String(text) if !variants.is_empty() && !variants.contains(&text.as_str()) => {
            let hint = closest(text, variants.iter().copied());
            let hint = hint
                .map(|meant| format!("; did you mean '{meant}'?"))
                .unwrap_or_default();
            Some(format!(
                "`{field}` must be {}; got '{}'{hint}",
                one_of(&variants),
                shorten(text)
            ))
        }
        Value::String(text) => {
            let length = text.chars().count();
            range(length as f64, bound("minLength"), bound("maxLength"))
                .map(|limit| format!("`{field}` must have {limit} characters; got {length}"))
        }
        Value::Array(list) => range(list.len() as f64, bound("minItems"), bound("maxItems"))
            .map(|limit| format!("`{field}` must hold {limit} in its list; got {}", list.len())),
        Value::Number(number) => {
            let is_int32 = schema.get("format").and_then(Value::as_str) == Some("int32");
            let maximum = bound("maximum").or(is_int32.then_some(f64::from(i32::MAX)));
            let minimum = bound("minimum").or(is_int32.then_some(f64::from(i32::MIN)));
            range(number.as_f64()?, minimum, maximum)
                .map(|limit| format!("`{field}` must be {limit}; got {number}"))
        }
        _ => None,
    }
}

fn range(value: f64, minimum: Option<f64>, maximum: Option<f64>) -> Option<String> {
    if let Some(minimum) = minimum.filter(|minimum| value < *minimum) {
        return Some(format!("at least {minimum}"));
    }
    maximum
        .filter(|maximum| value > *maximum)
        .map(|maximum| format!("at most {maximum}"))
}

/// The words that `schema` allows; empty when it is not an enumeration.
fn variants(schema: &Value) -> Vec<&str> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).collect();
    }
    let alternatives = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    alternatives
        .flat_map(
            |alternative| match alternative.get("const").and_then(Value::as_str) {
                Some(word) => vec![word],
                None => variants(alternative),
            },
        )
        .collect()
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => format!("'{word}'"),
        [most @ .., last] => format!("'{}' or '{last}'", most.join("', '")),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
