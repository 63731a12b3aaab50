"""CPU seconds of a block, for the peers' scripts (they cannot import the product's)."""

import time
from collections.abc import Callable
from typing import Any


def cpu_of(action: Callable[[], Any], *, least_s: float = 1.0, most: int = 50) -> tuple[float, Any]:
    """Return the median CPU seconds of a call, repeated until `least_s` have been spent, and its result."""
    spent: list[float] = []
    result: Any = None
    while not spent or (sum(spent) < least_s and len(spent) < most):
        started = time.process_time()
        result = action()
        spent.append(time.process_time() - started)
    return sorted(spent)[len(spent) // 2], result
