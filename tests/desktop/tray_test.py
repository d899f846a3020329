"""The tray application starts, shows what the gateway does, and ends."""

import os
import signal
import socket
import tempfile
import time
import unittest
from pathlib import Path

from desktop_case import DesktopCase
from ports import listener
from shell import Shell
from tray_host import TrayHost
from waiting import PATIENCE, wait_until
from words import READ


class WithTray(DesktopCase):
    """On a desktop that shows tray icons."""

    def taken_port(self):
        """A port that somebody else listens on until the test ends."""
        taken = self.enterContext(listener())
        return taken.getsockname()[1]

    def test_the_menu_shows_the_port_that_answers_and_what_can_be_done(self):
        item = self.start_until_ready()
        port = self.shell.wait_until_ready()

        labels = item.labels()

        self.assertEqual(labels[0], (f"Ready on port {port}", False))
        commands = [
            "Open Tidegate", "New chat", "Pause agents", "Ask for everything", "Copy connection lines", "Restart gateway",
            "Start at login", "Open logs", "Quit",
        ]
        self.assertEqual([label for label, can_be_chosen in labels if can_be_chosen], commands)
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()

    def test_an_added_line_leaves_the_others_the_items_that_they_were(self):
        item = self.start_until_ready()
        lasting = ("New chat", "Pause agents", "Quit")
        def numbers():
            return {label: number for number, label in item.numbered_labels() if label in lasting}
        before = numbers()
        self.assertEqual(set(before), set(lasting))

        device = self.device(displayName="Kitchen tablet")
        refused = device.request_pairing(READ)
        item.wait_for_label("1 request waits")

        # A click that is on its way names one of these numbers.
        self.assertEqual(numbers(), before)
        self.shell.tidegate("devices", "reject", refused.request_id)
        wait_until(lambda: not any("waits" in label for label, _ in item.labels()), "the line is gone again")
        self.assertEqual(numbers(), before)

    def test_the_icon_shows_the_state_and_lies_in_a_private_directory(self):
        item = self.start_until_ready()
        ok, ok_picture = Path(item.icon()), item.picture()
        self.assertEqual(ok_picture[:8], b"\x89PNG\r\n\x1a\n")
        self.assertTrue(ok.is_relative_to(Path(os.environ["XDG_RUNTIME_DIR"]) / "tidegate"))
        self.assertEqual(ok.parent.parent.stat().st_mode & 0o077, 0)
        self.shell.end()
        self.shell.wait()
        self.tray.wait_until_empty()

        self.start(port=self.taken_port())
        failed_item = self.tray.wait_for_item()
        wait_until(lambda: failed_item.first() not in ("", "Starting"), "the failure in the menu")

        self.assertNotEqual(failed_item.picture(), ok_picture)

    def test_quit_ends_the_process_and_leaves_nothing(self):
        item = self.start_until_ready()
        directory = Path(item.icon()).parent.parent

        item.click("Quit")

        self.assertEqual(self.shell.wait(), 0)
        self.shell.wait_until_nothing_is_left()
        self.assertIn("Tidegate has stopped", [entry["message"] for entry in self.shell.log()])
        self.assertFalse(directory.exists())
        self.tray.wait_until_empty()

    def test_quit_with_a_window_open_leaves_nothing(self):
        item = self.start_until_ready()
        item.click("Open Tidegate")
        wait_until(lambda: "WebKitWebProces" in dict((n, p) for p, n in self.shell.descendants()), "a page")

        item.click("Quit")

        self.assertEqual(self.shell.wait(), 0)
        self.shell.wait_until_nothing_is_left()

    def test_a_machine_that_stands_still_while_it_quits_cuts_nothing_off(self):
        item = self.start_until_ready()

        item.click("Quit")
        self.shell.end(signal.SIGSTOP)
        time.sleep(6)
        self.shell.end(signal.SIGCONT)

        self.assertEqual(self.shell.wait(), 0)
        self.assertIn("Tidegate has stopped", [entry["message"] for entry in self.shell.log()])

    def test_a_signal_ends_it_as_quit_does(self):
        self.start_until_ready()

        self.shell.end()

        self.assertEqual(self.shell.wait(), 0)
        self.assertIn("Tidegate has stopped", [entry["message"] for entry in self.shell.log()])

    def test_a_start_that_fails_says_why_in_the_menu_until_the_person_quits(self):
        port = self.taken_port()
        self.start(port=port)
        item = self.tray.wait_for_item()

        wait_until(lambda: str(port) in item.status(), "the port that is taken, in the menu")

        self.assertIsNone(self.shell.process.poll())
        item.click("Quit")
        self.assertEqual(self.shell.wait(), 0)

    def test_pausing_agents_is_shown_and_can_be_taken_back(self):
        item = self.start_until_ready()

        item.click("Pause agents")
        item.wait_for_label("Agents are paused")
        self.assertTrue(self.shell.json("status")["paused"])
        item.click("Resume agents")

        item.wait_for_label("Pause agents")
        self.assertFalse(self.shell.json("status")["paused"])

    def test_restarting_the_gateway_keeps_the_port(self):
        item = self.start_until_ready()
        port = self.shell.wait_until_ready()

        item.click("Restart gateway")
        again = self.shell.wait_for_log("Tidegate is ready", number=2)

        self.assertEqual(again["port"], port)
        item.wait_for_label(f"Ready on port {port}")

    def test_start_at_login_is_off_until_it_is_chosen(self):
        item = self.start_until_ready()
        directory = Path(os.environ["XDG_CONFIG_HOME"]) / "autostart"
        self.assertFalse(item.is_checked("Start at login"))
        self.assertEqual(list(directory.glob("*")), [])

        # The tray's library sets the mark at the click; the file is written after it.
        item.click("Start at login")
        (entry,) = wait_until(lambda: list(directory.glob("*.desktop")), "the entry")
        wait_until(lambda: "tidegate-desktop" in entry.read_text(), "the program in the entry")
        wait_until(lambda: item.is_checked("Start at login"), "the check mark")
        item.click("Start at login")

        wait_until(lambda: not list(directory.glob("*.desktop")), "no entry")
        wait_until(lambda: not item.is_checked("Start at login"), "no check mark")

    def test_without_the_tray_library_it_runs_and_says_so(self):
        with tempfile.TemporaryDirectory() as broken:
            for name in ("libayatana-appindicator3.so.1", "libappindicator3.so.1"):
                # Found first, and not a library.
                (Path(broken) / name).touch()
            shell = self.start(LD_LIBRARY_PATH=broken)
            shell.wait_until_ready()

            entry = shell.wait_for_log("There is no tray icon")

            self.assertIn("libayatana-appindicator3", entry["message"])
            self.assertNotIn("panicked", shell.printed())
            shell.end()
            self.assertEqual(shell.wait(), 0)


