"""The tray application as a process, with a state directory of its own."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path


def wait_until(condition, what, seconds=10):
    """Waits until `condition` gives something true, and returns that."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return value


class Shell:
    """Started when it is made; `with` ends whatever is left of it."""

    def __init__(self, state=None, port=0, **environment):
        self._own_state = None
        if state is None:
            self._own_state = tempfile.TemporaryDirectory()
            state = Path(self._own_state.name) / "state_of_one"
        self.state = Path(state)
        self.output = tempfile.TemporaryFile("w+")
        variables = {name: value for name, value in (os.environ | environment).items() if value is not None}
        self.process = subprocess.Popen(
            [os.environ["TIDEGATE_DESKTOP"], "--state-dir", str(self.state), "--port", str(port)],
            env=variables, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            # A session of its own: everything that it leaves behind can be found.
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()
        if self._own_state:
            self._own_state.cleanup()

    def log(self):
        """What the log says so far, as entries."""
        try:
            lines = (self.state / "logs" / "tidegate.log").read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        # A line that is being written has no end yet.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for_log(self, words):
        """The first entry whose message contains `words`."""
        def find():
            return next((entry for entry in self.log() if words in entry["message"]), None)
        return wait_until(find, f"no {words!r} in the log", 20)

    def printed(self):
        """What went to the terminal."""
        self.output.seek(0)
        return self.output.read()

    def end(self, name=signal.SIGTERM):
        """Asks the process to end."""
        self.process.send_signal(name)

    def wait(self, seconds=5):
        """The exit status."""
        return self.process.wait(seconds)

    def left_behind(self):
        """The processes that are still in its session."""
        left = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.getsid(int(entry.name)) == self.process.pid:
                        left.append(int(entry.name))
                except ProcessLookupError:
                    continue
        return left
