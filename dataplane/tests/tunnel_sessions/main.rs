//! Sessions through a tunnel table, over real sockets and against independent peers.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod carry;
mod drain;
mod encrypted;
mod ends;
#[path = "../fixture/pki.rs"]
mod pki;
mod rig;
mod scenes;
mod share;
