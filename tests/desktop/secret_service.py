"""The desktop's keyring: a real gnome-keyring on the private session bus, unlocked, locked, or none."""

import os
import subprocess
from pathlib import Path

from gi.repository import GLib

from bus import call, connect
from waiting import PATIENCE, wait_until

NAME = "org.freedesktop.secrets"


class Keyring:
    """The service, from `start` to `stop`. Its passwords are kept in the private home."""

    def __init__(self):
        self._process = None

    def start_unlocked(self):
        return self._start(["--unlock"], "password of the login keyring")

    def start_locked(self):
        """One that has a keyring, whose password nobody gives."""
        self.start_unlocked()
        self.stop()
        return self._start(["--start"], "")

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            wait_until(lambda: not has_owner(NAME), "the keyring left the session bus")

    def _start(self, words, password):
        self._process = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--components=secrets", *words],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self._process.stdin.write(password.encode())
        self._process.stdin.close()
        wait_until(lambda: has_owner(NAME), "the keyring is on the session bus")
        if password:
            wait_until(login_keyring().exists, "the login keyring is made")
        return self


def login_keyring():
    return Path(os.environ["XDG_DATA_HOME"]) / "keyrings" / "login.keyring"


def has_owner(name):
    """Whether somebody has this name on the session bus."""
    connection = connect()
    try:
        return call(
            connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
            GLib.Variant("(s)", (name,)),
        )[0]
    finally:
        connection.close_sync(None)
