"""Running programs: to their end, or in the background until they are stopped."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from report import Failed, require, shortened

T = TypeVar("T")

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)")


def plain(text: str) -> str:
    """A text without the terminal's escape sequences."""
    return ESCAPES.sub("", text)


@dataclass(frozen=True)
class Ended:
    """A program that ended."""

    command: str
    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return f"{self.out}\n{self.err}"

    def describe(self) -> str:
        return f"$ {self.command}\n(exit code {self.code})\n{shortened(self.all.strip())}"

    def succeeded(self) -> "Ended":
        require(self.code == 0, f"it should have succeeded:\n{self.describe()}")
        return self

    def refused(self) -> "Ended":
        require(self.code != 0, f"it should have failed:\n{self.describe()}")
        return self

    def says(self, *parts: str) -> "Ended":
        for part in parts:
            require(part in self.all, f"the output lacks {part!r}:\n{self.describe()}")
        return self

    def does_not_say(self, *parts: str) -> "Ended":
        for part in parts:
            require(part not in self.all, f"the output has {part!r}:\n{self.describe()}")
        return self


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    timeout: float = 90,
    stdin: str = "",
    cwd: Path | None = None,
) -> Ended:
    """Runs a program to its end."""
    words = [str(word) for word in command]
    shown = " ".join([Path(words[0]).name, *words[1:]])
    started = subprocess.Popen(
        words,
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = started.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        _end_group(started)
        out, err = started.communicate()
        raise Failed(f"$ {shown}\nit did not end within {timeout:.0f} s:\n{shortened(plain(out + err))}") from None
    return Ended(shown, started.returncode, plain(out), plain(err))


class Background:
    """A program that runs until `stop`; its output goes to a file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        log: Path,
        *,
        cwd: Path | None = None,
    ):
        self.log = log
        self._file = log.open("wb")
        self._process = subprocess.Popen(
            [str(word) for word in command],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def output(self) -> str:
        return plain(self.log.read_text(errors="replace"))

    def wait_for(self, ready: Callable[[], T], what: str, timeout: float) -> T:
        """Waits until `ready` gives something, while the program lives."""

        def look() -> T:
            if self._process.poll() is not None:
                raise Failed(f"{what}: it ended with {self._process.returncode}:\n{shortened(self.output())}")
            return ready()

        try:
            return wait_until(look, what, timeout)
        except TimeoutError as error:
            raise Failed(f"{error}\n{shortened(self.output())}") from None

    def ended(self, timeout: float) -> None:
        """Waits until it has ended by itself, with exit code 0."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end within {timeout:.0f} s:\n{shortened(self.output())}") from None
        require(code == 0, f"it ended with {code}:\n{shortened(self.output())}")

    def stop(self) -> None:
        _end_group(self._process)
        self._file.close()


def _end_group(process: subprocess.Popen) -> None:
    for sign, patience in ((signal.SIGTERM, 8), (signal.SIGKILL, 8)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def wait_until(look: Callable[[], T], what: str, timeout: float) -> T:
    """Calls `look` until it gives something; what it gave."""
    until = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {timeout:.0f} s")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    """Whether something listens on a port of this computer."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def json_of(text: str) -> object:
    """The JSON value in a program's output, which may print other lines before it."""
    decoder = json.JSONDecoder()
    for begin in re.finditer(r"^[\[{]", text, re.MULTILINE):
        try:
            value, end = decoder.raw_decode(text, begin.start())
        except ValueError:
            continue
        if not text[end:].strip() or isinstance(value, (dict, list)) and value:
            return value
    raise Failed(f"there is no JSON in:\n{shortened(text)}")
