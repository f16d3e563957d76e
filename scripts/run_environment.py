"""What the environment said when the system was started, so that every later command sees the same.

Laws: what was given to `up` or `start` counts until `down` or `stop`. What a later command is given itself counts for
that command, which says so. The record is for the owner only, because a password may come by the environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from conf.settings import FILE_VARIABLE, PREFIX, Settings, load
from scripts.templates import write_private

VAR_VARIABLE = "HONGYAN_VAR"
# The first is said by --config; by the second the record is found.
NOT_RECORDED = (FILE_VARIABLE, VAR_VARIABLE)


def remember(var: Path, system: str, environment: Mapping[str, str]) -> None:
    """Record the settings that `environment` holds; `system` is "cluster" or "standalone"."""
    write_private(_record(var, system), json.dumps(_overrides(environment), sort_keys=True))


def forget(var: Path, system: str) -> None:
    """The system is not started any more."""
    _record(var, system).unlink(missing_ok=True)


def as_started(config: Path, system: str, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with what was recorded, where it says nothing else. Raises BadSettings."""
    var = load(config, environment).var
    try:
        recorded: dict[str, str] = json.loads(_record(var, system).read_text())
    except (OSError, ValueError):
        return dict(environment)
    for name, value in _overrides(environment).items():
        if recorded.get(name) != value:
            print(f"{name} is not what the {system} was started with: it counts for this command", file=sys.stderr)
    return {**recorded, **environment}


def load_as_started(config: Path, system: str, environment: Mapping[str, str]) -> Settings:
    """The settings with which the system was started. Raises BadSettings."""
    return load(config, as_started(config, system, environment))


def _overrides(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(PREFIX) and name not in NOT_RECORDED}


def _record(var: Path, system: str) -> Path:
    return var / "run" / f"{system}.environment.json"
