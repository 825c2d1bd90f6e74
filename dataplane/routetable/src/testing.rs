//! Generators of routes and tables that collide often: few hosts, few paths, few names.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::id::{CertificateId, EndpointSetId, RouteId, ServerNameId};
use crate::model::*;
use crate::policy::Timeouts;

/// A route with one host and one match, of object `prod/name`.
pub(crate) fn route(name: &str, host: HostPattern, of: RouteMatch) -> Route {
    let source = ObjectRef {
        kind: ObjectKind::WebSocketRoute,
        namespace: "prod".into(),
        name: name.into(),
    };
    Route {
        id: RouteId::new(&source, "rule-0"),
        source,
        rule: "rule-0".into(),
        created: 0,
        order: 0,
        fallback: false,
        hosts: vec![host],
        matches: vec![of],
        backends: vec![],
        timeouts: Timeouts::default(),
        tls: RouteTls::default(),
    }
}

pub(crate) fn hosts() -> impl Strategy<Value = HostPattern> {
    prop_oneof![
        1 => Just(HostPattern::Any),
        2 => select(vec!["b.c", "c"]).prop_map(|s| HostPattern::Wildcard(s.into())),
        4 => select(vec!["a.b.c", "b.c", "x.c"]).prop_map(|s| HostPattern::Exact(s.into())),
    ]
}

fn paths() -> impl Strategy<Value = PathMatch> {
    let plain = vec![
        "/a", "/a/b", "/a/b/c", "/ab", "/a/b/cc", "/b", "/b/a", "/c", "/d", "/e", "/f", "/g/h", "",
    ];
    prop_oneof![
        3 => select(plain.clone()).prop_map(|s| PathMatch::Prefix(s.into())),
        3 => select(plain).prop_map(|s| PathMatch::Exact(if s.is_empty() { "/" } else { s }.into())),
        1 => select(vec!["/a.*", "/[ab]/b", "/", ".*c"]).prop_map(|s| PathMatch::Regex(s.into())),
    ]
}

fn values(names: &'static [&'static str]) -> impl Strategy<Value = Vec<ValueMatch>> {
    let pattern = prop_oneof![
        select(vec!["1", "2"]).prop_map(|s| ValuePattern::Exact(s.into())),
        select(vec!["1|2", ".+"]).prop_map(|s| ValuePattern::Regex(s.into())),
    ];
    let named = btree_map(select(names), pattern, 0..=2).prop_map(|map| {
        map.into_iter()
            .map(|(name, value)| ValueMatch {
                name: name.into(),
                value,
            })
            .collect()
    });
    prop_oneof![3 => Just(vec![]), 1 => named]
}

pub(crate) fn matches() -> impl Strategy<Value = RouteMatch> {
    let subprotocols = prop_oneof![
        3 => Just(vec![]),
        1 => select(vec!["chat", "graphql"]).prop_map(|s| vec![s.to_owned()]),
    ];
    (
        paths(),
        values(&["x-a", "x-b"]),
        values(&["q", "r"]),
        values(&["s", "t"]),
        subprotocols,
    )
        .prop_map(
            |(path, headers, query_params, cookies, subprotocols)| RouteMatch {
                path,
                headers,
                query_params,
                cookies,
                subprotocols,
            },
        )
}

prop_compose! {
    /// A valid route; many share their object's name, some their id.
    pub(crate) fn routes()(
        name in select(vec!["a", "b", "c"]),
        order in 0..4_u32,
        created in 0..2_i64,
        fallback in proptest::bool::weighted(0.15),
        hosts in vec(hosts(), 1..=2),
        matches in vec(matches(), 1..=3),
        weights in vec(0..3_u32, 0..=3),
        idle in option::of(1..5000_u64),
        salt in 0..8_u64,
    ) -> Route {
        let mut route = route(name, HostPattern::Any, matches[0].clone());
        route.id = RouteId(route.id.0 ^ salt << 8 ^ u64::from(order));
        route.rule = format!("rule-{order}");
        route.timeouts.idle = idle.map(Duration::from_millis);
        let backend = |(set, weight)| WeightedBackend {
            endpoint_set: EndpointSetId(set as u64),
            weight,
            protocol: BackendProtocol::default(),
        };
        route.backends = weights.into_iter().enumerate().map(backend).collect();
        Route { order, created, fallback, hosts, matches, ..route }
    }
}
prop_compose! {
    pub(crate) fn endpoint_sets()(
        id in 0..6_u64,
        service in select(vec!["chat", "echo"]),
        port in select(vec!["80", "http"]),
        addresses in proptest::collection::btree_set((any::<std::net::IpAddr>(), 1..=u16::MAX), 0..4),
        state in select(vec![EndpointState::Ready, EndpointState::Draining, EndpointState::NotReady]),
    ) -> EndpointSet {
        EndpointSet {
            id: EndpointSetId(id),
            namespace: "prod".into(),
            service: service.into(),
            port: port.into(),
            endpoints: addresses.into_iter().map(|address| Endpoint { address: address.into(), state }).collect(),
        }
    }
}

prop_compose! {
    pub(crate) fn certificates()(id in 0..4_u64, byte in 0..3_u8) -> Certificate {
        Certificate {
            id: CertificateId(id),
            namespace: "prod".into(),
            secret: format!("tls-{id}"),
            chain: vec![vec![byte; 3]],
            key: PrivateKey(vec![byte]),
        }
    }
}

prop_compose! {
    pub(crate) fn server_names()(
        host in hosts(),
        certificates in vec(0..4_u64, 0..3),
        min_version in select(vec![TlsVersion::V12, TlsVersion::V13]),
        optional in option::of(any::<bool>()),
    ) -> ServerName {
        ServerName {
            id: ServerNameId::new(&host),
            host,
            certificates: certificates.into_iter().map(CertificateId).collect(),
            min_version,
            client: optional.map(|optional| ClientValidation { authorities: vec![vec![1, 2]], optional }),
        }
    }
}

/// A table whose references resolve.
pub(crate) fn tables() -> impl Strategy<Value = RouteTable> {
    let parts = (
        vec(routes(), 0..6),
        vec(endpoint_sets(), 0..6),
        vec(certificates(), 0..4),
        vec(server_names(), 0..4),
    );
    parts.prop_map(|(routes, sets, certificates, names)| {
        let mut table = RouteTable::default();
        for set in sets {
            table.endpoint_sets.insert(set.id, Arc::new(set));
        }
        for certificate in certificates {
            table.certificates.insert(certificate.id, Arc::new(certificate));
        }
        for mut route in routes {
            route
                .backends
                .retain(|backend| table.endpoint_sets.contains_key(&backend.endpoint_set));
            table.routes.insert(route.id, Arc::new(route));
        }
        for mut name in names {
            name.certificates.retain(|id| table.certificates.contains_key(id));
            table.server_names.insert(name.id, Arc::new(name));
        }
        table
    })
}
