"""What is missing or breaks on the desktop, and what the person sees of it."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import time
import unittest
from pathlib import Path

import dialogs
from desktop_case import DesktopCase
from device import Refused
from notification_service import NotificationService
from ports import listener
from secret_service import Keyring
from shell import Shell
from waiting import PATIENCE, wait_until
from window_events import WindowEvents
from words import READ, WRITE


# A notification service that does not answer within so many seconds counts as hanging.
GIVEN_UP_AFTER = 5


class NoNotificationService(DesktopCase):
    """A desktop on which nothing shows notifications."""

    has_notifications = False

    def test_the_dialog_comes_all_the_same_and_status_says_what_to_do(self):
        item = self.start_until_ready()
        self.device().request_pairing(READ)

        self.review().press_and_close("Later")

        self.assertEqual(item.wait_for_label("1 request waits"), "1 request waits")
        wait_until(lambda: self.state_of_notifications() == "missing", "status says that nobody shows them")
        sentence = self.shell.json("status")["desktop"]["notifications"]["sentence"]
        self.assertIn("apt-get install dunst", sentence)
        self.assertRegex(sentence, r"^No program shows .*\.$")

    def test_one_that_comes_later_shows_what_waits(self):
        self.start_until_ready()
        self.device().request_pairing(READ)
        self.review()

        late = NotificationService().start()
        self.addCleanup(late.stop)

        self.assertEqual(late.wait_for_notification().title, "Waiting for you: 1 decision")

    def test_one_that_is_started_again_shows_it_again_and_an_old_answer_does_nothing(self):
        self.start_until_ready()
        before = NotificationService().start()
        self.device().request_pairing(READ)
        before.wait_for_notification()
        before.stop()

        after = NotificationService().start()
        self.addCleanup(after.stop)

        self.assertEqual(set(after.wait_for_notification().actions.values()), {"Review", "Deny"})
        self.assertEqual(len(self.shell.waiting()), 1)

    def test_one_that_hangs_holds_up_nothing(self):
        hanging = NotificationService(hangs=True).start()
        self.addCleanup(hanging.stop)
        self.start_until_ready()
        device = self.device()

        with WindowEvents() as windows:
            begun = time.monotonic()
            device.request_pairing(READ)
            dialog = self.review()
            shown = windows.wait_until_up(dialogs.REVIEW, begun)

        asked = hanging.wait_for(lambda: hanging.called_at, "it is asked")[0]
        self.assertLess(shown - asked, GIVEN_UP_AFTER, "the dialog waited for it")
        dialog.approve()
        self.assertEqual(device.connect_when_let_in(READ)["auth"]["scopes"], [READ])
        wait_until(lambda: self.state_of_notifications() == "missing", "status says that it hangs")
        self.assertIn("does not answer", self.shell.json("status")["desktop"]["notifications"]["sentence"])

    def test_one_that_hung_and_recovers_shows_what_waits(self):
        hanging = NotificationService(hangs=True).start()
        self.addCleanup(hanging.stop)
        self.start_until_ready()
        self.device().request_pairing(READ)
        wait_until(lambda: self.state_of_notifications() == "missing", "status says that it hangs")

        hanging.recover()

        wait_until(lambda: self.state_of_notifications() == "ok", "status says that it works")
        hanging.press(hanging.wait_for_notification(), "Deny")
        self.wait_for_waiting(0)

    def state_of_notifications(self):
        return self.shell.json("status")["desktop"]["notifications"]["state"]


class StrictNotificationService(DesktopCase):
    """A service that has to do only with the connection that asked for a notification, as GNOME's."""

    has_notifications = False

    def setUp(self):
        super().setUp()
        self.notifications = NotificationService(strict=True).start()
        self.addCleanup(self.notifications.stop)

    def test_it_is_replaced_in_place_answered_and_closed(self):
        self.start_until_ready()
        self.device().request_pairing(READ)
        first = self.notifications.wait_for_notification()
        self.device(2).request_pairing(READ)

        second = self.notifications.wait_for_sent(2)
        self.assertEqual((second.replaces, second.title), (first.id, "Waiting for you: 2 decisions"))
        self.assertEqual(len(self.notifications.on_screen), 1)
        # Longer than a press may have been meant for the one before.
        time.sleep(2)
        self.notifications.press(self.notifications.on_screen[second.id], "Deny")

        self.wait_for_waiting(0)
        self.device(3).request_pairing(READ)
        self.notifications.wait_for_notification()
        self.review().press_and_close("Reject")
        self.notifications.wait_until_empty()


