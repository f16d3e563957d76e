"""The garbage collector, for processes that make many small objects and hardly a cycle.

By default it looks at young objects every 700 allocations, and so at full load many times in each batch; measured on a
gateway, that took a tenth of its time. A look at a million objects stops a worker for 40 ms, so a look is at 120,000 at
most, but for the rare one at everything. What is there after the start is never garbage.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 30_000
MIDDLE_ROUNDS = 4
OLD_ROUNDS = 200


def tune_garbage_collector() -> None:
    """Call once, when everything is imported and built."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_ROUNDS, OLD_ROUNDS)
