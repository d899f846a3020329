"""Dialogs are light or dark as the person chose for the desktop."""

import unittest
from collections import Counter

from gi.repository import GLib

from bus import Service, interface
from desktop_case import DesktopCase
from picture import Picture, contrast
from waiting import wait_until
from words import READ

PORTAL = "org.freedesktop.portal.Settings"
SCHEME = ("org.freedesktop.appearance", "color-scheme")
DARK, LIGHT = 1, 2

SETTINGS = interface(f"""
  <interface name="{PORTAL}">
    <method name="Read">
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="v" direction="out"/>
    </method>
    <signal name="SettingChanged"><arg type="s"/><arg type="s"/><arg type="v"/></signal>
  </interface>
""")


class Portal(Service):
    """The service that tells programs what the person chose for the desktop."""

    def __init__(self, scheme):
        super().__init__("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", SETTINGS)
        self._scheme = scheme

    def change(self, scheme):
        self._scheme = scheme
        self.emit("SettingChanged", GLib.Variant("(ssv)", (*SCHEME, GLib.Variant("u", scheme))))

    def called(self, _sender, _method, parameters, invocation):
        if parameters.unpack() == SCHEME:
            # In one wrapping more than it should have, as the real service answers.
            value = GLib.Variant("v", GLib.Variant("u", self._scheme))
            invocation.return_value(GLib.Variant("(v)", (value,)))
        else:
            invocation.return_dbus_error(f"{PORTAL}.NotFound", "there is no such setting")


class ColourScheme(DesktopCase):
    """With a desktop that tells what was chosen."""

    def test_a_dialog_is_as_dark_as_the_desktop_and_follows_it(self):
        portal = Portal(DARK).start()
        self.addCleanup(portal.stop)
        self.start_until_ready()
        self.device().request_pairing(READ)
        dialog = self.review()

        wait_until(lambda: self.is_dark(dialog), "a dark dialog")
        portal.change(LIGHT)
        wait_until(lambda: self.is_dark(dialog) is False, "a light dialog")

    def test_without_such_a_service_it_is_as_the_theme_is(self):
        self.start_until_ready()
        self.device().request_pairing(READ)
        dialog = self.review()

        wait_until(lambda: self.is_dark(dialog) is False, "a light dialog")

    @staticmethod
    def is_dark(dialog):
        """Whether its ground is; nothing while it is not drawn."""
        rows = Picture(*dialog.box()).part(*dialog.box())
        colours = Counter(colour for row in rows for colour in row)
        if not colours:
            return None
        ground, _ = colours.most_common(1)[0]
        if ground == (0, 0, 0):
            return None
        return contrast(ground, (255, 255, 255)) > contrast(ground, (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
