//! The printed definition: what is committed is what the types say, and the API server can bear it.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::path::Path;

use controller::crd::definition;
use controller::yaml;
use serde_json::Value;

const HOW: &str =
    "cargo run -p controller --bin holdfast -- crds print > crds/websocketroutes.holdfast.dev.yaml";

fn schema() -> Value {
    let definition = definition::websocketroute().unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every schema within, with its path.
fn walk(schema: &Value, path: &str, see: &mut impl FnMut(&str, &Value)) {
    see(path, schema);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            walk(property, &format!("{path}.{name}"), see);
        }
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), see);
    }
}

#[test]
fn what_is_committed_is_what_the_types_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/websocketroutes.holdfast.dev.yaml");
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    let printed = yaml::print(&definition::websocketroute().unwrap()).unwrap();
    assert!(
        committed == printed,
        "the definition differs; to accept it:\n{HOW}"
    );
}

#[test]
fn everything_is_bounded_and_described() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for part in ["spec", "status"] {
        walk(&schema()["properties"][part], part, &mut |path, schema| {
            seen += 1;
            let bounded = match schema["type"].as_str() {
                Some("string") => {
                    schema["maxLength"].is_u64() || schema["enum"].is_array() || schema["format"].is_string()
                }
                Some("array") => schema["maxItems"].is_u64() && schema["x-kubernetes-list-type"].is_string(),
                Some("object") => schema["properties"].is_object(),
                Some("integer") => schema["minimum"].is_i64() || path == "status.observedGeneration",
                _ => schema["x-kubernetes-int-or-string"] == true && schema["maxLength"].is_u64(),
            };
            if !bounded {
                wrong.push(format!("{path} has no bounds"));
            }
            // What a list holds is described by the list or by its own fields.
            if schema["description"].is_null() && !path.ends_with("[]") {
                wrong.push(format!("{path} has no description"));
            }
            if !schema["nullable"].is_null() {
                wrong.push(format!("{path} may be null"));
            }
        });
    }
    assert!(seen > 40, "only {seen} schemas");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rule_has_a_sentence() {
    let mut rules = 0;
    walk(&schema(), "", &mut |path, schema| {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            rules += 1;
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(
                message.contains("must") || message.contains("may"),
                "{path}: {rule}"
            );
        }
    });
    assert!(rules >= 15, "only {rules} rules");
}
