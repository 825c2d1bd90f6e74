//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// Doubles from `first` to `longest`, with jitter, so that several data planes do not return in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    state: u64,
}

impl Backoff {
    /// Starts at `first`; `seed` drives the jitter.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self {
            first,
            longest,
            next: first,
            state: seed,
        }
    }

    /// The next attempt may come at once again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next wait: between half and the whole of the current step.
    pub fn step(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        self.jitter(whole)
    }

    /// Between half and the whole of `whole`.
    pub fn jitter(&mut self, whole: Duration) -> Duration {
        // splitmix64: enough to be out of step.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = f64::from((z >> 32) as u32) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + unit / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_again() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(2000), 7);
        for whole in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
            let wait = backoff.step();
            assert!(
                wait >= ms(whole) / 2 && wait <= ms(whole),
                "{wait:?} of {whole} ms"
            );
        }
        backoff.reset();
        assert!(backoff.step() <= ms(50));
    }

    #[test]
    fn seeds_differ() {
        let first = |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(1), seed).step();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
