"""A desktop that shows tray icons, as far as an application can tell.

It owns org.kde.StatusNotifierWatcher on the session bus and keeps what registers; `Item` reads one
of these as a panel would: its icon, its menu (com.canonical.dbusmenu), and clicks.
"""

from pathlib import Path

from gi.repository import GLib

from bus import Service, call, interface
from waiting import wait_until

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"

INTERFACE = interface(f"""
  <interface name="{WATCHER}">
    <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
    <method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
    <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
    <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
    <property name="ProtocolVersion" type="i" access="read"/>
    <signal name="StatusNotifierItemRegistered"><arg type="s"/></signal>
    <signal name="StatusNotifierItemUnregistered"><arg type="s"/></signal>
    <signal name="StatusNotifierHostRegistered"/>
  </interface>
""")


class TrayHost(Service):
    """The tray."""

    def __init__(self):
        super().__init__(WATCHER, "/StatusNotifierWatcher", INTERFACE)
        self._items = []

    def wait_for_item(self):
        """The first item that is registered, waiting for one."""
        owner, path = self.wait_for(lambda: self._items, "a tray item is registered")[0]
        return Item(self.connection, owner, path)

    def wait_until_empty(self):
        """Waits until nothing is registered any more."""
        self.wait_for(lambda: not self._items, "the tray is empty")

    def connected(self):
        self.connection.signal_subscribe(
            "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None, None, 0, self._owner_changed
        )

    def called(self, sender, method, parameters, invocation):
        if method == "RegisterStatusNotifierItem":
            (service,) = parameters.unpack()
            # Either a path of the caller's, or a name with the usual path.
            item = (sender, service) if service.startswith("/") else (service, "/StatusNotifierItem")
            with self.changed:
                if item not in self._items:
                    self._items.append(item)
                self.changed.notify_all()
        invocation.return_value(None)

    def read(self, name):
        with self.changed:
            items = [owner + path for owner, path in self._items]
        return {
            "RegisteredStatusNotifierItems": GLib.Variant("as", items),
            "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
            "ProtocolVersion": GLib.Variant("i", 0),
        }[name]

    def _owner_changed(self, _connection, _sender, _path, _interface, _signal, parameters):
        name, _before, after = parameters.unpack()
        if not after:
            with self.changed:
                self._items = [item for item in self._items if item[0] != name]
                self.changed.notify_all()


class Item:
    """A registered icon."""

    def __init__(self, connection, owner, path):
        self._connection, self._owner, self._path = connection, owner, path

    def icon(self):
        """The path of the picture that is shown."""
        return self._property("IconName")

    def picture(self):
        """The picture that is shown. Its file goes away when another one is shown."""
        def read():
            try:
                return Path(self.icon()).read_bytes()
            except FileNotFoundError:
                return None
        return wait_until(read, "the picture of the icon")

    def labels(self):
        """The menu from top to bottom: (label, can be chosen), separators left out."""
        return [(label, enabled) for _, label, enabled, _ in self._entries()]

    def texts(self):
        """The labels alone."""
        return [label for label, _ in self.labels()]

    def first(self):
        """The label at the top; nothing while there is no menu."""
        return next(iter(self.texts()), "")

    def status(self):
        """The lines that cannot be chosen, as one text."""
        return " ".join(label for label, enabled in self.labels() if not enabled)

    def is_checked(self, label):
        """Whether the entry with this label has its mark."""
        return any(checked for _, text, _, checked in self._entries() if text == label)

    def wait_for_label(self, beginning):
        """The first label that begins so."""
        def find():
            return next((text for text in self.texts() if text.startswith(beginning)), None)
        try:
            return wait_until(find, f"{beginning!r} in the menu")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.texts()}") from None

    def click(self, label):
        """Chooses the entry with this label."""
        def chosen():
            number = next((number for number, text, _, _ in self._entries() if text == label), None)
            if number is None:
                raise AssertionError(f"the menu has no {label!r}: {self.labels()}")
            # The menu may be another one by now, with other numbers.
            return self.forge(number, "clicked")
        wait_until(chosen, f"{label!r} is chosen")

    def send_event(self, number, kind="clicked"):
        """What a panel sends, and every other program of the session can send too."""
        event = GLib.Variant("(isvu)", (number, kind, GLib.Variant("i", 0), 0))
        call(self._connection, self._owner, self._property("Menu"), MENU, "Event", event)

    def forge(self, number, kind):
        """The same for an entry that may not be there, which the library refuses; whether it was there."""
        try:
            self.send_event(number, kind)
        except GLib.Error as error:
            assert "does not refer to a menu item" in error.message, error
            return False
        return True

    def numbered_labels(self):
        """The entries with their numbers."""
        return [(number, label) for number, label, _, _ in self._entries()]

    def _entries(self):
        layout = GLib.Variant("(iias)", (0, -1, []))
        _, (_, _, children) = call(
            self._connection, self._owner, self._property("Menu"), MENU, "GetLayout", layout
        )
        for number, properties, _ in children:
            if properties.get("type") != "separator":
                # An underscore marks a key to press; two are one.
                text = properties.get("label", "").replace("__", "\0").replace("_", "").replace("\0", "_")
                yield number, text, properties.get("enabled", True), properties.get("toggle-state", 0) == 1

    def _property(self, name):
        parameters = GLib.Variant("(ss)", (ITEM, name))
        properties = "org.freedesktop.DBus.Properties"
        return call(self._connection, self._owner, self._path, properties, "Get", parameters)[0]
