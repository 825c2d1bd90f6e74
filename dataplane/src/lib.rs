//! The data plane: proxies HTTP and carries WebSockets to the endpoints behind Services.
//!
//! The way of a connection: [`listener`] → [`downstream`] → [`snapshot`] (match) → [`http`] (forward) or
//! [`upgrade`], both over [`upstream`] → [`tunnel`] driving a [`session`]; [`metrics`] and [`access_log`] see its end.
//! The way of configuration: [`control`] → [`snapshot`] → every [`worker`].

pub mod access_log;
pub mod admin;
pub mod app;
pub mod config;
pub mod control;
pub mod downstream;
pub mod error;
pub mod fleet;
pub mod framing;
pub mod http;
pub mod listener;
pub mod local;
pub mod metrics;
pub mod session;
pub mod snapshot;
pub mod tls;
pub mod tunnel;
pub mod upgrade;
pub mod upstream;
pub mod wall_clock;
pub mod worker;
