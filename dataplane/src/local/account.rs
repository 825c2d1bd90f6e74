//! What a session keeps for its end, and the account that is written of it then.

use super::{Place, Shared};
use crate::access_log::RequestFacts;
use crate::snapshot::EndpointGuard;
use crate::tunnel::SessionEnd;

/// What a session keeps for its end. Small: there is one per idle socket.
#[derive(Debug)]
pub struct SessionContext {
    /// What is known of it from its handshake.
    pub facts: RequestFacts,
    /// Counts it at its endpoint.
    pub _guard: EndpointGuard,
    /// The client connection's place among those of the worker.
    pub _connection: Place,
}

/// Writes the account of a session that has ended.
pub(super) fn ended(shared: &Shared, end: &SessionEnd<SessionContext>) {
    let facts = &end.context.facts;
    if let (Some(route), Some(slot)) = (&facts.route, &facts.slot) {
        shared.metrics.session_ended(route, slot, end);
    }
    shared.access_log.session(facts, end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_keeps_little() {
        // Its strings come on top; everything of HTTP is gone.
        assert!(
            size_of::<SessionContext>() <= 192,
            "{}",
            size_of::<SessionContext>()
        );
    }
}
