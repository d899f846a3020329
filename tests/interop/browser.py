"""A page in headless Chromium."""

import json
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import foreign
from processes import wait_until
from report import Failed, shortened
from tidegate import quiet_environment


class Browser:
    """Starts with an empty profile; everything is asked of one page."""

    def __init__(self, directory: Path, playwright: Path):
        executable = shutil.which("chromium")
        if not executable:
            raise Failed("chromium is missing (Debian: apt-get install chromium)")
        directory.mkdir(parents=True)
        self._log = (directory / "browser.log").open("w+b")
        script = Path(__file__).with_name("browser.mjs")
        command = [foreign.node(foreign.NODE_24), script, playwright, executable, directory / "profile"]
        self._process = subprocess.Popen(
            [str(word) for word in command],
            env=quiet_environment(directory),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self._answer()

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _answer(self) -> object:
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise Failed(f"the browser ended:\n{shortened(self._log.read().decode(errors='replace'))}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"the page: {answer['error']}")
        return answer["ok"]

    def __call__(self, op: str, **rest: object) -> object:
        self._process.stdin.write(json.dumps({"op": op, **rest}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def text(self) -> str:
        return self("text")

    def shows(self, part: str, timeout: float = 40) -> None:
        try:
            wait_until(lambda: part in self.text(), f"the page shows {part!r}", timeout)
        except TimeoutError as error:
            messages = "\n".join(self("messages")[-10:])
            raise Failed(f"{error}:\n{shortened(self.text().strip())}\n{messages}") from None


class StaticServer:
    """Serves a directory on a port of this computer, at the root and at every path below it."""

    def __init__(self, directory: Path):
        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def send_head(self):
                # The pages of an application in one page have paths, and no files.
                if not Path(self.translate_path(self.path)).exists():
                    self.path = "/index.html"
                return super().send_head()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
