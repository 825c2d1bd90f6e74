//! Memory and work stay in proportion to the bytes that came.

use allocation_counter::measure;

use super::*;

/// Varint of a huge count.
const HUGE: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x0f];

/// What serde takes at most for a list before it has seen its elements, in bytes; lists may be
/// nested four deep.
const ANNOUNCED: u64 = 4 << 20;

fn peak<M: Message>(bytes: &[u8]) -> (Result<(), FrameError>, u64) {
    let mut result = Ok(());
    let info = measure(|| result = decode_frame::<M>(bytes).map(drop));
    (result, info.bytes_max)
}

#[test]
fn announced_counts_take_no_memory() {
    let version = [1, 1];
    for payload in [
        // Routes, sets, and the operations of a delta.
        [&[2][..], &HUGE].concat(),
        [&[3][..], &HUGE].concat(),
        [&[6][..], &version, &version, &HUGE].concat(),
        // One route whose object's namespace is announced as huge.
        [&[2, 1][..], &[7], &[0], &HUGE].concat(),
    ] {
        // Padding that the counts could be made of, were they right.
        for padding in [0, 1 << 20] {
            let bytes = frame(&[&payload[..], &vec![0xff; padding]].concat());
            let (result, bytes_max) = peak::<ToDataplane>(&bytes);
            assert_eq!(result, Err(FrameError::Malformed));
            assert!(bytes_max <= ANNOUNCED, "{payload:?} took {bytes_max} bytes");
        }
    }
    let (result, bytes_max) = peak::<ToController>(&frame(&[&[2][..], &version, &HUGE].concat()));
    assert_eq!(result, Err(FrameError::Malformed));
    assert!(bytes_max <= ANNOUNCED, "a nack took {bytes_max} bytes");
}

#[test]
fn the_densest_payload_takes_a_small_multiple_of_its_length() {
    // Empty strings: one byte each on the wire, 24 in memory, twice that while a list grows.
    let mut of = crate::RouteMatch::path(crate::PathMatch::Prefix(String::new()));
    of.subprotocols = vec![String::new(); 1 << 20];
    let route = testing::route("a", crate::HostPattern::Any, of);
    let bytes = encode_frame(&ToDataplane::SnapshotRoutes(vec![Arc::new(route)])).unwrap();
    let (result, bytes_max) = peak::<ToDataplane>(&bytes);
    assert_eq!(result, Ok(()));
    assert!(
        bytes_max <= 80 * bytes.len() as u64,
        "{} bytes took {bytes_max}",
        bytes.len()
    );
}

#[test]
fn a_long_frame_is_refused_by_its_header() {
    let mut bytes = ((MAX_FRAME_LEN + 1) as u32).to_le_bytes().to_vec();
    bytes.resize(HEADER_LEN, 0);
    let mut decoder = Decoder::default();
    decoder.push(&bytes).unwrap();
    let refused = decoder.next_message::<ToDataplane>();
    assert_eq!(refused, Err(FrameError::TooLong(MAX_FRAME_LEN + 1)));
}

#[test]
fn a_decoder_holds_one_frame_and_one_push() {
    let mut decoder = Decoder::default();
    decoder.push(&vec![0; HEADER_LEN + MAX_FRAME_LEN]).unwrap();
    decoder.push(&[0]).unwrap();
    assert!(matches!(decoder.push(&[0]), Err(FrameError::TooLong(_))));
}

#[test]
fn a_decoder_gives_the_memory_of_a_large_frame_back() {
    let items = vec![
        ItemError {
            resource: ResourceId::Route(RouteId(1)),
            message: "x".repeat(2000)
        };
        1000
    ];
    let nack = ToController::Nack(Nack {
        version: Version { epoch: 1, number: 1 },
        items,
    });
    let mut decoder = Decoder::default();
    decoder.push(&encode_frame(&nack).unwrap()).unwrap();
    assert_eq!(decoder.next_message(), Ok(Some(nack)));
    let resync = encode_frame(&ToController::Resync).unwrap();
    let info = measure(|| decoder.push(&resync).unwrap());
    assert!(info.bytes_current < -1_900_000, "{info:?}");
    assert_eq!(decoder.next_message(), Ok(Some(ToController::Resync)));
}

#[test]
fn many_small_frames_are_moved_once() {
    // Moving the rest for each of 300,000 frames would copy 600 GB and never end.
    let count = 300_000;
    let frames = encode_frame(&ToController::Resync).unwrap().repeat(count);
    assert_eq!(
        stream::<ToController>(&frames, frames.len()).unwrap().len(),
        count
    );
}

#[test]
fn bounds_hold_on_both_sides() {
    let version = Version { epoch: 1, number: 1 };
    let op = crate::canonical::Op::RemoveRoute(RouteId(1));
    let ops = vec![op; crate::limits::MAX_OPS + 1];
    let delta = ToDataplane::Delta(Delta {
        base: version,
        next: version,
        ops,
        digest: Digest(0),
    });
    let begin = |[routes, endpoint_sets, certificates, server_names]: [u32; 4]| {
        let digest = Digest(0);
        ToDataplane::SnapshotBegin(SnapshotBegin {
            version,
            routes,
            endpoint_sets,
            certificates,
            server_names,
            digest,
            deliberately_empty: false,
        })
    };
    for (message, what) in [
        (delta, "operations"),
        (begin([200_001, 0, 0, 0]), "routes"),
        (begin([0, 200_001, 0, 0]), "endpoint sets"),
        (begin([0, 0, 100_001, 0]), "certificates"),
        (begin([0, 0, 0, 200_001]), "server names"),
    ] {
        assert_eq!(encode_frame(&message), Err(FrameError::Bounds(what)));
        let bytes = frame(&postcard::to_stdvec(&message).unwrap());
        assert_eq!(decode_frame::<ToDataplane>(&bytes), Err(FrameError::Bounds(what)));
    }
    let item = |message| ItemError {
        resource: ResourceId::Route(RouteId(1)),
        message,
    };
    let nack = |items| ToController::Nack(Nack { version, items });
    for message in [
        nack(vec![item(String::new()); Nack::MAX_ITEMS + 1]),
        nack(vec![item("x".repeat(MAX_MESSAGE_LEN + 1))]),
    ] {
        assert!(matches!(encode_frame(&message), Err(FrameError::Bounds(_))));
        let bytes = frame(&postcard::to_stdvec(&message).unwrap());
        assert!(matches!(
            decode_frame::<ToController>(&bytes),
            Err(FrameError::Bounds(_))
        ));
    }
}
