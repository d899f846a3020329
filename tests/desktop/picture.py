"""Pictures of the screen, and how well what is drawn there can be read."""

from collections import Counter

import gi

gi.require_version("Gdk", "3.0")
from gi.repository import Gdk  # noqa: E402

# A colour that fewer of a text's pixels have than this belongs to the edges of its letters.
SHARE_OF_INK = 0.005


class Picture:
    """What is on a part of the screen, in its own pixels."""

    def __init__(self, left, top, width, height):
        screen = Gdk.get_default_root_window()
        self.left, self.top = max(left, 0), max(top, 0)
        width = min(left + width, screen.get_width()) - self.left
        height = min(top + height, screen.get_height()) - self.top
        self.width, self.height = width, height
        if width <= 0 or height <= 0:
            # What was just shown has no place yet.
            self.width = self.height = self._stride = self._channels = 0
            self._data = b""
            return
        pixels = Gdk.pixbuf_get_from_window(screen, self.left, self.top, width, height)
        self._data, self._stride, self._channels = pixels.get_pixels(), pixels.get_rowstride(), pixels.get_n_channels()

    def __eq__(self, other):
        return isinstance(other, Picture) and self._data == other._data

    def part(self, left, top, width, height):
        """The rows of a part of the screen, each a list of colours."""
        found = []
        first, last = max(left - self.left, 0), min(left + width - self.left, self.width)
        for row in range(max(top - self.top, 0), min(top + height - self.top, self.height)):
            start = row * self._stride + first * self._channels
            line = self._data[start:start + (last - first) * self._channels]
            step = self._channels
            found.append(list(zip(line[0::step], line[1::step], line[2::step])))
        return found


def contrast_of_text(rows):
    """How much the letters in a part of a picture differ from what they stand on, as WCAG counts it; nothing
    when it holds one colour only."""
    colours = Counter(colour for row in rows for colour in row)
    if not colours:
        return None
    ground, _ = colours.most_common(1)[0]
    least = max(4, SHARE_OF_INK * colours.total())
    inks = [colour for colour, count in colours.items() if count >= least and colour != ground]
    return max((contrast(ink, ground) for ink in inks), default=None)


def runs(rows, gap):
    """The stretches of columns in which something is drawn, as (first, last), parted by `gap` empty columns or
    more."""
    # Of each row its own ground: buttons are shaded from top to bottom.
    grounds = [Counter(row).most_common(1)[0][0] for row in rows if row]
    drawn = [at for at in range(len(rows[0]) if grounds else 0)
             if any(row[at] != ground for row, ground in zip(rows, grounds))]
    found = []
    for at in drawn:
        if found and at - found[-1][1] <= gap:
            found[-1][1] = at
        else:
            found.append([at, at])
    return [tuple(run) for run in found]


def contrast(one, other):
    """The contrast of two colours by WCAG 2: from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour):
    red, green, blue = (_linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part):
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
