//! Keeps one data plane up to date.
//!
//! After `Hello` the data plane gets the whole table, or nothing if it has it already; then one
//! change at a time: the next one goes out, as the difference to what it was last sent, when it
//! has answered. So a slow data plane skips versions and costs no memory.

mod inbox;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use routetable::wire::{
    Delta, FrameError, Hello, Nack, PROTOCOL, ResourceId, ToController, ToDataplane, Version, encode_frame,
    snapshot_frames,
};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{debug, error, info};

use super::Published;
use super::peers::{Entry, Peers};
use crate::moment::until;
use inbox::Inbox;

/// Least time between two snapshots on one connection, however often they are asked for.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(200);

/// Why a session is over.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The data plane closed the connection.
    #[error("the data plane closed the connection")]
    Closed,
    /// What it sent, or what it was to be sent, is no message.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// It did not greet in time, or with something else.
    #[error("it did not begin with a greeting")]
    NoHello,
    /// It speaks another protocol.
    #[error("it speaks protocol {0}, this controller {PROTOCOL}; both must be of one release")]
    Protocol(u32),
    /// It does not read.
    #[error("it does not read what it is sent")]
    Blocked,
    /// It never said whether a version serves.
    #[error("it did not answer version {0:?} in time")]
    NoAnswer(Version),
}

/// Speaks with one data plane until one side is gone. `patience` bounds every wait for it.
///
/// # Errors
/// Why it ended, unless the controller itself is ending.
pub async fn run(
    stream: UnixStream,
    published: watch::Receiver<Option<Arc<Published>>>,
    peers: Peers,
    patience: Duration,
) -> Result<(), SessionError> {
    let (read, write) = stream.into_split();
    let mut inbox = Inbox::new(read);
    let mut outbox = Outbox { write, patience };
    let hello = match greeting(&mut inbox, patience).await {
        Err(SessionError::Protocol(theirs)) => {
            outbox.send(&ToDataplane::Refused { protocol: PROTOCOL }).await?;
            return Err(SessionError::Protocol(theirs));
        }
        hello => hello?,
    };
    info!(boot_id = hello.boot_id, serves = ?hello.have, "a data plane is connected");
    let entry = peers.enter(hello.boot_id);
    let session = Session {
        inbox,
        outbox,
        published,
        entry,
        sent: None,
        unanswered: None,
        snapshot_after: Instant::now(),
    };
    session.follow(hello).await
}

async fn greeting(inbox: &mut Inbox, patience: Duration) -> Result<Hello, SessionError> {
    match timeout(patience, inbox.next()).await {
        Err(_) => Err(SessionError::NoHello),
        Ok(Err(SessionError::Frame(FrameError::Protocol(theirs)))) => Err(SessionError::Protocol(theirs)),
        Ok(Err(error)) => Err(error),
        Ok(Ok(ToController::Hello(hello))) if hello.protocol == PROTOCOL => Ok(hello),
        Ok(Ok(ToController::Hello(hello))) => Err(SessionError::Protocol(hello.protocol)),
        Ok(Ok(_)) => Err(SessionError::NoHello),
    }
}

struct Session {
    inbox: Inbox,
    outbox: Outbox,
    published: watch::Receiver<Option<Arc<Published>>>,
    entry: Entry,
    /// What the data plane was last sent.
    sent: Option<Arc<Published>>,
    /// When the answer to it is overdue, if it is still to come.
    unanswered: Option<Instant>,
    /// No snapshot before this.
    snapshot_after: Instant,
}

impl Session {
    async fn follow(mut self, hello: Hello) -> Result<(), SessionError> {
        let Some(first) = self.first().await? else {
            return Ok(());
        };
        if hello.have.is_some() && hello.digest == first.digest() {
            self.outbox.send(&ToDataplane::Current(first.version)).await?;
            self.is_sent(first);
        }
        loop {
            let newest = self.published.borrow_and_update().clone();
            if let Some(newest) = newest.filter(|_| self.may_send()) {
                self.bring(newest).await?;
            }
            let held_back = self.held_back();
            tokio::select! {
                message = self.inbox.next() => self.hear(message?),
                changed = self.published.changed() => if changed.is_err() { return Ok(()) },
                () = until(self.unanswered) => {
                    let sent = self.sent.take().map(|sent| sent.version);
                    return Err(sent.map_or(SessionError::NoHello, SessionError::NoAnswer));
                }
                () = until(held_back) => {}
            }
        }
    }

