//! How many connections each client address has, over all workers.
//!
//! Asked once for a connection, so locks do no harm here.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;

/// The count for each address. An IPv6 network of 64 bits is one client: it may use all of it.
#[derive(Debug)]
pub struct Clients {
    limit: Option<u32>,
    shards: [Mutex<HashMap<IpAddr, u32>>; SHARDS],
}

/// One connection of a client; counted until it is dropped.
#[derive(Debug)]
pub struct Counted {
    clients: Arc<Clients>,
    address: IpAddr,
}

impl Clients {
    /// At most `limit` connections for each; `None` counts nothing.
    pub fn new(limit: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            shards: Default::default(),
        })
    }

    /// Counts one more connection of a client.
    ///
    /// # Errors
    /// It has as many as it may.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Option<Counted>, TooMany> {
        let Some(limit) = self.limit else {
            return Ok(None);
        };
        let address = network(address);
        let mut shard = self.shard(address);
        let count = shard.entry(address).or_default();
        if *count >= limit {
            return Err(TooMany);
        }
        *count += 1;
        drop(shard);
        Ok(Some(Counted {
            clients: Arc::clone(self),
            address,
        }))
    }

    fn shard(&self, address: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        let low = match address {
            IpAddr::V4(ip) => ip.to_bits() as usize,
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as usize,
        };
        // A panic under the lock leaves counts, which are never wrong by more than one.
        self.shards[low % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Drop for Counted {
    fn drop(&mut self) {
        let mut shard = self.clients.shard(self.address);
        if let Some(count) = shard.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_limit_and_nothing_is_left() {
        let clients = Clients::new(Some(2));
        let enter = |ip: &str| clients.enter(ip.parse().unwrap());
        let (one, two) = (enter("192.0.2.7").unwrap(), enter("::ffff:192.0.2.7").unwrap());
        assert_eq!(enter("192.0.2.7").unwrap_err(), TooMany);
        let other = enter("192.0.2.8").unwrap();
        // The same network.
        let six = [enter("2001:db8::1").unwrap(), enter("2001:db8::ffff:2").unwrap()];
        assert_eq!(enter("2001:db8::3").unwrap_err(), TooMany);
        let neighbour = enter("2001:db8:0:1::3").unwrap();
        drop(one);
        drop(enter("192.0.2.7").unwrap());
        drop((two, other, six, neighbour));
        assert!(
            clients
                .shards
                .iter()
                .all(|shard| shard.lock().unwrap().is_empty())
        );
        assert!(
            Clients::new(None)
                .enter("192.0.2.7".parse().unwrap())
                .unwrap()
                .is_none()
        );
    }
}
