//! The run directory: private to one `serve`, home of the socket and of generated manifests.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;

/// `sockaddr_un` holds no longer path.
const SOCKET_PATH_MOST: usize = 107;

/// A run directory in use; a temporary one goes away with this value.
pub(super) struct RunDir {
    path: PathBuf,
    _lock: File,
    _temporary: Option<TempDir>,
}

impl RunDir {
    /// Takes the chosen folder, or makes a temporary one.
    pub(super) fn new(chosen: Option<&Path>) -> anyhow::Result<Self> {
        let (path, temporary) = match chosen {
            Some(path) => (private(path), None),
            None => {
                let private = Permissions::from_mode(0o700);
                let made = tempfile::Builder::new()
                    .prefix("holdfast-")
                    .permissions(private)
                    .tempdir();
                let made = made.context("cannot make a run directory")?;
                (Ok(made.path().to_owned()), Some(made))
            }
        };
        let shown = chosen.unwrap_or(Path::new("")).display().to_string();
        let path = path.with_context(|| format!("cannot use the run directory '{shown}'"))?;
        let lock = File::create(path.join("holdfast.lock")).context("cannot write to the run directory")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another 'holdfast serve' uses the run directory '{shown}'; choose another with --run-dir"
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock the run directory '{shown}'"));
            }
        }
        let run_dir = Self {
            path,
            _lock: lock,
            _temporary: temporary,
        };
        let socket = run_dir.socket();
        if socket.as_os_str().len() > SOCKET_PATH_MOST {
            bail!(
                "the path of the socket '{}' must not be longer than {SOCKET_PATH_MOST} bytes; \
                 choose a shorter --run-dir",
                socket.display()
            );
        }
        Ok(run_dir)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join("holdfast.sock")
    }
}

/// A folder that is there already must not let others write into it.
fn private(path: &Path) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o022 != 0 {
        return Err(io::Error::other(
            "it must not be writable by others; run 'chmod go-w' on it",
        ));
    }
    fs::canonicalize(path)
}