    /// Waits for the first version; `None` when the controller is ending.
    async fn first(&mut self) -> Result<Option<Arc<Published>>, SessionError> {
        loop {
            if let Some(first) = self.published.borrow_and_update().clone() {
                return Ok(Some(first));
            }
            tokio::select! {
                message = self.inbox.next() => self.hear(message?),
                changed = self.published.changed() => if changed.is_err() { return Ok(None) },
            }
        }
    }

    fn may_send(&self) -> bool {
        self.unanswered.is_none() && self.held_back().is_none()
    }

    /// The end of the pause before another snapshot, if one is wanted and must wait.
    fn held_back(&self) -> Option<Instant> {
        let wanted = self.sent.is_none() && self.unanswered.is_none();
        Some(self.snapshot_after).filter(|after| wanted && Instant::now() < *after)
    }

    /// Sends what leads to `next`, if anything does.
    async fn bring(&mut self, next: Arc<Published>) -> Result<(), SessionError> {
        let delta = match &self.sent {
            Some(sent) if sent.version == next.version => return Ok(()),
            Some(sent) => delta_frame(sent, &next),
            None => None,
        };
        match delta {
            Some(frame) => self.outbox.write(&frame).await?,
            None => {
                for frame in snapshot_frames(next.table(), next.version)? {
                    self.outbox.write(&frame).await?;
                }
                self.snapshot_after = Instant::now() + SNAPSHOT_PAUSE;
            }
        }
        self.is_sent(next);
        Ok(())
    }

    fn is_sent(&mut self, published: Arc<Published>) {
        debug!(version = ?published.version, "sent");
        self.sent = Some(published);
        self.unanswered = Some(Instant::now() + self.outbox.patience);
    }

    fn hear(&mut self, message: ToController) {
        match message {
            ToController::Ack(version) => self.answered(version, Vec::new()),
            ToController::Nack(Nack { version, items }) => {
                for item in &items {
                    let object = self.name(item.resource);
                    error!(%object, "the data plane does not serve it: {}", item.message);
                }
                self.answered(version, items);
            }
            ToController::Resync => {
                debug!("the data plane asks for the whole table");
                self.sent = None;
                self.unanswered = None;
            }
            ToController::Stats(stats) => {
                debug!(?stats, "data plane");
                self.entry.update(|peer| peer.stats = stats);
            }
            ToController::Hello(_) => debug!("a second greeting means nothing"),
        }
    }

    fn answered(&mut self, version: Version, refused: Vec<routetable::wire::ItemError>) {
        let sent = self.sent.clone().filter(|sent| sent.version == version);
        if sent.is_some() {
            self.unanswered = None;
        }
        self.entry.serves(version, sent, refused);
    }

    /// The object behind a resource of the version that was last sent.
    fn name(&self, resource: ResourceId) -> String {
        let table = self.sent.as_ref().map(|sent| sent.table());
        let name = table.and_then(|table| match resource {
            ResourceId::Route(id) => table
                .routes
                .get(&id)
                .map(|route| format!("{} rule {}", route.source, route.rule)),
            ResourceId::EndpointSet(id) => {
                let set = table.endpoint_sets.get(&id);
                set.map(|set| format!("Service {}/{} port {}", set.namespace, set.service, set.port))
            }
            ResourceId::Certificate(id) => {
                let certificate = table.certificates.get(&id);
                certificate
                    .map(|certificate| format!("Secret {}/{}", certificate.namespace, certificate.secret))
            }
            ResourceId::ServerName(id) => table
                .server_names
                .get(&id)
                .map(|name| format!("TLS for '{}'", name.host)),
        });
        name.unwrap_or_else(|| format!("{resource:?}"))
    }
}

/// The difference as one frame; `None` when a snapshot is the better way.
fn delta_frame(sent: &Published, next: &Published) -> Option<Vec<u8>> {
    let ops = sent.table().diff(next.table());
    let delta = Delta {
        base: sent.version,
        next: next.version,
        ops,
        digest: next.digest(),
    };
    encode_frame(&ToDataplane::Delta(delta)).ok()
}

struct Outbox {
    write: OwnedWriteHalf,
    patience: Duration,
}

impl Outbox {
    async fn send(&mut self, message: &ToDataplane) -> Result<(), SessionError> {
        self.write(&encode_frame(message)?).await
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        match timeout(self.patience, self.write.write_all(frame)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(SessionError::Blocked),
        }
    }
}
