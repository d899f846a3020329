"""A device that nobody knows asks to pair; a person sees what it wants, and decides."""

import os
import time
import unittest
from pathlib import Path

import dialogs
from desktop_case import DesktopCase
from screen_lock import Logind, ScreenSaver
from waiting import never_within, wait_until
from words import ADMIN, APPROVALS, LEVEL_READ, PAIRING, READ, SENTENCES, WRITE


class TheWholeStory(DesktopCase):
    """From the first attempt to the end."""

    def test_a_device_is_held_shown_approved_used_revoked_and_nothing_stays(self):
        item = self.start_until_ready()
        ok_icon = item.picture()
        asked = [READ, WRITE, ADMIN, APPROVALS, PAIRING]
        granted = [READ, WRITE]
        tablet = self.device(displayName="Kitchen tablet", platform="linux")

        # Its dialog comes up by itself; Approve does nothing before there was time to read.
        refused = tablet.request_pairing(*asked)
        dialog = self.review_while_dead(item)
        self.assertEqual(len(self.shell.waiting()), 1)
        self.assertTrue(dialog.is_showing())

        # The device was refused, and everything shows that it waits.
        self.assertEqual(refused.code, "NOT_PAIRED")
        self.assertEqual(refused.details["code"], "PAIRING_REQUIRED")
        self.assertEqual(refused.close_code, 1008)
        item.wait_for_label("1 request waits")
        self.assertEqual(item.texts()[0], "1 request waits")
        wait_until(lambda: item.picture() != ok_icon, "another icon")
        notification = self.notifications.wait_for_notification()
        self.assertEqual(notification.title, "Waiting for you: 1 decision")
        self.assertNotIn("Kitchen", notification.title + notification.body)
        self.assertEqual(set(notification.actions.values()), {"Review", "Deny"})

        # Review brings the dialog to the front.
        self.notifications.press(notification, "Review")
        dialog = self.review()

        # It says all of it.
        dialog.says(*(SENTENCES[scope] for scope in asked), refused.request_id[:8], "Kitchen tablet", "linux")
        dialog.says("A new device wants to pair.", "It could approve other devices without asking you.")
        fingerprint = dialog.value_of("Fingerprint")
        self.assertIn(refused.details["deviceId"][:4].lower(), fingerprint.lower().replace(" ", ""))
        self.assertIn("this computer", dialog.value_of("Comes from"))
        rights = [choice for choice in dialog.choices() if choice.endswith(tuple(SENTENCES.values()))]
        self.assertTrue(rights[0].endswith(SENTENCES[ADMIN]) and rights[-1].endswith(SENTENCES[READ]), rights)

        # Less than asked: the boxes of the other rights are not ticked any more.
        for scope in (ADMIN, APPROVALS, PAIRING):
            dialog.toggle(SENTENCES[scope])
        dialog.approve()
        self.notifications.wait_until_empty()
        item.wait_for_label("Ready on port")
        wait_until(lambda: item.first().startswith("Ready"), "nothing waits")

        # It comes again by itself, calls within its grant, and is refused beyond it.
        hello = tablet.connect_when_let_in(*asked)
        self.assertEqual(sorted(hello["auth"]["scopes"]), sorted(granted))
        self.assertIn("sessions", tablet.call("sessions.list"))
        beyond = tablet.refused_call("device.pair.list")
        self.assertIn("operator.pairing", beyond.error["message"])

        # Revoking closes its connection at once.
        revoked = self.shell.tidegate("devices", "revoke", refused.details["deviceId"][:12])
        answered = time.monotonic()
        self.assertEqual(revoked.returncode, 0, revoked.stderr)
        self.assertEqual(tablet.closed()[0], 4001)
        self.assertLess(time.monotonic() - answered, 2)
        self.assertEqual(tablet.request_pairing(READ).details["code"], "PAIRING_REQUIRED")

        # Nothing stays after it quits.
        directory = Path(item.icon()).parent
        item.click("Quit")
        self.assertEqual(self.shell.wait(), 0)
        self.shell.wait_until_nothing_is_left()
        self.tray.wait_until_empty()
        self.notifications.wait_until_empty()
        self.assertFalse(directory.exists())

    def review_while_dead(self, item):
        """The dialog, after its dead Approve was pressed."""
        dialog = self.review()
        for _ in range(5):
            if dialog.press_while_dead("Approve"):
                return dialog
            # This machine was too slow to press it in time.
            dialog.press_and_close("Later")
            dialog = self.review_from_tray(item)
        self.fail("Approve was never seen dead")

    def test_a_dialog_comes_up_by_itself_above_others_without_the_keyboard(self):
        self.start_until_ready()
        self.device(displayName="Phone").request_pairing(READ)

        dialog = self.review()

        self.assertFalse(dialog.has_focus("Later") and "active" in dialog.window_states())
        dialog.press_and_close("Later")


