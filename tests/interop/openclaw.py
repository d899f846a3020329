"""OpenClaw's real command line."""

import json
from dataclasses import dataclass
from pathlib import Path

import foreign
from foreign import NpmPackage
from processes import Ended, json_of, run
from tidegate import Tidegate, quiet_environment


@dataclass(frozen=True)
class Release:
    """A release of OpenClaw with the Node that it needs."""

    package: NpmPackage
    node_package: NpmPackage

    @property
    def version(self) -> str:
        return self.package.version

    @property
    def node(self) -> Path:
        return foreign.node(self.node_package)

    @property
    def script(self) -> Path:
        return self.package.path / "openclaw.mjs"

    def install(self) -> None:
        self.node_package.install()
        self.package.install()


RELEASE_4_1 = Release(foreign.OPENCLAW_2026_4_1, foreign.NODE_22)
RELEASE_9_6 = Release(foreign.OPENCLAW_2026_9_6, foreign.NODE_24)


class OpenClaw:
    """An installation of the command line: a release with a state directory of its own.

    `aimed_by_config` writes the gateway's address into its configuration; otherwise every command
    gets it as options.
    """

    def __init__(
        self,
        release: Release,
        directory: Path,
        gateway: Tidegate,
        *,
        token: str | None = None,
        aimed_by_config: bool = False,
    ):
        self.release = release
        self.gateway = gateway
        self.token = token or gateway.token
        self.aimed_by_config = aimed_by_config
        self._state = directory / "state"
        self._state.mkdir(parents=True)
        self.environment = quiet_environment(
            directory,
            OPENCLAW_STATE_DIR=str(self._state),
            OPENCLAW_CONFIG_PATH=str(self._state / "openclaw.json"),
            OPENCLAW_NO_RESPAWN="1",
        )
        if aimed_by_config:
            remote = {"url": gateway.url, "token": self.token}
            config = {"gateway": {"mode": "remote", "remote": remote}}
            (self._state / "openclaw.json").write_text(json.dumps(config))

    def aim(self) -> list[str]:
        return [] if self.aimed_by_config else ["--url", self.gateway.url, "--token", self.token]

    def words(self, *words: str) -> list[str]:
        """The whole command."""
        return [str(self.release.node), str(self.release.script), *words]

    def __call__(self, *words: str, timeout: float = 90) -> Ended:
        """Runs `openclaw WORDS` against the gateway."""
        return run(self.words(*words, *self.aim()), self.environment, timeout=timeout)

    def unaimed(self, *words: str, timeout: float = 90) -> Ended:
        """Runs a command that takes no `--url`, so that only the configuration aims it."""
        return run(self.words(*words), self.environment, timeout=timeout)

    def call(self, method: str, params: object = None) -> Ended:
        """`openclaw gateway call METHOD --json`."""
        given = ["--params", json.dumps(params)] if params is not None else []
        return self("gateway", "call", method, "--json", *given)

    def payload(self, method: str, params: object = None) -> dict:
        """The payload of a call that must succeed."""
        return json_of(self.call(method, params).succeeded().out)

    def identity(self) -> dict:
        """The key that this installation made for itself."""
        return json.loads((self._state / "identity" / "device.json").read_text())
