"""The same with a real notification service: dunst."""

import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from desktop_case import DesktopCase
from secret_service import has_owner
from waiting import PATIENCE, wait_until
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
        # No notification goes by itself, as after the usual ten seconds on a slow machine: dunst leaves one whose
        # button was pressed until its time is up.
        configuration.write_text(f"[global]\ndmenu = {menu}\n[urgency_normal]\ntimeout = 0\n")
        self.configuration = configuration

    def dunst(self, pick):
        self.process = process = subprocess.Popen(
            ["dunst", "-config", self.configuration], env=os.environ | {"PICK": pick},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        wait_until(lambda: has_owner(NAME), "dunst is on the session bus")

    def shown(self):
        """How many dunst shows; nothing while it does not answer."""
        words = ["dunstctl", "count", "displayed"]
        told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
        return int(told.stdout) if told.returncode == 0 else None

    def ctl(self, *words):
        return subprocess.run(["dunstctl", *words], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout

    def test_review_opens_the_dialog_and_the_decision_takes_the_notification_away(self):
        self.dunst("Review")
        self.start_until_ready()
        device = self.device()
        device.request_pairing(READ)
        self.review().press_and_close("Later")
        wait_until(lambda: self.shown() == 0, "put aside, nothing is shown")
        self.device(2).request_pairing(READ)
        wait_until(lambda: self.shown() == 1, "dunst shows the notification")

        self.ctl("context")

        self.review().press_and_close("Reject")
        wait_until(lambda: self.shown() == 0, "nothing is shown any more")

    def test_deny_refuses(self):
        self.dunst("Deny")
        self.start_until_ready()
        self.device().request_pairing(READ)
        wait_until(lambda: self.shown() == 1, "dunst shows the notification")

        self.ctl("context")

        self.wait_for_waiting(0)
        wait_until(lambda: self.shown() == 0, "the notification that was answered is taken away")

    def test_killed_and_restarted_it_notifies_and_its_action_works(self):
        self.dunst("Review")
        self.start_until_ready()
        self.device().request_pairing(READ)
        wait_until(lambda: self.shown() == 1, "dunst shows the notification")
        self.review().press_and_close("Reject")

        self.process.kill()
        self.process.wait(PATIENCE)
        wait_until(lambda: self.state() == "missing", "status says that nobody shows notifications")
        self.dunst("Review")
        wait_until(lambda: self.state() == "ok", "status says that it works")
        self.device(2).request_pairing(READ)
        wait_until(lambda: self.shown() == 1, "dunst shows the notification")

        self.ctl("context")

        dialog = self.review()
        # It comes so only when it is asked for.
        wait_until(lambda: "active" in dialog.window_states(), "the dialog has the keyboard")
        dialog.press_and_close("Reject")
        wait_until(lambda: self.shown() == 0, "nothing is shown any more")

    def test_killed_while_it_notifies_the_next_one_notifies(self):
        self.dunst("Deny")
        self.start_until_ready()
        self.device().request_pairing(READ)
        wait_until(lambda: self.shown() == 1, "dunst shows the notification")

        self.process.kill()
        self.process.wait(PATIENCE)
        self.dunst("Deny")

        wait_until(lambda: self.shown() == 1, "the next dunst shows it")
        # Longer than a press may have been meant for the one before.
        time.sleep(2)
        self.ctl("context")
        self.wait_for_waiting(0)

    def test_a_stopped_one_blocks_nothing_and_continued_it_notifies(self):
        self.dunst("Review")
        self.start_until_ready()
        self.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.process.send_signal, signal.SIGCONT)
        device = self.device()

        device.request_pairing(READ)
        self.review()
        wait_until(lambda: self.state() == "missing", "status says that it hangs")
        self.process.send_signal(signal.SIGCONT)

        wait_until(lambda: self.shown() == 1, "dunst shows the notification")
        wait_until(lambda: self.state() == "ok", "status says that it works")
        self.review().press_and_close("Reject")
        wait_until(lambda: self.shown() == 0, "nothing is shown any more")

    def state(self):
        return self.shell.json("status")["desktop"]["notifications"]["state"]


if __name__ == "__main__":
    unittest.main()
