"""Tidegate's native dialogs, read and driven through the accessibility tree, as a screen reader does."""

import subprocess

from accessibility import Atspi, GLib
from waiting import PATIENCE, never_within, wait_until

REVIEW = "Tidegate: pairing request"
COMMAND = "Tidegate: command request"
FILE = "Tidegate: file access request"
NEW_TOKEN = "Tidegate: new token"
TOKEN = "Tidegate: token"
MESSAGE = "Tidegate"

# Approve is dead for so long after a dialog came up or changed.
ARM_AFTER = 1.5


def open_dialogs(pid):
    """The dialogs of a process that are on the screen."""
    return [dialog for dialog in _windows_of(pid, ("dialog", "alert")) if dialog.is_showing()]


def wait_for_dialog(pid, title):
    """The dialog with this title."""
    def find():
        return next((dialog for dialog in open_dialogs(pid) if dialog.title == title), None)
    try:
        return wait_until(find, f"a dialog {title!r}")
    except AssertionError as error:
        raise AssertionError(f"{error}; there are {[dialog.title for dialog in open_dialogs(pid)]}") from None


def no_dialog_within(pid, seconds):
    """None comes up for a while."""
    never_within(lambda: [dialog.title for dialog in open_dialogs(pid)], "a dialog came up", seconds)


def open_windows(pid):
    """The ordinary windows of a process that are on the screen: no dialogs."""
    return [window for window in _windows_of(pid, ("frame", "window")) if window.is_showing()]


