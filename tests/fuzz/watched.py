"""The standalone system, whose memory can be compared from rest to rest: small caches, and garbage collected on demand.

    python -m tests.fuzz.watched COUNT_FILE [words for standalone.py]

In production full caches and uncollected garbage (process/gc_tuning.py) hide what leaks. Here caches are full soon, and
on SIGUSR2 all that nobody needs is let go; then COUNT_FILE says how many blocks of memory Python still needs.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sqlite3
import sys
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any

import standalone
from logic import caches
from protocol import ids

SMALL_BYTES, SMALL_ROWS = 64 * 1024, 200
SQLITE_KIB = 100  # of pages, for each connection
REMEMBERED: tuple[_lru_cache_wrapper[Any], ...] = (ids.parse_conversation, ids.partition_of)


_connect = sqlite3.connect


def _with_few_pages(*words: Any, **named: Any) -> sqlite3.Connection:
    opened = _connect(*words, **named)
    opened.execute(f"PRAGMA cache_size = -{SQLITE_KIB}")
    return opened


def let_go(count: Path) -> None:
    """Of everything that is not needed; memory goes back to the system where its library can do that."""
    for function in REMEMBERED:
        function.cache_clear()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    written = count.with_suffix(".new")
    written.write_text(str(sys.getallocatedblocks()))
    os.replace(written, count)


def main() -> int:
    count = Path(sys.argv.pop(1))
    sqlite3.connect = _with_few_pages  # type: ignore[assignment]
    caches.CONVERSATION_BYTES, caches.CIDS = SMALL_BYTES, SMALL_ROWS
    signal.signal(signal.SIGUSR2, lambda *_: let_go(count))
    return standalone.main()


if __name__ == "__main__":
    sys.exit(main())
