"""Takes the pictures of the tray in docs/screenshots: a real panel (xfce4-panel) shows Tidegate's icon and its
menu in each state, light and dark, at 100% and 200%. `tray-screenshots` starts it on a private desktop."""

import contextlib
import itertools
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gi

gi.require_version("Gdk", "3.0")
from gi.repository import Gio, GLib  # noqa: E402

import dialogs  # noqa: E402
from bus import call, connect  # noqa: E402
from device import Device  # noqa: E402
from picture import Picture, runs  # noqa: E402
from secret_service import Keyring  # noqa: E402
from shell import BINARIES, Shell  # noqa: E402
from tray_host import Item  # noqa: E402
from waiting import wait_until  # noqa: E402
from words import READ  # noqa: E402

WATCHER = "org.kde.StatusNotifierWatcher"
XFCONF = "org.xfce.Xfconf"
PORT = 18789
SHARED_TOKEN = "6b1f0c" + 58 * "e"
# Where Debian has the service that keeps Xfce's settings.
XFCONFD = Path("/usr/lib/x86_64-linux-gnu/xfce4/xfconf/xfconfd")
PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="{is_dark}"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="{length}"/>
      <property name="size" type="uint" value="28"/>
      <property name="icon-size" type="uint" value="22"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
"""


def main(directory):
    keyring = Keyring().start_unlocked()
    try:
        for theme, scale in itertools.product(("light", "dark"), (1, 2)):
            with panel(theme, scale) as tray:
                for state, show in STATES.items():
                    name = f"tray-{state}-{theme}" + ("" if scale == 1 else "-200")
                    with show(tray):
                        take(Path(directory) / f"{name}.png", scale)
                    tray.wait_until_empty()
    finally:
        keyring.stop()


class Panel:
    """What the panel shows, as it tells on the session bus."""

    def __init__(self):
        self._connection = connect()

    def items(self):
        properties = "org.freedesktop.DBus.Properties"
        asked = GLib.Variant("(ss)", (WATCHER, "RegisteredStatusNotifierItems"))
        try:
            found = call(self._connection, WATCHER, "/StatusNotifierWatcher", properties, "Get", asked)[0]
        except GLib.Error:
            return []
        # The owner's name and the path in one.
        return [Item(self._connection, item.partition("/")[0], "/" + item.partition("/")[2]) for item in found]

    def wait_for_item(self):
        return wait_until(self.items, "the panel has an icon", 20)[0]

    def wait_until_empty(self):
        wait_until(lambda: not self.items(), "the panel is empty", 10)


@contextlib.contextmanager
def panel(theme, scale):
    """A panel that shows icons of the tray, until the block ends."""
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        settings = Path(home) / "xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml"
        settings.parent.mkdir(parents=True)
        settings.write_text(PANEL.format(is_dark="true" if theme == "dark" else "false", length=20 * scale))
        theme_name = "Adwaita" if theme == "light" else "Adwaita:dark"
        environment = os.environ | {"XDG_CONFIG_HOME": home, "GDK_SCALE": str(scale), "GTK_THEME": theme_name}
        for name, command in ((XFCONF, [XFCONFD]), (WATCHER, ["xfce4-panel", "--disable-wm-check"])):
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until(lambda name=name: is_owned(name), f"{name} is there", 20)
        yield Panel()


def is_owned(name):
    bus = connect()
    return call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                GLib.Variant("(s)", (name,)))[0]


# --- the states, each until its block ends ---


@contextlib.contextmanager
def ok(tray):
    with shell(tray) as (_, item):
        item.wait_for_label("Ready on port")
        yield


@contextlib.contextmanager
def working(tray):
    with used_state() as state:
        # Somebody holds the store, so that it takes long to start.
        with contextlib.closing(sqlite3.connect(next(state.glob("*.sqlite")), isolation_level=None)) as store:
            store.execute("BEGIN EXCLUSIVE")
            with shell(tray, state) as (_, item):
                item.wait_for_label("Starting")
                yield


@contextlib.contextmanager
def attention(tray):
    with shell(tray) as (running, item), Device(running, 1, token=SHARED_TOKEN) as device:
        item.wait_for_label("Ready on port")
        device.request_pairing(READ)
        item.wait_for_label("1 request waits")
        close("Tidegate: pairing request")
        yield


@contextlib.contextmanager
def error(tray):
    with socket.create_server(("127.0.0.1", PORT)), shell(tray) as (_, item):
        wait_until(lambda: "is in use" in item.status(), "why it does not run", 20)
        close("Tidegate")
        yield


@contextlib.contextmanager
def contained(tray):
    with shell(tray) as (running, item):
        item.wait_for_label("Ready on port")
        with agent(running):
            dialog = dialogs.wait_for_dialog(running.process.pid, dialogs.COMMAND)
            dialog.toggle("Run this, and let agents run contained commands in")
            dialog.press_and_close("Allow in this folder")
        for _ in range(3):
            with agent(running):
                pass
        item.wait_for_label("3 commands ran contained")
        yield


@contextlib.contextmanager
def agent(running):
    """The built-in demo runs a command, which is over when the block ends."""
    command = [BINARIES / "tidegate", "--state-dir", running.state, "agent", "--message", "/run true"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield
        process.wait(timeout=30)


STATES = {"ok": ok, "working": working, "contained": contained, "attention": attention, "error": error}


@contextlib.contextmanager
def shell(tray, state=None):
    """Tidegate and its icon."""
    with contextlib.ExitStack() as stack:
        state = state or stack.enter_context(used_state())
        running = stack.enter_context(Shell(state=state, port=PORT, TIDEGATE_TOKEN=SHARED_TOKEN))
        yield running, tray.wait_for_item()


@contextlib.contextmanager
def used_state():
    """A state directory in which Tidegate ran before: it opens its window at the first start."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        state = Path(directory) / "state"
        with Shell(state=state) as first:
            first.wait_until_ready()
            first.end()
            first.wait()
        # A new log tells of the new start only.
        shutil.rmtree(state / "logs")
        yield state


