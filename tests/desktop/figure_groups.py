"""What is measured, each group on a desktop of its own: `figure_groups.py GROUP [--quick]` prints JSON.

Times are in seconds, memory in bytes.
"""

import contextlib
import json
import sys
import time

from figure_desktop import (
    REVIEW, WINDOW, At, FigureDesktop, device, first_hello, is_primed, page_is_connected, total, unprime,
    wait_until_no_page_is_left,
)
from process_memory import processor_seconds, settled_own_memory, settled_pss, written_bytes
from waiting import wait_until
from web_driver import free_port
from words import READ, SENTENCES

# Dialogs come up by themselves once in 10 s; a little later to be sure.
BETWEEN_UNASKED = 10.5
# A request ends after 5 minutes.
RETRY_AFTER = 120
SAMPLES_OF_GROWTH = 10


def bare(quick):
    """A tray icon with nothing behind it, with and without what the application does about OpenGL."""
    repeats = 5 if quick else 10
    with FigureDesktop() as desktop:
        primed = is_primed()
        without_opengl = [desktop.bare_tray(GDK_GL="disable") for _ in range(repeats)]
        with_opengl = [desktop.bare_tray() for _ in range(3)]
    return {
        "primed": primed,
        "memory": [run["memory"] for run in without_opengl],
        "registered": [run["registered"] for run in without_opengl],
        "memory_with_opengl": [run["memory"] for run in with_opengl],
    }


def fresh_display(_quick):
    """Tray only, on a display on which no program with GTK was before."""
    with FigureDesktop() as desktop:
        primed = is_primed()
        with desktop.shell() as shell:
            shell.wait_until_ready()
            tray = total(settled_pss(shell.process.pid))
        unprime()
        bare_tray = desktop.bare_tray(GDK_GL="disable")["memory"]
        unprime()
        with_opengl = desktop.bare_tray()["memory"]
    return {"primed": primed, "tray": tray, "bare": bare_tray, "bare_with_opengl": with_opengl}


def starts(quick):
    """From the start of the program until its icon is in the tray, and until a known device is let in."""
    found = {"registered": [], "hello": []}
    with FigureDesktop() as desktop:
        for _ in range(5 if quick else 10):
            begun = time.monotonic()
            with desktop.shell() as shell:
                found["registered"].append(desktop.tray.registered_after(begun) - begun)
                shell.wait_until_ready()
            port = free_port()
            with device(At(port)) as known:
                begun = time.monotonic()
                with desktop.shell(port=port):
                    found["hello"].append(first_hello(known) - begun)
    return found


def states(quick):
    """One process after the other, each through all states."""
    lives = []
    with FigureDesktop() as desktop:
        for _ in range(5 if quick else 10):
            with desktop.shell() as shell:
                lives.append(_life(desktop, shell))
    return {name: [life[name] for life in lives] for name in lives[0]}


def _life(desktop, shell):
    """What one process takes in each state, and how long it takes to get there."""
    pid, found = shell.process.pid, {}
    shell.wait_until_ready()
    item = desktop.tray.wait_for_item()
    found["tray"] = total(settled_pss(pid))

    with device(shell) as known:
        known.connect(READ)
        for _ in range(250):
            for method in ("health", "health", "status", "sessions.list"):
                known.call(method)
    found["after_requests"] = total(settled_pss(pid))

    with device(shell, number=2) as stranger:
        begun = time.monotonic()
        stranger.request_pairing(READ)
        found["dialog_up"] = desktop.windows.wait_until_up(REVIEW, begun) - begun
    found["dialog"] = total(settled_pss(pid))
    desktop.close(REVIEW)
    found["dialog_closed"] = total(settled_pss(pid))

    begun = time.monotonic()
    item.click("Open Tidegate")
    found["window_up"] = desktop.windows.wait_until_up(WINDOW, begun) - begun
    found["page_connected"] = page_is_connected(shell) - begun
    found["window"] = settled_pss(pid)
    desktop.close(WINDOW)
    wait_until_no_page_is_left(pid)
    found["window_closed"] = settled_pss(pid)
    return found


def dialogs(quick):
    """Dialogs that come up by themselves, one after the other in one process."""
    times, last = [], None
    with FigureDesktop() as desktop, desktop.shell() as shell:
        shell.wait_until_ready()
        for number in range(2, 8 if quick else 13):
            if last is not None:
                time.sleep(max(0, last + BETWEEN_UNASKED - time.monotonic()))
            with device(shell, number) as stranger:
                begun = time.monotonic()
                refused = stranger.request_pairing(READ)
                last = desktop.windows.wait_until_up(REVIEW, begun)
            times.append(last - begun)
            desktop.close(REVIEW)
            # Only few may wait at a time.
            rejected = shell.tidegate("devices", "reject", refused.request_id)
            assert rejected.returncode == 0, rejected.stderr
    # The first of a process is measured with the states.
    return {"up": times[1:]}


