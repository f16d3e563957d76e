"""Which files others may look into."""

from __future__ import annotations

import os
import stat
from pathlib import Path

OTHERS = 0o077


def open_to_others(directory: Path) -> list[str]:
    """`directory`, and what is below it, as far as its mode lets anybody in but its user. Of sockets and links only
    what they stand in counts."""
    found = [directory]
    for place, directories, files in os.walk(directory):
        found += [Path(place) / name for name in (*directories, *files)]
    return [f"{oct(mode)} {path}" for path in found if is_file(mode := path.lstat().st_mode) and mode & OTHERS]


def is_file(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
