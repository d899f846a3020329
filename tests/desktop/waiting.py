"""Waiting for conditions."""

import time

# What is sure to happen may take this long: on a machine with much else to do everything takes long, and a
# generous limit costs nothing where all is well.
PATIENCE = 60


def wait_until(condition, what, seconds=PATIENCE, pause=0.05):
    """Waits until `condition` gives something true, and returns that."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(pause)
    return value


def never_within(condition, what, seconds):
    """Looks for a while that `condition` stays false. Only for what must not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            raise AssertionError(f"{what}: {value!r}")
        time.sleep(0.05)
