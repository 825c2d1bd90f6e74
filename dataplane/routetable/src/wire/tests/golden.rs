//! The encoding of every message, byte for byte. Two releases of one [`PROTOCOL`] talk to each
//! other, so a change here must raise it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::canonical::Op;
use crate::id::{CertificateId, EndpointSetId, ServerNameId};
use crate::model::*;
use crate::policy::Timeouts;

fn route() -> Route {
    let value = |name: &str, value| ValueMatch {
        name: name.into(),
        value,
    };
    Route {
        id: RouteId(0x0102),
        source: ObjectRef {
            kind: ObjectKind::WebSocketRoute,
            namespace: "prod".into(),
            name: "chat".into(),
        },
        rule: "rule-0".into(),
        created: 1_700_000_000,
        order: 3,
        fallback: false,
        hosts: vec![
            HostPattern::Any,
            HostPattern::Wildcard("b.c".into()),
            HostPattern::Exact("a.b.c".into()),
        ],
        matches: vec![
            RouteMatch {
                path: PathMatch::Prefix("/chat".into()),
                headers: vec![value("x-a", ValuePattern::Exact("1".into()))],
                query_params: vec![value("q", ValuePattern::Regex(".+".into()))],
                cookies: vec![value("c", ValuePattern::Exact("2".into()))],
                subprotocols: vec!["chat".into()],
            },
            RouteMatch::path(PathMatch::Exact("/x".into())),
            RouteMatch::path(PathMatch::Regex("/y.*".into())),
        ],
        backends: vec![WeightedBackend {
            endpoint_set: EndpointSetId(9),
            weight: 1,
            protocol: BackendProtocol {
                http2: true,
                proxy_header: Some(ProxyVersion::V2),
                tls: Some(BackendTls {
                    server_name: "b".into(),
                    verify: Verify::System,
                    certificate: Some(CertificateId(5)),
                }),
            },
        }],
        timeouts: Timeouts {
            max_duration: Some(Duration::from_millis(1500)),
            ..Timeouts::default()
        },
        tls: RouteTls {
            insecure: InsecurePolicy::Redirect,
            client: Some(client()),
        },
    }
}

fn endpoint_set() -> EndpointSet {
    let endpoint = |address, state| Endpoint { address, state };
    EndpointSet {
        id: EndpointSetId(9),
        namespace: "prod".into(),
        service: "chat".into(),
        port: "http".into(),
        endpoints: vec![
            endpoint((Ipv4Addr::new(10, 0, 0, 1), 8080).into(), EndpointState::Ready),
            endpoint((Ipv4Addr::new(10, 0, 0, 2), 8080).into(), EndpointState::Draining),
            endpoint((Ipv6Addr::LOCALHOST, 80).into(), EndpointState::NotReady),
        ],
    }
}

fn client() -> ClientValidation {
    ClientValidation {
        authorities: vec![vec![7, 8]],
        optional: true,
    }
}

fn certificate() -> Certificate {
    Certificate {
        id: CertificateId(5),
        namespace: "prod".into(),
        secret: "tls".into(),
        chain: vec![vec![1, 2], vec![3]],
        key: PrivateKey(vec![4]),
    }
}

fn server_name() -> ServerName {
    ServerName {
        id: ServerNameId(6),
        host: HostPattern::Exact("a".into()),
        certificates: vec![CertificateId(5)],
        min_version: TlsVersion::V13,
        client: Some(client()),
    }
}

