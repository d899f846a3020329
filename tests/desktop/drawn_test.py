"""What a person sees of the native dialogs: every text can be read, nothing is cut off, and what draws them is
light. Measured on the screen itself."""

import os
import unittest

import accessibility
from accessibility import wait_until
from dialog_test import Dialogs, key, xdotool
from picture import Picture, contrast_of_text, runs

KINDS = ("device", "upgrade", "known-name", "program", "role", "hostile", "command", "command-needs", "command-unconfined", "command-shared",
         "command-deletes", "command-details", "side-by-side", "side-by-side-more", "file-trigger", "file-read", "file-edit", "setting", "new-token",
         "token", "model-problem", "message", "question", "model-server", "keep-file", "unshare", "workspace", "workspace-client", "port-taken")
THEMES = {"light": "Adwaita", "dark": "Adwaita:dark"}
# What people with weak eyes need, by WCAG 2 (AA). Of parts of controls, such as the mark in a box, 3 is enough.
TEXT, CONTROL = 4.5, 3.0
# What is drawn at the left of the words of a box to tick.
MARK = 22
# A button's frame, and the line around one that has the keyboard.
EDGE = 6
# A line around something.
LINE = 2
# More than any dialog has.
MAX_PAGES = 6
CHOICES = ("check box", "radio button")


class DrawnTest(unittest.TestCase):
    """Shows one dialog after the other in one process."""

    def start(self, theme="light", scale=1):
        self.scale = scale
        os.environ |= {"GTK_THEME": THEMES[theme], "GDK_SCALE": str(scale)}
        for name in ("GTK_THEME", "GDK_SCALE"):
            self.addCleanup(os.environ.pop, name, None)

    def in_each_kind(self, look, *arguments):
        """What `look` finds wrong in a dialog of each kind: nothing."""
        wrong = {}
        for kind in KINDS:
            dialogs = Dialogs(kind, *arguments)
            try:
                if found := look(dialogs.window):
                    wrong[kind] = found
            finally:
                dialogs.end()
        self.assertEqual(wrong, {})

    def picture(self, window):
        """The window, once it is drawn and nothing in it moves any more."""
        def steady():
            # The window manager moves it once it is there, and it is empty at first.
            box = window.box()
            picture = Picture(*self.pixels(box))
            buttons = buttons_of(window)
            is_drawn = buttons and all(
                runs(picture.part(*self.pixels(inside(button.box(), EDGE))), 0) for button in buttons
            )
            is_still = box == window.box() and picture == Picture(*self.pixels(box))
            return picture if is_drawn and is_still else None
        return wait_until(steady, "a picture that stands still")

    def pixels(self, box):
        return [number * self.scale for number in box]


class Contrast(DrawnTest):
    """Every text differs enough from what it stands on. At 200%, where letters have pixels of their full colour."""

    def test_in_a_light_theme(self):
        self.every_text_can_be_read("light")

    def test_in_a_dark_theme(self):
        self.every_text_can_be_read("dark")

    def test_in_a_light_theme_without_the_keyboard(self):
        self.every_text_can_be_read("light", "--unasked")

    def test_in_a_dark_theme_without_the_keyboard(self):
        self.every_text_can_be_read("dark", "--unasked")

    def every_text_can_be_read(self, theme, *arguments):
        self.start(theme, scale=2)
        self.in_each_kind(self.faint_with_the_keyboard if not arguments else self.faint_in_sight, *arguments)

    def faint_with_the_keyboard(self, window):
        """What cannot be read in the whole dialog; below the fold, too."""
        faint, unseen = self.look(window)
        for _ in range(MAX_PAGES):
            if not unseen:
                break
            key("Next")
            more, still = self.look(window)
            faint, unseen = faint | more, unseen & still
        return faint | unseen | self.faint_in_sight(window)

    def faint_in_sight(self, window):
        """What cannot be read of what is seen now, before and after the buttons can be pressed."""
        faint, _ = self.look(window)
        scroll_to_the_end(window)
        buttons = buttons_of(window)
        wait_until(lambda: all(node.has("sensitive") for node in buttons), "live buttons")
        return faint | self.look(window)[0]

    def look(self, window):
        """The texts that cannot be read, with their contrast, and those that are not in sight."""
        picture, faint, unseen = self.picture(window), set(), set()
        for words, part, sight in self.parts(window):
            if not sight:
                unseen.add(words)
                continue
            for rows, least in self.drawn(picture, part, sight):
                measured = contrast_of_text(rows)
                if measured is not None and measured < least:
                    faint.add((words[:40], round(measured, 2)))
        return faint, unseen

    def parts(self, window):
        """What holds words: these, how it is to be looked at, and the box on the screen; none when it is out of
        sight."""
        for node, panes in with_panes(window):
            if not node.has("showing"):
                continue
            if node.role in accessibility.BUTTONS or node.role in CHOICES:
                box, kind = node.box(), "choice" if node.role in CHOICES else "button"
            elif node.text.strip():
                box, kind = text_box(node), "text"
            else:
                continue
            cut = box
            for pane in panes:
                cut = cut and common(cut, pane)
            # A line that is seen by half is seen whole after the next step.
            is_whole = cut is not None and (cut == box or cut[3] >= 3 * 16 or kind == "text" and cut[3] >= box[3])
            yield node.name or node.text, kind, cut if is_whole else None

    def drawn(self, picture, kind, box):
        """The parts of a picture to measure, with the contrast that each needs."""
        if kind == "text":
            yield picture.part(*self.pixels(box)), TEXT
            return
        # Not what is around it, and of what is beside each other each for itself.
        edge = EDGE if kind == "button" else LINE
        rows = picture.part(*self.pixels(inside(box, edge)))
        for first, last in runs(rows, 5 * self.scale):
            if last - first < LINE * self.scale:
                # A side of a tag.
                continue
            is_mark = kind == "choice" and first < (MARK - edge) * self.scale
            # Not the edge of a tag either.
            inner = 4 * self.scale if last - first > 16 * self.scale else 0
            yield [row[first + inner:last + 1 - inner] for row in rows], CONTROL if is_mark else TEXT


