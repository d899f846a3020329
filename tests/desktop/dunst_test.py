"""The same with a real notification service: dunst."""

import os
import signal
import subprocess
import unittest
from pathlib import Path

from desktop_case import DesktopCase
from secret_service import has_owner
from waiting import wait_until
from words import READ

NAME = "org.freedesktop.Notifications"


class Dunst(DesktopCase):
    """What dunst shows and tells."""

    has_notifications = False

    def setUp(self):
        super().setUp()
        configuration = Path(os.environ["XDG_CONFIG_HOME"]) / "dunst" / "dunstrc"
        configuration.parent.mkdir(parents=True, exist_ok=True)
        # The menu of the buttons of a notification: the second word names the one to press.
        menu = configuration.with_name("menu")
        menu.write_text("#!/bin/sh\ngrep -m1 \"$PICK\"\n")
        menu.chmod(0o700)
        configuration.write_text(f"[global]\ndmenu = {menu}\n")
        self.configuration = configuration

    def dunst(self, pick):
        process = subprocess.Popen(
            ["dunst", "-config", self.configuration], env=os.environ | {"PICK": pick},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait, 5)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        wait_until(lambda: has_owner(NAME), "dunst is on the session bus")

    def shown(self):
        return int(self.ctl("count", "displayed"))

    def ctl(self, *words):
        return subprocess.run(["dunstctl", *words], capture_output=True, text=True, check=True, timeout=10).stdout

    def test_review_opens_the_dialog_and_the_decision_takes_the_notification_away(self):
        self.dunst("Review")
        self.start_until_ready()
        device = self.device()
        device.knock(READ)
        self.review().press_and_close("Later")
        wait_until(lambda: self.shown() == 0, "put aside, nothing is shown")
        self.device(2).knock(READ)
        wait_until(lambda: self.shown() == 1, "dunst shows the notification", 15)

        self.ctl("context")

        self.review().press_and_close("Reject")
        wait_until(lambda: self.shown() == 0, "nothing is shown any more")

    def test_deny_refuses(self):
        self.dunst("Deny")
        self.start_until_ready()
        self.device().knock(READ)
        wait_until(lambda: self.shown() == 1, "dunst shows the notification", 15)

        self.ctl("context")

        self.wait_for_waiting(0)


if __name__ == "__main__":
    unittest.main()
