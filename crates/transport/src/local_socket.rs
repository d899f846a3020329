//! The Unix socket in the private state directory: one JSON text per line, either way.
//!
//! A close has no frame of its own here, so the gateway's last line tells it:
//! `{"type":"close","code":1008,"reason":"..."}`. No frame of the protocol has that type.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegate_peers::{LocalSocket, UnixPeer};
use tidegate_protocol::limits::HANDSHAKE_TIMEOUT;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::accept::{Accepted, Connections, accept_until};
use crate::admission_slots::{AdmissionSlots, SlotRules, Source, Stage};
use crate::connection_tasks::ConnectionTasks;
use crate::lines::{LinesClient, LinesTransport};
use crate::receive_budget::ReceiveBudget;

/// The most bytes of the socket's path, as `sockaddr_un` has 108 with the end mark.
pub const MAX_PATH_BYTES: usize = 107;

/// How long connections may take to end after the socket was told to stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Why the socket could not be made or reached.
#[derive(Debug, thiserror::Error)]
pub enum LocalSocketError {
    /// The path does not fit.
    #[error(
        "The path of the local socket, {path:?}, has {length} bytes; the system allows {MAX_PATH_BYTES}. \
         Choose a state directory with a shorter path."
    )]
    PathTooLong {
        path: PathBuf,
        /// Length of the path, in bytes.
        length: usize,
    },
    /// The directory belongs to another user or others may enter it.
    #[error(
        "The directory {directory:?} is not private: it must belong to you with mode 0700 (it has mode \
         {mode:04o}). Run: chmod 700 {directory:?}"
    )]
    NotPrivate {
        directory: PathBuf,
        /// The permission bits that it has.
        mode: u32,
    },
    /// Something listens there already.
    #[error("Another Tidegate answers on {path:?}. Stop it first.")]
    InUse { path: PathBuf },
    /// There is something else under that name.
    #[error("{path:?} exists and is no socket. Move it away.")]
    NotASocket { path: PathBuf },
    /// Nothing listens there.
    #[error("No Tidegate answers on {path:?}. Start it with `tidegate serve` or the desktop app.")]
    NotRunning { path: PathBuf },
    /// The system refuses.
    #[error("The local socket {path:?} cannot be used: {source}.")]
    Refused { path: PathBuf, source: io::Error },
}

/// The bound socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, so that a successor's is not removed.
    file: (u64, u64),
}

impl LocalListener {
    /// Makes the socket, mode 0600, in a directory that is private to this user. A socket that a
    /// dead process left is replaced. To be called within a runtime.
    ///
    /// # Errors
    /// When the path is too long, the directory is not private, or something answers there.
    pub async fn bind(path: &Path) -> Result<Self, LocalSocketError> {
        check_length(path)?;
        check_private(path)?;
        let refused = |source| LocalSocketError::Refused { path: path.to_owned(), source };
        remove_stale(path).await?;
        let listener = UnixListener::bind(path).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => LocalSocketError::InUse { path: path.to_owned() },
            _ => refused(source),
        })?;
        // Until here the private directory alone keeps others out.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(refused)?;
        let file = fs::symlink_metadata(path).map_err(refused)?;
        Ok(Self { listener, path: path.to_owned(), file: (file.dev(), file.ino()) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.file) {
            // What cannot be removed is found stale at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn check_length(path: &Path) -> Result<(), LocalSocketError> {
    let length = path.as_os_str().len();
    if length > MAX_PATH_BYTES {
        return Err(LocalSocketError::PathTooLong { path: path.to_owned(), length });
    }
    Ok(())
}

fn check_private(path: &Path) -> Result<(), LocalSocketError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let refused = |source| LocalSocketError::Refused { path: path.to_owned(), source };
    let found = fs::metadata(directory).map_err(refused)?;
    let mode = found.mode() & 0o7777;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || mode & 0o077 != 0 {
        return Err(LocalSocketError::NotPrivate { directory: directory.to_owned(), mode });
    }
    Ok(())
}

/// Removes a socket that nobody listens on, and only that.
async fn remove_stale(path: &Path) -> Result<(), LocalSocketError> {
    let refused = |source| LocalSocketError::Refused { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(LocalSocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(refused)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(error)),
        Ok(_) => Err(LocalSocketError::InUse { path: path.to_owned() }),
    }
}

/// Accepts connections until `stop`. Only this user's are served: another user who gets as far as
/// connecting is closed unheard.
pub async fn serve(listener: LocalListener, connections: impl Connections, stop: CancellationToken) {
    let slots = AdmissionSlots::new(SlotRules::default());
    let budget = connections.receive_budget();
    let tasks = ConnectionTasks::default();
    let start = |(stream, _)| start(stream, &connections, &slots, &budget, &tasks);
    accept_until("local socket", &stop, |cx| listener.listener.poll_accept(cx), start).await;
    drop(listener);
    slots.evict_all();
    tasks.end_within(DRAIN).await;
}

fn start(
    stream: UnixStream,
    connections: &impl Connections,
    slots: &AdmissionSlots,
    budget: &ReceiveBudget,
    tasks: &ConnectionTasks,
) {
    let Ok(credentials) = stream.peer_cred() else { return };
    let (uid, pid) = (credentials.uid(), credentials.pid().and_then(|pid| u32::try_from(pid).ok()));
    if uid != rustix::process::geteuid().as_raw() {
        tracing::warn!(uid, "another user connected to the local socket and is not heard");
        return;
    }
    // Number 0 is nobody's: where the kernel gives none, the process stays unknown.
    let socket = LocalSocket::Unix(UnixPeer::at_accept(&stream, pid.unwrap_or(0), uid));
    let now = Instant::now();
    let Ok((slot, eviction)) = slots.take(Source::User(uid), now) else { return };
    // There is no request here: a connection begins with the handshake.
    slot.reached(Stage::Handshake);
    let transport = LinesTransport::new(stream).with_budget(budget);
    let accepted = Accepted {
        socket: Some(socket),
        remote: ([127, 0, 0, 1], 0).into(),
        user_agent: None,
        deadline: now + HANDSHAKE_TIMEOUT,
        slot,
    };
    let connections = connections.clone();
    tasks.spawn(async move { connections.serve(transport, accepted).await }, eviction.evicted());
}

/// Connects to a running Tidegate.
///
/// # Errors
/// When the path is too long, nothing listens there, or the directory is not private: then someone
/// else may have put the socket there.
pub async fn connect(path: &Path) -> Result<LinesClient<UnixStream>, LocalSocketError> {
    connect_stream(path).await.map(LinesClient::new)
}

/// As [`connect`], with nothing said yet, so that the peer can be checked first.
///
/// # Errors
/// As [`connect`].
pub async fn connect_stream(path: &Path) -> Result<UnixStream, LocalSocketError> {
    check_length(path)?;
    let not_running = || LocalSocketError::NotRunning { path: path.to_owned() };
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Err(not_running());
    }
    check_private(path)?;
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(stream),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => not_running(),
            _ => LocalSocketError::Refused { path: path.to_owned(), source: error },
        }),
    }
}
