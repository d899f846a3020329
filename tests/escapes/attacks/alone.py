"""Tries to get out of a sandbox, as a command in it. Nothing of a session is there.

Arguments: JSON with what is alive outside: a TCP port, addresses of this computer, sockets by path and
by abstract name, a private file, a process, the state directory.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import subprocess
import sys
import termios

from attempts import attempt, connects

OUTSIDE = json.loads(sys.argv[1])
LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = {"x86_64": {"userfaultfd": 323, "bpf": 321, "keyctl": 250, "perf_event_open": 298, "ptrace": 101,
                      "process_vm_readv": 310, "open_by_handle_at": 304, "kexec_load": 246, "add_key": 248},
           "aarch64": {"userfaultfd": 282, "bpf": 280, "keyctl": 219, "perf_event_open": 241, "ptrace": 117,
                       "process_vm_readv": 270, "open_by_handle_at": 265, "kexec_load": 104, "add_key": 217}}
SYSCALLS = NUMBERS[os.uname().machine]


def syscall(number, *arguments):
    """Raises OSError when the kernel refuses."""
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def opens(path, flags=os.O_RDONLY):
    def action():
        os.close(os.open(path, flags))
        return True
    return action


def calls(name, *arguments):
    return lambda: syscall(SYSCALLS[name], *arguments) >= 0


# --- network and local sockets -------------------------------------------------------------------

for address in OUTSIDE["addresses"]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    attempt(f"tcp to {address}", connects(family, (address, OUTSIDE["port"])))
for path in OUTSIDE["sockets"]:
    attempt(f"socket file {path}", connects(socket.AF_UNIX, path))
    attempt(f"datagram to {path}", connects(socket.AF_UNIX, path, socket.SOCK_DGRAM))
attempt("abstract socket", connects(socket.AF_UNIX, "\0" + OUTSIDE["abstract"]))


def turned_pair(kind):
    def action():
        one, other = socket.socketpair(socket.AF_UNIX, kind)
        one.sendto(b"out", OUTSIDE["datagram"])
        other.setblocking(False)
        try:
            # It came where it belongs, so the address was not used.
            return other.recv(16) != b"out"
        except BlockingIOError:
            return True
    return action


for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
    attempt(f"pair of kind {int(kind)} turned to a socket file", turned_pair(kind))
for family in (0, 3, 4, 5, 9, 15, 17, 21, 26, 29, 30, 31, 38, 40, 42, 43, 44):
    attempt(f"socket family {family}", lambda family=family: socket.socket(family, socket.SOCK_STREAM))
    high = lambda family=family: syscall(41 if os.uname().machine == "x86_64" else 198, (1 << 32) | family, 1, 0) >= 0
    attempt(f"socket family {family} with high bits", high)
attempt("socket family 1 with high bits",
        lambda: syscall(41 if os.uname().machine == "x86_64" else 198, (1 << 32) | 1, 1, 0) >= 0)
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("kernel audit", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9))
attempt("name service", lambda: socket.getaddrinfo("example.org", 80))
attempt("datagram to a name server", lambda: socket.socket(2, 2).sendto(b"x", ("9.9.9.9", 53)) > 0)

# --- processes -----------------------------------------------------------------------------------

outside = OUTSIDE["process"]
attempt("signal to the host", lambda: os.kill(outside, 0) is None)
for name in ("environ", "mem", "maps", "fd/0", "fd/1"):
    attempt(f"/proc/1/{name}", opens(f"/proc/1/{name}"))
for name in ("root", "cwd", "exe", "fd/0"):
    attempt(f"what /proc/1/{name} leads to", lambda name=name: os.readlink(f"/proc/1/{name}"))
attempt("memory of the first process", opens("/proc/1/mem", os.O_RDWR))
attempt("secret in the first process's arguments",
        lambda: OUTSIDE["secret_name"].encode() in open("/proc/1/cmdline", "rb").read())
attempt("trace of the first process", calls("ptrace", 16, 1, 0, 0))
attempt("memory of another process", calls("process_vm_readv", 1, 0, 0, 0, 0, 0))
attempt("other processes in the list", lambda: str(outside) in os.listdir("/proc"))

# --- files of the person ---------------------------------------------------------------------------

state, secret = OUTSIDE["state"], OUTSIDE["secret"]
attempt("private file", opens(secret))
attempt("private file by another way", opens(f"/proc/self/root{secret}"))
attempt("private file by a link", lambda: os.symlink(secret, "link") or opens("link")())
attempt("mode of a private file", lambda: os.chmod(secret, 0o666) is None)
attempt("attribute of a private file", lambda: os.setxattr(secret, "user.escape", b"x") is None)
attempt("end of a private file", lambda: os.truncate(secret, 1) is None)
attempt("name of a private file", lambda: os.rename(secret, f"{secret}-moved") is None)
attempt("mode of the state directory", lambda: os.chmod(state, 0o777) is None)
attempt("times of the state directory", lambda: os.utime(state) is None)

for place in ("/tmp", "/var/tmp", "/dev/shm"):
    # The host looks whether a link is where the person's programs find it.
    with contextlib.suppress(OSError):
        os.symlink(OUTSIDE["secret"], f"{place}/{OUTSIDE['link']}")

if "reach" in sys.argv[2:]:
    # What follows would harm the computer where nothing confines it.
    sys.exit(0)

# --- namespaces, mounts, kernel ------------------------------------------------------------------

for flag in (0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x00020000, 0x80):
    attempt(f"unshare {flag:#x}", lambda flag=flag: LIBC.unshare(flag) == 0)
for name in ("user", "pid", "net", "mnt"):
    attempt(f"setns {name}",
            lambda name=name: LIBC.setns(os.open(f"/proc/1/ns/{name}", os.O_RDONLY), 0) == 0)
attempt("mount", lambda: LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
attempt("remount", lambda: LIBC.mount(b"none", b"/usr", None, 0x20 | 0x1000, None) == 0)
attempt("umount", lambda: LIBC.umount2(b"/tmp", 2) == 0)
attempt("new mount interface", lambda: syscall(430, b"tmpfs", 0) >= 0)
attempt("open_tree", lambda: syscall(428, -100, b"/", 1) >= 0)
attempt("chroot", lambda: os.chroot("/tmp") is None)
attempt("pivot_root", lambda: LIBC.syscall(155 if os.uname().machine == "x86_64" else 41, b"/tmp", b"/tmp") == 0)
attempt("io_uring", lambda: syscall(425, 1, ctypes.create_string_buffer(256)) >= 0)
for name in ("userfaultfd", "bpf", "perf_event_open", "kexec_load"):
    attempt(name, calls(name, 0, 0, 0, 0, 0))
attempt("keyring of the kernel", calls("keyctl", 0, -3, 0))
attempt("key of the kernel", calls("add_key", b"user", b"name", b"x", 1, -4))
attempt("file by handle", calls("open_by_handle_at", -100, 0, 0))
attempt("pidfd_getfd", lambda: syscall(438, os.pidfd_open(1), 0, 0) >= 0)
attempt("core pattern", opens("/proc/sys/kernel/core_pattern", os.O_WRONLY))
attempt("sysrq", opens("/proc/sysrq-trigger", os.O_WRONLY))
attempt("devices of the system", lambda: os.listdir("/sys/class"))
attempt("kernel log", opens("/dev/kmsg"))
attempt("cgroups", lambda: os.listdir("/sys/fs/cgroup"))


def other_table():
    """The 32-bit table: `mov eax, 20; int 0x80; ret` in a child, which must not return."""
    if os.uname().machine != "x86_64":
        return False
    child = os.fork()
    if child == 0:
        import mmap
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


attempt("32-bit system calls", other_table)
attempt("x32 system calls", lambda: os.system(
    f"{sys.executable} -c 'import ctypes; ctypes.CDLL(None).syscall(0x40000027)' 2>/dev/null") == 0)

# --- files ---------------------------------------------------------------------------------------

for place in ("/", "/usr", "/etc", "/opt", "/dev", "/home"):
    attempt(f"new file in {place}", opens(f"{place}/tidegate-escape", os.O_CREAT | os.O_WRONLY))
attempt("hard link to the system", lambda: os.link("/etc/hostname", "hard") is None)
attempt("set-user-ID file", lambda: (open("s", "w").close(), os.chmod("s", 0o4755)))
attempt("set-group-ID file when made", lambda: os.close(os.open("g", os.O_CREAT | os.O_WRONLY, 0o2755)) is None)
attempt("set-user-ID by number", lambda: syscall(452, -100, b"s", 0o4755, 0) >= 0)
attempt("device in the workspace", lambda: os.mknod("null", 0o20666, os.makedev(1, 3)) is None)
attempt("named pipe in the workspace", lambda: os.mkfifo("pipe") is None)
attempt("socket in the workspace", lambda: os.mknod("sock", 0o140777) is None)


def write_to_output():
    """The output is a pipe of the host; opened once more it must not become more than that."""
    os.close(os.open("/proc/self/fd/1", os.O_RDWR | os.O_NONBLOCK))
    return os.readlink("/proc/self/fd/1").startswith("/")


attempt("output opened again", write_to_output)


def in_memory():
    """A program in memory has the same filter."""
    made = os.memfd_create("escape")
    with open(sys.executable, "rb") as program:
        os.write(made, program.read())
    code = "import socket; socket.socket(socket.AF_UNIX)"
    return subprocess.run([f"/proc/self/fd/{made}", "-c", code], pass_fds=[made], stderr=subprocess.DEVNULL,
                          env={"PYTHONHOME": sys.prefix}).returncode == 0


attempt("program in memory", in_memory)

# --- terminals, limits ---------------------------------------------------------------------------


def types_into_terminal():
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSTI, b"x")
    return True


attempt("typing into a terminal", types_into_terminal)
attempt("typing with high bits", lambda: LIBC.ioctl(ctypes.c_int(os.openpty()[1]), ctypes.c_ulong(
    (1 << 32) | termios.TIOCSTI), b"x") == 0)
attempt("sudo", lambda: subprocess.run(["su", "-c", "true"], stdin=subprocess.DEVNULL, capture_output=True,
                                       check=True))
attempt("core dumps", lambda: __import__("resource").setrlimit(4, (-1, -1)) is None)


def many_processes():
    """More processes than the limit."""
    children = []
    try:
        for _ in range(3000):
            child = os.fork()
            if child == 0:
                os.close(0)
                __import__("time").sleep(60)
                os._exit(0)
            children.append(child)
        return True
    finally:
        for child in children:
            os.kill(child, 9)
        for child in children:
            os.waitpid(child, 0)


attempt("more processes than the limit", many_processes if os.getuid() != 0 else lambda: False)


def all_watches():
    """Takes what it can get; the host looks whether it still gets some."""
    taken = []
    try:
        while len(taken) < 4000:
            made = LIBC.inotify_init1(0)
            if made < 0:
                break
            taken.append(made)
    finally:
        open("watching", "w").write(str(len(taken)))
    while not os.path.exists("watched"):
        __import__("time").sleep(0.01)
    return False


if "watches" in sys.argv[2:]:
    all_watches()
print("done")
