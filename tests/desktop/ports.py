"""Ports below those that the system gives to a program that asks for any: nobody else gets them, or those
beside them, by chance."""

import contextlib
import random
import socket


def listener():
    """A socket that listens on such a port."""
    while True:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000)))


def free_port():
    """Such a port on which nobody listens."""
    with listener() as found:
        return found.getsockname()[1]