class EarlyPresses(DesktopCase):
    """A service that tells a press before it has answered."""

    has_notifications = False

    def test_it_is_heard(self):
        self.notifications = NotificationService(pressed_at_once="Deny").start()
        self.addCleanup(self.notifications.stop)
        self.start_until_ready()

        self.device().request_pairing(READ)

        self.wait_for_waiting(0)
        self.assertEqual(len(self.notifications.sent), 1)


class IdleNotifications(DesktopCase):
    """Nothing happens."""

    def test_their_thread_sleeps_and_no_connection_is_held(self):
        self.start_until_ready()
        before = self.threads()
        self.device().request_pairing(READ)
        self.notifications.wait_for_notification()
        wait_until(lambda: len(self.threads()) > len(before), "the notification holds a connection")
        self.review().press_and_close("Reject")
        self.notifications.wait_until_empty()
        wait_until(lambda: sorted(self.threads().values()) <= sorted(before.values()), "nothing of it is left")

        def sleeps():
            woken = self.woken()
            time.sleep(3)
            return self.woken() == woken
        wait_until(sleeps, "3 s without waking")

    def threads(self):
        """The names of the threads that notifications need, by number."""
        tasks = Path(f"/proc/{self.shell.process.pid}/task")
        names = {}
        for task in tasks.iterdir():
            # One may end meanwhile.
            with contextlib.suppress(OSError):
                names[task.name] = (task / "comm").read_text().strip()
        return {task: name for task, name in names.items() if name == "notifications" or name.startswith("zbus")}

    def woken(self):
        """How often the thread of the notifications was woken."""
        own = next(task for task, name in self.threads().items() if name == "notifications")
        status = Path(f"/proc/{self.shell.process.pid}/task/{own}/status").read_text()
        return [line for line in status.splitlines() if "ctxt_switches" in line]


class Keyrings(DesktopCase):
    """A keyring that is locked, or none."""

    has_keyring = False

    def test_a_locked_one_changes_nothing_but_a_line_that_says_so(self):
        locked = Keyring().start_locked()
        self.addCleanup(locked.stop)

        self.serves_and_says("keyring")

    def test_none_changes_nothing_but_a_line_that_says_so(self):
        self.serves_and_says("keyring")

    def serves_and_says(self, word):
        item = self.start_until_ready()
        wait_until(lambda: word in item.status(), f"{word!r} in the tray's menu")
        status = self.shell.json("status")
        self.assertTrue(status["gateway"]["ready"])
        self.assertIn(word, status["secrets"]["sentence"])
        # Our own client is in, and strangers are asked about as ever.
        self.assertIn("admittedAtMs", status["gateway"]["ownClient"])
        device = self.device()
        self.approve(device, READ)
        self.assertIn("sessions", device.call("sessions.list"))


class NoTrayHost(DesktopCase):
    """A desktop that shows no tray icons."""

    has_tray = False

    def test_the_dialog_is_where_a_person_decides(self):
        self.start_until_ready()
        device = self.device()

        self.approve(device, READ)

        self.assertIn("sessions", device.call("sessions.list"))

    def test_the_window_opens_and_closing_it_says_where_tidegate_lives(self):
        self.start_until_ready()
        window = wait_until(self.windows, "the window is open")[0]
        def says():
            return self.shell.json("status")["desktop"]["tray"].get("sentence") or ""
        wait_until(lambda: re.search(r"^Your desktop shows no tray icons\.", says()), "status says that there is no tray")

        window.close()

        message = self.dialog(dialogs.MESSAGE)
        message.says("Tidegate is still running.", "no tray icons")
        message.press_and_close("Keep running")
        self.assertIsNone(self.shell.process.poll())

    def test_the_message_can_end_it(self):
        self.start_until_ready()
        wait_until(self.windows, "the window is open")[0].close()

        self.dialog(dialogs.MESSAGE).press_and_close("Quit")

        self.assertEqual(self.shell.wait(), 0)
        self.shell.wait_until_nothing_is_left()


