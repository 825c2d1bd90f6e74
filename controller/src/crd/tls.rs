//! TLS of a `WebSocketRoute`: towards its clients and towards its backends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::validation;

/// TLS towards clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret of type kubernetes.io/tls with the certificate for the hostnames; the default certificate if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validation::object_name()))]
    pub secret_name: Option<String>,
    /// The oldest version that is spoken.
    #[serde(default)]
    pub min_version: MinVersion,
    /// What a request without TLS gets.
    #[serde(default)]
    pub insecure_policy: InsecurePolicy,
    /// Certificates that clients must show; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_validation: Option<ClientValidation>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum MinVersion {
    /// RFC 5246.
    #[default]
    #[serde(rename = "TLSv1.2")]
    V12,
    /// RFC 8446.
    #[serde(rename = "TLSv1.3")]
    V13,
}

/// What a request without TLS gets.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum InsecurePolicy {
    /// 308 to the same address with TLS. Browsers follow no redirect of a WebSocket handshake; others may.
    #[default]
    Redirect,
    /// The same as with TLS.
    Allow,
    /// 403.
    Reject,
}

/// What clients must prove.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientValidation {
    /// Authorities, any of which may have signed.
    pub ca_ref: CaRef,
    /// Whether clients without a certificate are let in.
    #[serde(default)]
    pub mode: ClientMode,
}

/// Whether clients without a certificate are let in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ClientMode {
    /// They are not.
    #[default]
    Require,
    /// They are; a certificate that is shown must be a good one.
    Optional,
}

/// An object of the same namespace that holds certificates of authorities in PEM form under the key `ca.crt`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaRef {
    /// Its kind.
    #[serde(default)]
    pub kind: CaKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validation::object_name()))]
    pub name: String,
}

/// A kind that may hold authorities.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum CaKind {
    /// A Secret of any type.
    #[default]
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// TLS towards a backend.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = validation::backend_tls()))]
#[serde(rename_all = "camelCase")]
pub struct BackendTls {
    /// The name that is asked for and that the backend's certificate must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validation::backend_hostname()))]
    pub hostname: Option<String>,
    /// Who must have signed the backend's certificate.
    #[serde(default)]
    pub verify: BackendVerify,
    /// The authorities, with `verify: CA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<CaRef>,
    /// Secret of type kubernetes.io/tls, in the namespace of the route, with the certificate that is shown to a backend
    /// that asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validation::object_name()))]
    pub client_cert_secret_name: Option<String>,
}

/// Who must have signed a backend's certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum BackendVerify {
    /// An authority that browsers trust.
    #[default]
    System,
    /// One of `caRef`.
    #[serde(rename = "CA")]
    Ca,
    /// Anybody: whoever can answer at the endpoint's address is taken for the backend.
    Skip,
}