class Upgrades(DesktopCase):
    """A device that is known asks for more."""

    def test_the_dialog_shows_what_it_has_and_what_would_be_added(self):
        item = self.start_until_ready()
        laptop = self.device(displayName="Laptop")
        self.approve(laptop, READ)

        refused = laptop.request_pairing(READ, WRITE, ADMIN)

        self.assertEqual(refused.details["reason"], "scope-upgrade")
        dialog = self.review_from_tray(item)
        dialog.says("A known device asks for more than it has.", refused.request_id[:8])
        self.assertEqual(dialog.value_of("Has now"), "look")
        self.assertEqual(dialog.value_of("Would be added"), "full control")
        choices = dialog.choices()
        self.assertIn(f"Has it: {SENTENCES[READ]}", choices)
        self.assertIn(f"New: {SENTENCES[WRITE]}", choices)
        self.assertIn(f"Reaches far. New: {SENTENCES[ADMIN]}", choices)
        dialog.toggle(SENTENCES[ADMIN])
        dialog.approve()
        hello = laptop.connect_when_let_in(READ, WRITE, ADMIN)
        self.assertEqual(sorted(hello["auth"]["scopes"]), [READ, WRITE])

    def test_what_was_left_out_is_not_asked_for_again(self):
        self.start_until_ready()
        laptop = self.device(displayName="Laptop")
        laptop.request_pairing(READ, ADMIN)
        dialog = self.review()
        dialog.toggle(SENTENCES[ADMIN])
        dialog.approve()

        first = laptop.connect_when_let_in(READ, ADMIN)
        again = laptop.connect(READ, ADMIN)

        self.assertEqual(first["auth"]["scopes"], [READ])
        self.assertEqual(again["auth"]["scopes"], [READ])
        self.assertEqual(self.shell.waiting(), [])
        self.assertEqual(self.open_dialogs(), [])

    def test_another_kind_of_device_under_the_same_key_asks_with_a_caution(self):
        item = self.start_until_ready()
        laptop = self.device(displayName="Laptop", platform="linux", deviceFamily="desktop")
        self.approve(laptop, READ)

        refused = laptop.request_pairing(READ, deviceFamily="phone", platform="android")

        self.assertEqual(refused.details["reason"], "metadata-upgrade")
        self.review_from_tray(item).says("another kind of device").press_and_close("Reject")



