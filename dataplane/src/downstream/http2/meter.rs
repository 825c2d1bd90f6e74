//! Tells work from noise in what an HTTP/2 client sends: frames that carry nothing cost it, and its budget
//! grows with time and with what it lets us send (RFC 9113 section 10.5).
//!
//! Pure. Follows frame headers only; what is in the frames is for h2 to judge, which also bounds header blocks and
//! resets of requests not yet begun.

use tokio::time::Instant;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const END_STREAM: u8 = 0x1;

/// What there is at most, and at first: about a thousand PINGs.
const FULL: u32 = 8_000;
/// What comes back in a second.
const PER_SECOND: u32 = 400;
/// Bytes to the client that earn one. Its WINDOW_UPDATEs, two for a DATA frame of ours, are paid by that frame.
const BYTES_PER_ONE: usize = 4;
/// A frame that we answer costs more than the answer earns.
const ANSWERED: u32 = 8;
/// A request, until it turns out to be one: what h2 refuses or finds malformed is never heard of again. Costs more
/// than the RST_STREAM earns.
const BEGUN: u32 = 6;
/// A request that its client takes back before it is answered.
pub(super) const TAKEN_BACK: u32 = 40;

/// One connection's budget, and the place in its frames.
#[derive(Debug)]
pub(super) struct Meter {
    budget: u32,
    /// It asked for more than there was, once.
    spent: bool,
    counted_at: Instant,
    /// Bytes of the preface or of a frame's payload still to come.
    skip: u32,
    header: [u8; 9],
    have: usize,
    last_stream: u32,
}

impl Meter {
    /// For a client whose preface is still to come.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            budget: FULL,
            spent: false,
            counted_at: now,
            skip: 24,
            header: [0; 9],
            have: 0,
            last_stream: 0,
        }
    }

    /// Follows what the client sent.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() {
            let skipped = bytes.len().min(self.skip as usize);
            self.skip -= skipped as u32;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(self.header.len() - self.have);
            self.header[self.have..][..taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == self.header.len() {
                self.have = 0;
                self.frame(now);
            }
        }
    }

    fn frame(&mut self, now: Instant) {
        let [a, b, c, kind, flags, stream @ ..] = self.header;
        self.skip = u32::from_be_bytes([0, a, b, c]);
        let cost = match kind {
            DATA => u32::from(self.skip == 0 && flags & END_STREAM == 0),
            HEADERS => {
                let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                let is_new = self.last_stream < stream;
                self.last_stream = self.last_stream.max(stream);
                if is_new { BEGUN } else { 0 }
            }
            // Costs where it takes a request back.
            RST_STREAM => 0,
            SETTINGS | PING => ANSWERED,
            _ => 1,
        };
        if cost > 0 {
            self.spend(cost, now);
        }
    }

    /// Takes from the budget.
    pub(super) fn spend(&mut self, cost: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.counted_at);
        let back = passed.as_millis() * u128::from(PER_SECOND) / 1000;
        if back > 0 {
            self.counted_at = now;
            self.earn(u32::try_from(back).unwrap_or(FULL));
        }
        self.spent |= self.budget < cost;
        self.budget = self.budget.saturating_sub(cost);
    }

    /// Notes that what began was a request.
    pub(super) fn is_request(&mut self) {
        self.earn(BEGUN);
    }

    /// Notes what was sent to the client.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.earn(u32::try_from(bytes / BYTES_PER_ONE).unwrap_or(FULL));
    }

    fn earn(&mut self, amount: u32) {
        self.budget = self.budget.saturating_add(amount).min(FULL);
    }

    /// The client has sent more noise than it may.
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }

    /// A GOAWAY that says so (RFC 9113 section 6.8).
    pub(super) fn goaway(&self) -> [u8; 17] {
        let mut frame = [
            0,
            0,
            8,
            0x7,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            ENHANCE_YOUR_CALM,
        ];
        frame[9..13].copy_from_slice(&self.last_stream.to_be_bytes());
        frame
    }
}

const ENHANCE_YOUR_CALM: u8 = 0xb;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    fn fed(frames: &[u8], piece: usize) -> Meter {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        meter.read(&[b'x'; 24], now);
        for piece in frames.chunks(piece) {
            meter.read(piece, now);
        }
        meter
    }

    #[test]
    fn noise_costs_and_work_does_not() {
        let work = [
            frame(HEADERS, 5, 7, b"abc"),
            frame(DATA, 0, 7, &[6; 300]),
            frame(DATA, END_STREAM, 7, b""),
            frame(RST_STREAM, 0, 7, &[0; 4]),
        ]
        .concat();
        let noise = [
            frame(DATA, 0, 7, b""),
            frame(PING, 0, 0, &[6; 8]),
            frame(SETTINGS, 0, 0, b""),
            frame(0x8, 0, 0, &[0; 4]),
            frame(0x2, 0, 9, &[0; 5]),
            frame(0xfa, 0, 0, b"?"),
        ]
        .concat();
        for piece in [1, 2, 7, 9, 1000] {
            let mut meter = fed(&work, piece);
            assert_eq!(meter.budget, FULL - BEGUN, "{piece}");
            meter.is_request();
            assert_eq!(meter.budget, FULL, "{piece}");
            assert_eq!(fed(&noise, piece).budget, FULL - 4 - 2 * ANSWERED, "{piece}");
            assert_eq!(fed(&work, piece).goaway()[9..13], [0, 0, 0, 7]);
        }
    }

    #[test]
    fn a_budget_is_spent_and_comes_back() {
        let pings = |count| frame(PING, 0, 0, &[6; 8]).repeat(count);
        assert!(fed(&pings(1001), 4096).is_spent());
        let mut meter = fed(&pings(1000), 4096);
        assert!(!meter.is_spent());
        meter.spend(0, meter.counted_at + Duration::from_secs(10));
        assert_eq!(meter.budget, FULL / 2);
        meter.wrote(4 * 100);
        assert_eq!(meter.budget, FULL / 2 + 100);
        meter.wrote(usize::MAX);
        assert_eq!(meter.budget, FULL);
    }
}
