"""The desktop's notification service, played by a test: it keeps what is shown, and answers as a
person does, or not at all."""

import time
from dataclasses import dataclass, field

from gi.repository import Gio, GLib

from bus import Service, interface
from waiting import PATIENCE

NAME = "org.freedesktop.Notifications"
EXPIRED, DISMISSED, CLOSED_BY_CALL = 1, 2, 3

INTERFACE = interface(f"""
  <interface name="{NAME}">
    <method name="GetCapabilities"><arg type="as" direction="out"/></method>
    <method name="GetServerInformation">
      <arg type="s" direction="out"/><arg type="s" direction="out"/>
      <arg type="s" direction="out"/><arg type="s" direction="out"/>
    </method>
    <method name="Notify">
      <arg type="s" name="app_name" direction="in"/><arg type="u" name="replaces_id" direction="in"/>
      <arg type="s" name="app_icon" direction="in"/><arg type="s" name="summary" direction="in"/>
      <arg type="s" name="body" direction="in"/><arg type="as" name="actions" direction="in"/>
      <arg type="a{{sv}}" name="hints" direction="in"/><arg type="i" name="timeout" direction="in"/>
      <arg type="u" direction="out"/>
    </method>
    <method name="CloseNotification"><arg type="u" direction="in"/></method>
    <signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
    <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
  </interface>
""")


@dataclass(frozen=True)
class Shown:
    """A notification as it was sent."""

    id: int
    replaces: int
    title: str
    body: str
    # From key to label.
    actions: dict = field(default_factory=dict)
    hints: dict = field(default_factory=dict)

    def key_of(self, label):
        """The key of the button with this label."""
        for key, text in self.actions.items():
            if text == label:
                return key
        raise AssertionError(f"the notification has no button {label!r}: {self.actions}")


class NotificationService(Service):
    """It answers at once; one that hangs takes calls and answers when it recovers, if ever.

    A `strict` one is as GNOME's: it tells answers only to the connection that asked for the notification, lets no
    other replace or close it, and removes it when that connection ends. One with `pressed_at_once` tells that this
    button was pressed before it answers the call.
    """

    def __init__(self, hangs=False, strict=False, pressed_at_once=None):
        super().__init__(NAME, "/org/freedesktop/Notifications", INTERFACE)
        self.hangs = hangs
        self.strict = strict
        self.pressed_at_once = pressed_at_once
        self._unanswered = []
        # Who asked for a notification, by its id.
        self._owners = {}
        # All that were ever sent, and those that are on the screen, by id.
        self.sent = []
        self.on_screen = {}
        self.calls = []
        # When each of them came.
        self.called_at = []

    def wait_for_notification(self, seconds=PATIENCE):
        """What is on the screen, waiting for it; there must be one at most."""
        on_screen = self.wait_for(lambda: dict(self.on_screen), "a notification is shown", seconds)
        assert len(on_screen) == 1, f"{len(on_screen)} notifications are on the screen: {on_screen}"
        return next(iter(on_screen.values()))

    def wait_for_sent(self, number, seconds=PATIENCE):
        """The notification that was sent as the `number`th."""
        return self.wait_for(lambda: self.sent[number - 1:number], f"notification {number} is sent", seconds)[0]

    def wait_until_empty(self, seconds=PATIENCE):
        """Waits until nothing is on the screen any more."""
        self.wait_for(lambda: not self.on_screen, "no notification is on the screen", seconds)

    def press(self, notification, label):
        """Presses a button: the notification goes away, as in all desktops."""
        self.forge(notification.id, notification.key_of(label))
        self._close(notification.id, DISMISSED)

    def expire(self, notification):
        """It fades."""
        self._close(notification.id, EXPIRED)

    def forge(self, number, key):
        """An answer that every program of the session can send: nobody pressed anything."""
        self.emit("ActionInvoked", GLib.Variant("(us)", (number, key)), self._listener(number))

    def recover(self):
        """Answers what it was asked while it hung."""
        self.hangs = False
        for call in self._unanswered:
            self._answer(*call)

    def called(self, sender, method, parameters, invocation):
        with self.changed:
            self.calls.append(method)
            self.called_at.append(time.monotonic())
            self.changed.notify_all()
        if self.hangs:
            self._unanswered.append((sender, method, parameters, invocation))
        else:
            self._answer(sender, method, parameters, invocation)

    def _answer(self, sender, method, parameters, invocation):
        if method in ("Notify", "CloseNotification") and self.strict:
            number = parameters.unpack()[1 if method == "Notify" else 0]
            if self._owners.get(number, sender) != sender:
                invocation.return_dbus_error("org.freedesktop.DBus.Error.AccessDenied", "Invalid notification ID")
                return
        if method == "GetCapabilities":
            invocation.return_value(GLib.Variant("(as)", (["actions", "body", "persistence"],)))
        elif method == "GetServerInformation":
            invocation.return_value(GLib.Variant("(ssss)", ("test", "test", "1", "1.2")))
        elif method == "Notify":
            number = self._show(sender, parameters.unpack())
            if self.pressed_at_once:
                self.press(self.on_screen[number], self.pressed_at_once)
            invocation.return_value(GLib.Variant("(u)", (number,)))
        else:
            (number,) = parameters.unpack()
            invocation.return_value(None)
            self._close(number, CLOSED_BY_CALL)

    def _show(self, sender, parameters):
        _app, replaces, _icon, title, body, actions, hints, _timeout = parameters
        with self.changed:
            number = replaces or len(self.sent) + 1
            shown = Shown(number, replaces, title, body, dict(zip(actions[::2], actions[1::2])), hints)
            self.sent.append(shown)
            self.on_screen[number] = shown
            is_known = sender in self._owners.values()
            self._owners[number] = sender
            self.changed.notify_all()
        if self.strict and not is_known:
            Gio.bus_watch_name_on_connection(
                self.connection, sender, Gio.BusNameWatcherFlags.NONE, None, lambda _, name: self._forget(name)
            )
        return number

    def _listener(self, number):
        return self._owners.get(number) if self.strict else None

    def _forget(self, sender):
        with self.changed:
            for number in [number for number, owner in self._owners.items() if owner == sender]:
                del self._owners[number]
                self.on_screen.pop(number, None)
            self.changed.notify_all()

    def _close(self, number, reason):
        with self.changed:
            was_there = self.on_screen.pop(number, None)
            self.changed.notify_all()
        if was_there:
            self.emit("NotificationClosed", GLib.Variant("(uu)", (number, reason)), self._listener(number))