type Golden<M> = Vec<(M, &'static str)>;

/// Every message with the hexadecimal text of its payload.
pub(super) fn messages() -> (Golden<ToController>, Golden<ToDataplane>) {
    let version = Version {
        epoch: 300,
        number: 2,
    };
    let next = Version {
        epoch: 300,
        number: 3,
    };
    let digest = Digest(0xfeed);
    let ops = vec![
        Op::PutRoute(Arc::new(Route {
            matches: vec![],
            hosts: vec![],
            ..route()
        })),
        Op::PutEndpointSet(Arc::new(EndpointSet {
            endpoints: vec![],
            ..endpoint_set()
        })),
        Op::RemoveRoute(RouteId(0x0102)),
        Op::RemoveEndpointSet(EndpointSetId(9)),
        Op::PutCertificate(Arc::new(certificate())),
        Op::PutServerName(Arc::new(server_name())),
        Op::RemoveCertificate(CertificateId(5)),
        Op::RemoveServerName(ServerNameId(6)),
    ];
    let items = vec![
        ItemError {
            resource: ResourceId::Route(RouteId(1)),
            message: "no".into(),
        },
        ItemError {
            resource: ResourceId::EndpointSet(EndpointSetId(9)),
            message: String::new(),
        },
        ItemError {
            resource: ResourceId::Certificate(CertificateId(5)),
            message: String::new(),
        },
        ItemError {
            resource: ResourceId::ServerName(ServerNameId(6)),
            message: String::new(),
        },
    ];
    let stats = Stats {
        sessions_active: 1,
        sessions_total: 2,
        sessions_cut_by_config: 3,
        draining: 4,
    };
    let begin = SnapshotBegin {
        version,
        routes: 1,
        endpoint_sets: 2,
        certificates: 3,
        server_names: 4,
        digest,
        deliberately_empty: true,
    };
    let drain = |scope| {
        ToDataplane::Command(Command::Drain {
            scope,
            window_ms: 60_000,
            deadline_ms: 90_000,
            close_code: 1012,
        })
    };
    let hello = Hello {
        protocol: PROTOCOL,
        boot_id: 7,
        have: Some(version),
        digest,
    };
    let to_controller = vec![
        (ToController::Hello(hello), "00020701ac0202edfd03"),
        (ToController::Ack(version), "01ac0202"),
        (
            ToController::Nack(Nack { version, items }),
            "02ac0202040001026e6f010900020500030600",
        ),
        (ToController::Resync, "03"),
        (ToController::Stats(stats), "0401020304"),
    ];
    let to_dataplane = vec![
        (ToDataplane::Refused { protocol: 2 }, "0002"),
        (ToDataplane::SnapshotBegin(begin), "01ac020201020304edfd0301"),
        (
            ToDataplane::SnapshotRoutes(vec![Arc::new(route())]),
            "02018202010470726f6404636861740672756c652d3080c49fd50c030003000103622e630205612e\
             622e630301052f636861740103782d6100013101017101022e2b0101630001320104636861740002\
             2f780000000002042f792e2a0000000001090101010162000105010105000a0001901c00010180cab5ee\
             0101010102070801",
        ),
        (
            ToDataplane::SnapshotEndpointSets(vec![Arc::new(endpoint_set())]),
            "0301090470726f640463686174046874747003000a000001903f00000a000002903f010100000000\
             0000000000000000000000015002",
        ),
        (
            ToDataplane::SnapshotCertificates(vec![Arc::new(certificate())]),
            "0801050470726f6403746c730202010201030104",
        ),
        (
            ToDataplane::SnapshotServerNames(vec![Arc::new(server_name())]),
            "090106020161010501010102070801",
        ),
        (ToDataplane::SnapshotEnd(version), "04ac0202"),
        (ToDataplane::Current(version), "05ac0202"),
        (
            ToDataplane::Delta(Delta {
                base: version,
                next,
                ops,
                digest,
            }),
            "06ac0202ac020308008202010470726f6404636861740672756c652d3080c49fd50c030000000109\
             0101010162000105010105000a0001901c00010180cab5ee010101010207080101090470726f64046368\
             6174046874747000048202050902050470726f6403746c7302020102010301040306020161010501\
             01010207080106050706edfd03",
        ),
        (drain(DrainScope::All), "070000e0d40390bf05f407"),
        (drain(DrainScope::Route(RouteId(1))), "07000101e0d40390bf05f407"),
        (
            drain(DrainScope::Endpoint(([10, 0, 0, 1], 80).into())),
            "070002000a00000150e0d40390bf05f407",
        ),
        (drain(DrainScope::Share(25)), "07000319e0d40390bf05f407"),
        (
            ToDataplane::Command(Command::CloseSession {
                session: 5,
                close_code: 1001,
            }),
            "070105e907",
        ),
    ];
    (to_controller, to_dataplane)
}

fn payload(message: &impl Message) -> String {
    let frame = encode_frame(message).unwrap();
    frame[HEADER_LEN..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn payloads_are_pinned() {
    let (up, down) = messages();
    for (message, hex) in up {
        assert_eq!(payload(&message), hex, "{message:?}");
    }
    for (message, hex) in down {
        assert_eq!(payload(&message), hex, "{message:?}");
    }
}

#[test]
fn the_header_is_pinned() {
    let frame = encode_frame(&ToController::Resync).unwrap();
    assert_eq!(
        frame,
        [1, 0, 0, 0, 0xed, 0xef, 0x6d, 0x15, 0xbc, 0x08, 0xe6, 0x13, 3]
    );
    assert_eq!(PROTOCOL, 2);
}
