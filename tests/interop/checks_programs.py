"""Programs that send no device: OpenClaw 2026.9.6 on this computer, and others with the shared token."""

import json
import shutil
from pathlib import Path

import foreign
from openclaw import RELEASE_9_6, OpenClaw
from processes import Ended, run
from report import Report, equal, require
from tidegate import Tidegate, quiet_environment


def openclaw_with_the_shared_token(report: Report, client: OpenClaw) -> None:
    """OpenClaw writes a title over its command line, so the kernel does not tell which script its
    Node runs: it can be let in only once, and needs a token of its own for more."""
    gateway = client.gateway
    seen: dict = {}

    def held() -> None:
        ended = client.call("health").refused()
        seen.update(gateway.the_request())
        ended.says("pairing required", f"requestId: {seen['requestId']}")
        require(str(RELEASE_9_6.node) in seen["from"], f"it comes from {seen['from']!r}")
        require("tidegate token new" in seen["caution"], f"the caution says {seen['caution']!r}")

    def no_lasting_grant() -> None:
        words = ("devices", "approve", seen["requestId"], "--yes", "--level", "write")
        gateway.command(*words).refused().says("only once")
        equal(gateway.programs(), [], "programs")

    def once() -> None:
        gateway.command("devices", "approve", seen["requestId"], "--yes", "--once").succeeded()
        equal(client.payload("health")["ok"], True, "health")
        client.call("health").refused().says("pairing required")
        gateway.reject()

    def probe_without_scopes() -> None:
        client("gateway", "probe").succeeded().says("Reachable: yes", "missing scope: operator.read")
        gateway.nothing_waits()

    report.check("it is held, and prints the id of the request that waits", held)
    report.check("it gets no lasting grant, and the person hears why", no_lasting_grant)
    report.check("let in once, it works once and then asks again", once)
    report.check("its probe gets no scopes and asks nobody", probe_without_scopes)


def openclaw_with_a_token(report: Report, gateway: Tidegate, level: str, *, pairing: bool) -> str:
    """Makes a token for OpenClaw, as `tidegate connect` advises; the token."""
    made: list[str] = []

    def new_token() -> None:
        extra = ["--pairing"] if pairing else []
        name = f"openclaw-{level}"
        out = gateway.command("token", "new", "--name", name, "--level", level, *extra).succeeded().out
        made.append(out.strip().splitlines()[-1])
        tokens = [token for token in gateway.json("token", "list")["tokens"] if token["name"] == name]
        equal([(token["level"], token["pairing"]) for token in tokens], [(level, pairing)], "tokens")

    report.check(f"tidegate token new --level {level}", new_token)
    return made[0]


def reads_with_a_token(report: Report, client: OpenClaw) -> None:
    gateway = client.gateway

    def reads() -> None:
        client.payload("health")
        client.payload("sessions.list")

    def may_not_write() -> None:
        ended = client.unaimed("agent", "--agent", "main", "--message", "no", timeout=120)
        ended.refused().says("missing scope: operator.write")
        client("devices", "list").refused().says("missing scope: operator.pairing")
        gateway.nothing_waits()

    def revoked() -> None:
        gateway.command("token", "revoke", "openclaw-read").succeeded()
        client.call("health").refused().says("token mismatch")
        gateway.nothing_waits()

    report.check("with a token of level read it reads", reads)
    report.check("what it may not do says missing scope, and nobody is asked", may_not_write)
    report.check("revoked, the token is refused, and nobody is asked", revoked)


def bound_to_executable_and_script(report: Report, gateway: Tidegate, directory: Path) -> None:
    """Another program of Node, which keeps its command line. Its copies lie in the cache, because a
    script where an agent may write gets no lasting grant."""
    scripts = foreign.CACHE / f"programs-{gateway.state.parent.name}"
    scripts.mkdir()
    try:
        first, second = scripts / "first.mjs", scripts / "second.mjs"
        for script in (first, second):
            shutil.copyfile(Path(__file__).with_name("deviceless.mjs"), script)

        def asks() -> None:
            answer = _connect(gateway, first, directory)
            equal(answer["error"]["details"]["code"], "PAIRING_REQUIRED", "the answer")
            request = gateway.the_request()
            equal(request.get("caution"), None, "the caution")
            require(str(first) in request["from"], f"it comes from {request['from']!r}")

        def lasting() -> None:
            gateway.approve("--level", "write")
            grant = _the_grant(gateway)
            equal(grant["executable"], str(RELEASE_9_6.node), "the executable of the grant")
            equal(grant["script"], str(first), "the script of the grant")
            for _ in range(2):
                payload = _connect(gateway, first, directory)["payload"]
                equal(payload["auth"]["scopes"], ["operator.read"], "scopes")
            gateway.nothing_waits()

        def another_script() -> None:
            answer = _connect(gateway, second, directory)
            equal(answer["error"]["details"]["code"], "PAIRING_REQUIRED", "the answer")
            require(str(second) in gateway.the_request()["from"], "the request names the second script")
            gateway.reject()

        def preloaded() -> None:
            answer = _connect(gateway, first, directory, "--import", str(second))
            equal(answer["error"]["details"]["code"], "PAIRING_REQUIRED", "the answer")
            require("loads other code" in gateway.the_request()["caution"], "the caution names the preload")
            gateway.reject()

        def revoked() -> None:
            gateway.command("devices", "revoke", _the_grant(gateway)["id"]).succeeded()
            equal(gateway.programs(), [], "programs")
            answer = _connect(gateway, first, directory)
            equal(answer["error"]["details"]["code"], "PAIRING_REQUIRED", "the answer")
            gateway.reject()

        report.check("it asks, and the request names its script", asks)
        report.check("approved, the grant is bound to Node and the script, and lasts", lasting)
        report.check("another script with the same token asks again", another_script)
        report.check("the same script with code loaded before it asks again", preloaded)
        report.check("revoked, it asks again", revoked)
    finally:
        shutil.rmtree(scripts, ignore_errors=True)


def _the_grant(gateway: Tidegate) -> dict:
    grants = gateway.programs()
    require(len(grants) == 1, f"one program should have a grant, not {grants}")
    return grants[0]


def _connect(gateway: Tidegate, script: Path, directory: Path, *options: str) -> dict:
    """What the gateway answers to the script's `connect`."""
    environment = quiet_environment(directory, GATEWAY_URL=gateway.url, GATEWAY_TOKEN=gateway.token)
    ended: Ended = run([RELEASE_9_6.node, *options, script], environment, timeout=30)
    return json.loads(ended.succeeded().out.strip().splitlines()[-1])
