use serde_json::json;

use super::*;
use crate::source::schema;
use crate::world::Kind;
use crate::yaml;

fn route(spec: &str) -> Vec<String> {
    let text = format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: WebSocketRoute\nmetadata: {{name: x}}\nspec: {spec}\n"
    );
    let document = yaml::documents(&text).remove(0).unwrap();
    let problems = check(
        &document.value,
        schema::of(Kind::WebSocketRoute),
        &document.lines,
        &FieldPath::default(),
    );
    problems.into_iter().map(|problem| problem.message).collect()
}

const RULES: &str = "hostnames: [a.example.com], rules: [{backendRefs: [{name: x, port: 80}]}]";

#[test]
fn the_smallest_route_fits() {
    assert_eq!(route(&format!("{{{RULES}}}")), [""; 0]);
}

#[test]
fn unknown_fields_are_named_with_what_was_meant() {
    let found = route(&format!("{{{RULES}, timeout: {{idle: 1h}}}}"));
    assert_eq!(
        found,
        ["unknown field `spec.timeout`; did you mean `spec.timeouts`?"]
    );
    let found = route(&format!("{{{RULES}, keepalive: {{}}}}"));
    assert_eq!(
        found,
        [
            "unknown field `spec.keepalive`; `spec` may hold `hostnames`, `ingressClassName`, `rules`, `timeouts`, `tls`"
        ]
    );
}

#[test]
fn types_say_what_to_write() {
    let found = route(&format!("{{{RULES}, timeouts: {{idle: 3600}}}}"));
    assert_eq!(
        found,
        ["`spec.timeouts.idle` must be a duration string such as '1h'; got the number 3600"]
    );
    let found = route("{hostnames: a.example.com, rules: []}");
    assert_eq!(
        found,
        [
            "`spec.hostnames` must be a list; got the string 'a.example.com'; put '- ' before each entry",
            "`spec.rules` must hold at least 1 in its list; got 0",
        ]
    );
    let found = route(&format!("{{{RULES}, ingressClassName: 5}}"));
    assert_eq!(
        found,
        ["`spec.ingressClassName` must be a string; got the number 5; write '\"5\"' with quotes"]
    );
}

#[test]
fn yaml_booleans_in_disguise_are_called_by_name() {
    let found = route(&format!("{{{RULES}, ingressClassName: On}}"));
    assert_eq!(
        found,
        ["'On' unquoted is a YAML boolean; write '\"On\"' with quotes"]
    );
    let found = route(&format!("{{{RULES}, ingressClassName: 'On'}}"));
    assert_eq!(found, [""; 0]);
    let path = "matches: [{path: {type: Off, value: /}}], backendRefs: [{name: x, port: 80}]";
    let found = route(&format!("{{hostnames: [a.example.com], rules: [{{{path}}}]}}"));
    assert_eq!(
        found,
        ["'Off' unquoted is a YAML boolean; write 'PathPrefix', 'Exact' or 'RegularExpression'"]
    );
}

#[test]
fn enumerations_list_their_words() {
    let path = "matches: [{path: {type: Prefix, value: /}}], backendRefs: [{name: x, port: 80}]";
    let found = route(&format!("{{hostnames: [a.example.com], rules: [{{{path}}}]}}"));
    assert_eq!(
        found,
        [
            "`spec.rules[0].matches[0].path.type` must be 'PathPrefix', 'Exact' or 'RegularExpression'; got 'Prefix'"
        ]
    );
}

#[test]
fn every_kind_has_a_schema_that_reaches_its_leaves() {
    for kind in Kind::ALL {
        let value =
            json!({"apiVersion": kind.api_version(), "kind": kind.as_str(), "metadata": {"labels": 1}});
        let found = check(&value, schema::of(kind), &Lines::default(), &FieldPath::default());
        assert!(
            found
                .iter()
                .any(|p| p.message == "`metadata.labels` must be a map of fields; got the number 1")
        );
    }
}

#[test]
fn nulls_count_as_absent() {
    let mut value = json!({"a": null, "b": [{"c": null, "d": 1}]});
    strip_nulls(&mut value);
    assert_eq!(value, json!({"b": [{"d": 1}]}));
}
