//! The built-in backend of `holdfast serve --demo`: two endpoints, `blue` and `green`, that share one
//! chat room. Lives in the process of `serve`; the proxy sees two ordinary addresses on loopback.

mod chat;
mod page;
mod service;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::chat::Room;
use super::backend;

/// The running backend; ends with this value.
pub(super) struct Backend {
    /// Address of the endpoint `blue`.
    pub(super) blue: SocketAddr,
    /// Address of the endpoint `green`.
    pub(super) green: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Backend {
    /// Listens on two ports of 127.0.0.1 that the system picks.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let room = Arc::new(Room::new());
        let mut accepting = JoinSet::new();
        let mut endpoint = async |name: &'static str| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let room = room.clone();
            accepting.spawn(backend::serve(listener, move |request, place| {
                service::answer(request, name, room.clone(), place)
            }));
            anyhow::Ok(address)
        };
        let blue = endpoint("blue").await.context("cannot start the demo backend")?;
        let green = endpoint("green").await.context("cannot start the demo backend")?;
        Ok(Self {
            blue,
            green,
            _accepting: accepting,
        })
    }
}

#[cfg(test)]
mod tests;
