//! Bytes that are not what was sent.

use super::*;

fn samples() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (up, down) = golden::messages();
    let up = up
        .iter()
        .map(|(message, _)| encode_frame(message).unwrap())
        .collect();
    let down = down
        .iter()
        .map(|(message, _)| encode_frame(message).unwrap())
        .collect();
    (up, down)
}

fn every_damage_is_found<M: Message + std::fmt::Debug>(good: &[u8]) {
    assert!(decode_frame::<M>(good).is_ok());
    for end in 0..good.len() {
        assert_eq!(
            decode_frame::<M>(&good[..end]).unwrap_err(),
            FrameError::Truncated
        );
    }
    let mut bytes = good.to_vec();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_frame::<M>(&bytes).is_err(), "bit {bit} of {good:?}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_truncation_and_bit_flip_is_an_error() {
    let (up, down) = samples();
    up.iter()
        .for_each(|frame| every_damage_is_found::<ToController>(frame));
    down.iter()
        .for_each(|frame| every_damage_is_found::<ToDataplane>(frame));
}

#[test]
fn bytes_behind_a_message_are_an_error() {
    let (up, down) = samples();
    for good in up {
        let padded = frame(&[&good[HEADER_LEN..], &[0]].concat());
        assert_eq!(
            decode_frame::<ToController>(&padded).unwrap_err(),
            FrameError::Malformed
        );
    }
    for good in &down[1..] {
        let padded = frame(&[&good[HEADER_LEN..], &[0]].concat());
        assert_eq!(
            decode_frame::<ToDataplane>(&padded).unwrap_err(),
            FrameError::Malformed
        );
    }
}

#[test]
fn a_stream_that_is_damaged_stays_so() {
    let mut bytes = encode_frame(&ToController::Resync).unwrap();
    bytes[4] ^= 1;
    let mut decoder = Decoder::default();
    decoder.push(&bytes).unwrap();
    for _ in 0..2 {
        assert_eq!(decoder.next_message::<ToController>(), Err(FrameError::Checksum));
        decoder
            .push(&encode_frame(&ToController::Resync).unwrap())
            .unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_payload_makes_it_panic(payload in vec(any::<u8>(), 0..200), variant in 0..9_u8) {
        // With a right checksum, so that the bytes reach the decoder of messages.
        let bytes = frame(&[&[variant], &payload[..]].concat());
        let _ = decode_frame::<ToController>(&bytes);
        let _ = decode_frame::<ToDataplane>(&bytes);
        let _ = decode_frame::<ToDataplane>(&payload);
    }

    #[test]
    fn what_decodes_from_a_damaged_payload_encodes_again(
        message in to_dataplane(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut payload = encode_frame(&message).unwrap().split_off(HEADER_LEN);
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok((other, _)) = decode_frame::<ToDataplane>(&frame(&payload)) {
            let again = encode_frame(&other).unwrap();
            prop_assert_eq!(decode_frame::<ToDataplane>(&again).unwrap().0, other);
        }
    }
}
