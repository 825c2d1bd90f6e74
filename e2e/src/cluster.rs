//! A real API server for each test, and replicas of the product around it.
//!
//! - [`network`] gives the test binary a network namespace of its own, and each test addresses of its own, so
//!   that fixed ports are safe and EndpointSlices can name the backends' addresses.
//! - [`api_server`] is one etcd with one kube-apiserver, [`kubectl`] speaks to it.
//! - [`chart`] renders the chart and installs what a replica needs of it; [`replica`] runs the two binaries
//!   with that ServiceAccount, never as the administrator.
//! - [`objects`] writes the YAML of Services, slices and routes; [`expect`] waits for what statuses say.
//! - [`trial`] turns a test into what the runner runs.

pub mod api_server;
pub mod kubectl;
pub mod network;
pub mod tools;
pub mod trial;
