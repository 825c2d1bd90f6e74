//! Properties of compile over generated worlds.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use controller::compile::{Compiled, Compiler, Settings, compile};
use controller::world::{Kind, Name, Object, ObjectKey, World};
use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery, networking::v1 as networking};
use proptest::prelude::*;
use proptest::sample::select;
use routetable::{CertificateId, EndpointState, ObjectKind, Route, SharedMap, validate};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

type Entry = (ObjectKey, Object);

fn entry(kind: Kind, namespace: &str, name: &str, value: Value) -> Entry {
    let key = ObjectKey {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let object = match kind {
        Kind::Ingress => serde_json::from_value::<networking::Ingress>(value)
            .unwrap()
            .into(),
        Kind::IngressClass => serde_json::from_value::<networking::IngressClass>(value)
            .unwrap()
            .into(),
        Kind::Service => serde_json::from_value::<core::Service>(value).unwrap().into(),
        Kind::EndpointSlice => serde_json::from_value::<discovery::EndpointSlice>(value)
            .unwrap()
            .into(),
        Kind::Secret => serde_json::from_value::<core::Secret>(value).unwrap().into(),
        Kind::ConfigMap => serde_json::from_value::<core::ConfigMap>(value).unwrap().into(),
        Kind::ReferenceGrant => {
            type Api = controller::crd::referencegrant::ReferenceGrant;
            serde_json::from_value::<Api>(value).unwrap().into()
        }
        Kind::WebSocketRoute => {
            type Api = controller::crd::websocketroute::WebSocketRoute;
            serde_json::from_value::<Api>(value).unwrap().into()
        }
    };
    (key, object)
}

fn metadata(name: &str, year: u16) -> Value {
    json!({"name": name, "creationTimestamp": format!("{year}-01-01T00:00:00Z")})
}

fn host() -> impl Strategy<Value = &'static str> {
    select(vec![
        "a.example.com",
        "b.example.com",
        "*.example.com",
        "Not A Host",
        "https://x/",
    ])
}

fn path() -> impl Strategy<Value = &'static str> {
    select(vec!["/", "/a", "/a/", "/a/b", "relative", "/a//b"])
}

fn service() -> impl Strategy<Value = &'static str> {
    select(vec!["one", "two", "absent"])
}

/// Certificates with their keys, in PEM form.
static PAIRS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let pair = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    vec![pair("a.example.com"), pair("*.example.com")]
});

fn secret_name() -> impl Strategy<Value = &'static str> {
    select(vec!["tls", "other", "absent"])
}

/// A Secret that holds a good pair, one that does not fit, something broken, or only authorities.
fn secret() -> impl Strategy<Value = Entry> {
    let kind = select(vec!["Opaque", "kubernetes.io/tls", "kubernetes.io/tls"]);
    (namespace(), select(vec!["tls", "other"]), kind, 0..6_usize).prop_map(
        |(namespace, name, kind, content)| {
            let (chain, key) = &PAIRS[content % 2];
            let data = match content {
                0..=2 => json!({"tls.crt": chain, "tls.key": key, "ca.crt": chain}),
                3 => json!({"tls.crt": chain, "tls.key": PAIRS[0].1, "ca.crt": "broken"}),
                4 => json!({"tls.crt": "broken", "tls.key": "broken"}),
                _ => json!({"ca.crt": format!("{chain}{chain}")}),
            };
            let value = json!({"metadata": {"name": name}, "type": kind, "stringData": data});
            entry(Kind::Secret, namespace, name, value)
        },
    )
}

/// A ConfigMap that holds one authority, two, something broken, or nothing of use.
fn config_map() -> impl Strategy<Value = Entry> {
    (namespace(), select(vec!["tls", "other"]), 0..4_usize).prop_map(|(namespace, name, content)| {
        let [(one, _), (two, _)] = &PAIRS[..] else {
            unreachable!("two pairs")
        };
        let data = match content {
            0 => json!({"ca.crt": one}),
            1 => json!({"ca.crt": format!("{one}{two}")}),
            2 => json!({"ca.crt": "broken"}),
            _ => json!({"other": one}),
        };
        let value = json!({"metadata": {"name": name}, "data": data});
        entry(Kind::ConfigMap, namespace, name, value)
    })
}

