"""The tray application under Wayland: sway without a screen."""

import concurrent.futures
import contextlib
import json
import os
import subprocess
import threading
import time
import unittest
from pathlib import Path

import dialogs
from dark_test import DARK, LIGHT, Portal
from desktop_case import DesktopCase
from waiting import PATIENCE, wait_until
from words import READ, WRITE

SCREEN = (1280, 800)
# Colours that no empty screen has.
DRAWN = 40
SWAY = f"output HEADLESS-1 resolution {SCREEN[0]}x{SCREEN[1]}\nxwayland disable\n"


class Sway:
    """A compositor that draws into memory; `with` ends it."""

    def __init__(self):
        self._runtime = Path(os.environ["XDG_RUNTIME_DIR"])
        configuration = self._runtime / "sway.conf"
        configuration.write_text(SWAY)
        self._socket = self._runtime / "sway.sock"
        # Of one that was killed.
        self._socket.unlink(missing_ok=True)
        before = self._displays()
        hidden = ("DISPLAY", "WAYLAND_DISPLAY")
        environment = {name: value for name, value in os.environ.items() if name not in hidden} | {
            "WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_RENDERER": "pixman",
            "SWAYSOCK": str(self._socket),
        }
        # As root, sway wants a setting; everybody else needs none.
        self._process = subprocess.Popen(
            ["sway", "--unsupported-gpu", "--config", str(configuration)], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.display = wait_until(lambda: next(iter(self._displays() - before), None), "sway gives a display")
        wait_until(self._socket.exists, "sway can be asked")

    def _displays(self):
        return {path.name for path in self._runtime.glob("wayland-*") if path.suffix != ".lock"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(PATIENCE)

    def windows(self):
        """The titles of the windows on the screen."""
        asked = subprocess.run(
            ["swaymsg", "--socket", self._socket, "--raw", "--type", "get_tree"],
            capture_output=True, text=True, check=True, timeout=PATIENCE,
        )
        return list(_titles(json.loads(asked.stdout)))

    @contextlib.contextmanager
    def typing(self, *keys):
        """Somebody types these keys, one after the other and again, until the block ends."""
        presses = [word for key in keys for word in ("-k", key, "-s", "50")]
        environment = os.environ | {"WAYLAND_DISPLAY": self.display}
        done = threading.Event()

        def type_on():
            while not done.is_set():
                subprocess.run(["wtype", *presses], env=environment, check=True, timeout=PATIENCE)

        with concurrent.futures.ThreadPoolExecutor(1) as hands:
            typing = hands.submit(type_on)
            try:
                yield
            finally:
                done.set()
                typing.result(PATIENCE)

    def picture(self, *words):
        """What is on the screen, as `grim` writes it."""
        environment = os.environ | {"WAYLAND_DISPLAY": self.display}
        taken = subprocess.run(["grim", *words], env=environment, capture_output=True, check=True, timeout=PATIENCE)
        return taken.stdout

    def colours(self):
        """How many colours are on the screen, below a title: an empty window has few, text has many."""
        height = SCREEN[1] // 2
        area = f"0,{SCREEN[1] - height} {SCREEN[0]}x{height}"
        pixels = self.picture("-t", "ppm", "-g", area, "-")[-3 * SCREEN[0] * height:]
        return len(set(zip(pixels[0::3], pixels[1::3], pixels[2::3])))


def _titles(node):
    if node.get("pid") and node.get("visible"):
        yield node["name"]
    for inner in (*node["nodes"], *node["floating_nodes"]):
        yield from _titles(inner)


class OnWayland(DesktopCase):
    """What a person needs is there, light as the desktop is."""

    scheme = LIGHT

    def setUp(self):
        super().setUp()
        portal = Portal(self.scheme).start()
        self.addCleanup(portal.stop)
        self.sway = self.enterContext(Sway())
        self.environment = {"DISPLAY": None, "WAYLAND_DISPLAY": self.sway.display, "GDK_BACKEND": "wayland"}

    def wait_until_drawn(self, name):
        """Something is on the screen that can be read; where pictures are wanted, one of it is kept."""
        wait_until(lambda: self.sway.colours() > DRAWN, "something is drawn")
        if directory := os.environ.get("TIDEGATE_PICTURES"):
            self.sway.picture(Path(directory) / f"{name}-{'dark' if self.scheme == DARK else 'light'}.png")

    def test_a_request_comes_up_as_a_dialog_and_is_approved(self):
        item = self.start_until_ready(**self.environment)
        self.assertIn("Ready on port", " ".join(item.texts()))
        device = self.device(displayName="Kitchen tablet")

        device.request_pairing(READ, WRITE)
        dialog = self.review()
        wait_until(lambda: dialogs.REVIEW in self.sway.windows(), "sway shows the dialog")
        dialog.says("Kitchen tablet")
        self.wait_until_drawn("request")
        dialog.approve()

        self.assertEqual(device.connect_when_let_in(READ, WRITE)["auth"]["scopes"], [READ, WRITE])
        wait_until(lambda: dialogs.REVIEW not in self.sway.windows(), "the dialog is gone")

    def test_no_button_has_the_keyboard_at_first(self):
        item = self.start_until_ready(**self.environment)
        self.shell.start_agent("/run true", self)

        item.wait_for_label("1 request of an agent waits")
        dialog = self.dialog(dialogs.COMMAND).wait_until_live("Run once")

        for button in dialog.buttons():
            self.assertFalse(dialog.has_focus(button), button)
        dialog.press_and_close("Deny")

    def test_no_key_dismisses_a_dialog_before_it_can_be_read(self):
        item = self.start_until_ready(**self.environment)
        shown = lambda: dialogs.COMMAND in self.sway.windows()

        with self.sway.typing("Escape", "Return", "space"):
            self.shell.start_agent("/run true", self)
            wait_until(shown, "the dialog comes up under the keys", pause=0.01)
            came_up = time.monotonic()
            wait_until(lambda: not shown(), "a key dismisses it when it was there long enough", pause=0.01)
            lasted = time.monotonic() - came_up

        # Seen a little later than it came up.
        self.assertGreater(lasted, dialogs.ARM_AFTER - 0.5)
        item.wait_for_label("1 request of an agent waits")
        self.shell.tidegate("approvals", "deny", self.shell.json("approvals", "list")[0]["id"])

    def test_the_first_start_opens_the_window(self):
        self.has_run_before = False
        self.start_until_ready(**self.environment)

        wait_until(lambda: any("Tidegate" in (title or "") for title in self.sway.windows()), "the window")
        self.wait_until_drawn("window")


class OnWaylandInTheDark(OnWayland):
    """The same, dark."""

    scheme = DARK


if __name__ == "__main__":
    unittest.main()
