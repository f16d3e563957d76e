"""Files that we write, for the owner's eyes only: configurations of servers from the templates in conf/, and others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parent.parent


def fill_template(name: str, target: Path, values: Mapping[str, object]) -> Path:
    """Write conf/`name`, with each `$name` in it filled in, to `target`."""
    return write_private(target, Template((ROOT / "conf" / name).read_text()).substitute(values))


def write_private(target: Path, text: str) -> Path:
    """Write `text` to `target` in one step, mode 0600."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(target)
    return target
