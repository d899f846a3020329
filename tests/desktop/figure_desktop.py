"""The desktop that figures are taken on: everything is there, and nobody reads the screen."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from device import Device, Refused
from notification_service import NotificationService
from process_memory import settled_pss
from secret_service import Keyring
from shell import BINARIES, Shell, State, descendants_of
from tray_host import TrayHost
from waiting import wait_until
from window_events import WindowEvents
from words import READ

REVIEW = "Tidegate: pairing request"
WINDOW = "Tidegate"
# What all programs share, instead of the token that Tidegate makes for itself.
SHARED_TOKEN = "6b1f0c" + 58 * "e"
KNOWN_DEVICE = 1


class TimedTrayHost(TrayHost):
    """A tray that knows when icons were registered."""

    def __init__(self):
        super().__init__()
        self._moments = []

    def called(self, sender, method, parameters, invocation):
        if method == "RegisterStatusNotifierItem":
            self._moments.append(time.monotonic())
        super().called(sender, method, parameters, invocation)

    def registered_after(self, begun):
        """The moment of the first registration after `begun`."""
        def find():
            return next((moment for moment in self._moments if moment >= begun), None)
        return self.wait_for(find, "an icon is registered", 20)


class FigureDesktop:
    """A keyring, a tray, a notification service, and a store in which one device was let in."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for service in (Keyring().start_unlocked(), NotificationService().start()):
                stack.callback(service.stop)
            self.tray = TimedTrayHost().start()
            stack.callback(self.tray.stop)
            self.windows = stack.enter_context(WindowEvents())
            self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            self._used = self._directory / "used"
            self._number = 0
            _let_the_known_device_in(self._used)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *ended):
        return self._stack.__exit__(*ended)

    @contextlib.contextmanager
    def shell(self, **keywords):
        """The application on a copy of the store; ended in order after the block."""
        self.tray.wait_until_empty()
        self._number += 1
        state = shutil.copytree(self._used, self._directory / f"state-{self._number}", symlinks=True)
        with Shell(state=state, TIDEGATE_TOKEN=SHARED_TOKEN, **keywords) as shell:
            yield shell
            shell.end()
            shell.wait()

    def close(self, title):
        """Closes a window as the window manager does when its button is pressed."""
        begun = time.monotonic()
        subprocess.run(["wmctrl", "-F", "-c", title], check=True, timeout=10)
        self.windows.wait_until_gone(title, begun)

    def bare_tray(self, **environment):
        """One run of the bare tray: seconds until its icon is registered, and its memory in bytes."""
        self.tray.wait_until_empty()
        begun = time.monotonic()
        process = subprocess.Popen(
            [BINARIES / "examples" / "bare-tray"], env=os.environ | environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            registered = self.tray.registered_after(begun) - begun
            return {"registered": registered, "memory": total(settled_pss(process.pid))}
        finally:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def bare_windows(self):
        """The bare tray while it runs, to open windows in; ended after the block."""
        self.tray.wait_until_empty()
        process = subprocess.Popen(
            [BINARIES / "examples" / "bare-tray"], env=os.environ | {"GDK_GL": "disable"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


class At:
    """What a device has to know of a gateway that does not run yet."""

    def __init__(self, port):
        self._port = port

    def wait_until_ready(self):
        return self._port


def device(gateway, number=KNOWN_DEVICE):
    """A device that can ask to pair; the first is known."""
    return Device(gateway, number, token=SHARED_TOKEN)


def first_hello(known):
    """The moment at which a known device is let in that tries without a pause."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        # Before that, nobody listens, or not yet to such as this one.
        with contextlib.suppress(AssertionError, Refused):
            known.connect(READ)
            return time.monotonic()
    raise AssertionError("the device was not let in")


def page_is_connected(shell):
    """The moment at which the window's page has its connection; the others are our own client's and the one
    that asks."""
    def look():
        return shell.json("status")["gateway"]["connections"] >= 3 and time.monotonic()
    return wait_until(look, "the page is connected", 20)


def wait_until_no_page_is_left(pid):
    """Waits until no process of the browser engine draws any more."""
    def is_over():
        return not any(name.startswith("WebKitWebProces") for _, name in descendants_of(pid))
    wait_until(is_over, "the page's process has ended")


def is_primed():
    """Whether a program with GTK has left on this display what it found out about OpenGL."""
    asked = subprocess.run(["xprop", "-root", "GDK_VISUALS"], capture_output=True, text=True, check=False)
    return "=" in asked.stdout


def unprime():
    """Removes that, so that the next program finds out again."""
    subprocess.run(["xprop", "-root", "-remove", "GDK_VISUALS"], check=True, timeout=10)


def total(memory):
    """The memory of all programs together."""
    return sum(memory.values())


def _let_the_known_device_in(state):
    """Has the gateway alone run on a new store, where the command line decides."""
    gateway = State(state)
    process = subprocess.Popen(
        [BINARIES / "tidegate", "--state-dir", state, "serve", "--port", "0"],
        env=os.environ | {"TIDEGATE_TOKEN": SHARED_TOKEN},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        gateway.wait_until_ready()
        with device(gateway) as known:
            refused = known.request_pairing(READ)
            approved = gateway.tidegate("devices", "approve", refused.request_id, "--yes")
            assert approved.returncode == 0, approved.stderr
            known.connect_when_let_in(READ)
    finally:
        process.terminate()
        process.wait(10)
    # A new log tells of the new start only.
    shutil.rmtree(state / "logs")
