//! The JSON schema of each kind that is read, from the types themselves.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery, networking::v1 as networking};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::crd::referencegrant::ReferenceGrantSpec;
use crate::crd::websocketroute::WebSocketRouteSpec;
use crate::world::Kind;

static SCHEMAS: LazyLock<BTreeMap<Kind, Value>> =
    LazyLock::new(|| Kind::ALL.into_iter().map(|kind| (kind, build(kind))).collect());

/// The schema of `kind`, without references.
pub(super) fn of(kind: Kind) -> &'static Value {
    &SCHEMAS[&kind]
}

fn build(kind: Kind) -> Value {
    match kind {
        Kind::Ingress => generate::<networking::Ingress>(),
        Kind::IngressClass => generate::<networking::IngressClass>(),
        Kind::Service => generate::<core::Service>(),
        Kind::EndpointSlice => generate::<discovery::EndpointSlice>(),
        Kind::Secret => generate::<core::Secret>(),
        Kind::ConfigMap => generate::<core::ConfigMap>(),
        Kind::WebSocketRoute => custom::<WebSocketRouteSpec>(),
        Kind::ReferenceGrant => custom::<ReferenceGrantSpec>(),
    }
}

fn custom<Spec: JsonSchema>() -> Value {
    json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": generate::<ObjectMeta>(),
            "spec": generate::<Spec>(),
            // Written by a controller; an exported object may hold it.
            "status": {"type": "object", "additionalProperties": true},
        },
    })
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
