"""The table of the desktop's figures, on the terminal and in `docs/performance.md`."""

import os
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
# `./dev bench --write` keeps what is between these lines.
BEGIN = "<!-- desktop: begin. Written by ./dev bench --desktop --write -->"
END = "<!-- desktop: end -->"
HEADINGS = ("figure", "measured", "spread", "must", "aim", "verdict")
# Busier than this with other things, a figure is marked.
BUSY = 0.1

HEAD = """## Desktop

The tray application, written by `./dev bench --desktop --write`; to repeat it, the same on a quiet
Linux machine as root. `tests/desktop/figures` measures a release build on private displays (Xvfb with
metacity), each with a tray, a notification service and an unlocked gnome-keyring.

- **Memory** is the proportional set size (PSS) of the process and of all that it started. GTK is
  mapped by the window manager too, so part of its pages is counted there; the bare tray that is
  compared to is measured beside it, built with it (`src-tauri/examples/bare_tray.rs`).
- The program starts itself again with `GDK_GL=disable`, so that GTK loads no OpenGL driver; the bare
  tray gets the same. Nobody reads the screen through the accessibility bus, where it is not said.
- **Growth** is in the memory that no file backs (`Pss_Anon`), the first tenth of the run left out.
- Times are those of the X server's events (window mapped), of the tray's call and of the answers that
  a client gets; they hold for this machine only. Ten repeats each unless said otherwise: the median,
  and the least and the most.
"""


@dataclass
class Row:
    """One figure and what it must be. `values` are one number or a sample."""

    name: str
    values: list
    unit: str
    must: float = None
    aim: float = None
    note: str = ""

    def measured(self):
        return statistics.median(self.values)

    def verdict(self):
        if self.must is None:
            return ""
        if self.measured() > self.must:
            return "MISSED"
        return "met, aim too" if self.aim is not None and self.measured() <= self.aim else "met"

    def cells(self, marked):
        def with_unit(value):
            return "" if value is None else f"{number(value)} {self.unit}"
        spread = f"{number(min(self.values))} - {number(max(self.values))}" if len(self.values) > 1 else ""
        mark = " *" if marked else ""
        return (
            self.name, with_unit(self.measured()) + mark, spread, with_unit(self.must), with_unit(self.aim),
            self.verdict(),
        )


