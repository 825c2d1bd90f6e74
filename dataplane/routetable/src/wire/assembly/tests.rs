use proptest::prelude::*;

use super::*;
use crate::model::{BackendProtocol, EndpointSet};
use crate::wire::{ToDataplane, decode_frame, snapshot_frames};
use crate::{EndpointSetId, testing};

const VERSION: Version = Version { epoch: 3, number: 8 };

fn assemble(messages: Vec<ToDataplane>) -> Result<Tracked, AssemblyError> {
    let mut assembly = None;
    for message in messages {
        match (message, &mut assembly) {
            (ToDataplane::SnapshotBegin(begin), None) => assembly = Some(SnapshotAssembly::new(begin)?),
            (ToDataplane::SnapshotEnd(version), _) => {
                return assembly.take().unwrap().finish(version).map(|(_, table)| table);
            }
            (part, Some(assembly)) => assembly.add(part)?,
            other => panic!("{other:?}"),
        }
    }
    panic!("no end");
}

fn messages(table: &RouteTable) -> Vec<ToDataplane> {
    let frames = snapshot_frames(table, VERSION).unwrap();
    frames
        .iter()
        .map(|frame| decode_frame(frame).unwrap().0)
        .collect()
}

fn table() -> RouteTable {
    let set = EndpointSet {
        id: EndpointSetId(1),
        namespace: "prod".into(),
        service: "chat".into(),
        port: "80".into(),
        endpoints: vec![],
    };
    let mut route = testing::route(
        "chat",
        crate::HostPattern::Any,
        crate::RouteMatch::path(crate::PathMatch::Prefix(String::new())),
    );
    route.backends = vec![crate::WeightedBackend {
        endpoint_set: set.id,
        weight: 1,
        protocol: BackendProtocol::default(),
    }];
    let mut table = RouteTable::default();
    table.routes.insert(route.id, Arc::new(route));
    table.endpoint_sets.insert(set.id, Arc::new(set));
    table
}

/// The error after `change` to the messages of a good snapshot: begin, sets, routes, end.
fn refusal(change: impl FnOnce(&mut SnapshotBegin, &mut Vec<ToDataplane>)) -> AssemblyError {
    let mut messages = messages(&table());
    assert_eq!(messages.len(), 4);
    let ToDataplane::SnapshotBegin(mut begin) = messages.remove(0) else {
        panic!("a snapshot starts with its announcement");
    };
    change(&mut begin, &mut messages);
    messages.insert(0, ToDataplane::SnapshotBegin(begin));
    assemble(messages).unwrap_err()
}

#[test]
fn a_snapshot_is_what_it_announces() {
    assert_eq!(refusal(|begin, _| begin.routes = 0), AssemblyError::Count);
    assert_eq!(refusal(|begin, _| begin.endpoint_sets = 2), AssemblyError::Count);
    assert_eq!(refusal(|begin, _| begin.digest.0 ^= 1), AssemblyError::Digest);
    assert_eq!(
        refusal(|begin, _| begin.version.number += 1),
        AssemblyError::Version
    );
    assert!(matches!(
        refusal(|begin, _| begin.routes = u32::MAX),
        AssemblyError::TooLarge { .. }
    ));
    for announce in [
        |begin: &mut SnapshotBegin| begin.endpoint_sets = u32::MAX,
        |begin: &mut SnapshotBegin| begin.certificates = u32::MAX,
        |begin: &mut SnapshotBegin| begin.server_names = u32::MAX,
    ] {
        let refusal = refusal(|begin, _| announce(begin));
        assert!(matches!(refusal, AssemblyError::TooLarge { .. }));
    }
    assert_eq!(refusal(|begin, _| begin.certificates = 1), AssemblyError::Count);
    assert_eq!(refusal(|begin, _| begin.server_names = 1), AssemblyError::Count);
}

#[test]
fn a_resource_comes_once() {
    let set = ResourceId::EndpointSet(EndpointSetId(1));
    let twice = refusal(|begin, messages| {
        begin.endpoint_sets = 2;
        messages.insert(0, messages[0].clone());
    });
    assert_eq!(twice, AssemblyError::Duplicate(set));
    assert!(refusal(|_, messages| messages.insert(0, messages[0].clone())) == AssemblyError::Count);
}

#[test]
fn references_resolve_inside_the_snapshot() {
    let error = refusal(|begin, messages| {
        begin.endpoint_sets = 0;
        messages.remove(0);
    });
    assert!(matches!(
        error,
        AssemblyError::Dangling {
            to: ResourceId::EndpointSet(EndpointSetId(1)),
            ..
        }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn parts_of_any_size_make_the_table(table in testing::tables(), size in 1..4_usize) {
        let mut split = Vec::new();
        for message in messages(&table) {
            match message {
                ToDataplane::SnapshotRoutes(part) => {
                    split.extend(part.chunks(size).map(|part| ToDataplane::SnapshotRoutes(part.to_vec())));
                }
                ToDataplane::SnapshotEndpointSets(part) => {
                    split.extend(part.chunks(size).map(|part| ToDataplane::SnapshotEndpointSets(part.to_vec())));
                }
                ToDataplane::SnapshotCertificates(part) => {
                    split.extend(part.chunks(size).map(|part| ToDataplane::SnapshotCertificates(part.to_vec())));
                }
                ToDataplane::SnapshotServerNames(part) => {
                    split.extend(part.chunks(size).map(|part| ToDataplane::SnapshotServerNames(part.to_vec())));
                }
                other => split.push(other),
            }
        }
        prop_assert_eq!(assemble(split), Ok(Tracked::from(table)));
    }
}