def close(title):
    """Closes a window as the window manager does when its button is pressed, once it is there."""
    def closed():
        return subprocess.run(["wmctrl", "-F", "-c", title], check=False, timeout=10, capture_output=True).returncode == 0
    wait_until(closed, f"a window {title!r}", 20)
    def is_gone():
        listed = subprocess.run(["wmctrl", "-l"], check=False, timeout=10, capture_output=True, text=True).stdout
        return not any(line.endswith(" " + title) for line in listed.splitlines())
    wait_until(is_gone, f"{title!r} is closed")


# --- pictures ---


def take(file, scale):
    """Opens the menu with the pointer, and takes a picture of it and of the icon."""
    wait_until(lambda: icon_is_drawn(scale), "the icon is drawn")
    xdotool("mousemove", 14 * scale, 14 * scale, "click", 3)
    wait_until(menu_is_open, "the menu is open")
    xdotool("mousemove", 1500, 1200)
    def steady():
        before = Picture(0, 0, 1600, 1300)
        time.sleep(0.3)
        return before == Picture(0, 0, 1600, 1300)
    wait_until(steady, "a picture that stands still")
    subprocess.run(["import", "-window", "root", "-trim", "+repage", file], check=True, timeout=30)
    xdotool("key", "Escape")
    wait_until(lambda: not menu_is_open(), "the menu is closed")


def icon_is_drawn(scale):
    box = (4 * scale, 4 * scale, 20 * scale, 20 * scale)
    return bool(runs(Picture(*box).part(*box), 0))


def menu_is_open():
    # Of the process of the panel's own that shows the icons; all else in it is small.
    seen = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--class", "Wrapper-2.0", "getwindowgeometry", "--shell", "%@"],
        check=False, timeout=10, capture_output=True, text=True,
    ).stdout
    heights = [int(line.removeprefix("HEIGHT=")) for line in seen.splitlines() if line.startswith("HEIGHT=")]
    return any(height > 100 for height in heights)


def xdotool(*words):
    subprocess.run(["xdotool", *map(str, words)], check=True, timeout=10)


if __name__ == "__main__":
    main(sys.argv[1])
