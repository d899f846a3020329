"""The pages of a window, driven through WebKitWebDriver (W3C WebDriver), which starts Tidegate itself."""

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request

from ports import free_port
from waiting import PATIENCE, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class WebDriver:
    """A session with a Tidegate that the driver starts; it opens its window by itself."""

    def __init__(self, command, **environment):
        self._port = free_port()
        self._log = open(os.path.join(os.environ["TMPDIR"], f"driver-{self._port}.log"), "w+b")
        self._driver = subprocess.Popen(
            ["WebKitWebDriver", f"--port={self._port}", "--host=127.0.0.1"],
            # Tidegate inherits it.
            env=os.environ | environment | {"TAURI_WEBVIEW_AUTOMATION": "true"},
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True,
        )
        wait_until(self._listens, "the driver listens")
        assert self._driver.poll() is None, "the driver has ended; its port may be somebody else's"
        # No browserName: the driver would compare it with what the application calls itself.
        options = {"binary": command[0], "args": command[1:]}
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        answer = self._ask("POST", "/session", {"capabilities": capabilities})
        self._session = f"/session/{answer['sessionId']}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._ask("DELETE", self._session, None)
        except (OSError, AssertionError):
            pass
        self._driver.terminate()
        self._driver.wait(PATIENCE)
        self._log.close()

    def run(self, script, *arguments):
        """Runs a script in the page; what it returns."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """Runs a script in the page, whose last argument is a function to call with the result."""
        return self._ask("POST", f"{self._session}/execute/async", {"script": script, "args": list(arguments)})

    def text(self):
        """All that the page says."""
        return self.run("return document.body.innerText")

    def wait_for_text(self, part):
        """Waits until the page says something."""
        try:
            wait_until(lambda: part in self.text(), f"{part!r} in the page")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says:\n{self.text()}") from None

    def click(self, words, whole=False):
        """Clicks the first button or link that begins with these words, or says just these."""
        quoted = json.dumps(words, ensure_ascii=False)
        xpath = (
            f"//*[self::button or self::a][starts-with(normalize-space(.), {quoted}) "
            f"or starts-with(@aria-label, {quoted})]"
        )
        if whole:
            xpath = f"//*[self::button or self::a][normalize-space(.) = {quoted}]"
        def find():
            found = self._ask("POST", f"{self._session}/elements", {"using": "xpath", "value": xpath})
            return found[0][ELEMENT] if found else None
        element = wait_until(find, f"a button {words!r}")
        self._ask("POST", f"{self._session}/element/{element}/click", {})

    def wait_for_url(self, part):
        """Waits until the page is at an address with this part."""
        try:
            wait_until(lambda: part in self.url(), f"{part!r} in the address")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is at {self.url()} and says:\n{self.text()}") from None

    def url(self):
        """The page's address."""
        return self._ask("GET", f"{self._session}/url", None)

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _ask(self, method, path, body):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            message = f"{method} {path}: {error.read().decode(errors='replace')}"
            raise AssertionError(f"{message}\n{self._printed()}") from None

    def _printed(self):
        """What the driver, and Tidegate in it, said: the reason when the session is lost."""
        with open(self._log.name, encoding="utf-8", errors="replace") as log:
            return log.read()[-4096:]
