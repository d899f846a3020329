"""OpenClaw's Control UI, as its package brings it, in a browser: served by a static server whose origin
a person confirmed, paired, and used to chat."""

import json
from pathlib import Path

import foreign
from browser import Browser, StaticServer
from processes import Background, answers, free_port, wait_until
from report import Failed, Report, equal, require
from tidegate import Tidegate, quiet_environment

COMPOSER = "textarea[aria-label='Chat composer']"
# The page keeps the session before, transparent.
VISIBLE = "element.checkVisibility({ opacityProperty: true, visibilityProperty: true })"
BUBBLES = (
    f"[...document.querySelectorAll('.chat-bubble')].filter((element) => {VISIBLE})"
    ".map((element) => element.innerText)"
)
TYPED = f'[...document.querySelectorAll("{COMPOSER}")].filter((element) => {VISIBLE}).map((element) => element.value)'
PLAYWRIGHT = foreign.OPENCLAW_2026_9_6.path.parent / "playwright-core" / "index.mjs"
PAGES = foreign.OPENCLAW_2026_9_6.path / "dist" / "control-ui"
ORIGINS = "gateway.controlUi.allowedOrigins"


class ControlUi:
    """The page, and everything that it needs."""

    def __init__(self, directory: Path, binaries: Path, pictures: Path | None):
        self.pictures = pictures
        self._model = self._start_model(directory, binaries)
        self.server = StaticServer(PAGES)
        self.gateway = Tidegate(binaries / "tidegate", directory)
        self.gateway.state.mkdir(mode=0o700, parents=True)
        config = {"gateway": {"controlUi": {"allowedOrigins": [self.server.origin]}}}
        (self.gateway.state / "openclaw.json").write_text(json.dumps(config))
        self.gateway.start()
        self.page = Browser(directory / "browser", PLAYWRIGHT)

    def _start_model(self, directory: Path, binaries: Path) -> Background:
        port = free_port()
        self.model_url = f"http://127.0.0.1:{port}/v1"
        script = Path(__file__).with_name("control-ui-model.json")
        command = [binaries / "scripted-model", str(port), script]
        model = Background(command, quiet_environment(directory), directory / "scripted-model.log")
        model.wait_for(lambda: answers(port), "scripted-model listens", 30)
        return model

    def __enter__(self) -> "ControlUi":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.picture("end")
            self.page.__exit__()
        finally:
            self.gateway.stop()
            self.server.stop()
            self._model.stop()

    def picture(self, name: str) -> None:
        if self.pictures:
            self.page("screenshot", path=str(self.pictures / f"control-ui-{name}.png"))

    def say(self, message: str) -> None:
        self.page("fill", selector=COMPOSER, text=message)

        def sent() -> bool:
            # The first press may only close the list of commands that the page offers.
            self.page("press", selector=COMPOSER, key="Enter")
            return self.page("run", script=TYPED) == [""]

        wait_until(sent, "the message is sent", 20)

    def shows_once(self, part: str) -> None:
        """Waits until the conversation shows a text, and requires that it does so once."""
        self.page.shows(part)
        wait_until(lambda: not self.gateway.json("status")["active"], "nothing runs any more", 30)
        try:
            wait_until(lambda: self.conversation().count(part) == 1, "once", 10)
        except TimeoutError:
            raise Failed(f"{part!r} is not shown once:\n{self.conversation()}") from None

    def conversation(self) -> str:
        """What the bubbles say. The page repeats the newest message for screen readers."""
        return "\n".join(self.page("run", script=BUBBLES))


def chats(report: Report, directory: Path, binaries: Path, pictures: Path | None) -> None:
    with ControlUi(directory, binaries, pictures) as ui:
        pairs(report, ui)
        talks(report, ui)
        uses_commands(report, ui)
        report.check("no call that the page makes has refused parameters", lambda: parameters_are_taken(ui))
        for method in sorted(absent_methods(ui)):
            report.note(f"the page asks for {method}, which Tidegate does not have")


