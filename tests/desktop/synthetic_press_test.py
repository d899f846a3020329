"""Approving buttons that a program presses: with XTEST, with events that it sends, through the accessibility
interface. They count unless a command runs that is not contained, and are always in the audit log."""

import contextlib
import os
import signal
import subprocess
import time
import unittest

import dialogs
from input_devices import InputDevices
from programs_and_commands_test import AgentCase
from waiting import PATIENCE, never_within, wait_until
from words import READ

SPACE = 0x20
REFUSAL = "Nothing was approved: a program pressed the button"
# GTK presses a button that is held down with the keyboard after a quarter of a second.
HELD = 0.4


def xdotool(*words):
    subprocess.run(["xdotool", *map(str, words)], check=True, timeout=PATIENCE)


class Presses(AgentCase):
    """A device waits, and somebody presses Approve."""

    devices_that_wait = 1

    def setUp(self):
        super().setUp()
        self.inputs = self.enterContext(InputDevices())
        self.item = self.start_until_ready()
        # Before a command runs: only devices that are known already are sure to reach the gateway then.
        self.known = [self.device(number + 1) for number in range(self.devices_that_wait)]
        for device in self.known:
            device.request_pairing(READ)

    def run_a_command(self, how="/needs unconfined"):
        """Has a command run that is not contained, unless told otherwise."""
        self.agent(f"{how} sleep 10000")
        self.item.click(self.item.wait_for_label("1 request of an agent waits"))
        self.dialog(dialogs.COMMAND).press_and_close("Run once")
        wait_until(self.commands, "the command runs")
        self.addCleanup(self.end_the_command)

    def end_the_command(self):
        for pid in self.commands():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not self.commands(), "the command has ended")

    def commands(self):
        return [pid for pid, name in self.shell.descendants() if name == "sleep"]

    def waiting_dialog(self):
        """The armed dialog of a device, with the keyboard."""
        return self.review_from_tray(self.item).wait_until_live("Approve")

    def is_refused(self, dialog, press):
        """What a press leads to while a command runs: the dialog again, with the reason, and nothing else. How it
        was recorded."""
        before = self.records("dialog.press-refused")

        press(dialog)

        def new():
            return [record for record in self.records("dialog.press-refused") if record not in before]
        (record,) = wait_until(new, "the refusal is recorded")
        self.review().wait_for_text(REFUSAL)
        self.assertEqual(self.records("pairing.approved"), [])
        return record["line"]

    def is_allowed(self, press):
        """What a press leads to without a command: an approval. How it was recorded."""
        dialog = self.waiting_dialog()

        press(dialog)

        dialog.wait_until_closed()
        self.assertEqual(self.known[0].connect_when_let_in(READ)["auth"]["scopes"], [READ])
        return wait_until(lambda: self.records("dialog.pressed-by-program"), "the press is recorded")[0]["line"]

    def records(self, kind):
        return [event for event in self.shell.audit() if event["kind"] == kind]

    def click_with_xtest(self, dialog):
        xdotool("mousemove", *dialog.centre_of("Approve"), "click", 1)

    def space_with_xtest(self, dialog):
        self.focus_approve(dialog)
        xdotool("key", "space")

    def held_space_with_xtest(self, dialog):
        self.focus_approve(dialog)
        xdotool("keydown", "space")
        time.sleep(HELD)
        xdotool("keyup", "space")

    def through_accessibility(self, dialog):
        dialog.press("Approve")

    def focus_approve(self, dialog):
        def focused():
            if not dialog.has_focus("Approve"):
                xdotool("key", "Tab")
            return dialog.has_focus("Approve")
        wait_until(lambda: "active" in dialog.window_states(), "the dialog has the keyboard")
        wait_until(focused, "Approve has the keyboard")


