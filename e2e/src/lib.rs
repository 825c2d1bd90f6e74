//! The harness of the end-to-end tests: it starts the real binaries and real peers around them.
//!
//! - [`stack`] runs `holdfast serve` on a folder of [`manifests`]; [`lone`] runs one of its two parts alone.
//! - [`backends`] are what stands behind the proxy, [`clients`] what stands before it; [`foreign`] runs
//!   peers written with libraries of other ecosystems; [`swarm`] is many cheap sessions in a process of
//!   their own.
//! - [`chatter`] is a crowd of sessions with traffic that notes how each ended.
//! - [`cluster`] runs the two parts as replicas on a real API server.
//! - [`admin`] reads the admin port, [`proc`] what the kernel knows of a process.
//! - [`deadline`] is the only way to wait: for a condition, never for a time.
//!
//! Everything listens on a port of the system's choice, and whatever a test starts ends with it. A failing
//! test prints the logs of what it had started ([`report`]).

pub mod admin;
pub mod backends;
pub mod binaries;
pub mod chatter;
pub mod child;
pub mod clients;
pub mod cluster;
pub mod deadline;
pub mod foreign;
pub mod frames;
pub mod lone;
pub mod manifests;
pub mod pattern;
pub mod proc;
pub mod raw;
pub mod report;
pub mod stack;
pub mod swarm;
pub mod tls;
