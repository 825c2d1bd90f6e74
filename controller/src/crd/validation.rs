//! The validation rules of our kinds, in CEL, as the API server evaluates them.
//!
//! Each rule says in a sentence what to write instead; `compile::check` says the same of manifests.
//! Where several things can be wrong with one value, one rule chooses the sentence, so that one
//! mistake gets one answer. What a port may be is said by schema keywords alone: as a rule in lists
//! of lists it would cost many times the API server's budget.

use serde_json::{Value, json};

/// A duration, as in Gateway API (GEP-2257).
const DURATION: &str = "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$')";
const LABEL: &str = "self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')";
/// A DNS name.
const NAME: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";
const TOKEN: &str = "^[A-Za-z0-9!#$%&*+.^_`|~\\'-]+$";
/// Longest regular expression, in characters.
const MAX_REGEX: usize = 256;

/// A rule with a fixed sentence.
fn rule(rule: impl Into<String>, message: &str) -> Value {
    json!({"rule": rule.into(), "message": message})
}

/// A rule whose sentence shows the value.
fn rule_showing(rule: impl Into<String>, message: &str, expression: &str) -> Value {
    json!({"rule": rule.into(), "message": message, "messageExpression": expression})
}

/// One hostname.
pub(super) fn hostname() -> Value {
    let label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
    let name = format!(r"self.matches('^([*][.])?{label}([.]{label})*$')");
    json!([rule_showing(
        format!("self == '*' || (!isIP(self) && {name})"),
        "must be a DNS name such as 'chat.example.com' or '*.example.com'",
        "self.contains('/') ? \"must be a DNS name such as 'chat.example.com'; put the path in `rules[].matches`\" \
         : isIP(self) || self.startsWith('[') ? \"must be a DNS name, not an IP address\" \
         : self.matches(':[0-9]*$') ? \"must not hold a port; write '\" + self.split(':')[0] + \"'\" \
         : self != self.lowerAscii() ? \"must be in lower case; write '\" + self.lowerAscii() + \"'\" \
         : self.endsWith('.') ? \"must not end with '.'; write '\" + self.substring(0, self.size() - 1) + \"'\" \
         : self.contains('*') ? \"may hold '*' only as its whole first label, as in '*.example.com'\" \
         : \"must be a DNS name such as 'chat.example.com'; got '\" + self + \"'\"",
    )])
}

/// All hostnames of a route.
pub(super) fn hostnames() -> Value {
    json!([rule(
        "!('*' in self) || self.size() == 1",
        "must not be '*' beside other hostnames",
    )])
}

/// All rules of a route.
pub(super) fn rules() -> Value {
    json!([rule(
        "self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && a.name == b.name))",
        "`name` must be unique among the rules of a route",
    )])
}

/// A DNS label: the name of a rule or of a namespace.
pub(super) fn label() -> Value {
    json!([rule_showing(
        LABEL,
        "must be of lower-case letters, digits and '-'",
        "\"must be of lower-case letters, digits and '-'; got '\" + self + \"'\"",
    )])
}

/// The name of an object.
pub(super) fn object_name() -> Value {
    json!([rule_showing(
        format!("self.matches('{NAME}')"),
        "must be the name of an object, such as 'chat-tls'",
        "\"must be the name of an object, such as 'chat-tls'; got '\" + self + \"'\"",
    )])
}

/// The name that a backend's certificate must have.
pub(super) fn backend_hostname() -> Value {
    json!([rule_showing(
        format!("!isIP(self) && self.matches('{NAME}')"),
        "must be a DNS name such as 'chat.internal'",
        "\"must be a DNS name such as 'chat.internal'; got '\" + self + \"'\"",
    )])
}

/// TLS towards a backend.
pub(super) fn backend_tls() -> Value {
    json!([
        {
            "rule": "(self.verify == 'CA') == has(self.caRef)",
            "message": "must set `caRef` when `verify` is 'CA', and must not set it otherwise",
        },
        {
            "rule": "self.verify == 'Skip' || has(self.hostname)",
            "message": "must set `hostname` unless `verify` is 'Skip'",
        },
    ])
}

