"""Runs the test modules, each on a private desktop of its own, several at a time.

    runner.py [--jobs N] [--pattern GLOB] [ARGUMENTS OF UNITTEST...]
    runner.py --in-this-desktop COMMAND...     runs a command in a private desktop
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from private_desktop import private_desktop

HERE = Path(__file__).resolve().parent
# Nothing may hang for ever: what a module may take.
MODULE_SECONDS = 45 * 60


def main():
    arguments, rest = parser().parse_known_args()
    if arguments.command:
        with private_desktop() as environment:
            sys.exit(subprocess.run(arguments.command, env=environment, check=False).returncode)
    if arguments.module:
        sys.exit(run_here(arguments.module, arguments.result, rest))
    modules = sorted(path.stem for path in HERE.glob(arguments.pattern))
    if not modules:
        sys.exit(f"no test module fits {arguments.pattern!r}")
    with ThreadPoolExecutor(arguments.jobs) as workers:
        outcomes = list(workers.map(lambda module: run_module(module, rest), modules))
    passed = sum(outcome["passed"] for outcome in outcomes)
    failed = sum(outcome["failed"] for outcome in outcomes)
    skipped = sum(outcome["skipped"] for outcome in outcomes)
    slowest = sorted((time for outcome in outcomes for time in outcome["times"]), reverse=True)[:5]
    print("The slowest: " + ", ".join(f"{name} {seconds:.1f} s" for seconds, name in slowest))
    verdict = "FAILED" if failed else "ok"
    # The words of `cargo test`, which `./dev test` adds up.
    print(f"test result: {verdict}. {passed} passed; {failed} failed; {skipped} ignored", flush=True)
    sys.exit(1 if failed or not passed else 0)


def parser():
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    found.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    found.add_argument("--pattern", default="*_test.py")
    found.add_argument("--module", help=argparse.SUPPRESS)
    found.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    found.add_argument("--in-this-desktop", dest="command", nargs=argparse.REMAINDER)
    return found


def run_module(module, rest):
    """Runs one module in a process of its own and prints what it said when it ended."""
    with tempfile.NamedTemporaryFile("r") as result, private_desktop() as environment:
        words = [sys.executable, "-B", __file__, "--module", module, "--result", result.name, *rest]
        begun = time.monotonic()
        try:
            ended = subprocess.run(
                words, env=environment, cwd=HERE, timeout=MODULE_SECONDS, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )
            said = ended.stdout
        except subprocess.TimeoutExpired as error:
            said = f"{(error.stdout or b'').decode(errors='replace')}\nnot done within {MODULE_SECONDS} s\n"
        text = result.read()
    outcome = json.loads(text) if text else {"passed": 0, "failed": 1, "skipped": 0, "times": []}
    print(f"== {module}, {time.monotonic() - begun:.0f} s\n{said}", flush=True)
    return outcome


def run_here(module, result, rest):
    """Runs one module in this process; the exit status."""
    program = unittest.main(module, argv=[module, "--verbose", *rest], exit=False, testRunner=TimedRunner)
    found = program.result
    failed = len(found.failures) + len(found.errors) + len(found.unexpectedSuccesses)
    outcome = {
        "passed": found.testsRun - failed - len(found.skipped),
        "failed": failed,
        "skipped": len(found.skipped),
        "times": found.times,
    }
    result.write_text(json.dumps(outcome))
    return 1 if failed else 0


class TimedResult(unittest.TextTestResult):
    """Knows how long each test took."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.times = []

    def startTest(self, test):
        self._begun = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        self.times.append((time.monotonic() - self._begun, test.id()))
        super().stopTest(test)


class TimedRunner(unittest.TextTestRunner):
    """A runner that keeps the times."""

    resultclass = TimedResult


if __name__ == "__main__":
    main()