class Dialog:
    """One dialog, or another window."""

    def __init__(self, node):
        self._node = node
        self.title = node.get_name() or ""

    def is_showing(self):
        """Whether it is on the screen still."""
        return "showing" in _states(self._node)

    def box(self):
        """Left, top, width, height on the screen."""
        extents = Atspi.Component.get_extents(self._node, Atspi.CoordType.SCREEN)
        return extents.x, extents.y, extents.width, extents.height

    def texts(self):
        """Every text in it, in the order of drawing, each once."""
        found = []
        for node in _walk(self._node):
            for text in (_safe(node.get_name), _text(node)):
                if text and text not in found:
                    found.append(text)
        return found

    def says(self, *parts):
        """Every part stands somewhere in it."""
        whole = "\n".join(self.texts())
        for part in parts:
            assert part in whole, f"the dialog lacks {part!r}; it says:\n{whole}"
        return self

    def does_not_say(self, *parts):
        """None of the parts stands in it."""
        whole = "\n".join(self.texts())
        for part in parts:
            assert part not in whole, f"the dialog has {part!r}:\n{whole}"
        return self

    def value_of(self, label):
        """The text beside a label."""
        for node in _walk(self._node):
            if _text(node) == label or _safe(node.get_name) == label:
                for relation in _safe(node.get_relation_set) or []:
                    if relation.get_relation_type() == Atspi.RelationType.LABEL_FOR:
                        target = relation.get_target(0)
                        return _text(target) or target.get_name()
        raise AssertionError(f"there is no {label!r}; it says {self.texts()}")

    def window_states(self):
        """The states of its window, such as "active" when it has the keyboard."""
        return _states(self._node)

    def close(self):
        """Closes it as the window manager does when its button is pressed, once it knows the window."""
        def asked():
            words = ["wmctrl", "-F", "-c", self._node.get_name() or ""]
            return subprocess.run(words, check=False, timeout=PATIENCE).returncode == 0
        wait_until(asked, f"the window manager knows the window {self.title!r}")

    def send_key(self, name):
        """Presses a key, which goes to the window that has the keyboard: this one, or the test fails."""
        wait_until(lambda: "active" in self.window_states(), f"the dialog {self.title!r} has the keyboard")
        subprocess.run(["xdotool", "key", name], check=True, timeout=PATIENCE)

    def buttons(self):
        """The labels of its buttons."""
        buttons = (node for node in _walk(self._node) if _role(node) in ("push button", "button"))
        return [node.get_name() for node in buttons if "visible" in _states(node)]

    def is_live(self, label):
        """Whether a button can be pressed."""
        return "sensitive" in _states(self._button(label))

    def has_focus(self, label):
        """Whether a button has the keyboard."""
        return "focused" in _states(self._button(label))

    def wait_until_live(self, label="Approve"):
        def is_live():
            # The content of a dialog may change while it is looked at.
            button = self._find_button(label)
            return button is not None and "sensitive" in _states(button)
        wait_until(is_live, f"{label!r} can be pressed")
        return self

    def centre_of(self, label):
        """Where the middle of a button is on the screen."""
        extents = Atspi.Component.get_extents(self._button(label), Atspi.CoordType.SCREEN)
        return extents.x + extents.width // 2, extents.y + extents.height // 2

    def press(self, label):
        """Presses a button. One that is dead takes it and does nothing."""
        Atspi.Action.do_action(self._button(label), 0)

    def press_while_dead(self, label):
        """Presses a button that is dead; false, and nothing done, when it can be pressed already."""
        button = self._button(label)
        if "sensitive" in _states(button):
            return False
        Atspi.Action.do_action(button, 0)
        return True

    def press_and_close(self, label):
        """Presses a button that ends it, once that can be pressed, and waits for its end."""
        self.wait_until_live(label).press(label)
        self.wait_until_closed()

    def approve(self):
        """Waits until Approve is live, and presses it."""
        self.press_and_close("Approve")

    def toggle(self, beginning):
        """Ticks a box, or chooses one of several, by the beginning of its words."""
        Atspi.Action.do_action(self._choice(beginning), 0)

    def type_into(self, name, text):
        """Writes into an entry."""
        def find():
            return next((node for node in _walk(self._node) if _role(node) == "text" and node.get_name() == name), None)
        entry = wait_until(find, f"an entry {name!r}")
        Atspi.EditableText.set_text_contents(entry, text)

    def is_chosen(self, beginning):
        """Whether a box is ticked, or one of several is chosen."""
        return "checked" in _states(self._choice(beginning))

    def choices(self):
        """The words of all boxes and radio buttons."""
        return [node.get_name() for node in _walk(self._node) if _role(node) in ("check box", "radio button")]

    def wait_until_closed(self):
        wait_until(lambda: not self.is_showing(), f"the dialog {self.title!r} is closed")

    def wait_for_text(self, part):
        """Waits until a part stands in it."""
        wait_until(lambda: part in "\n".join(self.texts()), f"{part!r} in the dialog")
        return self

    def _button(self, label):
        if (button := self._find_button(label)) is None:
            raise AssertionError(f"there is no button {label!r}: {self.buttons()}")
        return button

    def _find_button(self, label):
        buttons = (node for node in _walk(self._node) if _role(node) in ("push button", "button"))
        return next((button for button in buttons if _safe(button.get_name) == label), None)

    def _choice(self, beginning):
        for node in _walk(self._node):
            if _role(node) in ("check box", "radio button") and beginning in node.get_name():
                return node
        raise AssertionError(f"there is no choice {beginning!r}: {self.choices()}")


def _windows_of(pid, roles):
    for application in _children(Atspi.get_desktop(0)):
        if _safe(application.get_process_id) == pid:
            for window in _children(application):
                if _role(window) in roles:
                    yield Dialog(window)


def _children(node):
    # Nobody runs a loop here that would hear of changes.
    _safe(node.clear_cache)
    for index in range(_safe(node.get_child_count) or 0):
        child = _safe(lambda at=index: node.get_child_at_index(at))
        if child is not None:
            yield child


def _walk(node):
    yield node
    for child in _children(node):
        yield from _walk(child)


def _role(node):
    return _safe(node.get_role_name) or ""


def _text(node):
    if "Text" not in (_safe(node.get_interfaces) or []):
        return ""
    return _safe(lambda: Atspi.Text.get_text(node, 0, Atspi.Text.get_character_count(node))) or ""


def _states(node):
    _safe(node.clear_cache)
    states = _safe(node.get_state_set)
    return [state.value_nick for state in states.get_states()] if states else []


def _safe(read):
    """What a reading gives; nothing when its object went away meanwhile."""
    try:
        return read()
    except GLib.Error:
        return None
