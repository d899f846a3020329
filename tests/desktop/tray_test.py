"""The tray application starts, shows what the gateway does, and ends."""

import os
import socket
import tempfile
import unittest
from pathlib import Path

from shell import Shell, wait_until
from tray_host import TrayHost


class WithTray(unittest.TestCase):
    """On a desktop that shows tray icons."""

    def setUp(self):
        self.tray = TrayHost().start()
        self.addCleanup(self.tray.stop)

    def start(self, **keywords):
        return self.enterContext(Shell(**keywords))

    def taken_port(self):
        """A port that somebody else listens on until the test ends."""
        taken = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        return taken.getsockname()[1]

    def test_the_menu_shows_the_port_that_answers(self):
        shell = self.start()
        port = shell.wait_for_log("Tidegate is ready")["port"]
        item = self.tray.wait_for_item()

        wait_until(lambda: (f"Ready on port {port}", False) in item.labels(), "the port in the menu")

        labels = item.labels()
        self.assertEqual(labels[-1], ("Quit", True))
        self.assertIn(("Decide requests with `tidegate devices`", False), labels)
        socket.create_connection(("127.0.0.1", port), 5).close()

    def test_the_icon_shows_the_state_and_lies_in_a_private_directory(self):
        ready = self.start()
        ready.wait_for_log("Tidegate is ready")
        item = self.tray.wait_for_item()
        wait_until(lambda: item.labels()[0][0].startswith("Ready"), "ready in the menu")
        ok = Path(item.icon())
        self.assertEqual(ok.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.assertTrue(ok.is_relative_to(Path(os.environ["XDG_RUNTIME_DIR"]) / "tidegate"))
        ok_picture = ok.read_bytes()
        ready.end()
        ready.wait()
        self.tray.wait_until_empty()

        self.start(port=self.taken_port())
        failed_item = self.tray.wait_for_item()
        wait_until(lambda: failed_item.labels()[0][0] != "Starting", "the failure in the menu")

        self.assertNotEqual(Path(failed_item.icon()).read_bytes(), ok_picture)

    def test_quit_ends_the_process_and_leaves_nothing(self):
        shell = self.start()
        shell.wait_for_log("Tidegate is ready")
        item = self.tray.wait_for_item()
        directory = Path(item.icon()).parent

        item.click("Quit")

        self.assertEqual(shell.wait(), 0)
        self.assertEqual(shell.left_behind(), [])
        self.assertEqual(shell.log()[-1]["message"], "Tidegate has stopped")
        self.assertFalse(directory.exists())
        self.tray.wait_until_empty()

    def test_a_signal_ends_it_as_quit_does(self):
        shell = self.start()
        shell.wait_for_log("Tidegate is ready")

        shell.end()

        self.assertEqual(shell.wait(), 0)
        self.assertEqual(shell.log()[-1]["message"], "Tidegate has stopped")

    def test_a_start_that_fails_says_why_in_the_menu_until_the_person_quits(self):
        port = self.taken_port()
        shell = self.start(port=port)
        item = self.tray.wait_for_item()

        def sentence():
            return " ".join(label for label, enabled in item.labels() if not enabled)

        wait_until(lambda: str(port) in sentence(), "the port that is taken, in the menu")
        self.assertIsNone(shell.process.poll())
        item.click("Quit")
        self.assertEqual(shell.wait(), 0)

    def test_a_second_one_names_the_state_directory_and_leaves_the_first_alone(self):
        first = self.start()
        first.wait_for_log("Tidegate is ready")
        first_item = self.tray.wait_for_item()
        wait_until(lambda: first_item.labels()[0][0].startswith("Ready"), "ready in the menu")

        second = self.start(state=first.state)
        second.wait_for_log("Tidegate did not start")

        self.assertIsNone(second.process.poll())
        second.end()
        self.assertEqual(second.wait(), 0)
        self.assertTrue(first_item.labels()[0][0].startswith("Ready"))
        self.assertTrue(Path(first_item.icon()).is_file())

    def test_without_the_tray_library_it_runs_and_says_so(self):
        with tempfile.TemporaryDirectory() as broken:
            for name in ("libayatana-appindicator3.so.1", "libappindicator3.so.1"):
                # Found first, and not a library.
                (Path(broken) / name).touch()
            shell = self.start(LD_LIBRARY_PATH=broken)
            shell.wait_for_log("Tidegate is ready")

            entry = shell.wait_for_log("there is no tray icon")

            self.assertIn("libayatana-appindicator3", entry["message"])
            self.assertNotIn("panicked", shell.printed())
            shell.end()
            self.assertEqual(shell.wait(), 0)


class WithoutTray(unittest.TestCase):
    """On a desktop that shows no tray icons, or on none."""

    def test_it_runs_and_says_so_and_the_icon_appears_when_somebody_shows_it(self):
        with Shell() as shell:
            shell.wait_for_log("Tidegate is ready")
            shell.wait_for_log("the desktop shows no tray icons")

            tray = TrayHost().start()
            try:
                item = tray.wait_for_item()
                shell.wait_for_log("the desktop shows the tray icon")
                wait_until(lambda: item.labels()[0][0].startswith("Ready"), "ready in the menu")
            finally:
                tray.stop()

            shell.end()
            self.assertEqual(shell.wait(), 0)

    def test_a_start_that_fails_unseen_ends_with_its_sentence(self):
        with Shell() as first:
            first.wait_for_log("Tidegate is ready")
            with Shell(state=first.state) as second:
                self.assertEqual(second.wait(20), 1)
                self.assertIn("Tidegate already runs with the state directory", second.printed())

    def test_without_a_session_bus_it_runs(self):
        with Shell(DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent") as shell:
            shell.wait_for_log("Tidegate is ready")
            shell.wait_for_log("the desktop shows no tray icons")
            shell.end()
            self.assertEqual(shell.wait(), 0)

    def test_without_a_display_it_points_to_the_command_line(self):
        with Shell(DISPLAY=None) as shell:
            self.assertEqual(shell.wait(), 1)
            self.assertIn("`tidegate serve` runs Tidegate without a desktop", shell.printed())
            self.assertNotIn("panicked", shell.printed())


if __name__ == "__main__":
    unittest.main()
