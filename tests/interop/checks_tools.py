"""OpenClaw's real command line, started by an agent through `exec`: the agent is not the user,
whatever its script holds."""

import shlex
from pathlib import Path

from openclaw import RELEASE_4_1, OpenClaw
from processes import Background
from report import Report, equal, require
from tidegate import Tidegate

REFUSAL = "programs that the agent started cannot connect to the gateway"


def decides_nothing(report: Report, person: OpenClaw, directory: Path) -> None:
    """`person` is a client with full control and the right to manage pairing. The script has its token."""
    gateway = person.gateway
    stranger = OpenClaw(RELEASE_4_1, directory / "stranger", gateway)
    workspace = gateway.state.parent / f"{gateway.state.name}-workspace"
    seen: dict = {}

    def outside() -> None:
        stranger.call("health").refused().says("pairing required")
        seen.update(gateway.the_request())
        person("devices", "list").succeeded().says("Pending (1)")

    def inside() -> None:
        request = seen["requestId"]
        attempts = {
            "list": ["devices", "list"],
            "approve": ["devices", "approve", request],
            "latest": ["devices", "approve", "--latest"],
            "call": ["gateway", "call", "device.pair.approve", "--params", f'{{"requestId":"{request}"}}', "--json"],
        }
        lines = ["export OPENCLAW_STATE_DIR=$PWD/openclaw OPENCLAW_NO_RESPAWN=1", "mkdir -p openclaw"]
        for name, words in attempts.items():
            command = shlex.join([*person.words(*words), *person.aim()])
            lines.append(f"{command} >{name}.out 2>&1; echo $? >{name}.code")
        (workspace / "openclaw.sh").write_text("\n".join([*lines, ""]))
        _let_run(gateway, "sh ./openclaw.sh", directory / "agent.log")
        for name in attempts:
            told = (workspace / f"{name}.out").read_text(errors="replace")
            require((workspace / f"{name}.code").read_text().strip() != "0", f"{name} succeeded:\n{told}")
            require(REFUSAL in told, f"{name} was not refused as a tool:\n{told[-2000:]}")

    def nothing_happened() -> None:
        equal([waiting["requestId"] for waiting in gateway.waiting()], [seen["requestId"]], "what waits")
        refused = [event for event in gateway.audit() if event["kind"] == "tool.refused"]
        require(len(refused) >= 4, f"each attempt should be in the audit log, not {refused}")
        gateway.reject()

    report.check("outside it lists what waits", outside)
    report.check("openclaw devices approve, started by an agent, is refused as a tool's", inside)
    report.check("the request waits on, and each attempt is in the audit log", nothing_happened)


def allows_for_the_task(report: Report, client: OpenClaw, directory: Path) -> None:
    """`allow-always` of a client gives what the command needs for the task, and says so."""
    gateway = client.gateway
    directory.mkdir(parents=True, exist_ok=True)

    def policy() -> None:
        client("approvals", "get", "--gateway").succeeded()

    def grants() -> None:
        agent = ["agent", "--session", "agent:main:granted", "--model", "offline/demo"]
        agent += ["--message", "/needs network:example.org echo granted"]
        words = [gateway.binary, "--state-dir", gateway.state, *agent]
        running = Background(words, gateway.environment, directory / "granted.log")
        try:
            waiting = running.wait_for(lambda: gateway.json("approvals", "list"), "the command waits", 30)
            answer = client.payload("exec.approval.resolve", {"id": waiting[0]["id"], "decision": "allow-always"})
            running.ended(240)
        finally:
            running.stop()
        require("also with network:example.org, until it ends" in answer["granted"], f"{answer}")

    report.check("openclaw approvals get", policy)
    report.check("allow-always gives a command's needs for its task, and says so", grants)


def _let_run(gateway: Tidegate, command: str, log: Path) -> None:
    """Has the built-in model run a command unconfined (in its sandbox it reaches nobody), which the person allows, and waits for its end."""
    agent = ["agent", "--session", "agent:main:tools", "--model", "offline/demo", "--message", f"/needs unconfined {command}"]
    running = Background([gateway.binary, "--state-dir", gateway.state, *agent], gateway.environment, log)
    try:
        waiting = running.wait_for(lambda: gateway.json("approvals", "list"), "the command waits", 30)
        gateway.command("approvals", "allow", waiting[0]["id"], "--yes").succeeded()
        running.ended(240)
    finally:
        running.stop()