class Decisions(DesktopCase):
    """What a person can decide, and what follows."""

    def test_a_level_grants_what_its_sentence_says(self):
        self.start_until_ready()
        cli = self.device(displayName="Command line")
        cli.request_pairing(WRITE)
        dialog = self.review()

        dialog.toggle(LEVEL_READ)
        dialog.approve()

        hello = cli.connect_when_let_in(WRITE)
        self.assertNotIn(WRITE, hello["auth"]["scopes"])
        # A level decides all: no question comes for what it left out.
        self.assertEqual(cli.connect(READ)["auth"]["scopes"], [READ])
        self.assertEqual(self.shell.waiting(), [])

    def test_reject_is_silent_for_a_while(self):
        item = self.start_until_ready()
        phone = self.device(displayName="Phone")
        phone.request_pairing(READ)

        self.review().press_and_close("Reject")
        wait_until(lambda: item.first().startswith("Ready"), "nothing waits")
        self.notifications.wait_until_empty()
        sent = len(self.notifications.sent)
        again = phone.request_pairing(READ)

        self.assertEqual(again.close_code, 1008)
        self.no_dialog_within(2)
        self.assertEqual(self.shell.waiting(), [])
        self.assertEqual(len(self.notifications.sent), sent)

    def test_later_keeps_it_waiting_without_asking_until_the_tray_opens_it(self):
        item = self.start_until_ready()
        phone = self.device(displayName="Phone")
        phone.request_pairing(READ)

        self.review().press_and_close("Later")
        phone.request_pairing(READ)
        self.no_dialog_within(2)

        self.assertEqual(len(self.shell.waiting()), 1)
        self.review_from_tray(item).approve()
        self.assertEqual(phone.connect_when_let_in(READ)["auth"]["scopes"], [READ])

    def test_escape_means_later(self):
        item = self.start_until_ready()
        self.device(displayName="Phone").request_pairing(READ)
        dialog = self.review_from_tray(item)

        dialog.send_key("Escape")

        dialog.wait_until_closed()
        self.assertEqual(len(self.shell.waiting()), 1)

    def test_enter_never_approves(self):
        item = self.start_until_ready()
        self.device(displayName="Phone").request_pairing(READ)
        dialog = self.review_from_tray(item)
        dialog.wait_until_live()

        dialog.send_key("Return")

        dialog.wait_until_closed()
        self.assertEqual(len(self.shell.waiting()), 1)
        self.assertNotIn("pairing.approved", [event["kind"] for event in self.shell.audit()])

    def test_block_is_for_good_and_asks_nobody_again(self):
        item = self.start_until_ready()
        phone = self.device(displayName="Phone")
        phone.request_pairing(READ)

        self.review().press_and_close("Block")
        wait_until(lambda: item.first().startswith("Ready"), "nothing waits")
        again = phone.request_pairing(READ)

        self.assertEqual(again.details["authReason"], "blocked")
        self.no_dialog_within(1)
        self.assertEqual(self.shell.waiting(), [])

    def test_once_lets_it_in_one_time(self):
        self.start_until_ready()
        phone = self.device(displayName="Phone")
        phone.request_pairing(READ)
        dialog = self.review()

        dialog.toggle("Once")
        dialog.approve()

        self.assertEqual(phone.connect_when_let_in(READ)["auth"]["scopes"], [READ])
        self.assertEqual(phone.request_pairing(READ).details["code"], "PAIRING_REQUIRED")

    def test_another_request_of_the_same_device_replaces_the_first_visibly(self):
        item = self.start_until_ready()
        phone = self.device(displayName="Phone")
        first = phone.request_pairing(READ)
        before = self.review_from_tray(item).says(first.request_id[:8])
        before.wait_until_live()

        for scopes in 3 * ((READ, WRITE), (READ,)):
            begun = time.monotonic()
            second = phone.request_pairing(*scopes)
            self.assertNotEqual(second.request_id, first.request_id)
            after = wait_until(lambda: self.dialog_that_says(second.request_id[:8]), "the dialog of the second request")
            is_live = after.is_live("Approve")
            after.does_not_say(first.request_id[:8])
            self.assertEqual(len(self.open_dialogs()), 1)
            self.assertEqual([request["requestId"] for request in self.shell.waiting()], [second.request_id])
            if not is_live:
                return
            # A machine that was too slow to look in time has another try.
            self.assertGreater(time.monotonic() - begun, dialogs.ARM_AFTER, "it has to be read again")
            first = second
        self.fail("the machine is too slow to look within the time that Approve is dead")

    def dialog_that_says(self, words):
        return next((dialog for dialog in self.open_dialogs() if words in "".join(dialog.texts())), None)

    def test_an_identical_retry_changes_nothing_in_the_dialog(self):
        self.start_until_ready()
        phone = self.device(displayName="Phone")
        first = phone.request_pairing(READ)
        dialog = self.review().wait_until_live()

        second = phone.request_pairing(READ)

        self.assertEqual(second.request_id, first.request_id)
        never_within(lambda: not dialog.is_live("Approve"), "Approve went dead", 0.5)

    def test_what_is_decided_elsewhere_closes_dialog_and_notification(self):
        item = self.start_until_ready()
        refused = self.device(displayName="Phone").request_pairing(READ)
        dialog = self.review()
        self.notifications.wait_for_notification()

        rejected = self.shell.tidegate("devices", "reject", refused.request_id[:8])

        self.assertEqual(rejected.returncode, 0, rejected.stderr)
        dialog.wait_until_closed()
        self.notifications.wait_until_empty()
        wait_until(lambda: item.first().startswith("Ready"), "nothing waits")

    def test_the_command_line_beside_a_desktop_opens_the_dialog_and_does_not_decide(self):
        self.start_until_ready()
        refused = self.device(displayName="Phone").request_pairing(READ)
        self.review().press_and_close("Later")

        asked = self.shell.tidegate("devices", "approve", refused.request_id[:8], "--yes")

        self.assertIn("dialog", asked.stdout + asked.stderr)
        dialog = self.review()
        self.assertEqual(len(self.shell.waiting()), 1)
        dialog.press_and_close("Reject")

    def test_deny_in_the_notification_refuses(self):
        self.start_until_ready()
        self.device(displayName="Phone").request_pairing(READ)
        dialog = self.review()

        self.notifications.press(self.notifications.wait_for_notification(), "Deny")

        dialog.wait_until_closed()
        self.wait_for_waiting(0)

    def test_a_notification_that_fades_decides_nothing(self):
        item = self.start_until_ready()
        self.device(displayName="Phone").request_pairing(READ)
        self.review().press_and_close("Later")
        self.device(2, displayName="Tablet").request_pairing(READ)

        self.notifications.expire(self.notifications.wait_for_notification())

        item.wait_for_label("2 requests wait")
        self.assertEqual(len(self.shell.waiting()), 2)

    def test_several_wait_behind_one_dialog_and_one_notification(self):
        item = self.start_until_ready()
        first = self.device(1, displayName="First").request_pairing(READ)
        self.device(2, displayName="Second").request_pairing(READ)

        item.wait_for_label("2 requests wait")
        dialog = self.review().says(first.request_id[:8])
        dialog.wait_for_text("1 more waits")
        replaced = self.notifications.wait_for_sent(2)

        self.assertEqual(replaced.title, "Waiting for you: 2 decisions")
        self.assertEqual(len(self.notifications.on_screen), 1)
        self.assertEqual(len(self.open_dialogs()), 1)
        dialog.press_and_close("Reject")
        self.review_from_tray(item).says("Second").press_and_close("Reject")
        self.wait_for_waiting(0)


