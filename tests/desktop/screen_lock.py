"""What tells that the screen is locked, played by a test: a desktop's screen saver, and logind."""

from gi.repository import GLib

from bus import Service, interface

SCREEN_SAVER = "org.freedesktop.ScreenSaver"
LOGIND = "org.freedesktop.login1"
SESSION_PATH = "/org/freedesktop/login1/session/_31"

SAVER = interface(f"""
  <interface name="{SCREEN_SAVER}">
    <method name="GetActive"><arg type="b" direction="out"/></method>
    <signal name="ActiveChanged"><arg type="b"/></signal>
  </interface>
""")
MANAGER = interface(f"""
  <interface name="{LOGIND}.Manager">
    <method name="GetSession"><arg type="s" direction="in"/><arg type="o" direction="out"/></method>
  </interface>
""")
SESSION = interface(f"""
  <interface name="{LOGIND}.Session">
    <property name="LockedHint" type="b" access="read"/>
  </interface>
""")


class ScreenSaver(Service):
    """The screen saver of a desktop."""

    def __init__(self):
        super().__init__(SCREEN_SAVER, "/org/freedesktop/ScreenSaver", SAVER)
        self._is_on = False

    def lock(self, is_on=True):
        self._is_on = is_on
        self.emit("ActiveChanged", GLib.Variant("(b)", (is_on,)))
        self.wait_until_passed_on()

    def called(self, _sender, _method, _parameters, invocation):
        invocation.return_value(GLib.Variant("(b)", (self._is_on,)))


class Logind(Service):
    """What keeps the sessions of a computer. It is on the system bus there; a test gives its own bus for both."""

    def __init__(self):
        super().__init__(LOGIND, "/org/freedesktop/login1", MANAGER)
        self._is_locked = self._is_watched = False

    def wait_until_watched(self):
        """Waits until somebody has asked how the session is."""
        self.wait_for(lambda: self._is_watched, "somebody watches the session")

    def connected(self):
        self.connection.register_object(SESSION_PATH, SESSION, None, self._get_hint, None)

    def lock(self, is_locked=True):
        self._is_locked = is_locked
        changed = GLib.Variant("(sa{sv}as)", (SESSION.name, {"LockedHint": GLib.Variant("b", is_locked)}, []))
        self.connection.emit_signal(
            None, SESSION_PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged", changed
        )
        self.wait_until_passed_on()

    def called(self, _sender, _method, _parameters, invocation):
        invocation.return_value(GLib.Variant("(o)", (SESSION_PATH,)))

    def _get_hint(self, *_):
        with self.changed:
            self._is_watched = True
            self.changed.notify_all()
        return GLib.Variant("b", self._is_locked)
