"""What the tests of the desktop begin with: a desktop with everything on it, Tidegate, and devices."""

import shutil
import tempfile
import unittest
from pathlib import Path

import dialogs
from device import Device
from notification_service import NotificationService
from secret_service import Keyring
from shell import Shell
from tray_host import TrayHost
from waiting import wait_until

# What all programs share, instead of the token that Tidegate makes for itself.
SHARED_TOKEN = "6b1f0c" + 58 * "e"


class DesktopCase(unittest.TestCase):
    """A desktop with a tray, notifications and an unlocked keyring, unless a class says otherwise."""

    has_tray = True
    has_notifications = True
    has_keyring = True
    # Whether Tidegate ran here before: else it opens its window by itself.
    has_run_before = True

    def setUp(self):
        self.tray = self.notifications = self.keyring = None
        if self.has_keyring:
            self.keyring = Keyring().start_unlocked()
            self.addCleanup(self.keyring.stop)
        if self.has_tray:
            self.tray = TrayHost().start()
            self.addCleanup(self.tray.stop)
        if self.has_notifications:
            self.notifications = NotificationService().start()
            self.addCleanup(self.notifications.stop)

    def start(self, **keywords):
        """Starts Tidegate; it ends with the test."""
        if self.has_run_before and "state" not in keywords:
            keywords["state"] = self.used_state()
        self.shell = self.enterContext(Shell(**({"TIDEGATE_TOKEN": SHARED_TOKEN} | keywords)))
        return self.shell

    def start_until_ready(self, **keywords):
        """Starts Tidegate, and waits until it serves; its tray item, where there is a tray."""
        self.start(**keywords).wait_until_ready()
        if not self.has_tray:
            return None
        item = self.tray.wait_for_item()
        item.wait_for_label("Ready on port")
        return item

    def used_state(self):
        """A state directory as a first start leaves it."""
        directory = Path(self.enterContext(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        template = _template()
        return Path(shutil.copytree(template, directory / "state", symlinks=True))

    def device(self, number=1, **identity):
        """A device that can ask to pair."""
        return self.enterContext(Device(self.shell, number, **({"token": SHARED_TOKEN} | identity)))

    # --- dialogs ---

    def review(self):
        """The dialog in which a request is decided."""
        return dialogs.wait_for_dialog(self.shell.process.pid, dialogs.REVIEW)

    def dialog(self, title):
        """The dialog with this title."""
        return dialogs.wait_for_dialog(self.shell.process.pid, title)

    def open_dialogs(self):
        return dialogs.open_dialogs(self.shell.process.pid)

    def windows(self):
        """The ordinary windows on the screen."""
        return dialogs.open_windows(self.shell.process.pid)

    def no_dialog_within(self, seconds):
        dialogs.no_dialog_within(self.shell.process.pid, seconds)

    def review_from_tray(self, item):
        """Chooses what waits in the tray; the dialog that comes up, with the keyboard."""
        label = wait_until(lambda: next((text for text in item.texts() if "wait" in text), None), "what waits")
        item.click(label)
        return self.review()

    # --- what the gateway knows ---

    def wait_for_waiting(self, number):
        """Waits until so many requests wait; these."""
        def find():
            waiting = self.shell.waiting()
            return (waiting,) if len(waiting) == number else None
        return wait_until(find, f"{number} requests wait")[0]

    def approve(self, device, *scopes):
        """Has a person let a device in with what it asks for; its `hello-ok`."""
        device.request_pairing(*scopes)
        self.review().approve()
        return device.connect_when_let_in(*scopes)


_TEMPLATE = None


def _template():
    """A state directory in which Tidegate ran once, made at the first use in this process."""
    global _TEMPLATE
    if _TEMPLATE is None:
        _TEMPLATE = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        state = Path(_TEMPLATE.name) / "state"
        with Shell(state=state) as shell:
            shell.wait_until_ready()
            shell.end()
            shell.wait()
        # A new log tells of the new start only.
        shutil.rmtree(state / "logs")
    return Path(_TEMPLATE.name) / "state"
