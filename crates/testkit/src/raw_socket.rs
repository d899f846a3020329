//! Plain TCP, for requests and frames that no proper client sends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long any wait may take before the test counts as failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Text frame, whole.
pub const TEXT: u8 = 0x81;
/// Text frame that others continue.
pub const TEXT_START: u8 = 0x01;
/// Continuation that is not the last.
pub const CONTINUATION: u8 = 0x00;
/// Continuation that is the last.
pub const LAST: u8 = 0x80;
/// Binary frame, whole.
pub const BINARY: u8 = 0x82;
/// Close frame, whole.
pub const CLOSE: u8 = 0x88;
/// Ping frame, whole.
pub const PING: u8 = 0x89;
/// Pong frame, whole.
pub const PONG: u8 = 0x8a;

/// The bytes of one masked frame (RFC 6455 section 5.2). `first` holds flags and opcode.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header of a masked frame, without the mask, announcing any length.
#[must_use]
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..126), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

/// A frame that the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFrame {
    /// Flags and opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl ServerFrame {
    /// The code and reason, if it is a close frame with a code.
    #[must_use]
    pub fn close(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk::<2>()?;
        (self.first == CLOSE)
            .then(|| (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }
}

/// A connection: TCP, or anything else that carries bytes.
#[derive(Debug)]
pub struct RawSocket<IO = TcpStream> {
    stream: IO,
}

impl RawSocket {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await? })
    }

    /// Connects and upgrades to a WebSocket.
    ///
    /// # Errors
    /// When the answer is not 101.
    pub async fn upgraded(address: SocketAddr) -> io::Result<Self> {
        let mut socket = Self::connect(address).await?;
        socket.send(upgrade_request(&address.to_string(), "").as_bytes()).await?;
        let head = socket.read_head().await?;
        if head.starts_with("HTTP/1.1 101 ") { Ok(socket) } else { Err(io::Error::other(head)) }
    }

    /// Our own address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// The system's, or when the answer does not end.
    pub async fn exchange(address: SocketAddr, request: &str) -> io::Result<String> {
        let mut socket = Self::connect(address).await?;
        socket.send(request.as_bytes()).await?;
        socket.read_to_end().await
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> RawSocket<IO> {
    /// Takes over a stream.
    pub fn over(stream: IO) -> Self {
        Self { stream }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The system's.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads up to the end of an HTTP head and not further.
    ///
    /// # Errors
    /// When the stream ends before, or nothing comes.
    pub async fn read_head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.stream.read_u8().await?);
            }
            io::Result::Ok(())
        };
        timeout(PATIENCE, read).await??;
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads to the end of the stream; a reset counts as one.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn read_to_end(&mut self) -> io::Result<String> {
        let mut all = Vec::new();
        match timeout(PATIENCE, self.stream.read_to_end(&mut all)).await? {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error),
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// When the stream ends before, or nothing comes.
    pub async fn read_frame(&mut self) -> io::Result<ServerFrame> {
        self.read_frame_within(PATIENCE).await
    }

    /// Reads one frame within a time.
    ///
    /// # Errors
    /// When the stream ends before, or nothing comes.
    pub async fn read_frame_within(&mut self, limit: Duration) -> io::Result<ServerFrame> {
        timeout(limit, self.frame()).await?
    }

    /// Reads until a close frame and gives its code and reason; `None` if the stream ends without.
    ///
    /// # Errors
    /// When neither comes.
    pub async fn read_close(&mut self) -> io::Result<Option<(u16, String)>> {
        let read = async {
            loop {
                match self.frame().await {
                    Ok(frame) => match frame.close() {
                        Some(close) => return Some(close),
                        None => continue,
                    },
                    Err(_) => return None,
                }
            }
        };
        Ok(timeout(PATIENCE, read).await?)
    }

    async fn frame(&mut self) -> io::Result<ServerFrame> {
        let first = self.stream.read_u8().await?;
        let length = match self.stream.read_u8().await? {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.stream.read_exact(&mut payload).await?;
        Ok(ServerFrame { first, payload })
    }
}

/// An opening handshake with a `Host` and further header lines, each ending with CR LF.
#[must_use]
pub fn upgrade_request(host: &str, more: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}
