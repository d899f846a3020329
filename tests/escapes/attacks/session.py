"""Tries to reach the session of the person, as a command that knows everything about it: addresses, the
cookie of the display, the names of the keyring's items.

Arguments: a file of JSON with where they are.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import time

from attempts import answer, attempt, connects

with open(sys.argv[1]) as file:
    SESSION = json.load(file)
VARIABLES, RUNTIME = SESSION["variables"], SESSION["variables"]["XDG_RUNTIME_DIR"]
DISPLAY = SESSION["display"]
# A copy of the real one, which counts for every address of the display.
COOKIE_FILE = os.path.abspath("cookie")
SECONDS = 60


def run(*words, **variables):
    """What a program prints that must succeed."""
    environment = os.environ | VARIABLES | {"XAUTHORITY": COOKIE_FILE} | variables
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=SECONDS, check=True)
    return done.stdout


def reads(path, part=b""):
    def action():
        with open(path, "rb") as file:
            return part in file.read()
    return action


def leaves(mark, *words):
    """Something outside is to make a file."""
    def action():
        run(*words)
        end = time.monotonic() + SECONDS
        while not os.path.exists(mark) and time.monotonic() < end:
            time.sleep(0.02)
        return os.path.exists(mark)
    return action


for name in ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
    if name in VARIABLES:
        attempt(f"variable {name}", lambda name=name: os.environ.get(name) == VARIABLES[name])
attempt("runtime directory", lambda: "bus" in os.listdir(RUNTIME))
if SESSION["run"]:
    attempt("runtime directories of the system", lambda: str(os.getuid()) in os.listdir("/run/user"))

# --- the X server --------------------------------------------------------------------------------


def opens_display(family, address):
    """The first message of every X client, with the cookie."""
    name, cookie = b"MIT-MAGIC-COOKIE-1", bytes.fromhex(SESSION["cookie"])
    hello = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie)) + name + b"\0\0" + cookie
    return lambda: answer(family, address, hello)[:1] == b"\1"


X_SOCKET, X_PORT = f"/tmp/.X11-unix/X{DISPLAY}", 6000 + DISPLAY
attempt("display at its socket file", opens_display(socket.AF_UNIX, X_SOCKET))
attempt("display at its abstract socket", opens_display(socket.AF_UNIX, "\0" + X_SOCKET))
attempt("display at its port", opens_display(socket.AF_INET, ("127.0.0.1", X_PORT)))
attempt("socket file of the display", lambda: f"X{DISPLAY}" in os.listdir("/tmp/.X11-unix"))
attempt("cookie of the display", reads(VARIABLES["XAUTHORITY"], bytes.fromhex(SESSION["cookie"])))
for display in (f":{DISPLAY}", f"127.0.0.1:{DISPLAY}"):
    attempt(f"window list of {display}", lambda display=display: run("xdpyinfo", DISPLAY=display))
    # What presses a button of a dialog.
    attempt(f"pointer of {display}", lambda display=display: b"x:7 y:9" in run(
        "xdotool", "mousemove", "7", "9", "getmouselocation", DISPLAY=display))
attempt("picture of the display", lambda: run("import", "-window", "root", "png:-", DISPLAY=f":{DISPLAY}"))

# --- the compositor ------------------------------------------------------------------------------

if "WAYLAND_DISPLAY" in VARIABLES:
    WAYLAND = os.path.join(RUNTIME, VARIABLES["WAYLAND_DISPLAY"])
    # wl_display.get_registry
    attempt("compositor", lambda: answer(socket.AF_UNIX, WAYLAND, struct.pack("<III", 1, 12 << 16 | 1, 2)))
    attempt("picture of the screen", lambda: run("grim", "-"))
    attempt("program started by the compositor", leaves(
        SESSION["marks"]["compositor"], "swaymsg", "--socket", SESSION["sway"], "exec",
        f"touch {SESSION['marks']['compositor']}"))

# --- the session bus and what serves on it --------------------------------------------------------


def speaks_bus(address):
    hello = b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n"
    return lambda: answer(socket.AF_UNIX, address, hello).startswith(b"OK")


BUS_FILE, BUS_NAME = SESSION["bus"]["file"], SESSION["bus"]["name"]
attempt("bus at its socket file", speaks_bus(BUS_FILE))
attempt("bus at its abstract socket", speaks_bus("\0" + BUS_NAME))
attempt("accessibility bus", speaks_bus(SESSION["accessibility"]))
for address in (f"unix:path={BUS_FILE}", f"unix:abstract={BUS_NAME}"):
    kind = address.split("=", maxsplit=1)[0]
    attempt(f"names on the bus, {kind}", lambda address=address: b"org.freedesktop.secrets" in run(
        "dbus-send", f"--bus={address}", "--print-reply", "--dest=org.freedesktop.DBus",
        "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames"))


def calls(destination, path, method, *arguments):
    return ["gdbus", "call", "--session", "--dest", destination, "--object-path", path, "--method", method,
            *arguments]


attempt("notification", lambda: run(*calls(
    "org.freedesktop.Notifications", "/org/freedesktop/Notifications",
    "org.freedesktop.Notifications.Notify", "x", "0", "", "Pairing approved", "", "[]", "{}", "1000")))
# The bus starts who has that name.
attempt("program started by the bus", leaves(
    SESSION["marks"]["bus"], "dbus-send", "--session", "--dest=org.freedesktop.systemd1",
    "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager.Reload"))

# --- the keyring ---------------------------------------------------------------------------------

attempt("file of the keyring", reads(SESSION["keyring"]))
attempt("secret of the keyring", lambda: SESSION["secret"].encode() in run(
    "secret-tool", "lookup", "tidegate-escapes", "account"))
attempt("items of the keyring", lambda: b"/org/freedesktop/secrets/collection" in run(*calls(
    "org.freedesktop.secrets", "/org/freedesktop/secrets", "org.freedesktop.Secret.Service.SearchItems",
    "{'tidegate-escapes': 'account'}")))
attempt("control socket of the keyring", connects(socket.AF_UNIX, os.path.join(RUNTIME, "keyring/control")))

# --- the terminal --------------------------------------------------------------------------------

attempt("program started in a terminal", leaves(
    SESSION["marks"]["terminal"], "tmux", "-S", SESSION["tmux"], "run-shell",
    f"touch {SESSION['marks']['terminal']}"))
print("done")
