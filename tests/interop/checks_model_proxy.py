"""A conversation with three subagents through a model server that nobody here wrote: LiteLLM's proxy,
in front of aimock (also foreign) and in front of our scripted model."""

import json
from pathlib import Path

import foreign
from processes import Background, answers, free_port, wait_until
from report import Report, equal, require
from tidegate import Tidegate, quiet_environment

KEY = "sk-interop-4d1c0f8a77e2"
PARTS = ("alpha", "beta", "gamma")
RESULTS = tuple(f"result-of-{part}" for part in PARTS)


class Proxy:
    """LiteLLM's proxy with the models behind it."""

    def __init__(self, directory: Path, binaries: Path):
        self._directory = directory
        self._binaries = binaries
        self._running: list[Background] = []
        self.base_url = ""

    def start(self) -> None:
        backends = {"aimock": self._aimock(), "scripted": self._scripted()}
        port = free_port()
        config = {
            "model_list": [
                {
                    "model_name": name,
                    "litellm_params": {"model": "openai/any", "api_base": base, "api_key": "unused"},
                }
                for name, base in backends.items()
            ],
            "general_settings": {"master_key": KEY},
            "litellm_settings": {"telemetry": False, "num_retries": 0},
        }
        # JSON is YAML too.
        path = self._directory / "litellm.yaml"
        path.write_text(json.dumps(config))
        environment = quiet_environment(self._directory, LITELLM_LOCAL_MODEL_COST_MAP="True")
        command = [foreign.LITELLM / "bin" / "litellm", "--config", path, "--host", "127.0.0.1", "--port", str(port)]
        self._start("litellm", command, environment, port, timeout=120)
        self.base_url = f"http://127.0.0.1:{port}/v1"

    def _aimock(self) -> str:
        port = free_port()
        script = Path(__file__).with_name("three-subagents.mjs")
        command = [foreign.node(foreign.NODE_24), script, foreign.AIMOCK.path, str(port)]
        self._start("aimock", command, quiet_environment(self._directory), port)
        return f"http://127.0.0.1:{port}/v1"

    def _scripted(self) -> str:
        port = free_port()
        command = [self._binaries / "scripted-model", str(port)]
        self._start("scripted-model", command, quiet_environment(self._directory), port)
        return f"http://127.0.0.1:{port}/v1"

    def _start(self, name: str, command: list, environment: dict, port: int, timeout: float = 30) -> None:
        background = Background(command, environment, self._directory / f"{name}.log", cwd=self._directory)
        self._running.append(background)
        background.wait_for(lambda: answers(port), f"{name} listens", timeout)

    def stop(self) -> None:
        for background in reversed(self._running):
            background.stop()


def provider(report: Report, gateway: Tidegate, proxy: Proxy) -> None:
    """Adding the proxy as a provider, with a key that is wrong first."""

    def add(name: str, key: str) -> None:
        words = ("models", "add", name, "--base-url", proxy.base_url, "--key-stdin")
        gateway.command(*words, "--model", "aimock", "--model", "scripted", stdin=f"{key}\n").succeeded()

    def wrong_key() -> None:
        add("wrong", "sk-not-the-key")
        # LiteLLM looks a key that is not its own up in a database, and has none here.
        ended = gateway.command("models", "test", "wrong/aimock").refused()
        ended.says("wrong/aimock does not answer", "No connected db").does_not_say("sk-not-the-key")

    def right_key() -> None:
        add("lab", KEY)
        listed = gateway.command("models", "list").succeeded()
        listed.says("lab/aimock", "lab/scripted").does_not_say(KEY)

    def tried(model: str) -> None:
        gateway.command("models", "test", model).succeeded()

    def unseen() -> None:
        for path in gateway.state.rglob("*"):
            if path.is_file():
                require(KEY.encode() not in path.read_bytes(), f"{path.name} holds the provider's key")
        require(KEY not in gateway.log(), "the log holds the provider's key")

    report.check("a wrong key: models test says what LiteLLM says, without the key", wrong_key)
    report.check("models add with a key from standard input", right_key)
    report.check("models test lab/aimock", lambda: tried("lab/aimock"))
    report.check("the key is in no file of the state directory and not in the log", unseen)


def three_subagents(report: Report, gateway: Tidegate, model: str, session: str) -> None:
    """Exactly three children, three inbox rows, one answer that names all three."""
    key = f"agent:main:{session}"

    def use() -> None:
        gateway.command("models", "use", model).succeeded()
        equal(gateway.json("status")["models"]["default"], model, "the model in use")

    def runs() -> None:
        message = "Please start three subagents and tell me what they found."
        gateway.command("agent", "--session", key, "--message", message, timeout=120).succeeded()
        wait_until(lambda: _final_answers(gateway, key), "an answer names all three", 60)
        wait_until(lambda: not gateway.json("status")["active"], "nothing runs any more", 30)

    def children() -> None:
        found = gateway.rows("SELECT label, state, result FROM runs WHERE parent_session = ? ORDER BY label", key)
        equal(found, [(part, "ok", f"result-of-{part}") for part in PARTS], "the children's runs")
        models = gateway.rows("SELECT DISTINCT model FROM runs WHERE parent_session = ?", key)
        equal(models, [(model,)], "the children's model")

    def inbox() -> None:
        found = gateway.rows("SELECT label, outcome, consumed_in IS NOT NULL FROM inbox WHERE session = ?", key)
        equal(sorted(found), [(part, "ok", 1) for part in PARTS], "the parent's inbox")

    def one_answer() -> None:
        found = _final_answers(gateway, key)
        equal(len(found), 1, f"answers that name all three, in {found}")
        shown = gateway.command("sessions", "show", key).succeeded()
        shown.says(*RESULTS)

    report.check(f"models use {model}", use)
    if report.check("the agent answers after its three subagents", runs):
        report.check("exactly three children ran, each with its result", children)
        report.check("the parent's inbox has exactly three rows, all consumed", inbox)
        report.check("exactly one answer names all three", one_answer)


def _final_answers(gateway: Tidegate, key: str) -> list[str]:
    query = """
        SELECT json_extract(body, '$.content') FROM entries
        JOIN transcripts USING (session_id)
        WHERE session_key = ? AND json_extract(body, '$.role') = 'assistant'
    """
    texts = [str(content) for (content,) in gateway.rows(query, key)]
    return [text for text in texts if all(result in text for result in RESULTS)]