class StartsThatFail(DesktopCase):
    """The gateway cannot start."""

    def test_a_port_in_use_names_its_owner_and_trying_again_works_when_it_is_free(self):
        with listener() as taken:
            port = taken.getsockname()[1]
            self.start(port=port)
            item = self.tray.wait_for_item()
            message = self.dialog(dialogs.MESSAGE)
            message.says("Tidegate could not start.", f"Port {port} is in use", str(os.getpid()))
            wait_until(lambda: f"Port {port} is in use" in item.status(), "the sentence in the tray")

        message.press_and_close("Try again")

        item.wait_for_label(f"Ready on port {port}")

    def test_a_port_in_use_can_be_changed_for_a_free_one_in_the_message(self):
        item, taken = self.start_on_a_taken_port()
        message = self.dialog(dialogs.MESSAGE)
        label = next(label for label in message.buttons() if label.startswith("Use port "))

        message.press_and_close(label)

        self.serves_on(item, int(label.removeprefix("Use port ")), taken)

    def test_a_port_in_use_can_be_changed_for_a_free_one_in_the_tray(self):
        item, taken = self.start_on_a_taken_port()
        message = self.dialog(dialogs.MESSAGE)
        label = item.wait_for_label("Use port ")

        item.click(label)

        self.serves_on(item, int(label.split()[2]), taken)
        message.wait_until_closed()

    def start_on_a_taken_port(self):
        taken = self.enterContext(listener()).getsockname()[1]
        self.start(port=taken)
        return self.tray.wait_for_item(), taken

    def serves_on(self, item, port, taken):
        """It serves there, and says so."""
        self.assertNotEqual(port, taken)
        item.wait_for_label(f"Ready on port {port}")
        self.assertFalse(any(text.startswith("Use port ") for text in item.texts()))
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
            pass

    def test_a_store_of_a_newer_version_is_refused_with_a_sentence_and_left_alone(self):
        state = self.used_state()
        store = next(state.glob("*.sqlite"))
        with sqlite3.connect(store) as connection:
            connection.execute("PRAGMA user_version = 9999")
            connection.execute("UPDATE store_version SET version = 9999")
        connection.close()
        before = store.read_bytes()

        self.start(state=state)

        self.dialog(dialogs.MESSAGE).says("newer Tidegate").press_and_close("Close")
        item = self.tray.wait_for_item()
        wait_until(lambda: "newer Tidegate" in item.status(), "the sentence in the tray")
        item.click("Quit")
        self.assertEqual(self.shell.wait(), 0)
        self.assertEqual(store.read_bytes(), before)


class Panics(DesktopCase):
    """Parts of the gateway panic, on purpose (feature `fault-injection`)."""

    def test_the_gateway_starts_again_and_tray_and_device_go_on(self):
        item = self.start_until_ready()
        device = self.device()
        self.approve(device, READ)

        self.panic()

        self.assertEqual(device.closed()[0], 1012)
        self.shell.wait_for_log("Tidegate is ready", number=2)
        item.wait_for_label("Ready on port")
        self.assertEqual(device.connect_when_let_in(READ)["auth"]["scopes"], [READ])
        self.assertEqual(self.open_dialogs(), [])

    def test_again_and_again_ends_in_a_state_that_says_so_and_a_person_can_start_it(self):
        item = self.start_until_ready()
        for number in range(2, 12):
            self.panic()
            if wait_until(lambda n=number: self.is_ready(n) or self.has_failed(), "what follows") == "failed":
                break

        message = self.dialog(dialogs.MESSAGE)
        message.says("Tidegate could not start.")
        message.press_and_close("Try again")
        item.wait_for_label("Ready on port")

    def panic(self):
        """Has the loop that accepts connections panic."""
        fault = self.shell.state / "fault"
        fault.write_text("accept loop")
        try:
            wait_until(lambda: not fault.exists(), "the fault is taken")
        except AssertionError:
            fault.unlink()
            self.skipTest("built without the feature fault-injection")

    def is_ready(self, number):
        ready = [entry for entry in self.shell.log() if "Tidegate is ready" in entry["message"]]
        return "ready" if len(ready) >= number else None

    def has_failed(self):
        return "failed" if any("could not start" in " ".join(d.texts()) for d in self.open_dialogs()) else None