/// `caRef`.
fn authority() -> impl Strategy<Value = Value> {
    let kind = select(vec!["Secret", "ConfigMap"]);
    (kind, secret_name()).prop_map(|(kind, name)| json!({"kind": kind, "name": name}))
}

/// `spec.tls` of an Ingress.
fn entries() -> impl Strategy<Value = Value> {
    let hosts = prop::collection::vec(host(), 0..3);
    let entry = (hosts, prop::option::of(secret_name()))
        .prop_map(|(hosts, secret)| json!({"hosts": hosts, "secretName": secret}));
    prop::collection::vec(entry, 0..3).prop_map(Value::Array)
}

/// `spec.tls` of a WebSocketRoute.
fn block() -> impl Strategy<Value = Option<Value>> {
    let version = select(vec!["TLSv1.2", "TLSv1.3"]);
    let policy = select(vec!["Allow", "Redirect", "Reject"]);
    let client = prop::option::of((authority(), select(vec!["Require", "Optional"])));
    let block = (prop::option::of(secret_name()), version, policy, client);
    prop::option::of(block.prop_map(|(secret, version, policy, client)| {
        let mut block = json!({"minVersion": version, "insecurePolicy": policy});
        if let Some(secret) = secret {
            block["secretName"] = json!(secret);
        }
        if let Some((authority, mode)) = client {
            block["clientValidation"] = json!({"caRef": authority, "mode": mode});
        }
        block
    }))
}

/// `backendRefs[].tls`.
fn backend_tls() -> impl Strategy<Value = Option<Value>> {
    let authority = authority()
        .prop_map(|authority| json!({"hostname": "app.internal", "verify": "CA", "caRef": authority}));
    let shown =
        secret_name().prop_map(|shown| json!({"hostname": "app.internal", "clientCertSecretName": shown}));
    let fixed = select(vec![json!({"verify": "Skip"}), json!({"verify": "CA"})]);
    prop::option::of(prop_oneof![authority, shown, fixed])
}

fn namespace() -> impl Strategy<Value = &'static str> {
    select(vec!["default", "prod"])
}

fn ingress() -> impl Strategy<Value = Entry> {
    let kind = select(vec!["Exact", "Prefix", "ImplementationSpecific", "Wrong"]);
    let rule = (host(), path(), kind, service()).prop_map(|(host, path, kind, service)| {
        json!({"host": host, "http": {"paths": [{
            "path": path,
            "pathType": kind,
            "backend": {"service": {"name": service, "port": {"number": 80}}},
        }]}})
    });
    let rules = prop::collection::vec(rule, 0..4);
    (
        namespace(),
        select(vec!["x", "y", "z"]),
        2020..2023_u16,
        rules,
        any::<bool>(),
        entries(),
        select(vec![json!({}), json!({"holdfast.dev/backend-tls": "ca:other"})]),
    )
        .prop_map(|(namespace, name, year, rules, default, tls, annotations)| {
            let mut spec = json!({"rules": rules, "tls": tls});
            if default {
                spec["defaultBackend"] = json!({"service": {"name": "one", "port": {"name": "http"}}});
            }
            let mut metadata = metadata(name, year);
            metadata["annotations"] = annotations;
            entry(
                Kind::Ingress,
                namespace,
                name,
                json!({"metadata": metadata, "spec": spec}),
            )
        })
}

fn route() -> impl Strategy<Value = Entry> {
    let condition = select(vec![
        json!([]),
        json!([{"name": "X-A", "value": "1"}]),
        json!([{"name": "x y", "value": ""}]),
    ]);
    let kind = select(vec!["PathPrefix", "Exact", "RegularExpression"]);
    let matched = (path(), kind, condition)
        .prop_map(|(path, kind, headers)| json!({"path": {"type": kind, "value": path}, "headers": headers}));
    let rule = (
        prop::collection::vec(matched, 0..3),
        service(),
        -1..3,
        backend_tls(),
    )
        .prop_map(|(matches, service, weight, tls)| {
            let mut backend = json!({"name": service, "port": 80, "weight": weight});
            if let Some(tls) = tls {
                backend["tls"] = tls;
            }
            json!({"matches": matches, "backendRefs": [backend]})
        });
    let idle = select(vec!["1h", "0s", "1d"]);
    let hosts = prop::collection::vec(host(), 0..3);
    (
        namespace(),
        select(vec!["x", "y", "w"]),
        2020..2023_u16,
        hosts,
        prop::collection::vec(rule, 0..4),
        idle,
        block(),
    )
        .prop_map(|(namespace, name, year, hosts, rules, idle, tls)| {
            let mut spec = json!({"hostnames": hosts, "rules": rules, "timeouts": {"idle": idle}});
            if let Some(tls) = tls {
                spec["tls"] = tls;
            }
            let value = json!({"metadata": metadata(name, year), "spec": spec});
            entry(Kind::WebSocketRoute, namespace, name, value)
        })
}