def is_button(node):
    """Whether it is a button that can be seen."""
    return node.role in accessibility.BUTTONS and node.has("visible")


def buttons_of(window):
    return [node for node in window.descendants() if is_button(node)]


def scroll_to_the_end(window):
    """Turns the wheel at the left edge, where nothing but the dialog itself scrolls."""
    left, top, _, height = window.box()
    scale = int(os.environ["GDK_SCALE"])
    xdotool("mousemove", (left + 6) * scale, (top + height // 2) * scale)
    xdotool("click", "--repeat", 60, "--delay", 4, 5, "mousemove", 0, 0)


class Whole(DrawnTest):
    """Nothing is cut off."""

    def test_at_100_percent(self):
        self.nothing_is_cut_off(1)

    def test_at_200_percent(self):
        self.nothing_is_cut_off(2)

    def nothing_is_cut_off(self, scale):
        self.start(scale=scale)
        self.in_each_kind(self.cut_off)

    def cut_off(self, window):
        """The words that do not fit."""
        picture, found = self.picture(window), []
        left, _, width, _ = window.box()
        for node in window.descendants():
            if node.text.strip() and node.has("showing"):
                x, _, wide, high = text_box(node)
                is_inside = left <= x and x + wide <= left + width
                # Other texts scroll.
                fits = node.role != "label" or wide <= node.box()[2] and high <= node.box()[3]
                if not (is_inside and fits):
                    found.append(node.text[:40])
            if is_button(node) and not self.has_room_around_its_words(picture, node):
                found.append(node.name)
        return found

    def has_room_around_its_words(self, picture, button):
        rows = picture.part(*self.pixels(inside(button.box(), EDGE)))
        words = runs(rows, len(rows[0]))
        return bool(words) and words[0][0] > 0 and words[0][1] < len(rows[0]) - 1

    def test_what_a_program_asks_for_is_seen_without_scrolling(self):
        self.start()
        dialogs = Dialogs("program")
        self.addCleanup(dialogs.end)

        rights = [(node, panes) for node, panes in with_panes(dialogs.window) if node.role == "check box" and ": " in node.name]

        self.assertTrue(rights)
        for node, panes in rights:
            self.assertEqual(common(node.box(), panes[-1]), tuple(node.box()), node.name)


class Light(DrawnTest):
    """What a dialog loads."""

    def test_no_dialog_loads_what_draws_vector_graphics(self):
        # It takes more memory than all the rest of a dialog.
        for theme in THEMES:
            self.start(theme)
            self.in_each_kind(lambda window: self.picture(window) and loaded(window.pid(), "rsvg", "pixbufloader"))


def loaded(pid, *parts):
    """The files with one of these parts in their names that a process has mapped."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        files = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
    return sorted(file for file in files if any(part in file for part in parts))


def with_panes(node, panes=()):
    """Everything in a window, each with the boxes of what it scrolls in, the innermost last."""
    yield node, panes
    around = (*panes, node.box()) if node.role == "scroll pane" else panes
    for child in node.children():
        yield from with_panes(child, around)


def text_box(node):
    """Where the letters of a text are: left, top, width, height."""
    extents = accessibility.Atspi.Text.get_range_extents(node.accessible, 0, len(node.text), accessibility.Atspi.CoordType.SCREEN)
    return extents.x, extents.y, extents.width, extents.height


def inside(box, edge):
    """A box without its edge."""
    left, top, width, height = box
    return left + edge, top + edge, width - 2 * edge, height - 2 * edge


def common(one, other):
    """What two boxes have in common, or nothing."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    return (left, top, right - left, bottom - top) if left < right and top < bottom else None


if __name__ == "__main__":
    unittest.main()
