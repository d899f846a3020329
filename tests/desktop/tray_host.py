"""A desktop that shows tray icons, as far as an application can tell.

It owns org.kde.StatusNotifierWatcher on the session bus and keeps what registers; `Item` reads one
of these as a panel would: its icon, its menu (com.canonical.dbusmenu), and clicks.
"""

import threading

from gi.repository import Gio, GLib

WATCHER = "org.kde.StatusNotifierWatcher"
WATCHER_PATH = "/StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
TIMEOUT_MS = 5_000

INTERFACE = Gio.DBusNodeInfo.new_for_xml(f"""
<node>
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
</node>
""").interfaces[0]


def connect():
    """A connection of its own to the session bus."""
    address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SESSION, None)
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


class TrayHost:
    """The tray, from `start` to `stop`. Its calls are answered on a thread of its own."""

    def __init__(self):
        self._changed = threading.Condition()
        self._items = []
        self._context = GLib.MainContext()
        self._loop = GLib.MainLoop(self._context)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()
        self._connection = None

    def start(self):
        self._thread.start()
        if not self._ready.wait(5):
            raise RuntimeError("the session bus gave no name to the tray host")
        return self

    def stop(self):
        self._loop.quit()
        self._thread.join()
        self._connection.close_sync(None)

    def wait_for_item(self, seconds=20):
        """The first item that is registered, waiting for one."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, seconds):
                raise AssertionError(f"no tray item was registered within {seconds} s")
            owner, path = self._items[0]
        return Item(self._connection, owner, path)

    def wait_until_empty(self, seconds=5):
        """Waits until nothing is registered any more."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._items, seconds):
                raise AssertionError(f"after {seconds} s the tray still has {self._items}")

    def _serve(self):
        self._context.push_thread_default()
        self._connection = connect()
        self._connection.register_object(WATCHER_PATH, INTERFACE, self._called, self._read, None)
        self._connection.signal_subscribe(
            "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None, None, 0, self._owner_changed
        )
        Gio.bus_own_name_on_connection(
            self._connection, WATCHER, Gio.BusNameOwnerFlags.NONE, lambda *_: self._ready.set(), None
        )
        self._loop.run()
        self._context.pop_thread_default()

    def _called(self, _connection, sender, _path, _interface, method, parameters, invocation):
        if method == "RegisterStatusNotifierItem":
            (service,) = parameters.unpack()
            # Either a path of the caller's, or a name with the usual path.
            item = (sender, service) if service.startswith("/") else (service, "/StatusNotifierItem")
            with self._changed:
                if item not in self._items:
                    self._items.append(item)
                self._changed.notify_all()
        invocation.return_value(None)

    def _read(self, _connection, _sender, _path, _interface, name):
        with self._changed:
            items = [owner + path for owner, path in self._items]
        return {
            "RegisteredStatusNotifierItems": GLib.Variant("as", items),
            "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
            "ProtocolVersion": GLib.Variant("i", 0),
        }[name]

    def _owner_changed(self, _connection, _sender, _path, _interface, _signal, parameters):
        name, _before, after = parameters.unpack()
        if not after:
            with self._changed:
                self._items = [item for item in self._items if item[0] != name]
                self._changed.notify_all()


class Item:
    """A registered icon."""

    def __init__(self, connection, owner, path):
        self._connection, self._owner, self._path = connection, owner, path

    def icon(self):
        """The path of the picture that is shown."""
        return self._property("IconName")

    def labels(self):
        """The menu from top to bottom: (label, can be chosen), separators left out."""
        return [(label, enabled) for _, label, enabled in self._entries()]

    def click(self, label):
        """Chooses the entry with this label."""
        for number, text, _ in self._entries():
            if text == label:
                event = GLib.Variant("(isvu)", (number, "clicked", GLib.Variant("i", 0), 0))
                self._call(self._property("Menu"), MENU, "Event", event)
                return
        raise AssertionError(f"the menu has no {label!r}: {self.labels()}")

    def _entries(self):
        layout = GLib.Variant("(iias)", (0, -1, []))
        _, (_, _, children) = self._call(self._property("Menu"), MENU, "GetLayout", layout)
        for number, properties, _ in children:
            if properties.get("type") != "separator":
                # An underscore marks a key to press; two are one.
                text = properties.get("label", "").replace("__", "\0").replace("_", "").replace("\0", "_")
                yield number, text, properties.get("enabled", True)

    def _property(self, name):
        parameters = GLib.Variant("(ss)", (ITEM, name))
        (value,) = self._call(self._path, "org.freedesktop.DBus.Properties", "Get", parameters)
        return value

    def _call(self, path, interface, method, parameters):
        reply = self._connection.call_sync(
            self._owner, path, interface, method, parameters, None, Gio.DBusCallFlags.NONE, TIMEOUT_MS, None
        )
        return reply.unpack()
