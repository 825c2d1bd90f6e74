//! A whole table as frames.

use std::sync::Arc;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::{FrameError, HEADER_LEN, encode_frame, seal};
use crate::canonical::Digest;
use crate::encoding::append;
use crate::model::RouteTable;
use crate::wire::{SnapshotBegin, ToDataplane, Version};

/// Payload at which a part of a snapshot is complete, in bytes.
const PART_LEN: usize = 1 << 20;

/// Places of the parts among the variants of [`ToDataplane`], as they are encoded.
const ROUTES: u8 = 2;
const ENDPOINT_SETS: u8 = 3;
const CERTIFICATES: u8 = 8;
const SERVER_NAMES: u8 = 9;

/// Encodes a whole table as the frames of one snapshot, what others refer to before them.
///
/// # Errors
/// [`FrameError::TooLong`] when a single resource exceeds a frame.
pub fn snapshot_frames(table: &RouteTable, version: Version) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut parts = Parts::default();
    parts.add(CERTIFICATES, table.certificates.values())?;
    parts.add(SERVER_NAMES, table.server_names.values())?;
    parts.add(ENDPOINT_SETS, table.endpoint_sets.values())?;
    parts.add(ROUTES, table.routes.values())?;
    let begin = SnapshotBegin {
        version,
        routes: table.routes.len() as u32,
        endpoint_sets: table.endpoint_sets.len() as u32,
        certificates: table.certificates.len() as u32,
        server_names: table.server_names.len() as u32,
        digest: parts.digest,
        deliberately_empty: table.is_empty(),
    };
    let mut frames = vec![encode_frame(&ToDataplane::SnapshotBegin(begin))?];
    frames.append(&mut parts.frames);
    frames.push(encode_frame(&ToDataplane::SnapshotEnd(version))?);
    Ok(frames)
}

/// Frames of parts and the digest of what is in them. Each resource is encoded once for both: a
/// list is its count and its elements in a row, so a part is put together from encoded elements.
#[derive(Default)]
struct Parts {
    frames: Vec<Vec<u8>>,
    digest: Digest,
}

impl Parts {
    fn add<'a, R: Serialize + 'a>(
        &mut self,
        variant: u8,
        resources: impl Iterator<Item = &'a Arc<R>>,
    ) -> Result<(), FrameError> {
        let mut body = Vec::with_capacity(PART_LEN);
        let mut count = 0;
        for resource in resources {
            let start = body.len();
            append(&mut body, resource).map_err(|_| FrameError::Malformed)?;
            self.digest.0 = self.digest.0.wrapping_add(xxh3_64(&body[start..]));
            count += 1;
            if body.len() >= PART_LEN {
                self.close(variant, std::mem::take(&mut count), &body)?;
                body.clear();
            }
        }
        if count > 0 {
            self.close(variant, count, &body)?;
        }
        Ok(())
    }

    fn close(&mut self, variant: u8, count: usize, body: &[u8]) -> Result<(), FrameError> {
        let mut frame = Vec::with_capacity(HEADER_LEN + 8 + body.len());
        frame.extend_from_slice(&[0; HEADER_LEN]);
        append(&mut frame, &(variant, count)).map_err(|_| FrameError::Malformed)?;
        frame.extend_from_slice(body);
        seal(&mut frame)?;
        self.frames.push(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;
    use crate::wire::decode_frame;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn parts_are_encoded_as_messages_are(table in testing::tables()) {
            let version = Version { epoch: 1, number: 2 };
            let frames = snapshot_frames(&table, version).unwrap();
            for frame in &frames {
                let (message, len) = decode_frame::<ToDataplane>(frame).unwrap();
                prop_assert_eq!(len, frame.len());
                if let ToDataplane::SnapshotBegin(begin) = message {
                    prop_assert_eq!(begin.digest, table.digest());
                }
                prop_assert_eq!(&encode_frame(&message).unwrap(), frame);
            }
        }
    }

    #[test]
    fn parts_stay_near_their_length() {
        let of = crate::RouteMatch::path(crate::PathMatch::Prefix("/x".repeat(2000)));
        let route = testing::route("a", crate::HostPattern::Any, of);
        let with_id = |n| {
            Arc::new(crate::Route {
                id: crate::RouteId(n),
                ..route.clone()
            })
        };
        let routes = (0..1000).map(|n| (crate::RouteId(n), with_id(n))).collect();
        let table = RouteTable {
            routes,
            ..RouteTable::default()
        };
        let frames = snapshot_frames(&table, Version { epoch: 1, number: 2 }).unwrap();
        assert_eq!(frames.len(), 2 + 4);
        assert!(frames.iter().all(|frame| frame.len() < PART_LEN + 8192));
    }
}
