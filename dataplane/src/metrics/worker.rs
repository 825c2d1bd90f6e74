//! What a worker tells when it is asked.

use crate::tunnel::Totals;

/// What a worker carries at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerReport {
    /// Client connections, those that became sessions included.
    pub connections: usize,
    /// Upgrade handshakes under way.
    pub handshakes: usize,
    /// Sessions.
    pub sessions: usize,
    /// Memory of its sessions' buffers, lent and free.
    pub buffer_bytes: usize,
    /// What its sessions have carried since the start.
    pub totals: Totals,
}