fn slice() -> impl Strategy<Value = Entry> {
    let endpoint = (1..5_u8, any::<Option<bool>>(), any::<bool>()).prop_map(|(last, ready, terminating)| {
        json!({
            "addresses": [format!("10.0.0.{last}")],
            "conditions": {"ready": ready, "serving": true, "terminating": terminating},
        })
    });
    let endpoints = prop::collection::vec(endpoint, 0..4);
    (namespace(), select(vec!["one", "two"]), 0..3_u8, endpoints).prop_map(
        |(namespace, service, part, endpoints)| {
            let name = format!("{service}-{part}");
            let value = json!({
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080}],
                "endpoints": endpoints,
            });
            entry(Kind::EndpointSlice, namespace, &name, value)
        },
    )
}

fn services() -> Vec<Entry> {
    let spec = json!({"ports": [{"name": "http", "port": 80}]});
    let named = |(namespace, name)| {
        entry(
            Kind::Service,
            namespace,
            name,
            json!({"metadata": {"name": name}, "spec": spec}),
        )
    };
    [("default", "one"), ("default", "two"), ("prod", "one")]
        .map(named)
        .to_vec()
}

/// Objects with distinct keys.
fn objects() -> impl Strategy<Value = Vec<Entry>> {
    let any = prop_oneof![3 => ingress(), 3 => route(), 2 => slice(), 2 => secret(), 1 => config_map()];
    prop::collection::vec(any, 0..14).prop_map(|mut entries| {
        entries.extend(services());
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
        entries
    })
}

fn world(entries: &[Entry]) -> World {
    let builder = World::builder();
    entries
        .iter()
        .fold(builder, |builder, (key, object)| builder.with(key, object))
        .build()
}

fn compiled(entries: &[Entry]) -> Compiled {
    compile(&world(entries), &Settings::for_files())
}

/// The routes of every object but `key`.
fn others<'a>(compiled: &'a Compiled, key: &ObjectKey) -> Vec<&'a Route> {
    let kind = |kind: ObjectKind| match kind {
        ObjectKind::Ingress => Kind::Ingress,
        ObjectKind::WebSocketRoute => Kind::WebSocketRoute,
    };
    let is_other = |route: &&Route| {
        let source = &route.source;
        (kind(source.kind), &source.namespace, &source.name) != (key.kind, &key.namespace, &key.name)
    };
    compiled
        .table
        .routes
        .values()
        .map(AsRef::as_ref)
        .filter(is_other)
        .collect()
}

/// Services that change, aliases of hosts among them.
fn changing_service() -> impl Strategy<Value = Entry> {
    let spec = select(vec![
        json!({"ports": [{"name": "http", "port": 80}]}),
        json!({"ports": [{"name": "web", "port": 80}]}),
        json!({"ports": [{"name": "http", "port": 80, "appProtocol": "https"}]}),
        json!({"ports": [{"name": "http", "port": 8080}]}),
        json!({"type": "ExternalName", "externalName": "db.example.com"}),
    ]);
    (namespace(), service(), spec).prop_map(|(namespace, name, spec)| {
        entry(
            Kind::Service,
            namespace,
            name,
            json!({"metadata": {"name": name}, "spec": spec}),
        )
    })
}

