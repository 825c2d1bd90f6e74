//! The way to the endpoints: choosing one, connecting, speaking HTTP with it, keeping idle connections.

pub mod balance;
pub mod body;
pub mod connect;
pub mod connection;
pub mod descriptors;
pub mod error;
pub mod gate;
mod http1;
mod http2;
pub mod lease;
pub mod pool;
pub mod proxy_header;
pub mod switch;
