"""Measures the tray application on private desktops, one group of figures after the other.

    desktop_figures.py [--quick] [--write] [--only GROUP]... [--values FILE] [--from-values FILE]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from figure_groups import GROUPS
from figure_report import Report
from private_desktop import private_desktop
from process_memory import busy_share

HERE = Path(__file__).resolve().parent
GROUP_SECONDS = 40 * 60
# Busier than this with other things, a figure is marked.
BUSY = 0.1


def main():
    arguments = parser().parse_args()
    found = {}
    if arguments.from_values:
        found = json.loads(arguments.from_values.read_text())
    else:
        for group in arguments.only or GROUPS:
            busy = wait_until_quiet()
            print(f"measuring {group} (processors {busy:.0%} busy with other things)", file=sys.stderr, flush=True)
            found[group] = run(group, arguments.quick) | {"busy": busy}
            if arguments.values:
                arguments.values.write_text(json.dumps(found, indent=1))
    report = Report(found, arguments.quick)
    print(report.table())
    if arguments.write:
        print(f"written: {report.write()}")


def parser():
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    found.add_argument("--quick", action="store_true", help="fewer repeats")
    found.add_argument("--only", action="append", choices=GROUPS, help="only this group; may be given several times")
    found.add_argument("--write", action="store_true", help="write the section in docs/performance.md")
    found.add_argument("--values", type=Path, help="keep all values in this file")
    found.add_argument("--from-values", type=Path, help="report such values instead of measuring")
    return found


def wait_until_quiet():
    """Waits until nothing else works, at most 10 s; how busy the processors are at last."""
    for _ in range(20):
        busy = busy_share()
        if busy < BUSY:
            break
    return busy


def run(group, quick):
    """The values of a group, taken in a process of its own."""
    # Without a window manager, no program with GTK is on the display before.
    keywords = {"window_manager": ()} if group == "fresh_display" else {}
    words = [sys.executable, "-B", HERE / "figure_groups.py", group, *(["--quick"] if quick else [])]
    with private_desktop(**keywords) as environment:
        ended = subprocess.run(
            words, env=environment, cwd=HERE, timeout=GROUP_SECONDS, check=False, stdout=subprocess.PIPE, text=True
        )
    if ended.returncode:
        sys.exit(f"{group} could not be measured: see above")
    return json.loads(ended.stdout)


if __name__ == "__main__":
    main()
