"""What was checked, one line each, and the sum."""

import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Failed(Exception):
    """A check did not hold."""


class Report:
    """Prints every check as it ends and counts."""

    def __init__(self, out=sys.stdout):
        self.passed = 0
        self.failed: list[str] = []
        self._out = out
        self._group = ""

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        """Checks that belong together. What breaks off in it is one failed check."""
        before, self._group = self._group, name
        self._say(f"\n== {name}")
        try:
            yield
        except Exception as error:
            self._fail("the rest of this group", f"it broke off: {describe(error)}")
        finally:
            self._group = before

    def check(self, name: str, assertion: Callable[[], object]) -> bool:
        """One check: `assertion` raises when it does not hold."""
        try:
            assertion()
        except Exception as error:
            self._fail(name, describe(error))
            return False
        self.passed += 1
        self._say(f"ok      {name}")
        return True

    def note(self, text: str) -> None:
        """Something worth knowing that is no check."""
        self._say(f"note    {text}")

    def close(self) -> int:
        """Prints the sum; the exit code."""
        if self.failed:
            self._say("\nFailed:")
            for name in self.failed:
                self._say(f"  {name}")
        self._say(f"\n{self.passed} passed, {len(self.failed)} failed")
        return 1 if self.failed else 0

    def _fail(self, name: str, why: str) -> None:
        self.failed.append(f"{self._group}: {name}" if self._group else name)
        self._say(f"FAILED  {name}")
        self._say(textwrap.indent(why.rstrip(), "        "))

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def describe(error: Exception) -> str:
    if isinstance(error, Failed):
        return str(error)
    return "".join(traceback.format_exception(error)).rstrip()


def shortened(text: str, limit: int = 3000) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def require(condition: object, why: str) -> None:
    """Raises `Failed` when the condition is false."""
    if not condition:
        raise Failed(why)


def equal(actual: object, expected: object, what: str) -> None:
    require(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")
