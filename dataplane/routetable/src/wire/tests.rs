//! The codec against every message, every damage, and what a hostile peer would announce.

mod bounded;
mod damaged;
mod golden;

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::id::{CertificateId, EndpointSetId, ServerNameId};
use crate::testing;

fn versions() -> impl Strategy<Value = Version> {
    (any::<u64>(), any::<u64>()).prop_map(|(epoch, number)| Version { epoch, number })
}

fn resources() -> impl Strategy<Value = ResourceId> {
    prop_oneof![
        any::<u64>().prop_map(|id| ResourceId::Route(RouteId(id))),
        any::<u64>().prop_map(|id| ResourceId::EndpointSet(EndpointSetId(id))),
        any::<u64>().prop_map(|id| ResourceId::Certificate(CertificateId(id))),
        any::<u64>().prop_map(|id| ResourceId::ServerName(ServerNameId(id))),
    ]
}

fn to_controller() -> impl Strategy<Value = ToController> {
    let hello =
        (any::<u64>(), option::of(versions()), any::<u64>()).prop_map(|(boot_id, have, digest)| Hello {
            protocol: PROTOCOL,
            boot_id,
            have,
            digest: Digest(digest),
        });
    let item = (resources(), ".{0,20}").prop_map(|(resource, message)| ItemError { resource, message });
    let stats = any::<[u64; 4]>().prop_map(
        |[sessions_active, sessions_total, sessions_cut_by_config, draining]| Stats {
            sessions_active,
            sessions_total,
            sessions_cut_by_config,
            draining,
        },
    );
    prop_oneof![
        hello.prop_map(ToController::Hello),
        versions().prop_map(ToController::Ack),
        (versions(), vec(item, 0..4))
            .prop_map(|(version, items)| ToController::Nack(Nack { version, items })),
        Just(ToController::Resync),
        stats.prop_map(ToController::Stats),
    ]
}

fn commands() -> impl Strategy<Value = Command> {
    let scope = prop_oneof![
        Just(DrainScope::All),
        any::<u64>().prop_map(|id| DrainScope::Route(RouteId(id))),
        any::<std::net::SocketAddr>().prop_filter_map("flow and scope do not travel", |address| {
            Some(DrainScope::Endpoint((address.ip(), address.port()).into()))
        }),
        any::<u8>().prop_map(DrainScope::Share),
    ];
    prop_oneof![
        (scope, any::<[u64; 2]>(), any::<u16>()).prop_map(|(scope, [window_ms, deadline_ms], close_code)| {
            Command::Drain {
                scope,
                window_ms,
                deadline_ms,
                close_code,
            }
        }),
        (any::<u64>(), any::<u16>())
            .prop_map(|(session, close_code)| Command::CloseSession { session, close_code }),
    ]
}

