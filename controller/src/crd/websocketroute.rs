//! `WebSocketRoute`: virtual hosts, rules and time limits for connections that stay open.
//!
//! Owns the shape of the object: fields, defaults that the schema writes, bounds. What needs a
//! sentence rather than a bound (durations, hostnames, paths) is said by the rules of `validation`
//! to the API server, and by `compile::websocketroute` to everybody else. Every list and string is bounded, which the API server's validation
//! budget asks for, and no optional field is ever written as `null`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::status::WebSocketRouteStatus;
use super::tls::{BackendTls, Tls};
use super::validation;

/// Routes HTTP requests and WebSocket handshakes for its hostnames to Services.
#[derive(Clone, CustomResource, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "WebSocketRoute",
    namespaced,
    shortname = "wsr",
    category = "holdfast",
    status = "WebSocketRouteStatus",
    selectable = ".spec.ingressClassName",
    printcolumn = r#"{"name": "Hosts", "type": "string", "jsonPath": ".spec.hostnames"}"#,
    printcolumn = r#"{"name": "Address", "type": "string", "jsonPath": ".status.loadBalancer.ingress[0]['ip','hostname']"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Class", "type": "string", "priority": 1, "jsonPath": ".spec.ingressClassName"}"#,
    printcolumn = r#"{"name": "Endpoints", "type": "integer", "priority": 1, "jsonPath": ".status.endpoints.ready"}"#,
    printcolumn = r#"{"name": "Accepted", "type": "string", "priority": 1, "jsonPath": ".status.conditions[?(@.type==\"Accepted\")].status"}"#,
    printcolumn = r#"{"name": "ResolvedRefs", "type": "string", "priority": 1, "jsonPath": ".status.conditions[?(@.type==\"ResolvedRefs\")].status"}"#,
    printcolumn = r#"{"name": "Programmed", "type": "string", "priority": 1, "jsonPath": ".status.conditions[?(@.type==\"Programmed\")].status"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "priority": 1, "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message"}"#,
    doc = "Routes HTTP requests and WebSocket handshakes for its hostnames to Services."
)]
#[serde(rename_all = "camelCase")]
pub struct WebSocketRouteSpec {
    /// Name of the IngressClass that serves this route; the default class if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub ingress_class_name: Option<String>,
    /// Virtual hosts: DNS names whose first label may be `*`, or the single entry `*`.
    #[schemars(schema_with = "hostnames_schema")]
    pub hostnames: Vec<String>,
    /// TLS towards clients; requests with TLS and without are served alike if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Rules, each with its own matches and backends.
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = validation::rules())
    )]
    pub rules: Vec<Rule>,
    /// Time limits of requests and sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
}

/// Where some of the requests go.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name for metrics and commands; unique in the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-kubernetes-validations" = validation::label()))]
    pub name: Option<String>,
    /// Alternatives, any of which suffices; every request if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub matches: Vec<Match>,
    /// Services that share the matching requests by weight.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub backend_refs: Vec<BackendRef>,
}

/// Conditions on a request, all of which must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Condition on the path; every path if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathCondition>,
    /// Conditions on header fields, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"],
            "x-kubernetes-validations" = validation::headers()
        )
    )]
    pub headers: Vec<ValueCondition>,
    /// Conditions on query parameters, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub query_params: Vec<ValueCondition>,
    /// Conditions on cookies, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 4),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"],
            "x-kubernetes-validations" = validation::cookies()
        )
    )]
    pub cookies: Vec<ValueCondition>,
    /// The client must offer one of these in `Sec-WebSocket-Protocol`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "subprotocols_schema")]
    pub subprotocols: Vec<String>,
}

/// A condition on the path.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = validation::path()))]
#[serde(rename_all = "camelCase")]
pub struct PathCondition {
    /// How `value` is compared.
    #[serde(rename = "type", default)]
    pub kind: PathKind,
    /// A path that starts with `/`, or a regular expression that must match the whole path.
    #[serde(default = "root")]
    #[schemars(length(min = 1, max = 1024))]
    pub value: String,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum PathKind {
    /// By whole elements: `/foo` takes `/foo` and `/foo/bar`, not `/foobar`.
    #[default]
    PathPrefix,
    /// The whole path.
    Exact,
    /// A regular expression that must match the whole path.
    RegularExpression,
}

/// A condition on a named value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = validation::value()))]
#[serde(rename_all = "camelCase")]
pub struct ValueCondition {
    /// How `value` is compared.
    #[serde(rename = "type", default)]
    pub kind: ValueKind,
    /// Name of the header, parameter or cookie.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// What the value must be.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ValueKind {
    /// Equal, byte for byte.
    #[default]
    Exact,
    /// A regular expression that must match the whole value.
    RegularExpression,
}

/// A port of a Service, and its share.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendRef {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Namespace of the Service; that of the route if absent. In another one, a ReferenceGrant must
    /// allow the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-kubernetes-validations" = validation::label()))]
    pub namespace: Option<String>,
    /// Port of the Service, by number or by name.
    #[schemars(schema_with = "port_schema")]
    pub port: IntOrString,
    /// Share of new requests and sessions, relative to its siblings; 0 takes none.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,
    /// A PROXY header in front of all that says who the client is; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// TLS towards the backend; what `appProtocol` of the Service's port says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<BackendTls>,
}

/// The version of a PROXY header in front of all that says to the backend who the client is; none if absent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Time limits.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = validation::timeouts()))]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Until the TCP connection to the endpoint stands; 5s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 28), extend("x-kubernetes-validations" = validation::connect()))]
    pub connect: Option<String>,
    /// From the request's head until the backend's answer; 10s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 28), extend("x-kubernetes-validations" = validation::handshake()))]
    pub handshake: Option<String>,
    /// Without a byte in either direction; 1h if absent, off with 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 28), extend("x-kubernetes-validations" = validation::idle()))]
    pub idle: Option<String>,
    /// Planned end of a session; off if absent or 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 28), extend("x-kubernetes-validations" = validation::max_duration()))]
    pub max_duration: Option<String>,
}

fn root() -> String {
    "/".to_owned()
}

fn one() -> i32 {
    1
}

/// Bounds by keywords: a validation rule for this costs many times the API server's budget.
fn port_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "minimum": 1,
        "maximum": 65535,
        "maxLength": 63,
        "pattern": "^[a-z0-9-]*[a-z][a-z0-9-]*$",
    })
}

fn hostnames_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 16,
        "x-kubernetes-list-type": "set",
        "x-kubernetes-validations": validation::hostnames(),
        "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": 253,
            "x-kubernetes-validations": validation::hostname(),
        },
    })
}

fn subprotocols_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "x-kubernetes-validations": validation::subprotocol(),
        },
    })
}
