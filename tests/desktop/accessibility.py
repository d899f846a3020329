"""Native dialogs as a screen reader sees them, through AT-SPI."""

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

import waiting  # noqa: E402
from waiting import PATIENCE  # noqa: E402

BUTTONS = ("push button", "button")
# Where GTK says that something is which has no place yet.
NO_PLACE = -(2**31)
# How long a program may take to answer; the library's own 0.8 s are over soon where much else runs. Milliseconds,
# and how long a program may have taken to start.
ANSWERS_WITHIN = 30_000
Atspi.set_timeout(ANSWERS_WITHIN, ANSWERS_WITHIN)


def wait_until(condition, what, seconds=PATIENCE):
    """Waits until `condition` gives something true, and returns that. What goes away while it looks is looked for
    again."""
    def look():
        try:
            return condition()
        except GLib.Error:
            return None
    return waiting.wait_until(look, what, seconds, pause=0.02)


def _children(node):
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            yield child


class Node:
    """One accessible object. What it was asked before is not believed."""

    def __init__(self, accessible):
        self._accessible = accessible

    def _fresh(self):
        self._accessible.clear_cache()
        return self._accessible

    @property
    def name(self):
        return self._fresh().get_name() or ""

    @property
    def description(self):
        return self._fresh().get_description() or ""

    @property
    def role(self):
        return self._fresh().get_role_name()

    @property
    def text(self):
        """The text as it is on the screen; nothing when it has none."""
        accessible = self._fresh()
        if "Text" not in accessible.get_interfaces():
            return ""
        return Atspi.Text.get_text(accessible, 0, Atspi.Text.get_character_count(accessible))

    def has(self, state):
        """Whether it has a state, named as AT-SPI names it: "sensitive", "focused"."""
        kind = getattr(Atspi.StateType, state.replace("-", "_").upper())
        return self._fresh().get_state_set().contains(kind)

    def labels(self):
        """The texts of what is a label for it."""
        found = []
        for relation in self._fresh().get_relation_set():
            if relation.get_relation_type() == Atspi.RelationType.LABELLED_BY:
                found += [Node(relation.get_target(at)).name for at in range(relation.get_n_targets())]
        return found

    def press(self):
        """Its first action. What is insensitive says yes and does nothing."""
        return Atspi.Action.do_action(self._accessible, 0)

    def focus(self):
        """Asks for the keyboard."""
        return Atspi.Component.grab_focus(self._accessible)

    def box(self):
        """Left, top, width, height on the screen."""
        extents = Atspi.Component.get_extents(self._fresh(), Atspi.CoordType.SCREEN)
        return extents.x, extents.y, extents.width, extents.height

    def centre(self):
        """The middle of it, once it has a place on the screen: what was just shown or moved has none."""
        left, top, width, height = wait_until(self._placed, f"a place for {self.name!r}")
        return left + width // 2, top + height // 2

    def _placed(self):
        box = self.box()
        return box if box[0] > NO_PLACE and box[2] > 0 else None

    @property
    def accessible(self):
        """The object itself, for what is asked of it nowhere else."""
        return self._fresh()

    def children(self):
        """What is directly in it."""
        return [Node(child) for child in _children(self._fresh())]

    def descendants(self):
        """Everything in it, from the top, itself first."""
        yield self
        for child in self.children():
            yield from child.descendants()


class Window(Node):
    """A dialog of one process."""

    def pid(self):
        """The process that draws it."""
        return self._accessible.get_process_id()

    def find(self, name, roles=None):
        """The one control of that name, or nothing. What is scrolled away is found too, what is hidden not."""
        try:
            found = [node for node in self.descendants()
                     if node.name == name and node.has("visible") and (roles is None or node.role in roles)]
        except GLib.Error:
            # Something went away while it was looked at.
            return None
        return found[0] if found else None

    def get(self, name, *roles):
        """The control of that name; waits for it."""
        return wait_until(lambda: self.find(name, roles or None), f"a control {name!r}")

    def button(self, name):
        return self.get(name, *BUTTONS)

    def texts(self):
        """Every text in it, as it is on the screen."""
        try:
            return [text for node in self.descendants() if (text := node.text)]
        except GLib.Error:
            return []


def windows(pid):
    """The windows of a process."""
    found = []
    try:
        for application in _children(Atspi.get_desktop(0)):
            if application.get_process_id() == pid:
                found += [Window(window) for window in _children(application)]
    except GLib.Error:
        pass
    return found


def window(pid):
    """The first window of a process that can be seen."""
    return wait_until(lambda: next((shown for shown in windows(pid) if shown.has("showing")), None), "a window")
