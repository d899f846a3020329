//! What a command of an agent, or a program beside it, may do to be taken for another: one trick each,
//! then it stays until it is ended. A stand-in for what an attacker would write.
//!
//! ```text
//! peer_attacker stay                       nothing
//! peer_attacker connect PORT               a connection, plainly
//! peer_attacker listen PORT                a server on the port
//! peer_attacker queue PORT                 the connection lies in a queue, and no process has it open
//! peer_attacker park PORT KEEPER           the connection is in the hands of the program behind the socket KEEPER
//! peer_attacker keep KEEPER                that program, which takes what it is given
//! peer_attacker unix PATH                  a connection to a Unix socket
//! peer_attacker unix-and-go PATH           the same, by a process that ends at once
//! peer_attacker run-tool STATE TRICK...    a process that supervises another, shielded as ours is
//! peer_attacker plain TRICK...             the trick, by a child
//! peer_attacker leave TRICK...             the trick, in a session of its own, as commands have
//! peer_attacker hide TRICK...              the trick, by a process that shows its descriptors to root alone
//! peer_attacker no-new-privs TRICK...      the trick, with the mark that commands have for good
//! ```

#![allow(clippy::print_stdout, reason = "the test waits for what is printed")]

use std::io::{IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    perform(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn perform(trick: &[&str]) -> Result<(), Failure> {
    match trick {
        ["stay"] => stay(),
        ["connect", port] => {
            let _socket = connect(port)?;
            stay()
        }
        ["listen", port] => {
            let _socket = TcpListener::bind(("127.0.0.1", port.parse()?))?;
            stay()
        }
        ["queue", port] => {
            let (queue, _other) = UnixStream::pair()?;
            give(&queue, connect(port)?)?;
            stay()
        }
        ["park", port, keeper] => {
            give(&UnixStream::connect(keeper)?, connect(port)?)?;
            stay()
        }
        ["keep", keeper] => {
            let (giver, _) = UnixListener::bind(keeper)?.accept()?;
            let _kept = take(&giver)?;
            stay()
        }
        ["unix", path] => {
            let mut socket = UnixStream::connect(path)?;
            socket.write_all(b"hello\n")?;
            stay()
        }
        ["unix-and-go", path] => {
            UnixStream::connect(path)?;
            Ok(())
        }
        ["run-tool", _, rest @ ..] => {
            shield()?;
            let _child = start(rest)?;
            stay()
        }
        ["plain", rest @ ..] => {
            let _child = start(rest)?;
            stay()
        }
        ["leave", rest @ ..] => {
            rustix::process::setsid()?;
            perform(rest)
        }
        ["hide", rest @ ..] => {
            shield()?;
            perform(rest)
        }
        ["no-new-privs", rest @ ..] => {
            rustix::thread::set_no_new_privs(true)?;
            perform(rest)
        }
        _ => Err("no such trick".into()),
    }
}

/// Connects and says hello, which the server waits for.
fn connect(port: &str) -> Result<TcpStream, Failure> {
    let mut socket = TcpStream::connect(("127.0.0.1", port.parse()?))?;
    socket.write_all(b"hello\n")?;
    Ok(socket)
}

fn shield() -> Result<(), Failure> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}

fn start(trick: &[&str]) -> Result<Child, Failure> {
    Ok(Command::new(std::env::current_exe()?).args(trick).spawn()?)
}

/// Gives a socket away and has it no longer.
fn give(to: &UnixStream, socket: TcpStream) -> Result<(), Failure> {
    let handles = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&handles)) {
        return Err("no room".into());
    }
    sendmsg(to, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
    drop(socket);
    println!("given");
    Ok(())
}

fn take(from: &UnixStream) -> Result<Vec<std::os::fd::OwnedFd>, Failure> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(from, &mut [IoSliceMut::new(&mut [0])], &mut control, RecvFlags::empty())?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(handles) => Some(handles),
        _ => None,
    });
    let taken = rights.flatten().collect();
    println!("taken");
    Ok(taken)
}

fn stay() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1000));
    }
}
