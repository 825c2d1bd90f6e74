//! One client connection: a [`connection`] carries requests, a `service` takes each from its head to a
//! refusal, a forwarded answer or an upgrade.

mod admit;
pub mod connection;
mod service;
