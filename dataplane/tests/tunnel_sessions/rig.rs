//! A worker in small: a current-thread runtime, a table, and peers on loopback.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use dataplane::session::close::{Close, CloseCode};
use dataplane::tls::wire::Wire;
use dataplane::tunnel::{Handover, SessionEnd, SessionStart, TableSettings, Target, TunnelTable};
use routetable::{EndpointSetId, ObjectId, RouteId};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

/// Longer than anything here takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn settings() -> TableSettings {
    TableSettings {
        close_timeout: CLOSE_TIMEOUT,
        config_pace: 1000,
        free_buffers: 4,
        seed: 7,
    }
}

pub(crate) struct Rig {
    pub(crate) table: TunnelTable<&'static str>,
    pub(crate) ends: Rc<RefCell<Vec<SessionEnd<&'static str>>>>,
    next: Cell<u64>,
}

/// What a test chooses of a session.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) route: u64,
    pub(crate) endpoint: SocketAddr,
    pub(crate) idle: Option<Duration>,
    pub(crate) max_duration: Option<Duration>,
    pub(crate) client_bytes: Vec<u8>,
    pub(crate) backend_bytes: Vec<u8>,
    /// Socket buffers, where a test must fill them.
    pub(crate) kernel_buffer: Option<usize>,
}

pub(crate) fn endpoint(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Default for Options {
    fn default() -> Self {
        Self {
            route: 1,
            endpoint: endpoint(1),
            idle: None,
            max_duration: None,
            client_bytes: Vec::new(),
            backend_bytes: Vec::new(),
            kernel_buffer: None,
        }
    }
}

/// Runs a test on a worker of its own.
pub(crate) fn worker<F: Future<Output = ()>>(settings: TableSettings, test: impl FnOnce(Rc<Rig>) -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let ends = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&ends);
        let on_end = move |end| sink.borrow_mut().push(end);
        let table = TunnelTable::new(settings, on_end).unwrap();
        let driver = table.clone();
        tokio::task::spawn_local(async move { driver.run().await.map(|_| ()) });
        let rig = Rc::new(Rig {
            table,
            ends,
            next: Cell::new(1),
        });
        timeout(2 * PATIENCE, test(rig)).await.expect("the test hangs");
    });
}

impl Rig {
    /// A session as after a handshake; returns the two peers' ends.
    pub(crate) async fn session(&self, options: Options) -> (TcpStream, TcpStream) {
        let (client, downstream) = pair(options.kernel_buffer).await;
        let (backend, upstream) = pair(options.kernel_buffer).await;
        let wires = [downstream, upstream].map(|socket| Wire::new(socket.into_std().unwrap(), None));
        self.adopt(options, wires);
        (client, backend)
    }

    /// A session between these wires, of the client and of the backend.
    pub(crate) fn adopt(&self, options: Options, [client, backend]: [Wire; 2]) {
        let id = self.next.replace(self.next.get() + 1);
        let start = SessionStart {
            id,
            target: Target {
                object: ObjectId(1),
                route: RouteId(options.route),
                endpoint_set: EndpointSetId(1),
                endpoint: options.endpoint,
            },
            idle: options.idle,
            max_duration: options.max_duration,
            extensions: false,
            context: "context",
        };
        let handover = Handover {
            client: client.into(),
            client_bytes: Bytes::from(options.client_bytes),
            backend: backend.into(),
            backend_bytes: Bytes::from(options.backend_bytes),
            start,
        };
        self.table.adopt(handover, Instant::now());
    }

    pub(crate) async fn plain(&self) -> (TcpStream, TcpStream) {
        self.session(Options::default()).await
    }

    /// Waits for the end of all sessions and takes their reports.
    pub(crate) async fn all_ends(&self) -> Vec<SessionEnd<&'static str>> {
        let ended = timeout(PATIENCE, self.table.emptied()).await;
        ended.expect("sessions that do not end");
        std::mem::take(&mut *self.ends.borrow_mut())
    }

    /// The end of the only session.
    pub(crate) async fn end(&self) -> SessionEnd<&'static str> {
        let mut ends = self.all_ends().await;
        assert_eq!(ends.len(), 1);
        let end = ends.remove(0);
        assert_eq!(end.context, "context");
        end
    }
}

/// A connected pair of sockets.
pub(crate) async fn pair(kernel_buffer: Option<usize>) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let connect = TcpStream::connect(listener.local_addr().unwrap());
    let (ours, accepted) = tokio::join!(connect, listener.accept());
    let (ours, theirs) = (ours.unwrap(), accepted.unwrap().0);
    for socket in [&ours, &theirs] {
        socket.set_nodelay(true).unwrap();
        if let Some(size) = kernel_buffer {
            SockRef::from(socket).set_send_buffer_size(size).unwrap();
            SockRef::from(socket).set_recv_buffer_size(size).unwrap();
        }
    }
    (ours, theirs)
}

/// Sends a reset instead of a FIN.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

pub(crate) const KEY: [u8; 4] = [9, 8, 7, 6];

/// A frame, masked when a client sends it.
pub(crate) fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(mask | len as u8),
        len @ 126..=0xffff => {
            out.push(mask | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(mask | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let key = if masked { KEY } else { [0; 4] };
    out.extend(&key[..if masked { 4 } else { 0 }]);
    out.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

pub(crate) fn close_frame(code: u16, masked: bool) -> Vec<u8> {
    frame(0x88, &code.to_be_bytes(), masked)
}

pub(crate) fn close_of(code: u16, reason: &'static str) -> Close {
    Close::new(CloseCode::new(code).unwrap(), reason).unwrap()
}

/// Reads a whole frame and unmasks it: its first byte and its payload. `None` at the end of the
/// stream between two frames.
pub(crate) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 2];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await?;
    let len = match head[1] & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        len => u64::from(len),
    };
    let mut key = [0; 4];
    if head[1] & 0x80 != 0 {
        stream.read_exact(&mut key).await?;
    }
    let mut payload = vec![0; len as usize];
    stream.read_exact(&mut payload).await?;
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    Ok(Some((head[0], payload)))
}

/// Reads up to the next Close and returns its code and reason; earlier frames are dropped.
pub(crate) async fn read_close(stream: &mut (impl AsyncRead + Unpin)) -> (u16, String) {
    loop {
        let (first, payload) = read_frame(stream).await.unwrap().expect("a Close");
        if first == 0x88 {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            return (code, String::from_utf8(payload[2..].to_vec()).unwrap());
        }
    }
}

/// Answers frames until the stream ends: echoes data, answers Ping and Close.
pub(crate) async fn echo(mut stream: TcpStream) {
    while let Ok(Some((first, payload))) = read_frame(&mut stream).await {
        let first = if first == 0x89 { 0x8a } else { first };
        if stream.write_all(&frame(first, &payload, false)).await.is_err() || first == 0x88 {
            break;
        }
    }
}
