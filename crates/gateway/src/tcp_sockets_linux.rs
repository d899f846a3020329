//! Whose a TCP socket of this computer is, as the kernel tells: by `sock_diag(7)`, whose cost does
//! not grow with the number of sockets, or by `/proc/net/tcp` where that is not allowed.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// States of `tcp_states.h`.
const LISTEN: u8 = 10;

/// Who has a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    /// The user that made it.
    pub(crate) uid: u32,
    /// Its inode; 0 when no process has it open any more.
    pub(crate) inode: u64,
}

/// The socket at the address `own` that is connected to `other`. `None` when there is none in this
/// network namespace.
///
/// # Errors
/// When the kernel tells neither way.
pub(crate) fn connected(own: SocketAddr, other: SocketAddr) -> io::Result<Option<TcpSocket>> {
    let (own, other) = (canonical(own), canonical(other));
    ask_kernel(own, other).or_else(|_| {
        Ok(table()?
            .into_iter()
            .find(|row| row.own == own && row.other == other && row.state != LISTEN)
            .map(|row| row.socket))
    })
}

/// The user of such a socket, if the kernel tells without reading a table.
pub(crate) fn user(own: SocketAddr, other: SocketAddr) -> Option<u32> {
    Some(ask_kernel(canonical(own), canonical(other)).ok()??.uid)
}

/// The sockets that listen on a port of loopback or of every address.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn listening(port: u16) -> io::Result<Vec<TcpSocket>> {
    let is_ours = |row: &Row| {
        let ip = row.own.ip();
        row.state == LISTEN && row.own.port() == port && (ip.is_loopback() || ip.is_unspecified())
    };
    Ok(table()?.into_iter().filter(is_ours).map(|row| row.socket).collect())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// `SOCK_DIAG_BY_FAMILY` for one connection.
fn ask_kernel(own: SocketAddr, other: SocketAddr) -> io::Result<Option<TcpSocket>> {
    let netlink = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    send(&netlink, &diag_request(own, other), SendFlags::empty())?;
    let mut answer = [0; 1024];
    // The kernel answers before `send` returns.
    let (read, _) = recv(&netlink, &mut answer[..], RecvFlags::DONTWAIT)?;
    diag_answer(&answer[..read], other.port())
}

fn diag_request(own: SocketAddr, other: SocketAddr) -> Vec<u8> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const IPPROTO_TCP: u8 = 6;
    const LENGTH: u32 = 72;
    let mut request = Vec::with_capacity(LENGTH as usize);
    request.extend(LENGTH.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([if own.is_ipv4() { AF_INET } else { AF_INET6 }, IPPROTO_TCP, 0, 0]);
    // Every state.
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(own.port().to_be_bytes());
    request.extend(other.port().to_be_bytes());
    request.extend(diag_address(own.ip()));
    request.extend(diag_address(other.ip()));
    // Any interface, no cookie.
    request.extend(0_u32.to_ne_bytes());
    request.extend([0xff; 8]);
    request
}

fn diag_address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn diag_answer(answer: &[u8], other_port: u16) -> io::Result<Option<TcpSocket>> {
    const NLMSG_ERROR: u16 = 2;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let u16_at =
        |at: usize| answer.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let u32_at =
        |at: usize| answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    match u16_at(4) {
        Some(SOCK_DIAG_BY_FAMILY) => {
            let state = *answer.get(17).ok_or_else(malformed)?;
            let port = u16_at(22).map(u16::from_be).ok_or_else(malformed)?;
            let (Some(uid), Some(inode)) = (u32_at(80), u32_at(84)) else { return Err(malformed()) };
            // Where nothing is connected the kernel gives what listens on the port instead.
            let is_meant = state != LISTEN && port == other_port;
            Ok(is_meant.then_some(TcpSocket { uid, inode: u64::from(inode) }))
        }
        Some(NLMSG_ERROR) => {
            let code = u32_at(16).ok_or_else(malformed)?.cast_signed().wrapping_neg();
            let error = io::Error::from_raw_os_error(code);
            if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) }
        }
        _ => Err(malformed()),
    }
}

/// A line of `/proc/net/tcp` or `/proc/net/tcp6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    own: SocketAddr,
    other: SocketAddr,
    state: u8,
    socket: TcpSocket,
}

fn table() -> io::Result<Vec<Row>> {
    let mut text = fs::read_to_string("/proc/self/net/tcp")?;
    // Without IPv6 there is no such file.
    text.push_str(&fs::read_to_string("/proc/self/net/tcp6").unwrap_or_default());
    Ok(text.lines().filter_map(row).collect())
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let own = address(fields.next()?)?;
    let other = address(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let mut fields = fields.skip(3);
    let uid = fields.next()?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Row { own, other, state, socket: TcpSocket { uid, inode } })
}

/// `0100007F:1F90`: words in the machine's order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = ip.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use proptest::prelude::*;

    use super::*;

    fn inode(socket: &TcpStream) -> u64 {
        rustix::fs::fstat(socket.as_fd()).expect("an inode").st_ino
    }

    #[test]
    fn both_ways_of_asking_find_the_same_socket() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // A computer without IPv6 has nothing to find there.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let server = listener.local_addr().expect("an address");
            let client = TcpStream::connect(server).expect("connected");
            let own = client.local_addr().expect("an address");
            let wanted = TcpSocket { uid: rustix::process::geteuid().as_raw(), inode: inode(&client) };
            assert_eq!(ask_kernel(own, server).expect("an answer"), Some(wanted));
            let row = table().expect("a table").into_iter().find(|row| row.own == own && row.other == server);
            assert_eq!(row.map(|row| row.socket), Some(wanted));
        }
    }

    #[test]
    fn a_client_of_a_socket_for_both_families_is_found() {
        let Ok(listener) = TcpListener::bind("[::]:0") else { return };
        let port = listener.local_addr().expect("an address").port();
        let client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let (accepted, peer) = listener.accept().expect("accepted");
        let found = connected(peer, accepted.local_addr().expect("an address")).expect("an answer");
        assert_eq!(found.map(|socket| socket.inode), Some(inode(&client)));
    }

    #[test]
    fn what_is_not_there_is_not_found_even_where_something_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(connected(address, nobody).expect("an answer"), None);
        assert_eq!(connected(nobody, address).expect("an answer"), None);
        assert_eq!(listening(address.port()).expect("a table").len(), 1);
    }

    #[test]
    fn a_closed_socket_belongs_to_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = listener.local_addr().expect("an address");
        let client = TcpStream::connect(server).expect("connected");
        let own = client.local_addr().expect("an address");
        drop(client);
        let left = connected(own, server).expect("an answer");
        assert!(left.is_none_or(|socket| socket.inode == 0), "{left:?}");
    }

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   0: 0100007F:4965 0100007F:C1A2 01 00000000:00000000 00:00000000 00000000  1000        0 123456 1 0000000000000000 20 4 30 10 -1";
        let row = row(line).expect("a row");
        assert_eq!(row.own, "127.0.0.1:18789".parse().expect("an address"));
        assert_eq!(row.other.port(), 0xc1a2);
        assert_eq!((row.state, row.socket), (1, TcpSocket { uid: 1000, inode: 123_456 }));
    }

    proptest! {
        #[test]
        fn any_line_and_any_answer_is_read_without_a_panic(line in "[ 0-9A-F:]{0,120}", other in ".{0,60}", answer in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = row(&line);
            let _ = row(&other);
            let _ = diag_answer(&answer, 1);
        }
    }
}
