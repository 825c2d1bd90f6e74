//! Room among the process's descriptors: newcomers wait while those who are here still need some.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{Resource, getrlimit};

/// Descriptors that are kept for backends of those who are here, files and admin connections; of few descriptors, one
/// part in eight.
const RESERVE: u64 = 512;

/// Above this number, descriptors are kept back. The system gives out the lowest free number, so that a high one
/// means that few are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    from: u64,
}

impl Crowd {
    /// By the process's present limit.
    pub(super) fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            from: limit - RESERVE.min(limit / 8),
        }
    }

    /// Whether a newcomer with this descriptor must wait.
    pub(super) fn holds_back(self, newcomer: &impl AsFd) -> bool {
        newcomer.as_fd().as_raw_fd().unsigned_abs() as u64 >= self.from
    }

    /// Whether there is room again.
    pub(super) fn has_gone(self) -> bool {
        let lowest = lowest_free();
        lowest.is_ok_and(|number| number < self.from)
    }
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
        let roomy = Crowd::new();
        assert!(!roomy.holds_back(&file) && roomy.has_gone());
        let full = Crowd { from: 0 };
        assert!(full.holds_back(&file) && !full.has_gone());
    }
}
