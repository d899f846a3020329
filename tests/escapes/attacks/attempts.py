"""Attempts to get out of a sandbox: each prints `held NAME` or `FELL NAME`."""

import socket
import subprocess


def attempt(name, action):
    """Whatever fails is held; what returns something true fell."""
    try:
        fell = action()
    except (OSError, ValueError, subprocess.SubprocessError):
        fell = False
    print("FELL" if fell else "held", name, flush=True)


def answer(family, address, message):
    """What a server says to a message."""
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.settimeout(30)
        made.connect(address)
        made.sendall(message)
        return made.recv(4096)


def connects(family, address, kind=socket.SOCK_STREAM):
    def action():
        with socket.socket(family, kind) as made:
            made.settimeout(10)
            made.connect(address)
            made.send(b"out")
        return True
    return action