class WithoutTray(DesktopCase):
    """On a desktop that shows no tray icons, or on none."""

    has_tray = False

    def test_it_runs_and_says_so_and_the_icon_appears_when_somebody_shows_it(self):
        self.start_until_ready()
        wait_until(lambda: self.shell.json("status")["desktop"]["tray"]["state"] == "missing", "status says so")

        tray = TrayHost().start()
        self.addCleanup(tray.stop)
        tray.wait_for_item().wait_for_label("Ready")

        wait_until(lambda: self.shell.json("status")["desktop"]["tray"]["state"] == "ok", "status says that it is seen")
        self.shell.end()
        self.assertEqual(self.shell.wait(), 0)

    def test_without_a_session_bus_it_runs(self):
        self.start_until_ready(DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent")

        def states():
            desktop = self.shell.json("status")["desktop"]
            return desktop["tray"]["state"], desktop["notifications"]["state"]
        wait_until(lambda: states() == ("missing", "missing"), "status says so")
        self.shell.end()
        self.assertEqual(self.shell.wait(), 0)

    def test_without_a_display_it_points_to_the_command_line(self):
        with Shell(DISPLAY=None) as shell:
            self.assertEqual(shell.wait(), 1)
            self.assertIn("`tidegate serve` runs Tidegate without a desktop", shell.printed())
            self.assertNotIn("panicked", shell.printed())


if __name__ == "__main__":
    unittest.main()
