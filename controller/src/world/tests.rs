//! A world that is kept up to date equals one that is built anew.

use std::collections::BTreeSet;

use super::*;

fn slice(name: &str, service: &str) -> (ObjectKey, Object) {
    let key = ObjectKey {
        kind: Kind::EndpointSlice,
        namespace: "prod".to_owned(),
        name: name.to_owned(),
    };
    let slice = EndpointSlice {
        service: service.to_owned(),
        address_type: "IPv4".to_owned(),
        ports: BTreeMap::new(),
        endpoints: vec![],
        invalid: vec![],
    };
    (key, Object::EndpointSlice(Arc::new(slice)))
}

fn world(objects: &[(ObjectKey, Object)]) -> World {
    let builder = World::builder();
    objects.iter().fold(builder, |b, (k, o)| b.with(k, o)).build()
}

#[test]
fn a_slice_that_changes_its_service_moves() {
    let mut kept = world(&[slice("a", "chat"), slice("b", "chat")]);
    let (key, moved) = slice("a", "echo");
    kept.apply(&key, Some(&moved));
    assert_eq!(kept, world(&[slice("a", "echo"), slice("b", "chat")]));
    kept.apply(&key, None);
    assert_eq!(kept, world(&[slice("b", "chat")]));
    kept.apply(&slice("b", "").0, None);
    kept.apply(&slice("b", "").0, None);
    assert_eq!(kept, World::default());
}

#[test]
fn a_copy_keeps_what_it_held() {
    let mut kept = world(&[slice("a", "chat")]);
    let copy = kept.clone();
    let service = Name::new("prod", "chat");
    let (key, other) = slice("b", "chat");
    kept.apply(&key, Some(&other));
    assert_eq!(copy, world(&[slice("a", "chat")]));
    assert_ne!(
        copy.slices.get(&service).map(Arc::as_ptr),
        kept.slices.get(&service).map(Arc::as_ptr)
    );
}

#[test]
fn an_object_that_can_be_read_again_is_no_longer_unreadable() {
    let (key, object) = slice("a", "chat");
    let mut world = World::default();
    world.unreadable.insert(key.clone(), "no".to_owned());
    world.apply(&key, Some(&object));
    assert!(world.unreadable.is_empty());
}

#[test]
fn a_grant_is_for_kind_namespace_and_name() {
    let grant: crate::crd::referencegrant::ReferenceGrant = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "grant"},
        "spec": {
            "from": [
                {"group": "holdfast.dev", "kind": "WebSocketRoute", "namespace": "prod"},
                {"group": "other.example", "kind": "WebSocketRoute", "namespace": "spoof"},
            ],
            "to": [
                {"group": "", "kind": "Service", "name": "chat"},
                {"group": "", "kind": "Secret"},
            ],
        },
    }))
    .unwrap();
    let Object::ReferenceGrant(grant) = Object::from(grant) else {
        panic!("another kind");
    };
    assert_eq!(
        grant.to,
        GrantedServices::Named(BTreeSet::from(["chat".to_owned()]))
    );
    assert!(grant.permits(Kind::WebSocketRoute, "prod", "chat"));
    assert!(!grant.permits(Kind::WebSocketRoute, "prod", "vnc"));
    assert!(!grant.permits(Kind::WebSocketRoute, "spoof", "chat"));
    assert!(!grant.permits(Kind::Ingress, "prod", "chat"));
}
