//! Which endpoint takes a request: a backend by weight, then least connections among its endpoints.
//!
//! Pure: reads counts and states, connects nothing. Randomness comes in as an argument.
//! A backend whose set has no endpoint that takes new work gives its share to its siblings (nginx
//! would answer 502 for that share).

use std::net::SocketAddr;
use std::sync::Arc;

use fastrand::Rng;
use routetable::EndpointState;

use crate::snapshot::{BackendEntry, Endpoint, LiveEndpoint, RouteEntry};

/// An endpoint that is to take one request, with the backend it belongs to.
#[derive(Debug)]
pub struct Pick<'a> {
    /// The share of the route it belongs to.
    pub backend: &'a BackendEntry,
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
}

/// Picks an endpoint of `route` whose address is not in `exclude`; `None` when nothing takes new work.
///
/// Counts are read, not claimed: two workers may pick the same endpoint at the same moment, which
/// evens out with the next request.
pub fn pick<'a>(route: &'a RouteEntry, exclude: &[SocketAddr], rng: &mut Rng) -> Option<Pick<'a>> {
    // One endpoint per backend is drawn first, so that the sets are read once.
    let drawn = route
        .backends
        .iter()
        .filter_map(|backend| draw(backend, exclude, rng));
    let mut candidates: Vec<Pick<'a>> = drawn.collect();
    let index = match candidates.len() {
        0 => return None,
        1 => 0,
        _ => by_weight(&candidates, rng),
    };
    Some(candidates.swap_remove(index))
}

/// An endpoint of a backend that has a share.
fn draw<'a>(backend: &'a BackendEntry, exclude: &[SocketAddr], rng: &mut Rng) -> Option<Pick<'a>> {
    if backend.weight == 0 {
        return None;
    }
    let endpoints = backend.slot.endpoints.load();
    let endpoint = Arc::clone(least_connections(&endpoints, exclude, rng)?);
    Some(Pick { backend, endpoint })
}

fn by_weight(candidates: &[Pick<'_>], rng: &mut Rng) -> usize {
    let total: u64 = candidates.iter().map(|c| u64::from(c.backend.weight)).sum();
    let mut drawn = rng.u64(0..total);
    for (index, candidate) in candidates.iter().enumerate() {
        let weight = u64::from(candidate.backend.weight);
        if drawn < weight {
            return index;
        }
        drawn -= weight;
    }
    candidates.len() - 1
}

/// The endpoint with the least work; ties are drawn. Draining ones count only if none is ready.
fn least_connections<'a>(
    endpoints: &'a [LiveEndpoint],
    exclude: &[SocketAddr],
    rng: &mut Rng,
) -> Option<&'a Arc<Endpoint>> {
    let ready = endpoints.iter().any(|live| live.state == EndpointState::Ready);
    let wanted = if ready {
        EndpointState::Ready
    } else {
        EndpointState::Draining
    };
    let mut best: Option<(&Arc<Endpoint>, u32)> = None;
    let mut ties = 0u32;
    for live in endpoints {
        if live.state != wanted || exclude.contains(&live.endpoint.address) {
            continue;
        }
        let active = live.endpoint.active();
        match best {
            Some((_, least)) if active > least => {}
            Some((_, least)) if active == least => {
                ties += 1;
                if rng.u32(0..=ties) == 0 {
                    best = Some((&live.endpoint, active));
                }
            }
            _ => {
                best = Some((&live.endpoint, active));
                ties = 0;
            }
        }
    }
    best.map(|(endpoint, _)| endpoint)
}

#[cfg(test)]
mod tests;
