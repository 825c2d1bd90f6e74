//! Holds a value against its schema: unknown fields, missing fields, types, bounds.
//!
//! As strict as the API server with strict field validation, and says what to write instead.

mod words;

use serde_json::{Map, Value};

use crate::compile::field::FieldPath;
use crate::compile::finding::Reason;
use crate::did_you_mean::closest;
use crate::yaml::Lines;

/// One field that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The field.
    pub(super) field: FieldPath,
    /// What kind of mistake.
    pub(super) reason: Reason,
    /// What is wrong and what to write instead.
    pub(super) message: String,
}

/// Everything in `value` that does not fit `schema`. `lines` and `base` tell how the value at the
/// root was written.
pub(super) fn check(value: &Value, schema: &Value, lines: &Lines, base: &FieldPath) -> Vec<Problem> {
    let mut walk = Walk {
        lines,
        base,
        problems: Vec::new(),
    };
    walk.value(value, schema, &FieldPath::default());
    walk.problems
}

/// Removes nulls from maps: the API server takes them as absent.
pub(super) fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(strip_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

struct Walk<'a> {
    lines: &'a Lines,
    base: &'a FieldPath,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn add(&mut self, field: &FieldPath, reason: Reason, message: String) {
        self.problems.push(Problem {
            field: field.clone(),
            reason,
            message,
        });
    }

    fn value(&mut self, value: &Value, schema: &Value, field: &FieldPath) {
        let fits = match (words::expected(schema), value) {
            ("string", Value::String(_)) => !self.is_switch(value, schema, field),
            ("int-or-string", Value::String(_)) => !self.is_switch(value, schema, field),
            ("object", Value::Object(_)) | ("array", Value::Array(_)) | ("boolean", Value::Bool(_)) => true,
            ("integer" | "int-or-string", Value::Number(number)) => number.is_i64(),
            ("number", Value::Number(_)) | ("", _) => true,
            _ => false,
        };
        if !fits {
            if !matches!(
                (words::expected(schema), value),
                ("string" | "int-or-string", Value::String(_))
            ) {
                self.add(field, Reason::InvalidType, words::mismatch(value, schema, field));
            }
            return;
        }
        if let Some(message) = words::out_of_bounds(value, schema, field) {
            self.add(field, Reason::InvalidValue, message);
        }
        match value {
            Value::Object(map) => self.object(map, schema, field),
            Value::Array(list) => {
                let Some(items) = schema.get("items") else { return };
                for (index, item) in list.iter().enumerate() {
                    self.value(item, items, &field.index(index));
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, map: &Map<String, Value>, schema: &Value, field: &FieldPath) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties");
        let known = || properties.into_iter().flatten().map(|(name, _)| name.as_str());
        let mut meant = Vec::new();
        for (name, value) in map {
            let child = field.field(name);
            match (properties.and_then(|known| known.get(name)), additional) {
                (Some(schema), _) => self.value(value, schema, &child),
                (None, Some(schema @ Value::Object(_))) => self.value(value, schema, &child),
                (None, Some(Value::Bool(true))) => {}
                (None, _) => {
                    meant.extend(closest(name, known()));
                    let message = words::unknown_field(name, known().collect(), field);
                    self.add(&child, Reason::UnknownField, message);
                }
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            // A misspelled field is one mistake, not two.
            if !map.contains_key(name) && !meant.contains(&name) {
                let child = field.field(name);
                let form = properties
                    .and_then(|known| known.get(name))
                    .map(words::describe)
                    .unwrap_or_default();
                let message = format!("missing field `{child}`; it must be set to {form}");
                self.add(&child, Reason::MissingField, message);
            }
        }
    }

    /// Reports a word that YAML 1.1, and so kubectl, reads as a boolean.
    fn is_switch(&mut self, value: &Value, schema: &Value, field: &FieldPath) -> bool {
        let Some(word) = value.as_str().filter(|_| self.written_as_switch(field)) else {
            return false;
        };
        self.add(field, Reason::InvalidType, words::switch(word, schema));
        true
    }

    fn written_as_switch(&self, field: &FieldPath) -> bool {
        let written = match self.base.as_str() {
            "" => field.as_str().to_owned(),
            base => format!("{base}.{field}"),
        };
        self.lines.switch_word(&written).is_some()
    }
}

#[cfg(test)]
mod tests;