class DesktopLogicPanics(DesktopCase):
    """What decides on the desktop panics, on purpose (feature `fault-injection`)."""

    def test_the_person_sees_it_nothing_can_be_pressed_any_more_and_the_gateway_goes_on(self):
        item = self.start_until_ready()
        known = self.device()
        self.approve(known, READ)
        stranger = self.device(2)
        stranger.request_pairing(READ)
        review = self.review()

        self.panic()

        # Nobody would hear what is pressed in it.
        review.wait_until_closed()
        message = self.dialog(dialogs.MESSAGE)
        message.says("Tidegate's desktop failed.", "a defect", "The gateway goes on.", "Quit in the tray")
        message.press_and_close("OK")
        item.wait_for_label("The part of Tidegate that runs the desktop failed")
        self.notifications.wait_until_empty()
        self.assertIn("sessions", known.call("sessions.list"))
        self.assertEqual(stranger.request_pairing(READ).details["code"], "PAIRING_REQUIRED")
        self.assertEqual(self.open_dialogs(), [])
        item.click("Quit")
        self.assertEqual(self.shell.wait(), 0)
        self.shell.wait_until_nothing_is_left()

    def panic(self):
        fault = self.shell.state / "fault"
        fault.write_text("desktop driver")
        try:
            wait_until(lambda: not fault.exists(), "the fault is taken")
        except AssertionError:
            fault.unlink()
            self.skipTest("built without the feature fault-injection")


class SecondLaunch(DesktopCase):
    """Somebody starts it a second time."""

    def test_it_raises_the_window_of_the_first_and_ends(self):
        item = self.start_until_ready()

        second = self.enterContext(Shell(state=self.shell.state))

        self.assertEqual(second.wait(), 0)
        wait_until(self.windows, "the first opens its window")
        item.wait_for_label("Ready on port")
        self.assertIsNone(self.shell.process.poll())

    def test_one_with_another_state_directory_is_another_tidegate(self):
        self.start_until_ready()
        first = self.shell

        second = self.enterContext(Shell(state=self.used_state()))

        second.wait_until_ready()
        self.assertIsNone(first.process.poll())
        second.end()
        self.assertEqual(second.wait(), 0)


class Windows(DesktopCase):
    """The window, which is drawn by a process of the browser engine."""

    def test_no_browser_engine_runs_until_a_window_is_opened_nor_after_it_is_closed(self):
        item = self.start_until_ready()
        self.assertEqual(self.page_processes(), [])

        item.click("Open Tidegate")
        window = wait_until(self.windows, "the window is open")[0]
        wait_until(self.page_processes, "a process draws the page")
        window.close()

        wait_until(lambda: not self.page_processes(), "the process that draws the page has ended")
        self.assertIsNone(self.shell.process.poll())
        item.wait_for_label("Ready on port")

    def test_a_page_whose_process_is_killed_is_drawn_again(self):
        item = self.start_until_ready()
        before = self.connections()
        item.click("Open Tidegate")
        wait_until(lambda: self.connections() > before, "the page is connected")
        killed = self.page_processes()[0]

        os.kill(killed, signal.SIGKILL)

        wait_until(lambda: [pid for pid in self.page_processes() if pid != killed], "another process draws it")
        wait_until(lambda: self.connections() > before, "the page is connected again")
        self.assertTrue(self.windows())
        item.wait_for_label("Ready on port")
        device = self.device()
        self.approve(device, READ)

    def test_a_page_whose_process_is_killed_before_it_was_loaded_is_drawn_all_the_same(self):
        item = self.start_until_ready()
        before = self.connections()
        item.click("Open Tidegate")
        killed = wait_until(self.page_processes, "a process for the page")[0]
        # It has begun: until then WebKitGTK itself ends the program in which a page cannot be drawn.
        wait_until(lambda: len(os.listdir(f"/proc/{killed}/task")) > 2, "it has threads of its own")

        os.kill(killed, signal.SIGKILL)

        wait_until(lambda: self.connections() > before, "the page is connected")
        self.assertTrue(self.windows())
        self.assertIsNone(self.shell.process.poll())

    def connections(self):
        return self.shell.json("status")["gateway"]["connections"]

    def page_processes(self):
        # Names are cut after 15 characters.
        return [pid for pid, name in self.shell.descendants() if name.startswith("WebKitWebProces")]


