//! Whose a TCP socket of this computer is, as the kernel tells: by `sock_diag(7)`, whose cost does
//! not grow with the number of sockets, or by `/proc/net/tcp` where that is not allowed.

use std::io;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_packet_sock_diag::{AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage, TCP_LISTEN};
use procfs::net::{TcpNetEntry, TcpState};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

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
        let is_meant = |row: &TcpNetEntry| {
            row.state != TcpState::Listen
                && canonical(row.local_address) == own
                && canonical(row.remote_address) == other
        };
        Ok(table()?.into_iter().find(is_meant).map(|row| TcpSocket { uid: row.uid, inode: row.inode }))
    })
}

/// The user of such a socket, if the kernel tells without reading a table. A socket that no process has
/// open any more has none: the kernel gives it to root.
pub(crate) fn user(own: SocketAddr, other: SocketAddr) -> Option<u32> {
    let socket = ask_kernel(canonical(own), canonical(other)).ok()??;
    (socket.inode != 0).then_some(socket.uid)
}

/// The sockets that listen on a port of loopback or of every address.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn listening(port: u16) -> io::Result<Vec<TcpSocket>> {
    let is_ours = |row: &TcpNetEntry| {
        let ip = row.local_address.ip().to_canonical();
        row.state == TcpState::Listen
            && row.local_address.port() == port
            && (ip.is_loopback() || ip.is_unspecified())
    };
    let rows = table()?.into_iter().filter(is_ours);
    Ok(rows.map(|row| TcpSocket { uid: row.uid, inode: row.inode }).collect())
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
    let socket_id = SocketId {
        source_port: own.port(),
        destination_port: other.port(),
        source_address: own.ip(),
        destination_address: other.ip(),
        // Any interface, no cookie.
        interface_id: 0,
        cookie: [0xff; 8],
    };
    let request = InetRequest {
        family: if matches!(own.ip(), IpAddr::V4(_)) { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn diag_answer(answer: &[u8], other_port: u16) -> io::Result<Option<TcpSocket>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let message = NetlinkMessage::<SockDiagMessage>::deserialize(answer).map_err(|_| malformed())?;
    match message.payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
            let found = response.header;
            // Where nothing is connected the kernel gives what listens on the port instead.
            let is_meant = found.state != TCP_LISTEN && found.socket_id.destination_port == other_port;
            Ok(is_meant.then_some(TcpSocket { uid: found.uid, inode: u64::from(found.inode) }))
        }
        NetlinkPayload::Error(error) => {
            let error = error.to_io();
            if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) }
        }
        _ => Err(malformed()),
    }
}

fn table() -> io::Result<Vec<TcpNetEntry>> {
    let mut rows = procfs::net::tcp().map_err(|error| io::Error::other(error.to_string()))?;
    // Without IPv6 there is no such file.
    rows.extend(procfs::net::tcp6().unwrap_or_default());
    Ok(rows)
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
            let is_it = |row: &TcpNetEntry| row.local_address == own && row.remote_address == server;
            let row = table().expect("a table").into_iter().find(is_it).expect("a row");
            assert_eq!((row.uid, row.inode), (wanted.uid, wanted.inode));
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

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(answer in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = diag_answer(&answer, 1);
        }

        /// Like the kernel's, but for what is in it: a hostile peer chooses ports and states.
        #[test]
        fn an_answer_is_read_as_it_was_written(state in 1..13_u8, port in any::<u16>(), uid in any::<u32>(), inode in any::<u32>()) {
            let mut answer = diag_request(([127, 0, 0, 1], 9).into(), ([127, 0, 0, 1], port).into());
            // The two begin alike: family, and the addresses after four bytes.
            let id: Vec<u8> = answer[24..72].to_vec();
            answer.truncate(16);
            answer.extend([AF_INET, state, 0, 0]);
            answer.extend(id);
            answer.extend([0; 12]);
            answer.extend(uid.to_ne_bytes());
            answer.extend(inode.to_ne_bytes());
            let length = u32::try_from(answer.len()).expect("short");
            answer[..4].copy_from_slice(&length.to_ne_bytes());

            let found = diag_answer(&answer, port).expect("it is read");

            let expected = TcpSocket { uid, inode: u64::from(inode) };
            prop_assert_eq!(found, (state != TCP_LISTEN).then_some(expected));
            prop_assert_eq!(diag_answer(&answer, port.wrapping_add(1)).expect("it is read"), None);
        }
    }
}
