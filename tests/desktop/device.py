"""A device that asks to pair: a process of its own, with its own key, that speaks the gateway's protocol."""

import json
import os
import subprocess

from shell import BINARIES
from waiting import PATIENCE, wait_until


class Refused(Exception):
    """The gateway answered a request with an error."""

    def __init__(self, error, closed=None):
        super().__init__(f"{error} {closed or ''}")
        self.error = error
        # After a refused handshake: how the connection ended.
        self.close_code = (closed or {}).get("code")
        self.close_reason = (closed or {}).get("reason")

    @property
    def code(self):
        """The protocol's error code."""
        return self.error["code"]

    @property
    def details(self):
        """What else the error says."""
        return self.error.get("details") or {}

    @property
    def request_id(self):
        """The id of the pairing request."""
        return self.details["requestId"]


class Device:
    """A device with the key of `number`; what it says of itself stays the same over its connections."""

    def __init__(self, shell, number=1, token=None, environment=None, **identity):
        self._url = f"ws://127.0.0.1:{shell.wait_until_ready()}"
        self.identity = {"device": number, "token": token or shell.token()} | identity
        self._process = subprocess.Popen(
            [BINARIES / "pairing-client"], env=os.environ | (environment or {}),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(PATIENCE)

    def connect(self, *scopes, **changes):
        """Connects asking for these scopes; what the gateway says to it. `Refused` when it does not."""
        words = {"url": self._url, "scopes": list(scopes)} | self.identity | changes
        answer = self._ask({"connect": words})
        if "error" in answer:
            raise Refused(answer["error"], answer["closed"])
        return answer["hello"]

    def request_pairing(self, *scopes, **changes):
        """Connects and must be told to wait: the refusal."""
        try:
            hello = self.connect(*scopes, **changes)
        except Refused as refused:
            return refused
        raise AssertionError(f"it was let in: {hello}")

    def connect_when_let_in(self, *scopes, **changes):
        """Tries again until it is let in, as clients do."""
        def attempt():
            try:
                return self.connect(*scopes, **changes)
            except Refused:
                return None
        return wait_until(attempt, f"the device with {scopes} is let in")

    def call(self, method, **params):
        """The payload of an answer. `Refused` when it is an error."""
        answer = self._ask({"request": {"method": method, "params": params}})
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["payload"]

    def refused_call(self, method, **params):
        """A call that must be refused: the refusal."""
        try:
            payload = self.call(method, **params)
        except Refused as refused:
            return refused
        raise AssertionError(f"{method} was answered: {payload}")

    def event(self, name):
        """The next event of this name, waiting for it."""
        return self._ask({"event": name})["event"]

    def closed(self):
        """How the connection ended, waiting for it: (code, reason)."""
        closed = self._ask({"closed": {}})["closed"]
        return closed["code"], closed["reason"]

    def _ask(self, command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"pairing-client ended with {self._process.poll()}"
        answer = json.loads(line)
        assert "failed" not in answer, answer["failed"]
        return answer
