"""Every parameter that OpenClaw's published protocol documents, sent to every method that is served: each is
accepted, or refused with the sentence that docs/protocol.md has for it.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

import foreign
from openclaw import RELEASE_9_6
from processes import run
from report import Report, equal, require
from tidegate import Tidegate, quiet_environment

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
ROW = re.compile(r"^\| `(?P<method>[^`]+)` \| (?P<names>`.+`) \| (?P<kind>Ignored|Refused): (?P<reason>.+)\. \|$", re.M)
NAME = re.compile(r"`(?P<name>\w+)`(?: other than (?P<texts>`[\w-]+`(?: or `[\w-]+`)*))?")

# Values that mean something; the others are made from the schema.
VALUES = {
    "agentId": "main",
    "key": "agent:main:parameters",
    "sessionKey": "agent:main:parameters",
    "spawnedBy": "agent:main:main",
    "keys": ["agent:main:parameters"],
    "deviceId": "0" * 64,
    "message": "hello",
    "decision": "deny",
    "role": "operator",
    "id": "interop-parameters",
}
# What a request needs beside the parameters that its schema requires.
ALSO = {
    "exec.approval.request": {"command": "true", "timeoutMs": 1, "twoPhase": True},
    "agent.wait": {"timeoutMs": 1},
    "sessions.abort": {"key": VALUES["key"]},
    "sessions.resolve": {"key": VALUES["key"]},
}
# Parameters of which a request takes only one.
INSTEAD = {"sessions.resolve": {"sessionId", "label", "shortId"}}
# What a parameter needs beside it.
BESIDE = {("agent", "provider"): {"model": "sample"}}


class Contract:
    """The published schema."""

    def __init__(self) -> None:
        path = foreign.GATEWAY_PROTOCOL.path / "protocol.schema.json"
        self.definitions = json.loads(path.read_text())["definitions"]

    def parameters(self, method: str) -> dict | None:
        name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[.-]", method))
        return self.definitions.get(f"{name}Params")


def samples(name: str, schema: dict) -> list:
    """Values that a schema takes: one of each alternative, and both truths."""
    if name in VALUES:
        return [VALUES[name]]
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return list(schema["enum"])
    if "anyOf" in schema:
        return [value for part in schema["anyOf"] for value in samples("", part)]
    match schema.get("type"):
        case "boolean":
            return [True, False]
        case "integer" | "number":
            return [max(schema.get("minimum", 1), 1)]
        case "string":
            return ["sample" if schema.get("maxLength", 6) >= 6 else "s"]
        case "null":
            return [None]
        case "array":
            return [samples("", schema.get("items") or {"type": "string"})[:1]]
        case "object":
            fields = schema.get("properties", {})
            return [{field: samples(field, fields[field])[0] for field in schema.get("required", [])}]
        case _:
            return ["sample"]


def documented() -> dict[tuple[str, str], tuple[str, str, set[str]]]:
    """What docs/protocol.md says of a method's parameter: ignored or refused, why, and the texts that it
    excepts."""
    rows = {}
    for row in ROW.finditer(DOCUMENT.read_text()):
        for name in NAME.finditer(row["names"]):
            texts = set(re.findall(r"`([^`]+)`", name["texts"] or ""))
            rows[row["method"], name["name"]] = (row["kind"], row["reason"], texts)
    return rows


def every_parameter(report: Report, gateway: Tidegate, directory: Path, token: str) -> None:
    contract, rows = Contract(), documented()
    require(len(rows) > 50, f"docs/protocol.md has {len(rows)} parameters in its table")
    methods = _ask(gateway, directory, token, [])[0]["payload"]["features"]["methods"]
    requests, asked = [], []
    for method in methods:
        schema = contract.parameters(method)
        if schema is None:
            continue
        fields = schema.get("properties", {})
        base = {name: samples(name, fields[name])[0] for name in schema.get("required", [])}
        for name, field in fields.items():
            for value in samples(name, field):
                also = {} if name in INSTEAD.get(method, ()) else ALSO.get(method, {})
                params = base | also | BESIDE.get((method, name), {}) | {name: value}
                if "idempotencyKey" in base:
                    params["idempotencyKey"] = f"{method}-{len(requests)}"
                requests.append({"method": method, "params": params})
                asked.append((method, name, value))
    answers = _ask(gateway, directory, token, requests)[1:]
    equal(len(answers), len(asked), "answers")
    by_method = defaultdict(list)
    for (method, name, value), answer in zip(asked, answers, strict=True):
        by_method[method].append((name, value, answer))
    for method, told in by_method.items():
        names = {name for name, _, _ in told}
        report.check(f"{method}: {len(names)} parameters", lambda method=method, told=told: _as_told(method, told, rows))


def _as_told(method: str, told: list, rows: dict) -> None:
    wrong = []
    for name, value, answer in told:
        kind, reason, texts = rows.get((method, name), ("Used", "", set()))
        nothing = value in (None, False, [], {}, *texts)
        expected = f"invalid {method} params: at /{name}: {reason}" if kind == "Refused" and not nothing else None
        message = answer.get("error", {}).get("message", "")
        actual = message if message.startswith(f"invalid {method} params: ") else None
        if actual != expected:
            wrong.append(f"{name} = {json.dumps(value)}: expected {expected or 'acceptance'!r}, got {message!r}")
    require(not wrong, "\n".join(wrong))


def _ask(gateway: Tidegate, directory: Path, token: str, requests: list[dict]) -> list[dict]:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "requests.json"
    file.write_text(json.dumps(requests))
    environment = quiet_environment(directory, GATEWAY_URL=gateway.url, GATEWAY_TOKEN=token)
    script = Path(__file__).with_name("requests.mjs")
    ended = run([RELEASE_9_6.node, script, file], environment, timeout=180).succeeded()
    answers = json.loads(ended.out)
    require(answers[0]["ok"], f"not connected: {answers[0]}")
    return answers
