"""What tests with real brokers wait for: something that happens, within a limit, never a time."""

import time

PATIENCE_S = 60.0


def until(done, step=lambda: time.sleep(0.02)):
    """Step until something is so.

    Raises:
        AssertionError: it did not happen in time.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        step()