class Report:
    """What was found, group by group; groups that were not measured are left out."""

    def __init__(self, found, quick):
        self._quick = quick
        self._machine = machine()
        self._rows = []
        for group, rows in ROWS.items():
            if group in found:
                self._rows += [(row, found[group]["busy"]) for row in rows(found)]

    def table(self):
        """The table for a terminal."""
        lines = [HEADINGS, *self._cells()]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
        table = "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
        return "\n\n".join([self._machine, table, "\n".join(self._notes())])

    def write(self):
        """Replaces the section in the page; the path of the page."""
        text = PAGE.read_text()
        before, begin, rest = text.partition(BEGIN)
        after = rest.partition(END)[2] if begin else ""
        PAGE.write_text(f"{before.rstrip()}\n\n{BEGIN}\n{self._section()}{END}\n{after.lstrip()}")
        return PAGE

    def _section(self):
        repeats = " Five repeats instead of ten (`--quick`)." if self._quick else ""
        lines = [HEAD, f"{self._machine}.{repeats}", ""]
        lines += [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
        lines += [f"| {' | '.join(cells)} |" for cells in self._cells()]
        lines += ["", *(f"- {note}" for note in self._notes()), ""]
        return "\n".join(lines)

    def _cells(self):
        return [row.cells(busy > BUSY) for row, busy in self._rows]

    def _notes(self):
        notes = [f"{row.name}: {row.note}" for row, _ in self._rows if row.note]
        busiest = max((busy for _, busy in self._rows), default=0)
        if busiest > BUSY:
            notes.append(
                f"\\* taken under load: before it other programs kept up to {busiest:.0%} of the processors busy."
            )
        return notes


# --- the figures of each group ------------------------------------------------------------------


def of_bare(found):
    bare = found["bare"]
    with_opengl = statistics.median(megabytes(bare["memory_with_opengl"]))
    return [
        Row("bare tray", megabytes(bare["memory"]), "MB", note=(
            f"without `GDK_GL=disable` {number(with_opengl)} MB. {primed(bare)}"
        )),
        Row("bare tray: start to icon registered", milliseconds(bare["registered"]), "ms"),
    ]


def of_fresh_display(found):
    fresh = found["fresh_display"]
    return [
        Row("on a fresh display: above the bare tray", megabytes([fresh["tray"] - fresh["bare"]]), "MB", 18, 8, (
            f"one run each: {number(fresh['tray'] / 1e6)} MB and {number(fresh['bare'] / 1e6)} MB; a bare tray without "
            f"`GDK_GL=disable` takes {number(fresh['bare_with_opengl'] / 1e6)} MB there. No window manager. "
            f"{primed(fresh)}"
        )),
    ]


def of_starts(found):
    return [
        Row("start to icon registered", milliseconds(found["starts"]["registered"]), "ms"),
        Row("start to first hello-ok", milliseconds(found["starts"]["hello"]), "ms", note=(
            "a known device that tries without a pause, with a real keyring, on an existing store. The budget of "
            "200 ms is that of the headless program, which is measured above."
        )),
    ]


def of_states(found):
    states = found["states"]
    tray, dialog = states["tray"], states["dialog"]
    rows = [Row("tray only", megabytes(tray), "MB")]
    if "bare" in found:
        bare = statistics.median(found["bare"]["memory"])
        rows += [
            Row("tray only, above the bare tray", megabytes(value - bare for value in tray), "MB", 18, 8),
            Row("the same after 1,000 requests", megabytes(value - bare for value in states["after_requests"]), "MB",
                18, 8, "`health`, `status` and `sessions.list` of one device"),
        ]
    closed = differences(states["dialog_closed"], states["after_requests"])
    rows += [
        Row("first dialog: request to mapped", milliseconds(states["dialog_up"]), "ms", 300, 60, (
            "from the command to the device's own process: connecting, the handshake and the refusal are in it"
        )),
        Row("first dialog: memory added", megabytes(differences(dialog, states["after_requests"])), "MB", 10, 5, (
            f"closed again, {number(statistics.median(megabytes(closed)))} MB of it stay: what GTK loads once, such as "
            "fonts"
        )),
        Row("window: tray to mapped", milliseconds(states["window_up"]), "ms"),
        Row("window: tray to page connected", milliseconds(states["page_connected"]), "ms", note=(
            "looked for with the command line every 50 ms"
        )),
    ]
    for name, key in (("window open", "window"), ("window closed", "window_closed")):
        programs = {}
        for life in states[key]:
            for program, size in life.items():
                programs.setdefault(program, []).append(size / 1e6)
        parts = ", ".join(f"`{PROGRAMS.get(name, name)}` {number(statistics.median(sizes))} MB"
                          for name, sizes in programs.items())
        rows.append(Row(name, megabytes(sum(life.values()) for life in states[key]), "MB", note=parts))
    return rows


def of_dialogs(found):
    return [Row("later dialogs: request to mapped", milliseconds(found["dialogs"]["up"]), "ms", 300, 60, (
        "by themselves, 10 s apart, in one process"
    ))]


def of_many_dialogs(found):
    many = found["many_dialogs"]
    return [
        Row("dialog opened from the tray: click to mapped", milliseconds(many["up"]), "ms", 300, 60,
            f"{len(many['up'])} in one process, one after the other"),
        *growth("dialogs", many["growth"]),
    ]


def of_many_dialogs_read(found):
    return growth("dialogs read by a screen reader,", found["many_dialogs_read"]["growth"])


def of_many_windows(found):
    return of_windows("windows", found["many_windows"])


def of_many_bare_windows(found):
    return of_windows("windows of the bare tray", found["many_bare_windows"])


def of_windows(things, many):
    sizes = [(count, sum(programs.values())) for count, programs in many["growth"]]
    rows = growth(things, sizes)
    parts = []
    for program in many["growth"][-1][1]:
        of_it = [programs.get(program, 0) / 1e6 for _, programs in many["growth"]]
        parts.append(f"`{PROGRAMS.get(program, program)}` {number(of_it[1])} to {number(of_it[-1])} MB")
    rows[-1].note += f"; of it {', '.join(parts)}, from the second value on"
    return rows


def growth(things, sizes):
    """What each adds, in an early and a late part of the run; the first ones, which load things, left out."""
    (first, early), (last, late) = sizes[1], sizes[-1]
    middle, between = sizes[len(sizes) // 2]
    text = ", ".join(number(size / 1e6) for _, size in sizes)
    step = sizes[1][0]
    return [
        Row(f"{things} {first} to {middle}: memory added by each",
            [(between - early) / (middle - first) / 1e3], "KB"),
        Row(f"{things} {middle} to {last}: memory added by each",
            [(late - between) / (last - middle) / 1e3], "KB", note=(
                f"memory that no file backs, after every {step}, in MB: {text}"
            )),
    ]


def of_idle(found):
    idle = found["idle"]
    return [
        Row(f"tray only: idle processor time, {idle['seconds']} s", [100 * idle["processor"] / idle["seconds"]],
            "% of one", 0.1, note="a step is 10 ms of processor time"),
        Row(f"tray only: idle disk writes, {idle['seconds']} s", [idle["written"]], "bytes", 0),
    ]


ROWS = {
    "bare": of_bare, "states": of_states, "fresh_display": of_fresh_display, "dialogs": of_dialogs,
    "starts": of_starts, "idle": of_idle, "many_dialogs": of_many_dialogs,
    "many_dialogs_read": of_many_dialogs_read, "many_windows": of_many_windows,
    "many_bare_windows": of_many_bare_windows,
}
# The kernel cuts names.
PROGRAMS = {
    "tidegate-deskto": "tidegate-desktop",
    "WebKitNetworkPr": "WebKitNetworkProcess",
    "WebKitWebProces": "WebKitWebProcess",
}

# --- words and numbers --------------------------------------------------------------------------


def megabytes(values):
    return [value / 1e6 for value in values]


def milliseconds(values):
    return [value * 1e3 for value in values]


def differences(values, others):
    return [value - other for value, other in zip(values, others)]


def primed(group):
    if group["primed"]:
        return "The display was primed: a program with GTK had set `GDK_VISUALS`."
    return "The display was not primed: `GDK_VISUALS` was not set."


def number(value):
    """Three digits that count."""
    size = abs(value)
    decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{decimals}f}"


def machine():
    """Date, processor, memory, kernel and load, as in the other part of the page."""
    processors = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    date = subprocess.run(["date", "-u", "+%Y-%m-%d %H:%M UTC"], capture_output=True, text=True, check=True)
    load = " ".join(Path("/proc/loadavg").read_text().split()[:3])
    system = os.uname()
    return (
        f"{date.stdout.strip()}; {processors[0] if processors else system.machine}, {os.cpu_count()} processors, "
        f"{memory:.0f} GiB; {system.sysname} {system.release}; load average after: {load}"
    )
