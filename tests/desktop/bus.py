"""The session bus: connections to it, and services on it that a test plays."""

import threading

from gi.repository import Gio, GLib

from waiting import PATIENCE

TIMEOUT_MS = 1_000 * PATIENCE


def connect():
    """A connection of its own to the session bus."""
    address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SESSION, None)
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


def interface(xml):
    """The only interface of a description."""
    return Gio.DBusNodeInfo.new_for_xml(f"<node>{xml}</node>").interfaces[0]


class Service:
    """A name on the session bus with one object, from `start` to `stop`.

    Its calls are answered on a thread of its own by `called` and `read`; `changed` is a condition
    that these notify and tests wait for.
    """

    def __init__(self, name, path, description):
        self.changed = threading.Condition()
        self.connection = None
        self._name, self._path, self._interface = name, path, description
        self._context = GLib.MainContext()
        self._loop = GLib.MainLoop(self._context)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()

    def start(self):
        self._thread.start()
        if not self._ready.wait(PATIENCE):
            raise RuntimeError(f"the session bus did not give the name {self._name}")
        return self

    def stop(self):
        """Leaves the bus, as a service does that ends. A second time it does nothing."""
        if self._thread.is_alive():
            self._loop.quit()
            self._thread.join()
            self.connection.close_sync(None)

    def connected(self):
        """Called on the service's thread before the name is taken."""

    def called(self, sender, method, parameters, invocation):
        """Answers a call. On the service's thread."""
        raise NotImplementedError

    def read(self, name):
        """The value of a property. On the service's thread."""
        raise NotImplementedError

    def emit(self, signal, parameters, to=None):
        """Sends a signal to everybody, or to one connection."""
        self.connection.emit_signal(to, self._path, self._interface.name, signal, parameters)
        self.connection.flush_sync(None)

    def wait_until_passed_on(self):
        """Waits until the bus has passed on all that was sent: it answers in order."""
        call(self.connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")

    def wait_for(self, condition, what, seconds=PATIENCE):
        """Waits until `condition` gives something true, and returns that."""
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                raise AssertionError(f"{what}: not within {seconds} s")
            return condition()

    def _serve(self):
        self._context.push_thread_default()
        self.connection = connect()
        self.connection.register_object(self._path, self._interface, self._call, self._get, None)
        self.connected()
        Gio.bus_own_name_on_connection(
            self.connection, self._name, Gio.BusNameOwnerFlags.NONE, lambda *_: self._ready.set(), None
        )
        self._loop.run()
        self._context.pop_thread_default()

    def _call(self, _connection, sender, _path, _interface, method, parameters, invocation):
        self.called(sender, method, parameters, invocation)

    def _get(self, _connection, _sender, _path, _interface, name):
        return self.read(name)


def call(connection, owner, path, interface_name, method, parameters=None):
    """Calls a method and gives its results."""
    reply = connection.call_sync(
        owner, path, interface_name, method, parameters, None, Gio.DBusCallFlags.NONE, TIMEOUT_MS, None
    )
    return reply.unpack()