class BesideACommand(Presses):
    """A command runs that is not contained."""

    def setUp(self):
        super().setUp()
        self.run_a_command()

    def test_every_synthetic_press_is_refused_then_a_mouse_approves(self):
        dialog = self.waiting_dialog()
        for press, by in (
            (self.click_with_xtest, "xtest"), (self.space_with_xtest, "xtest"),
            (self.held_space_with_xtest, "xtest"), (self.through_accessibility, "accessibility"),
        ):
            with self.subTest(press.__name__):
                self.assertIn(f"by={by}", self.is_refused(dialog, press))
            dialog = self.review().wait_until_live("Approve")

        self.inputs.click(*dialog.centre_of("Approve"))

        wait_until(lambda: self.records("pairing.approved"), "it is approved")
        # The command itself was allowed by this test, through the accessibility interface.
        self.assertEqual(len(self.records("dialog.pressed-by-program")), 1)

    def test_a_click_sent_to_the_window_approves_nothing(self):
        dialog = self.waiting_dialog()
        x, y = dialog.centre_of("Approve")
        window = subprocess.run(
            ["xdotool", "search", "--name", dialogs.REVIEW],
            capture_output=True, text=True, check=True, timeout=PATIENCE,
        ).stdout.split()[-1]

        xdotool("mousemove", x, y, "click", "--window", window, 1)

        never_within(lambda: self.records("pairing.approved"), "it was approved", 2)
        self.assertEqual(len(self.shell.waiting()), 1)

    def test_a_token_is_not_made_either(self):
        self.shell.tidegate("token", "new", "--name", "backup", "--level", "full")
        dialog = self.dialog(dialogs.NEW_TOKEN).wait_until_live("Make token")

        xdotool("mousemove", *dialog.centre_of("Make token"), "click", 1)

        self.dialog(dialogs.NEW_TOKEN).wait_for_text(REFUSAL)
        self.assertEqual(self.shell.json("token", "list")["tokens"], [])

    def test_a_click_with_xtest_may_refuse(self):
        dialog = self.waiting_dialog()

        xdotool("mousemove", *dialog.centre_of("Reject"), "click", 1)

        self.wait_for_waiting(0)
        self.assertEqual(self.records("dialog.press-refused"), [])


class TwoDevicesBesideACommand(Presses):
    """The same with two devices that wait."""

    devices_that_wait = 2

    def test_the_keyboard_approves_however_long_the_key_is_held(self):
        self.run_a_command()
        for approved, seconds in ((1, 0), (2, HELD)):
            dialog = self.waiting_dialog()
            self.focus_approve(dialog)

            self.inputs.key(SPACE, 1)
            time.sleep(seconds)
            self.inputs.key(SPACE, 0)

            wait_until(lambda: len(self.records("pairing.approved")) == approved, "it is approved")
            dialog.wait_until_closed()

        self.assertEqual(self.records("dialog.press-refused"), [])


class WithoutACommand(Presses):
    """No command runs."""

    def test_a_click_with_xtest_approves_and_is_recorded(self):
        self.assertIn("by=xtest", self.is_allowed(self.click_with_xtest))

    def test_a_press_by_accessibility_approves_and_is_recorded(self):
        self.assertIn("by=accessibility", self.is_allowed(self.through_accessibility))

    def test_beside_a_contained_command_a_click_with_xtest_approves(self):
        self.run_a_command("/run")

        self.is_allowed(self.click_with_xtest)

        # The command itself was allowed by this test, through the accessibility interface.
        pressed = sorted(record["line"].split(" by=")[1] for record in self.records("dialog.pressed-by-program"))
        self.assertEqual(pressed, ["accessibility", "xtest"])

    def test_after_the_command_has_ended_it_approves(self):
        self.run_a_command()
        self.is_refused(self.waiting_dialog(), self.click_with_xtest)

        self.end_the_command()

        again = self.review().wait_until_live("Approve")
        self.click_with_xtest(again)
        self.assertEqual(self.known[0].connect_when_let_in(READ)["auth"]["scopes"], [READ])


if __name__ == "__main__":
    unittest.main()
