"""OpenClaw's terminal interface, in a real terminal (tmux)."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from checks_command_line import OFFLINE
from openclaw import RELEASE_4_1, OpenClaw
from processes import wait_until
from report import Failed, Report, equal, shortened


class Terminal:
    """A terminal; each time it is opened it gets a tmux server of its own."""

    def __init__(self, client: OpenClaw):
        self._client = client
        self._opened = 0

    @property
    def _server(self) -> str:
        return f"tidegate-interop-{os.getpid()}-{self._client.release.version}-{self._opened}"

    def open(self) -> None:
        self._opened += 1
        assignments = [f"{name}={value}" for name, value in self._client.environment.items()]
        command = ["env", "-i", *assignments, *self._client.words("tui", *self._client.aim())]
        # The screen stays when the program ends.
        line = f"{shlex.join(command)}; sleep 600"
        self._tmux("new-session", "-d", "-s", "tui", "-x", "120", "-y", "40", line)

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._server, "kill-server"], capture_output=True, check=False)

    def screen(self) -> str:
        """What is on the screen, lines that were wrapped joined."""
        return self._tmux("capture-pane", "-p", "-J", "-t", "tui")

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-t", "tui", "-l", text)
        self._tmux("send-keys", "-t", "tui", "Enter")

    def shows(self, part: str, timeout: float = 40) -> None:
        try:
            wait_until(lambda: part in self._flat(), f"the screen shows {part!r}", timeout)
        except TimeoutError as error:
            raise Failed(f"{error}:\n{shortened(self.screen().strip())}") from None

    def _flat(self) -> str:
        return " ".join(self.screen().split())

    def _tmux(self, *words: str) -> str:
        ended = subprocess.run(["tmux", "-L", self._server, *words], capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise Failed(f"tmux {words[0]}: {ended.stderr.strip()}")
        return ended.stdout


@contextmanager
def terminal(client: OpenClaw) -> Iterator[Terminal]:
    if not shutil.which("tmux"):
        raise Failed("tmux is missing (Debian: apt-get install tmux)")
    opened = Terminal(client)
    try:
        yield opened
    finally:
        opened.close()


def refused_approved_connected(report: Report, client: OpenClaw, word: str) -> None:
    """The terminal interface is refused, approved while it waits, and then talks to the agent."""
    gateway = client.gateway
    is_4_1 = client.release is RELEASE_4_1

    with terminal(client) as tui:
        tui.open()

        def refused() -> None:
            tui.shows("pairing required")
            request = gateway.the_request()
            equal(request["clientId"], "openclaw-tui", "the client's id")
            equal(request["clientMode"], "ui", "the client's mode")

        def approved() -> None:
            gateway.approve()
            if is_4_1:
                # 2026.4.1 never tries again after "pairing required", whatever the gateway does.
                tui.close()
                tui.open()
            tui.shows("connected | idle")

        def answered() -> None:
            tui.type(f"please repeat {word}")
            tui.shows(f"{OFFLINE} I have no intelligence and can only repeat what you said: “please repeat {word}”")
            tui.shows("connected | idle")

        def sees_others() -> None:
            gateway.command("agent", "--message", f"from elsewhere: {word}").succeeded()
            tui.shows(f"repeat what you said: “from elsewhere: {word}”")
            tui.shows("connected | idle")

        report.check("refused at first: pairing required is on the screen", refused)
        how = "started again after the approval, it connects" if is_4_1 else (
            "approved while it waits, it connects without a restart"
        )
        report.check(how, approved)
        report.check("a message gets its answer on the screen", answered)
        report.check("a run of someone else in the same session appears too", sees_others)
        report.check("nothing waits", gateway.nothing_waits)
    if is_4_1:
        report.note("the terminal interface of 2026.4.1 does not try again after it was refused")
