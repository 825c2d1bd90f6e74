//! The controller's end of the socket: one controller listens, and only its own user may connect.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::Published;
use super::peers::Peers;
use super::session::{self, SessionError};

/// Most data planes at a time.
const MAX_PEERS: usize = 64;
/// Wait after an accept failed, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the socket can't be used.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another controller holds it.
    #[error("another controller listens on '{0}'; stop it, or choose another path with `--socket`")]
    InUse(PathBuf),
    /// The path is taken by something else.
    #[error("'{0}' is not a socket; remove it, or choose another path with `--socket`")]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("can't listen on '{path}': {source}; choose another path with `--socket`")]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// A socket that listens. Removed when dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    inode: u64,
    /// Held for as long as we listen; the system lets go of it even if we are killed.
    _lock: File,
}

impl Listener {
    /// Listens on `path`, mode 0600. What a dead controller left there is replaced.
    ///
    /// # Errors
    /// Another controller listens there, or the system refuses.
    pub fn bind(path: &Path) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Io {
            path: path.to_owned(),
            source,
        };
        let folder = path
            .parent()
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new("."));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let lock = lock(path)?;
        if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket()) {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        // Renamed into place once its mode is right, so that it is never open to others. The name
        // is short because the length of a socket's path is limited.
        let temporary = folder.join(format!(".{}", std::process::id()));
        let socket = listen(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)));
        let socket = socket.map_err(failed)?;
        let inode = fs::metadata(path).map_err(failed)?.ino();
        Ok(Self {
            socket,
            path: path.to_owned(),
            inode,
            _lock: lock,
        })
    }

    /// Takes connections and keeps each of them up to date, for as long as it is polled.
    pub async fn serve(
        &self,
        published: watch::Receiver<Option<Arc<Published>>>,
        peers: Peers,
        patience: Duration,
    ) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) if sessions.len() < MAX_PEERS && is_ours(&stream) => {
                        let session = session::run(stream, published.clone(), peers.clone(), patience);
                        sessions.spawn(session);
                    }
                    Ok(_) => warn!("turned a connection away: another user's, or one more than {MAX_PEERS}"),
                    Err(error) => {
                        warn!(%error, "can't accept a data plane");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = sessions.join_next() => report(ended),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn lock(path: &Path) -> Result<File, ListenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |source| ListenError::Io {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(name).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ListenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn listen(temporary: &Path, path: &Path) -> io::Result<UnixListener> {
    drop(fs::remove_file(temporary));
    let socket = UnixListener::bind(temporary)?;
    fs::set_permissions(temporary, Permissions::from_mode(0o600))?;
    fs::rename(temporary, path)?;
    Ok(socket)
}

/// True for a process of our own user.
fn is_ours(stream: &UnixStream) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours)
}

fn report(ended: Result<Result<(), SessionError>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(SessionError::Closed)) => info!("a data plane went away"),
        Ok(Err(error)) => warn!("lost a data plane: {error}"),
        Err(error) => debug!(%error, "a session did not end by itself"),
    }
}
