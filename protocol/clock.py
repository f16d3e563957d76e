"""The wall clock of the wire: integer milliseconds since 1970 UTC (protocol.md section 1)."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Now, by this machine's clock. It may run back; times of a conversation do not (logic/timeline.py)."""
    return time.time_ns() // 1_000_000
