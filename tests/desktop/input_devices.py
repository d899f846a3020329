"""Clicks and keys that come from the mouse and the keyboard of the invisible display, as a person's do.

`xdotool` plays devices of its own, which Tidegate tells apart. XTEST can also be told which device an
event comes from: that stands in for a hand here.
"""

import ctypes
import ctypes.util
import subprocess

from waiting import PATIENCE

# How their names end; they begin with the display's, "Xvfb".
MOUSE, KEYBOARD = "mouse", "keyboard"
LEFT = 1


class _Named(ctypes.Structure):
    """XDeviceInfo of XInput 1."""

    _fields_ = [
        ("id", ctypes.c_ulong), ("type", ctypes.c_ulong), ("name", ctypes.c_char_p),
        ("classes", ctypes.c_int), ("use", ctypes.c_int), ("class_info", ctypes.c_void_p),
    ]


def _library(name):
    return ctypes.CDLL(ctypes.util.find_library(name) or f"lib{name}.so.6")


class InputDevices:
    """The devices of the display; `with` closes the connection."""

    def __enter__(self):
        self._x11, self._xi, self._xtst = _library("X11"), _library("Xi"), _library("Xtst")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._x11.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        self._x11.XKeysymToKeycode.restype = ctypes.c_ubyte
        self._xi.XListInputDevices.restype = ctypes.POINTER(_Named)
        self._xi.XOpenDevice.restype = ctypes.c_void_p
        self._display = ctypes.c_void_p(self._x11.XOpenDisplay(None))
        assert self._display, "there is no display"
        self._devices = {}
        return self

    def __exit__(self, *_):
        self._x11.XCloseDisplay(self._display)

    def click(self, x, y):
        """Presses and releases the left button of the mouse there."""
        subprocess.run(["xdotool", "mousemove", str(x), str(y)], check=True, timeout=PATIENCE)
        for is_press in (1, 0):
            self._xtst.XTestFakeDeviceButtonEvent(
                self._display, self._device(MOUSE), LEFT, is_press, None, 0, ctypes.c_ulong(0)
            )
        self._x11.XSync(self._display, 0)

    def key(self, keysym, is_press):
        """Presses or releases a key of the keyboard."""
        code = self._x11.XKeysymToKeycode(self._display, keysym)
        self._xtst.XTestFakeDeviceKeyEvent(
            self._display, self._device(KEYBOARD), ctypes.c_uint(code), is_press, None, 0, ctypes.c_ulong(0)
        )
        self._x11.XSync(self._display, 0)

    def _device(self, name):
        if name not in self._devices:
            count = ctypes.c_int()
            listed = self._xi.XListInputDevices(self._display, ctypes.byref(count))
            names = {listed[at].name.decode(): listed[at].id for at in range(count.value)}
            found = [names[own] for own in names if own.startswith("Xvfb ") and own.endswith(name)]
            assert len(found) == 1, f"there is no {name}: {list(names)}"
            device = self._xi.XOpenDevice(self._display, ctypes.c_ulong(found[0]))
            assert device, f"{name!r} cannot be opened"
            self._devices[name] = ctypes.c_void_p(device)
        return self._devices[name]
