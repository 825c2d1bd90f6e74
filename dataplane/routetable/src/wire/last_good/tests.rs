use proptest::prelude::*;

use super::*;
use crate::testing;

const VERSION: Version = Version { epoch: 3, number: 8 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_saved_comes_back(table in testing::tables()) {
        let bytes = encode(&table, VERSION).unwrap();
        prop_assert_eq!(decode(&bytes), Ok((table.into(), VERSION)));
    }

    #[test]
    fn a_damaged_file_is_refused(
        table in testing::tables(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let good = encode(&table, VERSION).unwrap();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(decode(&good[..at]).is_err());
    }
}

#[test]
fn files_of_others_are_told_apart() {
    let mut bytes = encode(&RouteTable::default(), VERSION).unwrap();
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(AssemblyError::OutOfTurn.into()));
    bytes.pop();
    bytes[8..12].copy_from_slice(&7_u32.to_le_bytes());
    let error = decode(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("it was written for protocol 7; this is {PROTOCOL}")
    );
    assert_eq!(decode(b"#!/bin/sh\n"), Err(LastGoodError::Foreign));
    assert_eq!(decode(b""), Err(LastGoodError::Foreign));
    let frames = encode(&RouteTable::default(), VERSION).unwrap().split_off(12);
    let (_, begin) = decode_frame::<ToDataplane>(&frames).unwrap();
    let headless = [&MAGIC[..], &PROTOCOL.to_le_bytes(), &frames[begin..]].concat();
    assert_eq!(decode(&headless), Err(AssemblyError::OutOfTurn.into()));
}