def pairs(report: Report, ui: ControlUi) -> None:
    gateway, page = ui.gateway, ui.page
    address = f"{ui.server.origin}/#gatewayUrl={gateway.url}&token={gateway.token}"

    def refused_origin() -> None:
        page("open", url=address)
        page("click", role="button", name=f"Switch to {gateway.url.removeprefix('ws://')}")
        page.shows("could not reach")
        equal(gateway.waiting(), [], "the requests before the origin is confirmed")

    def waits() -> None:
        gateway.command("config", "confirm", ORIGINS, "--yes").succeeded()
        page("open", url="about:blank")
        page("open", url=address)
        wait_until(gateway.waiting, "the page's request waits", 30)
        request = gateway.the_request()
        equal(request["clientId"], "openclaw-control-ui", "the client's id")
        page.shows(request["requestId"])
        ui.picture("pairing")

    def connects() -> None:
        gateway.approve()
        page.shows("Connected")
        ui.picture("connected")

    def model() -> None:
        words = ("models", "add", "lab", "--base-url", ui.model_url, "--no-key", "--model", "scripted")
        gateway.command(*words).succeeded()
        gateway.command("models", "use", "lab/scripted").succeeded()
        page("open", url="about:blank")
        page("open", url=ui.server.origin)
        page.shows("Connected")

    report.check("a page whose origin nobody confirmed does not connect", refused_origin)
    report.check("with a confirmed origin it asks to be paired, and shows the request", waits)
    report.check("approved, it connects without being reloaded", connects)
    report.check("opened again, it connects with its own token", model)


def talks(report: Report, ui: ControlUi) -> None:
    gateway, page = ui.gateway, ui.page

    def streams() -> None:
        ui.say("Count slowly, please.")
        page.shows("one two three")
        require("and done" not in page.text(), "the answer was not shown while it came")
        ui.picture("streamed")
        ui.shows_once("one two three and done.")
        ui.shows_once("Count slowly, please.")
        ui.picture("answered")

    def approves() -> None:
        ui.say("Run the command, please.")
        page.shows("Exec approval needed")
        page.shows("echo printed-by-the-command")
        ui.picture("approval")
        page("click", role="button", name="Allow once")
        ui.shows_once("The command was allowed and ran.")
        ui.picture("command")

    def allows_for_the_task() -> None:
        ui.say("Run both, please.")
        page.shows("Exec approval needed")
        page.shows("echo first-of-both")
        page("click", role="button", name="Always allow")
        ui.shows_once("Both ran, and you were asked once.")
        gateway.command("audit").succeeded().says("permission.given", "kind=task", "command.unasked")

    def spawns() -> None:
        ui.say("Ask a subagent, please.")
        ui.shows_once("The subagent found this: result-of-alpha.")
        ui.page.shows('The subagent "alpha" has finished.')
        require("untrusted-data" not in ui.page.text(), "the page shows what only the model is to read")
        children = gateway.rows("SELECT label, state, result FROM runs WHERE parent IS NOT NULL")
        equal(children, [("alpha", "ok", "result-of-alpha")], "the subagent's run")
        ui.picture("subagent")

    report.check("an answer is shown while it comes, and question and answer once", streams)
    report.check("a command is allowed on the page, and runs", approves)
    report.check("what a command needs is allowed for the task, and the next one is not asked about", allows_for_the_task)
    report.check("a subagent's result is answered once", spawns)


def uses_commands(report: Report, ui: ControlUi) -> None:
    def status() -> None:
        ui.say("/status")
        ui.page.shows("lab/scripted")
        ui.picture("status")

    def new() -> None:
        before = ui.page("run", script="location.href")
        ui.say("/new")
        wait_until(lambda: ui.page("run", script="location.href") != before, "the page opens a new session", 20)
        # Until it is drawn, the page shows the session before, and drops what is typed.
        wait_until(lambda: ui.conversation() == "", "the new session is shown, and empty", 20)
        ui.say("Count slowly, please.")
        ui.shows_once("one two three and done.")
        ui.picture("new-session")

    report.check("/status is answered by the gateway", status)
    report.check("/new opens a session of its own, which chats", new)


def _calls(ui: ControlUi) -> list[tuple[str, dict]]:
    """Each call that the page made, with the frame that answered it."""
    asked: dict[str, str] = {}
    answered = []
    for line in ui.page("frames"):
        try:
            frame = json.loads(line[2:])
        except ValueError:
            continue
        if frame.get("type") == "req":
            asked[frame["id"]] = frame["method"]
        elif frame.get("type") == "res" and frame["id"] in asked:
            answered.append((asked[frame["id"]], frame))
    if not answered:
        raise Failed("the page made no calls")
    return answered


def parameters_are_taken(ui: ControlUi) -> None:
    refused = {
        f"{method}: {frame['error']['message']}"
        for method, frame in _calls(ui)
        if not frame["ok"] and "invalid" in frame["error"]["message"]
    }
    equal(sorted(refused), [], "calls whose parameters were refused")


def absent_methods(ui: ControlUi) -> set[str]:
    return {
        method
        for method, frame in _calls(ui)
        if not frame["ok"] and frame["error"].get("details", {}).get("reason") == "METHOD_NOT_SERVED"
    }
