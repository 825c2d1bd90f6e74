//! Room among the process's descriptors: newcomers wait while those who are here still need some.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{Resource, getrlimit};

/// Descriptors that are kept from newcomers: one half for backends of those who are here, the other for files and admin
/// connections. Of few descriptors, one part in eight.
const RESERVE: u64 = 512;

/// Numbers from which on descriptors are kept back. The system gives out the lowest free number, so that a high one
/// means that few are left.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// For newcomers.
    from: u64,
    /// From here on they are not for backends either: a connection of HTTP/2 is one descriptor, and may ask for many.
    full: u64,
}

impl Crowd {
    /// By the process's present limit.
    pub fn by_limit() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let reserve = RESERVE.min(limit / 8);
        Self {
            from: limit - reserve,
            full: limit - reserve / 2,
        }
    }

    /// Whether a newcomer with this descriptor must wait.
    pub fn holds_back(self, newcomer: &impl AsFd) -> bool {
        number(newcomer) >= self.from
    }

    /// Whether a connection to a backend that would have this descriptor is one too many.
    pub fn is_full(self, connection: &impl AsFd) -> bool {
        number(connection) >= self.full
    }

    /// Whether there is room again.
    pub fn has_gone(self) -> bool {
        let lowest = lowest_free();
        lowest.is_ok_and(|number| number < self.from)
    }
}

fn number(descriptor: &impl AsFd) -> u64 {
    descriptor.as_fd().as_raw_fd().unsigned_abs().into()
}

fn lowest_free() -> io::Result<u64> {
    let probe = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 0)?;
    Ok(probe.as_raw_fd().unsigned_abs().into())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn numbers_tell_how_full_it_is() {
        let file = File::open("/dev/null").unwrap();
        let roomy = Crowd::by_limit();
        assert!(!roomy.holds_back(&file) && !roomy.is_full(&file) && roomy.has_gone());
        let crowded = Crowd {
            from: 0,
            full: u64::MAX,
        };
        assert!(crowded.holds_back(&file) && !crowded.is_full(&file) && !crowded.has_gone());
        let full = Crowd { from: 0, full: 0 };
        assert!(full.is_full(&file));
    }
}
