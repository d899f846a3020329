"""What OpenClaw's command line asks of a gateway, and what it prints of the answers."""


from openclaw import RELEASE_4_1, OpenClaw
from processes import json_of
from report import Report, equal, require

OFFLINE = "Offline demo:"


def calls(report: Report, client: OpenClaw) -> None:
    """A client with every right that a person can give."""

    def health() -> None:
        payload = client.payload("health")
        equal(payload["ok"], True, "ok")
        equal(payload["defaultAgentId"], "main", "defaultAgentId")

    def status() -> None:
        payload = client.payload("status")
        equal(payload["runtimeVersion"], client.gateway.json("version")["version"], "runtimeVersion")
        require("count" in payload["sessions"], f"no count of sessions: {payload}")

    def sessions() -> None:
        payload = client.payload("sessions.list")
        equal(payload["count"], len(payload["sessions"]), "count")
        equal(payload["defaults"]["modelProvider"], "offline", "defaults.modelProvider")

    def models() -> None:
        found = client.payload("models.list")["models"]
        equal([(model["provider"], model["id"]) for model in found], [("offline", "demo")], "models")

    def unknown_method() -> None:
        client.call("no.such.method").refused().says("unknown method: no.such.method")

    def method_not_served() -> None:
        client.call("skills.install").refused().says("unknown method: skills.install", "Tidegate does not have it")

    def wrong_parameter() -> None:
        ended = client.call("sessions.list", {"bogus": 1}).refused()
        ended.says("invalid sessions.list params", "unexpected property 'bogus'")

    def presence() -> None:
        found = json_of(client.call("system-presence").succeeded().out)
        require(any(entry.get("mode") == "gateway" or entry.get("reason") for entry in found), f"nobody: {found}")

    report.check("gateway call health", health)
    report.check("gateway call status", status)
    report.check("gateway call sessions.list", sessions)
    report.check("gateway call models.list", models)
    report.check("gateway call system-presence", presence)
    report.check("gateway call of an unknown method names it", unknown_method)
    report.check("gateway call of a method that Tidegate does not have says so", method_not_served)
    report.check("gateway call with a wrong parameter names it", wrong_parameter)


def wrong_token(report: Report, client: OpenClaw) -> None:
    """A client of the same release that has another token and was never let in."""

    def refused() -> None:
        client.call("health").refused().says("token mismatch")
        client.gateway.nothing_waits()

    report.check("gateway call with a wrong token is refused, and nobody is asked", refused)


def probes(report: Report, client: OpenClaw, *, may_read: bool) -> None:
    """`gateway status` and `gateway probe`, which are given the address as an option."""
    address = client.gateway.url
    is_4_1 = client.release is RELEASE_4_1

    def status() -> None:
        ended = client("gateway", "status").succeeded().says(f"Probe target: {address}")
        ended.says("RPC probe: ok" if is_4_1 else "Connectivity probe: ok")

    def status_with_rpc() -> None:
        ended = client("gateway", "status", "--require-rpc").succeeded()
        ended.says("RPC probe: ok" if is_4_1 else "Read probe: ok")

    def probe() -> None:
        ended = client("gateway", "probe").succeeded().says("Reachable: yes", address)
        if is_4_1:
            ended.says("RPC: ok", "app " + client.gateway.json("version")["version"])
        elif may_read:
            ended.does_not_say("Read probe: failed")

    report.check("gateway status", status)
    report.check("gateway status --require-rpc", status_with_rpc)
    report.check("gateway probe", probe)


def agent(report: Report, client: OpenClaw, word: str) -> None:
    """A run whose answer the command prints. `agent` takes no `--url`."""

    def answer() -> None:
        ended = client.unaimed("agent", "--agent", "main", "--message", f"please repeat {word}", timeout=120)
        ended.succeeded().says(OFFLINE, word)

    def answer_as_json() -> None:
        words = ("agent", "--agent", "main", "--json", "--message", f"please repeat {word} again")
        result = json_of(client.unaimed(*words, timeout=120).succeeded().out)
        equal(result["status"], "ok", "status")
        require(f"{word} again" in result["result"]["payloads"][0]["text"], f"no answer in {result}")
        equal(result["result"]["meta"]["agentMeta"]["provider"], "offline", "the provider")

    def history() -> None:
        messages = client.payload("chat.history", {"sessionKey": "main"})["messages"]
        require(any(word in str(message.get("content")) for message in messages), f"{word!r} is not in {messages}")

    report.check("agent --message prints the answer", answer)
    report.check("agent --message --json carries the answer", answer_as_json)
    report.check("what was said is in the session's history", history)


def sessions_are_archived_and_deleted(report: Report, client: OpenClaw) -> None:
    """`openclaw sessions`, which 2026.4.1 has not."""
    key = "agent:main:scratch"

    def keys(archived: object) -> list[str]:
        return [row["key"] for row in client.payload("sessions.list", {"archived": archived})["sessions"]]

    def archived() -> None:
        client.payload("sessions.patch", {"key": key, "label": "Scratch"})
        client.unaimed("sessions", "archive", key).succeeded().says(f"Archived session {key}")
        require(key not in keys(False) and key in keys(True), "the session is listed with those that are not archived")

    def deleted() -> None:
        client.unaimed("sessions", "delete", key, "--yes").succeeded().says(f"Deleted session {key}")
        require(key not in keys("all"), "the session is still there")

    report.check("sessions archive", archived)
    report.check("sessions delete", deleted)


def top_level(report: Report, client: OpenClaw) -> None:
    """Commands that only the configuration can aim."""

    def health() -> None:
        client.unaimed("health").succeeded().says("Agents: main (default)")

    def health_as_json() -> None:
        equal(json_of(client.unaimed("health", "--json").succeeded().out)["ok"], True, "ok")

    def status() -> None:
        ended = client.unaimed("status", timeout=120).succeeded()
        ended.says(f"remote · {client.gateway.url}").does_not_say("unreachable")

    def jobs() -> None:
        client.unaimed("cron", "list").succeeded().does_not_say("invalid inventory")

    report.check("health", health)
    report.check("health --json", health_as_json)
    report.check("cron list", jobs)
    report.check("status says that the gateway is reachable", status)


def aimed_by_configuration(report: Report, client: OpenClaw, word: str) -> None:
    """Everything that the configuration alone aims."""

    def call() -> None:
        equal(client.payload("health")["ok"], True, "ok")

    def probe() -> None:
        client("gateway", "probe").succeeded().says("Reachable: yes", client.gateway.url)

    report.check("gateway call health", call)
    report.check("gateway probe", probe)
    top_level(report, client)
    agent(report, client, word)


