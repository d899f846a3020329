"""A desktop that nobody sees: X server, window manager, session bus, home and runtime directories of
its own. Several can run side by side; nothing is left of one that ended.

The session bus starts no services by itself but the accessibility bus: tray, notifications and
keyring are there when a test starts them.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from waiting import wait_until

# At 200% there is room for a dialog as high as one becomes.
SCREEN = "1600x1300x24"

# Variables that would lead out of the private desktop, or change what Tidegate does.
FOREIGN = (
    "WAYLAND_DISPLAY", "AT_SPI_BUS_ADDRESS", "NO_AT_BRIDGE", "GTK_MODULES", "GTK_THEME", "GDK_SCALE",
    "XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "XDG_SESSION_ID",
    "TIDEGATE_STATE_DIR", "TIDEGATE_TOKEN", "OPENCLAW_GATEWAY_TOKEN", "TIDEGATE_LOG",
)

BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

ACCESSIBILITY_BUS = """[D-BUS Service]
Name=org.a11y.Bus
Exec=/usr/libexec/at-spi-bus-launcher
"""


@contextlib.contextmanager
def private_desktop(window_manager=("metacity", "--sm-disable")):
    """The environment for programs on a new private desktop, until the block ends."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-", ignore_cleanup_errors=True)))
        environment = _directories(root)
        environment["DISPLAY"] = _start_display(stack, root, environment)
        environment["DBUS_SESSION_BUS_ADDRESS"] = _start_bus(stack, root, environment)
        if window_manager:
            _start(stack, window_manager, environment, root / "window-manager.log")
            wait_until(lambda: _has_window_manager(environment), "the window manager is there")
        yield environment


def _directories(root):
    home, runtime = root / "home", root / "run"
    for directory in (home, runtime, root / "tmp"):
        directory.mkdir(mode=0o700)
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "TMPDIR": str(root / "tmp"),
        "GDK_BACKEND": "x11",
        "LC_ALL": "C.UTF-8",
        # Settings are kept in memory; no service is asked for them.
        "GSETTINGS_BACKEND": "memory",
    }


def _start_display(stack, root, environment):
    number = root / "display"
    with number.open("wb") as told:
        words = ["Xvfb", "-displayfd", str(told.fileno()), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]
        _start(stack, words, environment, root / "display.log", pass_fds=(told.fileno(),))
    wait_until(lambda: number.read_text().endswith("\n"), f"Xvfb gives a display ({root / 'display.log'})")
    return ":" + number.read_text().strip()


def _start_bus(stack, root, environment):
    services, socket = root / "services", root / "run" / "bus"
    services.mkdir()
    (services / "org.a11y.Bus.service").write_text(ACCESSIBILITY_BUS)
    configuration = root / "bus.conf"
    configuration.write_text(BUS_CONFIGURATION.format(socket=socket, services=services))
    address = f"unix:path={socket}"
    words = ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={configuration}"]
    _start(stack, words, environment | {"DBUS_SESSION_BUS_ADDRESS": address}, root / "bus.log")
    wait_until(socket.exists, "the session bus is there")
    return address


def _start(stack, words, environment, log, pass_fds=()):
    """Starts a program that ends, with all that it started, when the stack unwinds."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            pass_fds=pass_fds, start_new_session=True,
        )
    stack.callback(_end, process)


def _end(process):
    for name in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            break
    # What it started may outlive it by a moment; it is in the same group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _has_window_manager(environment):
    asked = subprocess.run(
        ["xprop", "-root", "_NET_SUPPORTING_WM_CHECK"], env=environment, capture_output=True, text=True, check=False
    )
    return "window id" in asked.stdout
