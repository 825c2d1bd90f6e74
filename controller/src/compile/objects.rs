//! Findings about objects that hold no routes, and about those that can't be decoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::FieldPath;
use super::finding::{Finding, Reason};
use super::{check, key};
use crate::world::{Kind, Name, Object, ObjectKey, World};

/// What keeps the EndpointSlices of a Service from being used in full.
pub(super) fn slice_findings(world: &World, service: &Name) -> Vec<Finding> {
    let mut findings = Vec::new();
    let slices = world.slices.get(service).into_iter();
    for (name, slice) in slices.flat_map(|slices| slices.iter()) {
        let key = key(Kind::EndpointSlice, &Name::new(&service.namespace, name));
        findings.extend(check(&key, &Object::EndpointSlice(Arc::clone(slice))));
        if service.name.is_empty() {
            let message = "belongs to no Service; set the label 'kubernetes.io/service-name'";
            let field = FieldPath::new("metadata.labels");
            findings.push(Finding::warning(&key, &field, Reason::InvalidEndpoints, message));
        }
        if slice.address_type == "FQDN" {
            let message = "`addressType` 'FQDN' is not used; write 'IPv4' or 'IPv6' with IP addresses";
            let field = FieldPath::new("addressType");
            findings.push(Finding::warning(&key, &field, Reason::InvalidEndpoints, message));
        }
    }
    findings
}

/// Objects that could not be decoded.
pub(super) fn unreadable_findings(world: &World) -> BTreeMap<ObjectKey, Arc<Finding>> {
    let finding = |(key, why): (&ObjectKey, &String)| {
        let outcome = match world.object(key).is_some() {
            true => "the last good version keeps serving",
            false => "it is not served until that is corrected",
        };
        let message = format!("can't be read: {why}; {outcome}");
        let finding = Finding::error(key, &FieldPath::default(), Reason::UnsupportedValue, message);
        (key.clone(), Arc::new(finding))
    };
    world.unreadable.iter().map(finding).collect()
}
