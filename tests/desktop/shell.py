"""The tray application as a process, with a state directory of its own."""

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from waiting import PATIENCE, wait_until

BINARIES = Path(os.environ["TIDEGATE_BINARIES"])


class State:
    """A state directory, the log in it, and the command line of the Tidegate that runs with it."""

    def __init__(self, state):
        self.state = Path(state)

    def log(self):
        """What the log says so far, as entries."""
        try:
            lines = (self.state / "logs" / "tidegate.log").read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        # A line that is being written has no end yet.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for_log(self, words, number=1):
        """The entry whose message contains `words`, the first one or a later one."""
        def find():
            found = [entry for entry in self.log() if words in entry["message"]]
            return found[number - 1] if len(found) >= number else None
        return wait_until(find, f"no {words!r} in the log")

    def wait_until_ready(self):
        """The port that it serves."""
        return self.wait_for_log("Tidegate is ready")["port"]

    def tidegate(self, *words, stdin=""):
        """Runs `tidegate WORDS` on the same state; the ended process."""
        return subprocess.run(
            [BINARIES / "tidegate", "--state-dir", self.state, *words],
            input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )

    def start_agent(self, message, test):
        """Has the built-in demo do something, until the test ends; the process, whose output can be read."""
        process = subprocess.Popen(
            [BINARIES / "tidegate", "--state-dir", self.state, "agent", "--message", message],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        test.addCleanup(process.wait, PATIENCE)
        test.addCleanup(process.stdout.close)
        return process

    def json(self, *words):
        """What `tidegate WORDS --json` prints."""
        ended = self.tidegate(*words, "--json")
        assert ended.returncode == 0, f"tidegate {' '.join(words)}: {ended.stdout}{ended.stderr}"
        return json.loads(ended.stdout)

    def token(self):
        """The shared token."""
        ended = self.tidegate("token", "show")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def waiting(self):
        """The requests that wait, as the command line lists them."""
        return self.json("devices", "list")["pending"]

    def audit(self):
        """The audit log, as the command line prints it."""
        return self.json("audit", "--limit", "1000")["events"]


def has_ended(entry):
    """Whether a process waits only to be collected (proc_pid_stat(5))."""
    try:
        return (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Shell(State):
    """Started when it is made; `with` ends whatever is left of it."""

    def __init__(self, state=None, port=0, arguments=(), **environment):
        self._own_state = None
        if state is None:
            self._own_state = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            state = Path(self._own_state.name) / "state_of_one"
        super().__init__(state)
        self.output = tempfile.TemporaryFile("w+")
        variables = {name: value for name, value in (os.environ | environment).items() if value is not None}
        self.process = subprocess.Popen(
            [*self.command(self.state, port), *arguments],
            env=variables, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            # A session of its own: everything that it leaves behind can be found.
            start_new_session=True,
        )

    @staticmethod
    def command(state, port=0):
        """The words that start it."""
        return [str(BINARIES / "tidegate-desktop"), "--state-dir", str(state), "--port", str(port)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self.left_behind():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.output.close()
        if self._own_state:
            self._own_state.cleanup()

    def printed(self):
        """What went to the terminal."""
        self.output.seek(0)
        return self.output.read()

    def end(self, name=signal.SIGTERM):
        """Asks the process to end."""
        self.process.send_signal(name)

    def wait(self):
        """The exit status, once it has ended."""
        return self.process.wait(PATIENCE)

    def left_behind(self):
        """The processes that are still in its session and run: when one that has ended is collected is up to the
        first process of the system."""
        left = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.getsid(int(entry.name)) == self.process.pid and not has_ended(entry):
                        left.append(int(entry.name))
                except ProcessLookupError:
                    continue
        return left

    def wait_until_nothing_is_left(self):
        """Waits until none of its processes is there; those that draw pages end a moment after it."""
        wait_until(lambda: not self.left_behind(), "nothing is left of it")

    def descendants(self):
        """Its processes as (pid, name), itself left out."""
        return descendants_of(self.process.pid)


def descendants_of(pid):
    """The processes that a process started, and those that these started, as (pid, name)."""
    found, unseen = [], [pid]
    while unseen:
        for child in children_of(unseen.pop()):
            found.append((child, name_of(child)))
            unseen.append(child)
    return found


def children_of(pid):
    """The children of a process; none when it has ended."""
    found = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            found += [int(word) for word in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()]
        except OSError:
            continue
    return found


def name_of(pid):
    """The name of a process, empty when it has ended."""
    try:
        return (Path("/proc") / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""
