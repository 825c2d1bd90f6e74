//! A real API server for each test, and replicas of the product around it.
//!
//! - [`network`] gives the test binary a network namespace of its own, and each test addresses of its own, so
//!   that fixed ports are safe and EndpointSlices can name the backends' addresses.
//! - [`api_server`] is one etcd with one kube-apiserver, [`kubectl`] speaks to it, [`tools`] finds all of them.
//! - [`chart`] installs the chart; [`replica`] runs what one of its pods would run, with its settings and its
//!   ServiceAccount, never as the administrator.
//! - [`expect`] waits for what statuses and events say.
//! - [`trial`] turns a test into what the runner runs.

pub mod api_server;
pub mod chart;
pub mod expect;
pub mod kubectl;
pub mod network;
pub mod replica;
pub mod tools;
pub mod trial;