/// A route that refers to another namespace, and an Ingress with a certificate.
fn referring() -> impl Strategy<Value = Entry> {
    let route = (namespace(), service()).prop_map(|(namespace, service)| {
        let backend = json!({"name": service, "namespace": "prod", "port": 80});
        let spec = json!({"hostnames": ["c.example.com"], "rules": [{"backendRefs": [backend]}]});
        let value = json!({"metadata": {"name": "far"}, "spec": spec});
        entry(Kind::WebSocketRoute, namespace, "far", value)
    });
    let class = select(vec![None, Some("ours"), Some("absent")]);
    let ingress = (namespace(), class).prop_map(|(namespace, class)| {
        let backend = json!({"service": {"name": "one", "port": {"number": 80}}});
        let spec = json!({
            "ingressClassName": class,
            "defaultBackend": backend,
            "tls": [{"hosts": ["a.example.com"], "secretName": "tls"}],
        });
        entry(
            Kind::Ingress,
            namespace,
            "tls",
            json!({"metadata": {"name": "tls"}, "spec": spec}),
        )
    });
    prop_oneof![route, ingress]
}

/// What objects depend on besides Services.
fn surroundings() -> impl Strategy<Value = Entry> {
    let grant = namespace().prop_map(|from| {
        let from = json!([{"group": "holdfast.dev", "kind": "WebSocketRoute", "namespace": from}]);
        let spec = json!({"from": from, "to": [{"group": "", "kind": "Service"}]});
        entry(
            Kind::ReferenceGrant,
            "prod",
            "grant",
            json!({"metadata": {"name": "grant"}, "spec": spec}),
        )
    });
    let controller = select(vec!["holdfast.dev/ingress-controller", "example.com/other"]);
    let class = (controller, any::<bool>()).prop_map(|(controller, default)| {
        let default = json!({"ingressclass.kubernetes.io/is-default-class": default.to_string()});
        let metadata = json!({"name": "ours", "annotations": default});
        let value = json!({"metadata": metadata, "spec": {"controller": controller}});
        entry(Kind::IngressClass, "", "ours", value)
    });
    prop_oneof![grant, class]
}