fn to_dataplane() -> impl Strategy<Value = ToDataplane> {
    let begin = (
        versions(),
        [0..1000_u32, 0..1000, 0..1000, 0..1000],
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(
            |(version, [routes, endpoint_sets, certificates, server_names], digest, deliberately_empty)| {
                SnapshotBegin {
                    version,
                    routes,
                    endpoint_sets,
                    certificates,
                    server_names,
                    digest: Digest(digest),
                    deliberately_empty,
                }
            },
        );
    let delta =
        (versions(), versions(), testing::tables(), testing::tables()).prop_map(|(base, next, a, b)| Delta {
            base,
            next,
            ops: a.diff(&b),
            digest: b.digest(),
        });
    prop_oneof![
        any::<u32>().prop_map(|protocol| ToDataplane::Refused { protocol }),
        begin.prop_map(ToDataplane::SnapshotBegin),
        vec(testing::routes().prop_map(Arc::new), 0..4).prop_map(ToDataplane::SnapshotRoutes),
        vec(testing::endpoint_sets().prop_map(Arc::new), 0..4).prop_map(ToDataplane::SnapshotEndpointSets),
        vec(testing::certificates().prop_map(Arc::new), 0..4).prop_map(ToDataplane::SnapshotCertificates),
        vec(testing::server_names().prop_map(Arc::new), 0..4).prop_map(ToDataplane::SnapshotServerNames),
        versions().prop_map(ToDataplane::SnapshotEnd),
        versions().prop_map(ToDataplane::Current),
        delta.prop_map(ToDataplane::Delta),
        commands().prop_map(ToDataplane::Command),
    ]
}

/// Feeds a stream in chunks of `size` bytes and collects what comes out.
fn stream<M: Message>(bytes: &[u8], size: usize) -> Result<Vec<M>, FrameError> {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for chunk in bytes.chunks(size) {
        decoder.push(chunk)?;
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
    }
    assert_eq!(decoder.pending(), 0);
    Ok(messages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn messages_to_the_controller_come_through(messages in vec(to_controller(), 1..6), size in 1..200_usize) {
        let frames: Vec<Vec<u8>> = messages.iter().map(|message| encode_frame(message).unwrap()).collect();
        prop_assert_eq!(stream(&frames.concat(), size), Ok(messages));
    }

    #[test]
    fn messages_to_the_data_plane_come_through(messages in vec(to_dataplane(), 1..4), size in 1..600_usize) {
        let frames: Vec<Vec<u8>> = messages.iter().map(|message| encode_frame(message).unwrap()).collect();
        prop_assert_eq!(stream(&frames.concat(), size), Ok(messages));
    }
}

/// A frame with a right checksum around any payload.
fn frame(payload: &[u8]) -> Vec<u8> {
    let checksum = xxhash_rust::xxh3::xxh3_64(payload);
    [
        &(payload.len() as u32).to_le_bytes()[..],
        &checksum.to_le_bytes(),
        payload,
    ]
    .concat()
}

#[test]
fn the_protocol_of_another_release_is_understood() {
    let hello = ToController::Hello(Hello {
        protocol: 300,
        boot_id: 1,
        have: None,
        digest: Digest(2),
    });
    let same_shape = encode_frame(&hello).unwrap();
    assert_eq!(
        decode_frame::<ToController>(&same_shape),
        Err(FrameError::Protocol(300))
    );
    // The first variant, 300 as a varint, then fields of a shape that we know nothing of.
    let other_shape = frame(&[0, 0xac, 0x02, 0xff, 0xff, 0xff]);
    assert_eq!(
        decode_frame::<ToController>(&other_shape),
        Err(FrameError::Protocol(300))
    );
    let refused = frame(&[0, 0xac, 0x02, b'?']);
    let decoded = decode_frame::<ToDataplane>(&refused).unwrap();
    assert_eq!(decoded, (ToDataplane::Refused { protocol: 300 }, refused.len()));
}

#[test]
fn a_nack_is_cut_to_what_may_be_sent() {
    let item = ItemError {
        resource: ResourceId::Route(RouteId(1)),
        message: "é".repeat(MAX_MESSAGE_LEN),
    };
    let version = Version { epoch: 1, number: 2 };
    let nack = Nack::new(version, vec![item; Nack::MAX_ITEMS + 1]);
    assert_eq!(nack.items.len(), Nack::MAX_ITEMS);
    assert_eq!(nack.items[0].message.len(), MAX_MESSAGE_LEN);
    encode_frame(&ToController::Nack(nack)).unwrap();
}

#[test]
fn durations_keep_their_nanoseconds() {
    let of = crate::RouteMatch::path(crate::PathMatch::Prefix(String::new()));
    let mut route = testing::route("a", crate::HostPattern::Any, of);
    route.timeouts.connect = Duration::new(7, 123_456_789);
    let message = ToDataplane::SnapshotRoutes(vec![Arc::new(route)]);
    let (decoded, _) = decode_frame::<ToDataplane>(&encode_frame(&message).unwrap()).unwrap();
    assert_eq!(decoded, message);
}
