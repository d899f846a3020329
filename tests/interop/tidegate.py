"""The gateway under test, and its own command line."""

import json
import os
import sqlite3
import tempfile
from pathlib import Path

from processes import Background, Ended, json_of, run
from report import Failed, equal, require


def quiet_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment with a home of its own and without session bus, so that nothing here touches
    the developer's own files or keyring."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment.update(
        HOME=str(home),
        TMPDIR=str(home / "tmp"),
        DBUS_SESSION_BUS_ADDRESS=f"unix:path={home}/no-session-bus",
        NO_COLOR="1",
        TERM="xterm-256color",
    )
    environment.update(more)
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return environment


class Tidegate:
    """A gateway with a state directory of its own."""

    def __init__(self, binary: Path, directory: Path):
        self.binary = binary
        self.state = directory / "state"
        self.environment = quiet_environment(directory)
        self._log = directory / "tidegate.log"
        self._server: Background | None = None
        self.url = ""
        self.token = ""

    def start(self) -> None:
        command = [self.binary, "--state-dir", self.state, "serve", "--port", "0"]
        self._server = Background(command, self.environment, self._log)
        status = self._server.wait_for(self._status, "tidegate serve is ready", 30)
        self.url = status["url"]
        self.token = self.command("token", "show").succeeded().out.strip()
        require(len(self.token) >= 32, f"`tidegate token show` printed no token: {self.token!r}")

    def _status(self) -> dict | None:
        asked = self.command("status", "--json")
        if asked.code != 0:
            return None
        status = json.loads(asked.out)
        return status if status.get("url") and status.get("gateway", {}).get("ready") else None

    def stop(self) -> None:
        if self._server:
            self._server.stop()

    def log(self) -> str:
        return self._server.output() if self._server else ""

    def command(self, *words: str, stdin: str = "", timeout: float = 90) -> Ended:
        """`tidegate WORDS`."""
        command = [self.binary, "--state-dir", self.state, *words]
        return run(command, self.environment, stdin=stdin, timeout=timeout)

    def json(self, *words: str) -> dict:
        return json_of(self.command(*words, "--json").succeeded().out)

    # --- requests ---

    def waiting(self) -> list[dict]:
        return self.json("devices", "list")["pending"]

    def nothing_waits(self) -> None:
        equal(self.waiting(), [], "waiting requests")

    def the_request(self) -> dict:
        """The one request that waits, in full."""
        waiting = self.waiting()
        require(len(waiting) == 1, f"one request should wait, not {waiting}")
        return self.json("devices", "show", waiting[0]["requestId"])

    def approve(self, *options: str) -> dict:
        """Approves the one request that waits, as a person does; the request."""
        request = self.the_request()
        self.command("devices", "approve", request["requestId"], "--yes", *options).succeeded()
        self.nothing_waits()
        return request

    def reject(self) -> None:
        self.command("devices", "reject", self.the_request()["requestId"]).succeeded()
        self.nothing_waits()

    def devices(self) -> list[dict]:
        """The known devices, without our own client."""
        return [device for device in self.json("devices", "list")["paired"] if not device.get("builtIn")]

    def programs(self) -> list[dict]:
        return self.json("token", "list")["programs"]

    def audit(self) -> list[dict]:
        return self.json("audit", "--limit", "1000")["events"]

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Reads the store, which no program but Tidegate writes."""
        stores = list(self.state.glob("*.sqlite"))
        if len(stores) != 1:
            raise Failed(f"the state directory holds these stores: {stores}")
        connection = sqlite3.connect(f"file:{stores[0]}?mode=ro", uri=True)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()


def temporary_directory() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="tidegate-interop-", ignore_cleanup_errors=True)
