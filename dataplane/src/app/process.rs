//! What the process asks of the system about itself.

use anyhow::{Context, bail};
use rustix::process::{Resource, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use tracing::{info, warn};

/// Asks for a SIGTERM, and so a drain, when the parent ends.
pub(super) fn exit_with_parent() -> anyhow::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if getppid() != parent {
        bail!("the parent process has ended");
    }
    Ok(())
}

/// Raises the soft limit of open files to the hard one: a session takes two descriptors.
pub(super) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => info!(from = ?limit.current, to = ?limit.maximum, "raised the limit of open files"),
        Err(error) => warn!(%error, limit = ?limit.current, "cannot raise the limit of open files"),
    }
}

/// A random number from the system, for identities and seeds.
pub(super) fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    // Reads of up to 256 bytes are never cut short (getrandom(2)).
    getrandom(&mut bytes, GetRandomFlags::empty()).context("the system gives no random numbers")?;
    Ok(u64::from_ne_bytes(bytes))
}
