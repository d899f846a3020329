"""Real foreign programs against a freshly built gateway: OpenClaw's command line and terminal
interface (2026.4.1 and 2026.9.6), its Control UI (2026.9.6), the contract that it publishes, and a
model proxy.

Prints one line for each check, and `N passed, N failed` at the end.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import checks_command_line as command_line
import checks_control_ui as control_ui
import checks_devices as devices
import checks_model_proxy as model_proxy
import checks_parameters as parameters
import checks_programs as programs
import checks_published_contract as published_contract
import checks_terminal as terminal
import checks_tools as tools
import foreign
from openclaw import RELEASE_4_1, RELEASE_9_6, OpenClaw
from report import Failed, Report, require
from tidegate import Tidegate, temporary_directory

DECISIONS = ("pairing.requested", "pairing.approved", "pairing.rejected")


class Bench:
    """A gateway, a directory for clients, and the report."""

    def __init__(
        self, report: Report, gateway: Tidegate, directory: Path, binaries: Path, pictures: Path | None = None
    ):
        self.report = report
        self.pictures = pictures
        self.gateway = gateway
        self.directory = directory
        self.binaries = binaries

    def client(self, name: str, release, **options) -> OpenClaw:
        return OpenClaw(release, self.directory / name, self.gateway, **options)

    def silence(self, *kinds: str) -> None:
        """Nothing waits, and the audit log has what happened."""

        def audited() -> None:
            found = {event["kind"] for event in self.gateway.audit()}
            missing = [kind for kind in kinds if kind not in found]
            require(not missing, f"the audit log lacks {missing}; it has {sorted(found)}")

        self.report.check("at the end nothing waits", self.gateway.nothing_waits)
        self.report.check(f"the audit log has {', '.join(kinds)}", audited)


def release_4_1(bench: Bench) -> None:
    report = bench.report
    client = bench.client("first", RELEASE_4_1)
    with report.group("2026.4.1: a new device"):
        devices.held_until_approved(report, client)
    with report.group("2026.4.1: command line, aimed by --url and --token"):
        command_line.calls(report, client)
        command_line.wrong_token(report, bench.client("wrong-token", RELEASE_4_1, token="not-the-token"))
        command_line.probes(report, client, may_read=True)
    with report.group("2026.4.1: command line, aimed by its own configuration"):
        configured = bench.client("configured", RELEASE_4_1, aimed_by_config=True)
        devices.held_until_approved(report, configured)
        command_line.aimed_by_configuration(report, configured, "marmalade")
    with report.group("2026.4.1: openclaw devices"):
        devices.managed_by_client(report, client, bench.directory / "managed-by-4.1")
    with report.group("2026.4.1: read only"):
        devices.read_only(report, bench.client("reader", RELEASE_4_1))
    with report.group("2026.4.1: revoked"):
        devices.revoked(report, configured)
    with report.group("2026.4.1: terminal interface"):
        terminal.refused_approved_connected(report, bench.client("terminal", RELEASE_4_1), "swordfish")
    with report.group("2026.4.1: silence"):
        bench.silence(*DECISIONS, "device.removed", "token.rotated", "token.revoked")


def release_9_6(bench: Bench) -> None:
    report = bench.report
    with report.group("2026.9.6: no device, shared token"):
        programs.openclaw_with_the_shared_token(report, bench.client("shared", RELEASE_9_6))
    with report.group("2026.9.6: a token of its own, read only"):
        token = programs.openclaw_with_a_token(report, bench.gateway, "read", pairing=False)
        reader = bench.client("token-reader", RELEASE_9_6, token=token, aimed_by_config=True)
        programs.reads_with_a_token(report, reader)
    with report.group("2026.9.6: a token of its own, full, command line aimed by --url and --token"):
        token = programs.openclaw_with_a_token(report, bench.gateway, "full", pairing=True)
        client = bench.client("token-full", RELEASE_9_6, token=token)
        command_line.calls(report, client)
        command_line.wrong_token(report, bench.client("wrong-token", RELEASE_9_6, token="not-the-token"))
        command_line.probes(report, client, may_read=False)
    with report.group("2026.9.6: aimed by its own configuration"):
        configured = bench.client("token-configured", RELEASE_9_6, token=token, aimed_by_config=True)
        command_line.aimed_by_configuration(report, configured, "marmalade")
        command_line.sessions_are_archived_and_deleted(report, configured)
    with report.group("2026.9.6: openclaw devices"):
        devices.managed_by_client(report, client, bench.directory / "managed-by-9.6")
    with report.group("2026.9.6: openclaw approvals"):
        tools.allows_for_the_task(report, client, bench.directory / "approvals")
    with report.group("2026.9.6: openclaw devices, started by an agent"):
        tools.decides_nothing(report, client, bench.directory / "tools")
    with report.group("2026.9.6: terminal interface"):
        terminal.refused_approved_connected(report, bench.client("terminal", RELEASE_9_6), "swordfish")
    with report.group("2026.9.6: silence"):
        bench.silence(*DECISIONS, "program-token.made", "device.removed", "device.renamed", "tool.refused")


def scripts(bench: Bench) -> None:
    """With a gateway of its own: a rejected client is silenced for ten minutes, and all programs
    of one interpreter that have no script to rely on are one to the gateway."""
    with bench.report.group("a script without a device, shared token"):
        programs.bound_to_executable_and_script(bench.report, bench.gateway, bench.directory / "programs")


def contract(bench: Bench) -> None:
    report = bench.report
    with report.group("the published contract"):
        token = programs.openclaw_with_a_token(report, bench.gateway, "full", pairing=True)
        published_contract.every_frame(report, bench.gateway, token, bench.directory / "contract")


def proxy(bench: Bench) -> None:
    report = bench.report
    running = model_proxy.Proxy(bench.directory, bench.binaries)
    try:
        with report.group("LiteLLM: provider"):
            running.start()
            model_proxy.provider(report, bench.gateway, running)
        with report.group("LiteLLM in front of aimock: three subagents"):
            model_proxy.three_subagents(report, bench.gateway, "lab/aimock", "through-aimock")
        with report.group("LiteLLM in front of the scripted model: three subagents"):
            model_proxy.three_subagents(report, bench.gateway, "lab/scripted", "through-scripted")
    finally:
        running.stop()


def every_parameter(bench: Bench) -> None:
    """OpenClaw's published protocol."""
    report = bench.report
    with report.group("every documented parameter"):
        token = programs.openclaw_with_a_token(report, bench.gateway, "full", pairing=True)
        parameters.every_parameter(report, bench.gateway, bench.directory / "parameters", token)