/// A condition on the path.
pub(super) fn path() -> Value {
    let forms = ["//", "/./", "/../", "%2f", "%2F", "?", "#"];
    let lacks: String = forms
        .iter()
        .map(|form| format!(" && !self.value.contains('{form}')"))
        .collect();
    let plain = format!(
        "self.value.startsWith('/'){lacks} && !self.value.endsWith('/.') && !self.value.endsWith('/..')"
    );
    let which: String = forms
        .iter()
        .map(|form| format!("self.value.contains('{form}') ? \"must not hold '{form}'\" : "))
        .collect();
    let sentence = format!(
        "!self.value.startsWith('/') ? \"must start with '/'\" : {which}\
         self.value.endsWith('/.') ? \"must not end with '/.'\" : \"must not end with '/..'\""
    );
    let mut rules = vec![json!({
        "rule": format!("self.type == 'RegularExpression' || ({plain})"),
        "message": "must start with '/' and must not hold '//', '/./', '/../', '%2f', '?' or '#'",
        "messageExpression": sentence,
        "fieldPath": ".value",
    })];
    rules.push(regex());
    json!(rules)
}

/// A condition on a named value.
pub(super) fn value() -> Value {
    json!([regex()])
}

fn regex() -> Value {
    json!({
        "rule": format!("self.type != 'RegularExpression' || self.value.size() <= {MAX_REGEX}"),
        "message": format!("must be a regular expression of at most {MAX_REGEX} characters"),
        "fieldPath": ".value",
    })
}

/// Conditions on header fields, whose names differ by more than their case.
pub(super) fn headers() -> Value {
    json!([
        named_by_tokens("X-Canary"),
        rule(
            "self.all(a, self.exists_one(b, a.name.lowerAscii() == b.name.lowerAscii()))",
            "must not repeat a name, whatever its case",
        ),
    ])
}

/// Conditions on cookies.
pub(super) fn cookies() -> Value {
    json!([named_by_tokens("canary")])
}

fn named_by_tokens(example: &str) -> Value {
    rule(
        format!("self.all(c, c.name.matches('{TOKEN}'))"),
        &format!("must be a name such as '{example}', without spaces or separators"),
    )
}

/// One subprotocol.
pub(super) fn subprotocol() -> Value {
    json!([rule_showing(
        format!("self.matches('{TOKEN}')"),
        "must be a subprotocol such as 'graphql-transport-ws'",
        "\"must be a subprotocol such as 'graphql-transport-ws'; got '\" + self + \"'\"",
    )])
}

/// Any duration.
fn duration() -> Value {
    rule_showing(
        DURATION,
        "must be a duration string such as '1h', '30s' or '500ms'",
        "self.matches('^[0-9]{1,5}$') ? \"must be a duration string such as '1h'; write '\" + self + \"s'\" \
         : self.matches('^([0-9]{1,5}(h|m|s|ms|d|w)){1,4}$') ? \"must use h, m, s or ms; write '24h' for a day\" \
         : \"must be a duration string such as '1h', '30s' or '500ms'; got '\" + self + \"'\"",
    )
}

/// True for a schema that asks for a duration.
pub(crate) fn is_duration(schema: &Value) -> bool {
    schema
        .pointer("/x-kubernetes-validations/0/rule")
        .and_then(Value::as_str)
        == Some(DURATION)
}

/// A duration for which `condition` holds, CEL over `duration(self)`.
pub(super) fn limited_duration(condition: &str, message: &str) -> Value {
    // A duration that can't be read is told so once.
    let limit = rule(format!("!{DURATION} || {condition}"), message);
    json!([duration(), limit])
}

/// `timeouts.connect`.
pub(super) fn connect() -> Value {
    limited_duration("duration(self) > duration('0s')", "must be greater than '0s'")
}

/// `timeouts.handshake`.
pub(super) fn handshake() -> Value {
    limited_duration(
        "(duration(self) > duration('0s') && duration(self) <= duration('5m'))",
        "must be greater than '0s' and at most '5m'",
    )
}

/// `timeouts.idle`.
pub(super) fn idle() -> Value {
    json!([duration()])
}

/// `timeouts.maxDuration`.
pub(super) fn max_duration() -> Value {
    limited_duration(
        "(duration(self) == duration('0s') || duration(self) >= duration('1m'))",
        "must be '0s' (off) or at least '1m'",
    )
}

/// The block `timeouts`.
pub(super) fn timeouts() -> Value {
    let readable = |field: &str| DURATION.replace("self", &format!("self.{field}"));
    let limit = format!(
        "(has(self.handshake) ? !{} || duration(self.connect) <= duration(self.handshake) \
         : duration(self.connect) <= duration('10s'))",
        readable("handshake")
    );
    json!([{
        "rule": format!("!has(self.connect) || !{} || {limit}", readable("connect")),
        "message": "must not be greater than `spec.timeouts.handshake`",
        "messageExpression": "\"must not be greater than `spec.timeouts.handshake` ('\" \
             + (has(self.handshake) ? self.handshake + \"')\" : \"10s', the default)\")",
        "fieldPath": ".connect",
    }])
}
