"""When windows come up and go away, told by the X server at once instead of looked for in turns."""

import contextlib
import ctypes
import os
import select
import threading
import time

from waiting import PATIENCE

SUBSTRUCTURE_NOTIFY = 1 << 19
UNMAP_NOTIFY, MAP_NOTIFY = 18, 19
# The frame of a window manager is some levels above the window that has the title.
DEEPEST = 3


class WindowEvents:
    """Hears of all windows of the display, as long as `with` lasts."""

    def __init__(self):
        self._changed = threading.Condition()
        # (moment, whether it came up, title)
        self._events = []
        self._titles = {}
        self._reader, self._writer = os.pipe()
        self._x11 = _library()
        self._display = self._x11.XOpenDisplay(None)
        if not self._display:
            raise RuntimeError("the display cannot be opened")
        root = self._x11.XDefaultRootWindow(self._display)
        self._x11.XSelectInput(self._display, root, SUBSTRUCTURE_NOTIFY)
        self._x11.XSync(self._display, 0)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.write(self._writer, b"\0")
        self._thread.join()
        self._x11.XCloseDisplay(self._display)
        os.close(self._reader)
        os.close(self._writer)

    def wait_until_up(self, title, since, seconds=PATIENCE):
        """The moment at which a window of this title came up after `since` (`time.monotonic`)."""
        return self._wait(title, True, since, seconds)

    def wait_until_gone(self, title, since, seconds=PATIENCE):
        """The moment at which it went away."""
        return self._wait(title, False, since, seconds)

    def _wait(self, title, came_up, since, seconds):
        def find():
            return next((event for event in self._events if event[0] >= since and event[1:] == (came_up, title)), None)
        with self._changed:
            if not self._changed.wait_for(find, seconds):
                what = "came up" if came_up else "went away"
                raise AssertionError(f"no window {title!r} {what} within {seconds} s; {self._events[-5:]}")
            return find()[0]

    def _listen(self):
        connection = self._x11.XConnectionNumber(self._display)
        event = (ctypes.c_long * 24)()
        while True:
            while self._x11.XPending(self._display):
                self._x11.XNextEvent(self._display, event)
                self._heard(time.monotonic(), event)
            ready, _, _ = select.select([connection, self._reader], [], [])
            if self._reader in ready:
                return

    def _heard(self, moment, event):
        # The kind is an int at the beginning; the window follows kind, serial, flag, display and root.
        kind, window = event[0] & 0x7F, event[5]
        if kind == MAP_NOTIFY:
            self._titles[window] = self._title(window)
        if kind in (MAP_NOTIFY, UNMAP_NOTIFY):
            with self._changed:
                self._events.append((moment, kind == MAP_NOTIFY, self._titles.get(window)))
                self._changed.notify_all()

    def _title(self, window, depth=0):
        """The title of a window, or of the one that a window manager put into it."""
        name = ctypes.c_char_p()
        if self._x11.XFetchName(self._display, window, ctypes.byref(name)) and name.value:
            return name.value.decode("latin-1")
        root, parent, number = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
        children = ctypes.POINTER(ctypes.c_ulong)()
        answered = self._x11.XQueryTree(
            self._display, window, *(ctypes.byref(value) for value in (root, parent, children, number))
        )
        if not answered or depth == DEEPEST:
            return None
        inner = [children[at] for at in range(number.value)]
        with contextlib.suppress(StopIteration):
            return next(title for title in (self._title(child, depth + 1) for child in inner) if title)
        return None


def _library():
    found = ctypes.CDLL("libX11.so.6")
    display = ctypes.c_void_p
    found.XOpenDisplay.restype = display
    found.XDefaultRootWindow.restype = ctypes.c_ulong
    for name, arguments in {
        "XDefaultRootWindow": [display],
        "XSelectInput": [display, ctypes.c_ulong, ctypes.c_long],
        "XSync": [display, ctypes.c_int],
        "XConnectionNumber": [display],
        "XPending": [display],
        "XNextEvent": [display, ctypes.c_void_p],
        "XFetchName": [display, ctypes.c_ulong, ctypes.c_void_p],
        "XQueryTree": [display, ctypes.c_ulong, *[ctypes.c_void_p] * 4],
        "XCloseDisplay": [display],
    }.items():
        getattr(found, name).argtypes = arguments
    found.XSetErrorHandler(_IGNORED)
    return found


# A window may be gone when it is asked for; the library would end the program.
_IGNORED = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda _display, _error: 0)
