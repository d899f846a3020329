//! The probe: it runs as a command of a sandbox, tries what must be prevented, each against something
//! that is really there, and what must work. An exit code of another program would prove nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket, socketpair};
use rustix::process::Pid;
use tidegate_inside::{Finding, Layer, Targets};

/// AF_VSOCK: a way to the computer that a virtual machine runs on.
const VIRTUAL_MACHINE: u16 = 40;
/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints the findings, one line of JSON.
pub(crate) fn main(targets: &str) -> ExitCode {
    let Ok(targets) = serde_json::from_str(targets) else { return ExitCode::FAILURE };
    let findings = findings(&targets);
    let Ok(mut line) = serde_json::to_vec(&findings) else { return ExitCode::FAILURE };
    line.push(b'\n');
    match io::stdout().write_all(&line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn findings(targets: &Targets) -> Vec<Finding> {
    let mut all = Vec::new();
    namespaces(targets, &mut all);
    mounts(targets, &mut all);
    filter(targets, &mut all);
    file_rules(&mut all);
    ordinary_work(&mut all);
    all
}

fn namespaces(targets: &Targets, all: &mut Vec<Finding>) {
    let mut add = |attempt, result| all.push(prevented(Layer::Namespaces, attempt, result));
    let address = (Ipv4Addr::LOCALHOST, targets.port).into();
    add("connect to a program outside", TcpStream::connect_timeout(&address, PATIENCE).map(drop));
    let process = Pid::from_raw(targets.process).ok_or(Errno::INVAL);
    add(
        "signal a process outside",
        process.and_then(rustix::process::test_kill_process).map_err(io::Error::from),
    );
    // Landlock forbids the signal as well. In processes of its own, what began the sandbox is the first.
    add("see the processes outside", refused_if(rustix::process::getppid() == Some(Pid::INIT)));
}

fn mounts(targets: &Targets, all: &mut Vec<Finding>) {
    let mut add = |attempt, result| all.push(prevented(Layer::Mounts, attempt, result));
    add("read a private file", File::open(&targets.secret).map(drop));
    for place in ["/tidegate-probe", "/usr/tidegate-probe", "/etc/tidegate-probe"] {
        add("write outside the workspace", File::create_new(place).map(drop));
    }
    let list = |place: &str| fs::read_dir(place).map(drop);
    add("list the devices of the computer", list("/sys/class"));
}

fn filter(targets: &Targets, all: &mut Vec<Finding>) {
    let mut add = |attempt, result: io::Result<()>| all.push(prevented(Layer::Filter, attempt, result));
    add("connect to a socket file", UnixStream::connect(&targets.socket).map(drop));
    add("make a socket for datagrams", UnixDatagram::unbound().map(drop));
    add("make a pair of sockets that can be addressed", UnixDatagram::pair().map(drop));
    let family = AddressFamily::from_raw(VIRTUAL_MACHINE);
    let made = |result: Result<_, Errno>| result.map(drop).map_err(io::Error::from);
    add("reach around a virtual machine", made(socket(family, SocketType::STREAM, None)));
    add("make a raw socket", made(socket(AddressFamily::INET, SocketType::RAW, None)));
    add("gain the rights of a file's owner", set_user_id());
    let user =
        File::open("/proc/self/ns/user").map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
    let moved = user.and_then(|user| {
        let kind = rustix::thread::LinkNameSpaceType::User;
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&user), Some(kind))
    });
    // The kernel refuses to enter the own namespace as well, but with another error.
    add(
        "enter a namespace",
        match moved {
            Err(Errno::PERM) => Err(Errno::PERM.into()),
            Err(error) => unexpected(error),
            Ok(()) => Ok(()),
        },
    );
    add("change the root directory", rustix::process::chroot("/tmp").map_err(io::Error::from));
    let pair = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::empty(), None);
    add("make a pair of sockets by number", pair.map(drop).map_err(io::Error::from));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let has = |line: &str| {
        status.lines().any(|known| known.split_whitespace().collect::<Vec<_>>().join(" ") == line)
    };
    add("run without a filter", refused_if(has("Seccomp: 2")));
    add("gain rights by running a program", refused_if(has("NoNewPrivs: 1")));
    add("keep capabilities", refused_if(has("CapEff: 0000000000000000") && has("CapPrm: 0000000000000000")));
}

fn file_rules(all: &mut Vec<Finding>) {
    let mut add = |attempt, result| all.push(prevented(Layer::FileRules, attempt, result));
    let pipe = rustix::fs::mknodat(CWD, "tidegate-probe-pipe", FileType::Fifo, Mode::RWXU, 0);
    let _ = fs::remove_file("tidegate-probe-pipe");
    add("leave a named pipe in the workspace", pipe.map_err(io::Error::from));
    add("read what started the sandbox", File::open("/proc/1/environ").map(drop));
    let memory = OpenOptions::new().read(true).write(true).open("/proc/1/mem");
    add("change the memory of another process", memory.map(drop));
}

fn ordinary_work(all: &mut Vec<Finding>) {
    let mut add = |attempt: &str, result: io::Result<()>| {
        all.push(Finding {
            layer: None,
            attempt: attempt.to_owned(),
            is_right: result.is_ok(),
            outcome: result.err().map_or_else(|| "worked".to_owned(), |error| error.to_string()),
        });
    };
    add("write in the workspace", write_and_read("tidegate-probe-file"));
    add("write a temporary file", write_and_read("/tmp/tidegate-probe-file"));
    add(
        "start a program",
        Command::new("/bin/sh").args(["-c", "exit 0"]).status().and_then(|status| {
            if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
        }),
    );
    add("serve and connect on 127.0.0.1", serve_itself());
}

fn write_and_read(path: &str) -> io::Result<()> {
    fs::write(path, b"probe")?;
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    fs::remove_file(path)?;
    if text == "probe" { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn serve_itself() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    listener.accept().map(drop)
}

fn set_user_id() -> io::Result<()> {
    let path = "tidegate-probe-mode";
    File::create(path)?;
    let changed = fs::set_permissions(path, fs::Permissions::from_mode(0o4755));
    let _ = fs::remove_file(path);
    changed
}

fn prevented(layer: Layer, attempt: &str, result: io::Result<()>) -> Finding {
    Finding {
        layer: Some(layer),
        attempt: attempt.to_owned(),
        is_right: result.is_err(),
        outcome: result.err().map_or_else(|| "it was possible".to_owned(), |error| error.to_string()),
    }
}

fn refused_if(holds: bool) -> io::Result<()> {
    if holds { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

/// Counts as possible: something else than what was tested stood in the way.
fn unexpected(_error: Errno) -> io::Result<()> {
    Ok(())
}