def pages(bench: Bench) -> None:
    """With a gateway of its own, whose configuration names the server of the pages."""
    with bench.report.group("2026.9.6: Control UI in Chromium"):
        control_ui.chats(bench.report, bench.directory / "control-ui", bench.binaries, bench.pictures)


def short(bench: Bench) -> None:
    """2026.9.6: held, approved, health, agent."""
    report = bench.report
    with report.group("2026.9.6, in short"):
        programs.openclaw_with_the_shared_token(report, bench.client("shared", RELEASE_9_6))
        token = programs.openclaw_with_a_token(report, bench.gateway, "full", pairing=False)
        client = bench.client("token", RELEASE_9_6, token=token, aimed_by_config=True)
        command_line.top_level(report, client)
        command_line.agent(report, client, "swordfish")
        bench.silence(*DECISIONS, "program-token.made")


SUITES: dict[str, Callable[[Bench], None]] = {
    "4.1": release_4_1,
    "9.6": release_9_6,
    "control-ui": pages,
    "scripts": scripts,
    "contract": contract,
    "parameters": every_parameter,
    "proxy": proxy,
}


def install(suites: list[str]) -> None:
    print(f"Foreign programs are kept in {foreign.CACHE}.", flush=True)
    if "4.1" in suites or "9.6" in suites:
        # Devices that wait are always 2026.4.1, which is the one that sends them.
        RELEASE_4_1.install()
        RELEASE_9_6.install()
    if "control-ui" in suites:
        RELEASE_9_6.install()
    if "scripts" in suites or "contract" in suites or "parameters" in suites:
        RELEASE_9_6.node_package.install()
    if "contract" in suites or "parameters" in suites:
        foreign.GATEWAY_PROTOCOL.install()
    if "contract" in suites:
        foreign.AJV.install()
    if "proxy" in suites:
        foreign.NODE_24.install()
        foreign.AIMOCK.install()
        foreign.install_litellm()


def run_suite(
    report: Report, suite: Callable[[Bench], None], binaries: Path, pictures: Path | None = None
) -> None:
    with temporary_directory() as name:
        directory = Path(name)
        gateway = Tidegate(binaries / "tidegate", directory)
        try:
            gateway.start()
            suite(Bench(report, gateway, directory / "clients", binaries, pictures))
        except Exception as error:
            with report.group(f"{suite.__name__}: the gateway"):
                raise Failed(f"{error}\n{gateway.log()[-3000:]}") from error
        finally:
            gateway.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/interop/run", description=__doc__)
    parser.add_argument("--short", action="store_true", help="only 2026.9.6, and only with what is installed already")
    parser.add_argument("--only", choices=SUITES, action="append", help="one part; may be repeated")
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of the Control UI")
    parser.add_argument("--binaries", type=Path, default=Path("target/debug"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    report = Report()
    if arguments.short:
        needed = (RELEASE_9_6.node_package, RELEASE_9_6.package)
        missing = [package.name for package in needed if not package.is_there()]
        if missing:
            print(f"Not installed in {foreign.CACHE}: {', '.join(missing)}. Run without --short once.")
            return 2
        run_suite(report, short, arguments.binaries)
        return report.close()

    suites = arguments.only or list(SUITES)
    try:
        install(suites)
    except Failed as error:
        print(f"interop: {error}", file=sys.stderr)
        return 2
    for suite in suites:
        run_suite(report, SUITES[suite], arguments.binaries, arguments.pictures)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
