//! What is said between the host and the first program inside, before that becomes the command.

use std::io::{IoSlice, IoSliceMut};
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tidegate_inside::{Handed, Instructions, MAX_HANDED_OUT, Report};

use super::{LoopbackSockets, MAX_SAID, PATIENCE, StartError, Started, Streams, memory, one_line};

/// Gives the first program what it needs, and waits until it is ready.
pub(super) fn hand_over(
    started: &mut Started,
    instructions: &Instructions,
    lifeline: &OwnedFd,
    streams: Streams,
) -> Result<(), StartError> {
    let json = serde_json::to_vec(instructions).map_err(std::io::Error::from)?;
    let json = memory("instructions", &json)?;
    let handed = [
        json.as_fd(),
        lifeline.as_fd(),
        streams.input.as_fd(),
        streams.output.as_fd(),
        streams.errors.as_fd(),
    ];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(Handed::COUNT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&handed));
    sendmsg(&started.channel, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL)?;
    drop(streams);

    set_socket_timeout(&started.channel, Timeout::Recv, Some(PATIENCE))?;
    let mut line = Vec::new();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_HANDED_OUT))];
    while !line.ends_with(b"\n") {
        let mut bytes = vec![0; 4096];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = match recvmsg(
            &started.channel,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::AGAIN) => return Err(StartError::Slow),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                started.take_over(descriptors.collect(), instructions);
            }
        }
        if received == 0 || line.len() > usize::try_from(MAX_SAID).unwrap_or(usize::MAX) {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        line.extend_from_slice(&bytes[..received]);
    }
    // A second line may have come with the first: that the program could not be run.
    let first = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice(first).map_err(std::io::Error::from)? {
        Report::Ready(layers) => {
            started.layers = layers;
            Ok(())
        }
        Report::Refused { reason } => Err(StartError::Inside { reason: one_line(&reason) }),
    }
}

impl Started {
    /// Takes the sockets that came out of the sandbox before anything of the command ran there.
    fn take_over(&mut self, mut handed: Vec<OwnedFd>, instructions: &Instructions) {
        if instructions.proxy_port.is_some() && !handed.is_empty() {
            self.proxy = Some(TcpListener::from(handed.remove(0)));
        }
        let pairs = usize::from(instructions.loopback_sockets).min(handed.len());
        let mut ipv6 = handed.split_off(pairs).into_iter();
        self.loopback = handed.into_iter().map(|ipv4| LoopbackSockets { ipv4, ipv6: ipv6.next() }).collect();
    }
}