/// One change of a world.
#[derive(Clone, Debug)]
enum Edit {
    Put(Entry),
    Remove(ObjectKey),
    Break(ObjectKey),
    Resolve(Option<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let entry = || {
        prop_oneof![
            3 => ingress(),
            3 => route(),
            3 => slice(),
            2 => changing_service(),
            2 => referring(),
            2 => surroundings(),
            3 => secret(),
            2 => config_map(),
        ]
    };
    prop_oneof![
        8 => entry().prop_map(Edit::Put),
        3 => entry().prop_map(|(key, _)| Edit::Remove(key)),
        1 => entry().prop_map(|(key, _)| Edit::Break(key)),
        1 => prop::option::of(1..4_u8).prop_map(Edit::Resolve),
    ]
}

fn apply(world: &mut World, edit: Edit) {
    match edit {
        Edit::Put((key, object)) => world.apply(&key, Some(&object)),
        Edit::Remove(key) => world.apply(&key, None),
        Edit::Break(key) => drop(world.unreadable.insert(key, "broken".to_owned())),
        Edit::Resolve(None) => world.resolved.clear(),
        Edit::Resolve(Some(last)) => {
            let address = (std::net::IpAddr::from([192, 0, 2, last]), EndpointState::Ready);
            world.resolved.insert("db.example.com".to_owned(), vec![address]);
        }
    }
}

/// What is equal in both is the same: the next difference is found by address.
fn shares_what_is_equal(old: &Compiled, new: &Compiled) -> bool {
    fn shares<K: Ord + Clone, V: PartialEq>(old: &SharedMap<K, V>, new: &SharedMap<K, V>) -> bool {
        old.iter().all(|(key, old)| match new.get(key) {
            Some(new) => old != new || Arc::ptr_eq(old, new),
            None => true,
        })
    }
    shares(&old.table.routes, &new.table.routes)
        && shares(&old.table.endpoint_sets, &new.table.endpoint_sets)
        && shares(&old.table.certificates, &new.table.certificates)
        && shares(&old.table.server_names, &new.table.server_names)
        && shares(&old.statuses, &new.statuses)
}

proptest! {
    #[test]
    fn going_on_from_the_last_world_gives_what_a_fresh_start_gives(
        entries in objects(),
        steps in prop::collection::vec(prop::collection::vec(edit(), 0..4), 1..10),
        has_default in any::<bool>(),
    ) {
        let settings = Settings {
            allow_external_names: true,
            default_certificate: has_default.then(|| Name::new("default", "tls")),
            ..Settings::for_files()
        };
        let mut compiler = Compiler::new(settings.clone());
        let mut world = world(&entries);
        let mut last = compiler.compile(&world);
        prop_assert_eq!(&last, &compile(&world, &settings));
        for edits in steps {
            edits.into_iter().for_each(|edit| apply(&mut world, edit));
            let next = compiler.compile(&world);
            prop_assert_eq!(&next, &compile(&world, &settings));
            prop_assert!(shares_what_is_equal(&last, &next));
            last = next;
        }
    }

    #[test]
    fn the_order_of_objects_does_not_matter(
        (entries, shuffled) in objects().prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle()))
    ) {
        prop_assert_eq!(compiled(&entries), compiled(&shuffled));
    }

    #[test]
    fn the_table_is_sound(entries in objects()) {
        let compiled = compiled(&entries);
        prop_assert!(compiled.table.dangling().is_empty());
        for (id, route) in compiled.table.routes.iter() {
            prop_assert_eq!(id, &route.id);
            prop_assert!(validate::route(route).is_ok(), "{:?}", validate::route(route));
        }
        for set in compiled.table.endpoint_sets.values() {
            prop_assert!(validate::endpoint_set(set).is_ok());
        }
        for certificate in compiled.table.certificates.values() {
            prop_assert!(validate::certificate(certificate).is_ok());
        }
        for (id, name) in compiled.table.server_names.iter() {
            prop_assert_eq!(id, &name.id);
            prop_assert!(validate::server_name(name).is_ok());
        }
        // Nothing is there that nobody refers to.
        let mut needed: BTreeSet<CertificateId> = BTreeSet::new();
        for name in compiled.table.server_names.values() {
            needed.extend(&name.certificates);
        }
        for route in compiled.table.routes.values() {
            let tls = route.backends.iter().filter_map(|backend| backend.protocol.tls.as_ref());
            needed.extend(tls.filter_map(|tls| tls.certificate));
        }
        prop_assert_eq!(needed, compiled.table.certificates.keys().copied().collect::<BTreeSet<_>>());
        // Every object that names a class of ours, or none, is accounted for.
        let routing = |key: &&ObjectKey| matches!(key.kind, Kind::Ingress | Kind::WebSocketRoute);
        let keys: Vec<&ObjectKey> = entries.iter().map(|(key, _)| key).filter(routing).collect();
        prop_assert_eq!(keys, compiled.statuses.keys().collect::<Vec<_>>());
    }

    /// The last by age and name wins against nobody, and what is refused takes part in nothing.
    #[test]
    fn an_object_that_loses_changes_no_other(entries in objects(), (key, object) in prop_oneof![ingress(), route()]) {
        let last = ObjectKey { namespace: "zzz".to_owned(), ..key };
        let object = match object {
            Object::Ingress(ingress) => {
                let mut ingress = (*ingress).clone();
                ingress.created = i64::MAX;
                Object::Ingress(ingress.into())
            }
            Object::WebSocketRoute(route) => {
                let mut route = (*route).clone();
                route.created = i64::MAX;
                Object::WebSocketRoute(route.into())
            }
            other => other,
        };
        let before = compiled(&entries);
        let mut with = entries;
        with.push((last.clone(), object));
        let after = compiled(&with);
        prop_assert_eq!(others(&before, &last), others(&after, &last));
        for (id, name) in before.table.server_names.iter() {
            prop_assert_eq!(Some(name), after.table.server_names.get(id));
        }
        let mut statuses = after.statuses;
        statuses.remove(&last);
        prop_assert_eq!(before.statuses, statuses);
    }

    #[test]
    fn an_object_that_is_refused_changes_no_other(entries in objects(), namespace in namespace()) {
        let spec = json!({
            "hostnames": ["a.example.com"],
            "rules": [{"backendRefs": [{"name": "one", "port": 80}]}],
            "timeouts": {"handshake": "0s"},
        });
        let value = json!({"metadata": {"name": "aaa"}, "spec": spec});
        let (key, object) = entry(Kind::WebSocketRoute, namespace, "aaa", value);
        let before = compiled(&entries);
        let mut with = entries;
        with.push((key.clone(), object));
        let after = compiled(&with);
        prop_assert_eq!(&before.table, &after.table);
        let mut statuses = after.statuses;
        prop_assert!(statuses.remove(&key).is_some());
        prop_assert_eq!(before.statuses, statuses);
    }
}