class Floods(DesktopCase):
    """Somebody asks without end."""

    def test_two_hundred_attempts_lead_to_few_requests_one_dialog_and_few_notifications(self):
        item = self.start_until_ready()
        honest = self.device(1_000, displayName="Honest")
        self.approve(honest, READ)
        flooding = self.device(1)
        begun = time.monotonic()

        for number in range(200):
            try:
                flooding.connect(READ, device=2_000 + number, displayName=f"Flood {number}")
            except Refused as refused:
                self.assertIn(refused.close_code, (1008, 1013))

        waiting = self.shell.waiting()
        self.assertLessEqual(len(waiting), 8)
        self.assertGreater(len(waiting), 0)
        self.assertLessEqual(len(self.open_dialogs()), 1)
        # One when it begins, and then one in 5 s at most.
        sent, took = len(self.notifications.sent), time.monotonic() - begun
        self.assertLessEqual(sent, 3 + took / 5)
        self.assertLessEqual(len(self.notifications.on_screen), 1)
        # The first that asked was not pushed out, the person can decide, and a known device comes in.
        review = self.review_from_tray(item).says("Flood 0")
        review.press_and_close("Reject")
        self.assertEqual(honest.connect(READ)["auth"]["scopes"], [READ])


class Forgeries(DesktopCase):
    """Other programs of the session send what a person's click would send."""

    def test_forged_notification_answers_open_the_dialog_at_most(self):
        self.start_until_ready()
        device = self.device()
        device.request_pairing(READ, WRITE)
        notification = self.notifications.wait_for_notification()
        dialog = self.review()

        for key in ("approve", "accept", "allow", "", "default ", "\0", "Review", "x" * 10_000):
            self.notifications.forge(notification.id, key.replace("\0", ""))
        for number in (0, notification.id + 1, 2**32 - 1):
            for key in ("review", "deny", "default"):
                self.notifications.forge(number, key)

        self.assertTrue(dialog.is_showing())
        self.assertEqual(len(self.shell.waiting()), 1)
        self.notifications.forge(notification.id, "review")
        self.assertEqual(len(self.open_dialogs()), 1)
        self.nobody_was_let_in(device)

    def test_forged_tray_events_open_things_and_decide_nothing(self):
        item = self.start_until_ready()
        device = self.device()
        device.request_pairing(READ, WRITE)
        item.wait_for_label("1 request waits")
        ends = {"Quit", "Restart gateway"}
        harmless = [number for number, label in item.numbered_labels() if label not in ends]

        for number in [*harmless, 0, -1, 4_711, 2**31 - 1]:
            for kind in ("clicked", "hovered", "opened", "closed", "activated"):
                item.forge(number, kind)

        self.review()
        self.assertEqual(len(self.shell.waiting()), 1)
        self.nobody_was_let_in(device)

    def test_a_flood_of_clicks_holds_up_nothing(self):
        item = self.start_until_ready()
        device = self.device()
        device.request_pairing(READ)
        label = item.wait_for_label("1 request waits")
        number = next(number for number, text in item.numbered_labels() if text == label)

        for _ in range(500):
            item.forge(number, "clicked")

        dialog = self.review()
        self.assertEqual(len(self.open_dialogs()), 1)
        dialog.approve()
        self.assertEqual(device.connect_when_let_in(READ)["auth"]["scopes"], [READ])

    def nobody_was_let_in(self, device):
        kinds = [event["kind"] for event in self.shell.audit()]
        self.assertNotIn("pairing.approved", kinds)
        self.assertEqual(device.request_pairing(READ, WRITE).details["code"], "PAIRING_REQUIRED")


if __name__ == "__main__":
    unittest.main()