def many_dialogs(quick):
    """200 dialogs opened from the tray and closed, in one process."""
    return _many_dialogs(40 if quick else 200)


def many_dialogs_read(quick):
    """The same while every text is read through the accessibility bus, as a screen reader does."""
    # Reading makes this process a client of that bus: not in the other groups.
    import dialogs as accessible

    def read(pid):
        accessible.wait_for_dialog(pid, REVIEW).says(SENTENCES[READ])

    return _many_dialogs(40 if quick else 200, read)


def _many_dialogs(number, read=lambda _pid: None):
    times, growth = [], []
    with FigureDesktop() as desktop, desktop.shell() as shell:
        shell.wait_until_ready()
        item = desktop.tray.wait_for_item()
        keep_waiting = _someone_waits(desktop, shell)
        for count in range(number + 1):
            keep_waiting()
            if count % (number // SAMPLES_OF_GROWTH) == 0:
                growth.append([count, total(settled_own_memory(shell.process.pid))])
            label = wait_until(lambda: next((text for text in item.texts() if "waits" in text), None), "one waits")
            begun = time.monotonic()
            item.click(label)
            times.append(desktop.windows.wait_until_up(REVIEW, begun) - begun)
            read(shell.process.pid)
            desktop.close(REVIEW)
    return {"up": times[:number], "growth": growth}


def _someone_waits(desktop, shell):
    """To be called again and again: has a device ask to pair, again before its last request ends."""
    last = None

    def request_pairing():
        nonlocal last
        if last is not None and time.monotonic() - last < RETRY_AFTER:
            return
        begun = time.monotonic()
        with device(shell, number=2) as stranger:
            stranger.request_pairing(READ)
        # The first comes up by itself.
        with contextlib.suppress(AssertionError):
            desktop.windows.wait_until_up(REVIEW, begun, 3)
            desktop.close(REVIEW)
        last = time.monotonic()
    return request_pairing


def many_windows(quick):
    """200 windows opened and closed, in one process."""
    number = 10 if quick else 200
    times, growth = [], []
    with FigureDesktop() as desktop, desktop.shell() as shell:
        shell.wait_until_ready()
        item = desktop.tray.wait_for_item()
        pid = shell.process.pid
        for count in range(number + 1):
            if count % (number // SAMPLES_OF_GROWTH) == 0:
                growth.append([count, settled_own_memory(pid)])
            begun = time.monotonic()
            item.click("Open Tidegate")
            times.append(desktop.windows.wait_until_up(WINDOW, begun) - begun)
            page_is_connected(shell)
            desktop.close(WINDOW)
            wait_until_no_page_is_left(pid)
    return {"up": times[:number], "growth": growth}


def many_bare_windows(quick):
    """As many opened and closed in the bare tray, with the same pages and no gateway."""
    number = 10 if quick else 200
    growth = []
    with FigureDesktop() as desktop, desktop.bare_windows() as bare:
        item = desktop.tray.wait_for_item()
        for count in range(number + 1):
            if count % (number // SAMPLES_OF_GROWTH) == 0:
                growth.append([count, settled_own_memory(bare.pid)])
            begun = time.monotonic()
            item.click("Open")
            desktop.windows.wait_until_up(WINDOW, begun)
            assert bare.stdout.readline() == "loaded\n"
            desktop.close(WINDOW)
            wait_until_no_page_is_left(bare.pid)
    return {"growth": growth}


def idle(quick):
    """Tray only, with nothing to do."""
    seconds = 10 if quick else 60
    with FigureDesktop() as desktop, desktop.shell() as shell:
        shell.wait_until_ready()
        pid = shell.process.pid
        settled_pss(pid)
        processor, written = processor_seconds(pid), written_bytes(pid)
        time.sleep(seconds)
        processor, written = processor_seconds(pid) - processor, written_bytes(pid) - written
    return {"seconds": seconds, "processor": processor, "written": written}


GROUPS = {
    group.__name__: group
    for group in (bare, fresh_display, starts, states, dialogs, idle, many_dialogs, many_dialogs_read, many_windows,
                  many_bare_windows)
}

if __name__ == "__main__":
    json.dump(GROUPS[sys.argv[1]]("--quick" in sys.argv[2:]), sys.stdout)
