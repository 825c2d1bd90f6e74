//! WebSocket upgrades (RFC 6455 section 4): the backend's answer is judged before the client hears of
//! it, and no byte of the client's goes on before a 101 that counts.
//!
//! [`handshake`] reads and judges heads, [`exchange`] speaks with the endpoint, [`handover`] turns
//! the two connections into a session.

pub mod exchange;
pub mod handover;
pub mod handshake;
