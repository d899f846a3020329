"""How a person's decisions reach OpenClaw's clients, and how these manage devices themselves."""

from pathlib import Path

from openclaw import RELEASE_4_1, OpenClaw
from processes import json_of
from report import Failed, Report, equal, require
from tidegate import Tidegate


def held_until_approved(report: Report, client: OpenClaw) -> None:
    """A new device: held, the same request again, approved by the person, let in."""
    gateway = client.gateway
    seen: dict = {}

    def held() -> None:
        client.call("health").refused().says("pairing required")
        seen.update(gateway.the_request())
        equal(seen["clientId"], "cli", "the client's id")
        equal(seen["reason"], "not-paired", "the reason")
        require(str(client.release.node) in seen["from"], f"it comes from {seen['from']!r}")

    def the_same_again() -> None:
        client.call("health").refused()
        equal(gateway.the_request()["requestId"], seen["requestId"], "the request's id")

    def approved() -> None:
        shown = gateway.command("devices", "approve", seen["requestId"], "--yes").succeeded()
        shown.says(seen["requestId"][:8], "operator.admin", "Approved")
        gateway.nothing_waits()
        equal(client.payload("health")["ok"], True, "health after the approval")

    report.check("a new device is held with pairing required, and a request waits", held)
    report.check("when it tries again, its request keeps its id", the_same_again)
    report.check("tidegate devices approve lets it in", approved)


def read_only(report: Report, client: OpenClaw) -> None:
    """A device that gets less than it asked for is asked about once."""
    gateway = client.gateway

    def reads() -> None:
        client.call("health").refused()
        gateway.approve("--level", "read")
        client.payload("health")
        client.payload("sessions.list")

    def writes() -> None:
        params = {"message": "no", "idempotencyKey": "read-only", "sessionKey": "main"}
        client.call("agent", params).refused().says("missing scope: operator.write")
        client.call("sessions.reset", {"key": "agent:main:other"}).refused().says("missing scope: operator.admin")
        client.call("device.pair.list").refused().says("missing scope: operator.pairing")

    def silence() -> None:
        gateway.nothing_waits()
        client.payload("health")

    report.check("granted read only, it reads", reads)
    report.check("what it may not do says missing scope", writes)
    report.check("it is not asked about again", silence)


def revoked(report: Report, client: OpenClaw) -> None:
    """A known device whose rights the person takes away."""
    gateway = client.gateway

    def refused() -> None:
        device = identity_of(client)
        gateway.command("devices", "revoke", device).succeeded().says("Revoked")
        client.call("health").refused().says("pairing required")
        equal(gateway.the_request()["deviceId"], device, "the device that asks again")

    def rejected() -> None:
        gateway.reject()
        client.call("health").refused().says("pairing required")
        gateway.nothing_waits()

    report.check("revoked, it is refused and has to ask again", refused)
    report.check("rejected, it is refused and nobody is asked again", rejected)


def managed_by_client(report: Report, manager: OpenClaw, directory: Path) -> None:
    """`openclaw devices`, by a client that a person lets approve others. Those who wait are devices
    of release 2026.4.1, because 2026.9.6 sends no device on this computer."""
    gateway = manager.gateway
    waiting = _newcomer(gateway, directory, "waiting")
    unwanted = _newcomer(gateway, directory, "unwanted")
    reads_only = _newcomer(gateway, directory, "reads-only")
    is_4_1 = manager.release is RELEASE_4_1

    def list_waiting() -> str:
        waiting.call("health").refused()
        request = gateway.the_request()["requestId"]
        listed = json_of(manager("devices", "list", "--json").succeeded().out)
        equal([row["requestId"] for row in listed["pending"]], [request], "what waits")
        manager("devices", "list").succeeded().says("Pending (1)")
        return request

    def approve() -> None:
        request = gateway.the_request()["requestId"]
        manager("devices", "approve", request).succeeded()
        gateway.nothing_waits()
        waiting.payload("health")

    def reject() -> None:
        unwanted.call("health").refused()
        manager("devices", "reject", gateway.the_request()["requestId"]).succeeded()
        gateway.nothing_waits()
        unwanted.call("health").refused().says("pairing required")
        gateway.nothing_waits()

    def rename(client: OpenClaw, name: str) -> None:
        device = identity_of(client)
        manager("devices", "rename", "--device", device, "--name", name).succeeded()
        equal(_known(gateway, device).get("operatorLabel"), name, "the device's name")

    def rotate() -> None:
        device = identity_of(waiting)
        ended = manager("devices", "rotate", "--device", device, "--role", "operator").succeeded()
        answer = json_of(ended.out)
        equal(answer["deviceId"], device, "deviceId")
        require("token" not in answer, "the token of another device was told")
        equal(answer["tokenDelivery"], "withheld-cross-device", "tokenDelivery")
        waiting.payload("health")

    def revoke() -> None:
        device = identity_of(waiting)
        # The new token is withheld, and the device has not come for one of its own.
        manager("devices", "rotate", "--device", device, "--role", "operator").succeeded()
        answer = json_of(manager("devices", "revoke", "--device", device, "--role", "operator").succeeded().out)
        equal(answer["deviceId"], device, "deviceId")
        require(_known(gateway, device)["tokens"][0].get("revokedAtMs"), "the token counts as revoked")
        # Its pairing stays: with the gateway's token it is let in and gets a new token of its own.
        waiting.payload("health")

    def remove(client: OpenClaw) -> None:
        device = identity_of(client)
        manager("devices", "remove", device).succeeded()
        client.call("health").refused().says("pairing required")
        gateway.reject()

    def let_in_for_reading() -> None:
        reads_only.call("health").refused()
        gateway.approve("--level", "read")

    report.check("devices list shows who waits", list_waiting)
    report.check("devices approve lets a second client in", approve)
    report.check("devices reject turns a third one away, and it does not ask again", reject)
    if not is_4_1:
        report.check("devices rename names a device with full rights", lambda: rename(waiting, "Kitchen laptop"))
    report.check("devices rotate withholds another device's token, which goes on working", rotate)
    report.check("devices revoke takes a device's token, also right after devices rotate", revoke)
    report.check("a device that reads only is let in by the person", let_in_for_reading)
    if not is_4_1:
        report.check("devices rename names a device that reads only", lambda: rename(reads_only, "Reader"))
    report.check("devices remove forgets a device that reads only", lambda: remove(reads_only))
    report.check("devices remove forgets a device with full rights", lambda: remove(waiting))


def _newcomer(gateway: Tidegate, directory: Path, name: str) -> OpenClaw:
    return OpenClaw(RELEASE_4_1, directory / name, gateway)


def identity_of(client: OpenClaw) -> str:
    """The id of the key that the client made for itself."""
    return client.identity()["deviceId"]


def _known(gateway: Tidegate, device: str) -> dict:
    for known in gateway.devices():
        if known["deviceId"] == device:
            return known
    raise Failed(f"the device {device} is not known: {gateway.devices()}")