class Time(DesktopCase):
    """With a clock that can be put forward."""

    LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)

    def setUp(self):
        if not self.LIBRARY:
            self.skipTest("libfaketime is not installed")
        super().setUp()
        self.clock = Path(os.environ["TMPDIR"]) / "clock"
        self.set_clock("+0")
        self.faked = {
            "LD_PRELOAD": str(self.LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def put_forward(self, minutes):
        self.set_clock(f"+{minutes}m")

    def set_clock(self, difference):
        # The library reads it again at each look at the clock, and ends the program when it reads half of it.
        written = self.clock.with_suffix(".new")
        written.write_text(difference)
        written.replace(self.clock)

    def test_a_request_that_expired_cannot_be_approved_any_more(self):
        item = self.start_until_ready(**self.faked)
        phone = self.device(displayName="Phone", environment=self.faked)
        first = phone.request_pairing(READ)
        dialog = self.review_from_tray(item)
        dialog.wait_until_live()

        self.put_forward(6)

        dialog.wait_for_text("Its time is up")
        self.assertFalse(dialog.is_live("Approve"))
        dialog.press("Approve")
        self.wait_for_waiting(0)
        dialog.wait_until_closed()
        self.notifications.wait_until_empty()
        second = phone.request_pairing(READ)
        self.assertNotEqual(second.request_id, first.request_id)

    def test_what_expired_while_the_screen_saver_was_on_is_reported_and_was_not_decided(self):
        saver = ScreenSaver().start()
        self.addCleanup(saver.stop)
        item = self.start_until_ready(**self.faked)

        self.expires_behind(saver, item)

    def test_what_expired_while_logind_said_locked_is_reported_and_was_not_decided(self):
        logind = Logind().start()
        self.addCleanup(logind.stop)
        item = self.start_until_ready(**self.faked, DBUS_SYSTEM_BUS_ADDRESS=os.environ["DBUS_SESSION_BUS_ADDRESS"])
        logind.wait_until_watched()

        self.expires_behind(logind, item)

    def expires_behind(self, screen, item):
        """A request comes and expires while the screen is locked; the person hears of it when it is not."""
        phone = self.device(displayName="Phone", environment=self.faked)
        screen.lock()
        # What tells of the lock goes the same way as what asks for the menu, and before it; the answer to the
        # second question comes after it was heard.
        for _ in range(2):
            item.texts()
        first = phone.request_pairing(READ)
        self.wait_for_waiting(1)
        self.no_dialog_within(1)

        self.put_forward(6)
        self.wait_for_waiting(0)
        self.assertEqual(self.notifications.sent, [])
        screen.lock(False)

        told = self.notifications.wait_for_notification()
        self.assertEqual(told.title, "Tidegate: while you were away")
        self.assertEqual(told.body, "1 request ended while the screen was locked.")
        self.assertEqual(told.actions, {})
        self.assertEqual(self.open_dialogs(), [])
        decided = {event["kind"] for event in self.shell.audit()} & {"pairing.approved", "pairing.rejected"}
        self.assertEqual(decided, set())
        self.assertNotEqual(phone.request_pairing(READ).request_id, first.request_id)


if __name__ == "__main__":
    unittest.main()
