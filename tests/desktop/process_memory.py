"""Memory and processor time of processes, from /proc."""

import os
import sys
import time
from pathlib import Path

from shell import descendants_of, name_of

# Memory counts as settled when it stayed within so many bytes for so many looks.
STEADY_BYTES = 150_000
STEADY_LOOKS = 5
LOOK_EVERY = 0.4
PATIENCE = 20
# What a process shares with others of its kind is counted in parts, so none may be there.
SHARED_LIBRARY = "libwebkit2gtk"
PATIENCE_WITH_OTHERS = 60


def pss(pid, part="Pss"):
    """The memory of one process in bytes, shared pages counted in proportion; nothing when it has ended.
    `Pss_Anon` is what no file backs: its own memory, whatever else runs."""
    path = Path("/proc") / str(pid) / "smaps_rollup"
    try:
        lines = path.read_text().splitlines()
    except PermissionError:
        raise SystemExit(f"{path} cannot be read: the process is shielded from others; run this as root") from None
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{part}:")), 0)


def pss_by_name(pid, part="Pss"):
    """The memory of a process and of all that it started, by the names of the programs."""
    found = {}
    for process, name in [(pid, name_of(pid)), *descendants_of(pid)]:
        found[name] = found.get(name, 0) + pss(process, part)
    return {name: size for name, size in found.items() if size}


def settled_pss(pid):
    """The same, once nobody else shares its libraries and it does not change any more; after a while in any
    case."""
    _wait_until_alone(pid)
    return _settled(pid, "Pss")


def settled_own_memory(pid):
    """What no file backs, once it does not change any more; after a while in any case. For growth: it does not
    depend on who else runs."""
    return _settled(pid, "Pss_Anon")


def _settled(pid, part):
    looks = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = pss_by_name(pid, part)
        looks = [*looks, sum(found.values())][-STEADY_LOOKS:]
        if len(looks) == STEADY_LOOKS and max(looks) - min(looks) <= STEADY_BYTES:
            return found
        time.sleep(LOOK_EVERY)
    return found


def _wait_until_alone(pid):
    end = time.monotonic() + PATIENCE_WITH_OTHERS
    while others := _others(pid):
        if time.monotonic() > end:
            print(f"  memory is shared with other programs: {others}", file=sys.stderr, flush=True)
            return
        time.sleep(1)


def _others(pid):
    """The processes outside this family that map the same file of the browser engine, as it does."""
    family, found = {pid, *(process for process, _ in descendants_of(pid))}, []
    mapped = (Path("/proc") / str(pid) / "maps").read_text().split()
    library = next((word for word in mapped if SHARED_LIBRARY in word), None)
    if library is None:
        return []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in family:
            try:
                if library in (entry / "maps").read_text():
                    found.append(name_of(entry.name))
            except OSError:
                continue
    return found


def processor_seconds(pid):
    """User and system time of a process with all its threads so far. A step is 10 ms."""
    # After the name, which is in brackets and may hold anything.
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written_bytes(pid):
    """What a process caused to be written to disks so far."""
    lines = (Path("/proc") / str(pid) / "io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def busy_share(seconds=0.5):
    """The share of all processors' time, 0 to 1, that is used for a moment from now."""
    def read():
        times = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(times), times[3] + times[4]
    all_before, idle_before = read()
    time.sleep(seconds)
    all_after, idle_after = read()
    return 1 - (idle_after - idle_before) / max(all_after - all_before, 1)
