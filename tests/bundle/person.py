"""A person without special rights, who starts Tidegate from the menu of the desktop.

    person.py first ENTRY    the first start
    person.py again ENTRY    after an upgrade: what was there is there still
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from private_desktop import private_desktop
from tray_host import TrayHost
from waiting import wait_until


def main():
    occasion, entry = sys.argv[1:]
    home = Path(os.environ["HOME"])
    with private_desktop() as environment:
        # The desktop is new each time; the person's home is not.
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            environment.pop(name)
        os.environ.update(environment, HOME=str(home))
        tray = TrayHost().start()
        try:
            start_and_quit(occasion, entry, tray)
        finally:
            tray.stop()


def start_and_quit(occasion, entry, tray):
    subprocess.run(["gio", "launch", entry], check=True, timeout=30)
    item = tray.wait_for_item()
    item.wait_for_label("Ready", 30)
    status = json.loads(tidegate("status", "--json"))
    expect(status["gateway"]["ready"], f"the gateway is ready: {status}")
    version = tidegate("version").split()[-1]
    expect(status["version"] == version, f"the tray application and the command line are one version: {version}")
    expect("no program that runs" not in tidegate("doctor"), "agents can use tools")
    if occasion == "first":
        tidegate("agent", "--message", "/help")
    kept = conversations()
    expect(kept, "the conversation is there")
    pid = status["pid"]
    item.click("Quit")
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "Tidegate has ended", 10)
    tray.wait_until_empty()
    print(f"{occasion}: version {version} ran as process {pid}, with {len(kept)} conversation(s)")


def conversations():
    listed = json.loads(tidegate("sessions", "list", "--json"))
    return listed["sessions"] if isinstance(listed, dict) else listed


def tidegate(*words):
    ended = subprocess.run(["tidegate", *words], capture_output=True, text=True, timeout=60, check=False)
    expect(ended.returncode == 0, f"tidegate {' '.join(words)}: {ended.stdout}{ended.stderr}")
    return ended.stdout


def expect(holds, what):
    if not holds:
        sys.exit(f"bundle: not so: {what}")


main()
