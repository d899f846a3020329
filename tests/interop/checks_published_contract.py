"""Whether what the gateway sends fits the contract that OpenClaw publishes."""

import json
from pathlib import Path

import foreign
from openclaw import RELEASE_9_6
from processes import run
from report import Report, equal, require, shortened
from tidegate import Tidegate, quiet_environment

# Tool calls, subagents, pairing and approvals are among what is played.
KINDS_OF_EVENTS = {
    "agent",
    "chat",
    "device.pair.requested",
    "device.pair.resolved",
    "exec.approval.requested",
    "exec.approval.resolved",
    "session.message",
    "session.tool",
    "sessions.changed",
}


def every_frame(report: Report, gateway: Tidegate, token: str, directory: Path) -> None:
    """A client with every right calls every method, and looks at each frame that comes."""
    found: dict = {}

    def played() -> None:
        environment = quiet_environment(
            directory, GATEWAY_URL=gateway.url, GATEWAY_TOKEN=token, NEWCOMER_TOKEN=gateway.token
        )
        script = Path(__file__).with_name("published-contract.mjs")
        command = [RELEASE_9_6.node, script, foreign.GATEWAY_PROTOCOL.path, foreign.AJV.path]
        ended = run(command, environment, timeout=180)
        found.update(json.loads(ended.succeeded().out.strip().splitlines()[-1]))
        missing = KINDS_OF_EVENTS - set(found["events"])
        require(not missing, f"no event of these kinds came: {sorted(missing)}")
        report.note(f"{found['frames']} frames, events: {found['events']}")

    def methods() -> None:
        equal(found["failed"], {}, "methods that failed")
        equal(found["notCalled"], [], "methods that are served and were not called")

    def fits() -> None:
        lines = [f"{entry['of']}: {entry['problem']}" for entry in found["invalid"]]
        distinct = "\n".join(sorted(set(lines)))
        require(not lines, f"{len(lines)} problems:\n{shortened(distinct, 6000)}")

    if report.check("a client calls, chats, decides and pairs", played):
        report.check("every method that is served was answered", methods)
        report.check("every frame fits the published schema", fits)
        report.check("every event has its number", lambda: equal(found["unnumbered"], [], "events"))
        report.check("a run's last events come before the answers", lambda: equal(found["early"], [], "answers"))
