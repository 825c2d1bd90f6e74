//! The custom resource definitions as they are printed.
//!
//! Owns what the derived definition lacks: an API server that drops `null`, whole numbers, and a
//! status from the start.

use kube::CustomResourceExt;
use serde_json::{Number, Value, json};

use super::websocketroute::WebSocketRoute;

/// The definition of WebSocketRoute.
///
/// # Errors
/// The derived definition is no JSON, which a test would have seen.
pub fn websocketroute() -> Result<Value, serde_json::Error> {
    let mut definition = serde_json::to_value(WebSocketRoute::crd())?;
    tidy(&mut definition);
    let versions = definition.pointer_mut("/spec/versions");
    for version in versions.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(status) = version.pointer_mut("/schema/openAPIV3Schema/properties/status") {
            // So that the default conditions stand in a new object.
            status["default"] = json!({});
        }
    }
    Ok(definition)
}

/// Drops `nullable`, so that the API server prunes a `null` before a rule asks `has()` for it, and
/// writes 16.0 as 16.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.remove("nullable");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15);
            if let Some(whole) = whole {
                *number = Number::from(whole as i64);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
