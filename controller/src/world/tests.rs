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

fn tls(certificate: &str, key: &str) -> (ObjectKey, Object) {
    let object_key = ObjectKey {
        kind: Kind::Secret,
        namespace: "prod".to_owned(),
        name: "tls".to_owned(),
    };
    let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "tls"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate, "tls.key": key, "ca.crt": certificate},
    }))
    .unwrap();
    (object_key, secret.into())
}

#[test]
fn a_secret_that_breaks_keeps_what_it_held() {
    let pair = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ((chain, key), (other_chain, other_key)) = (pair(), pair());
    let good = tls(&chain, &key);
    let mut kept = world(std::slice::from_ref(&good));
    let name = Name::new("prod", "tls");
    let secret = |world: &World| Arc::clone(world.secrets.get(&name).unwrap());
    let first = secret(&kept);
    let usable = first.certificate.usable().unwrap();
    for broken in [
        tls(&chain, &other_key),
        tls("", ""),
        tls("none", &key),
        tls(&chain, &other_key),
    ] {
        kept.apply(&broken.0, Some(&broken.1));
        let now = secret(&kept);
        assert_eq!(now.certificate.usable(), Some(usable));
        assert_ne!(now.certificate.now, first.certificate.now);
        // The same again is no news.
        kept.apply(&broken.0, Some(&broken.1));
        assert!(Arc::ptr_eq(&now, &secret(&kept)));
    }
    let next = tls(&other_chain, &other_key);
    kept.apply(&next.0, Some(&next.1));
    assert_eq!(kept, world(&[next]), "good content leaves nothing of the former");
    let broken = tls(&chain, &other_key);
    kept.apply(&broken.0, None);
    kept.apply(&broken.0, Some(&broken.1));
    assert!(
        secret(&kept).certificate.usable().is_none(),
        "what was deleted is gone"
    );
}
