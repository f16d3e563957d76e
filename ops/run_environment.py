"""What the environment said when the system was started, so that every later command sees the same.

Laws: what was given to `up` or `start` counts until `down` or `stop`, and while anything runs a second `up` or `start`
with other settings is refused. What another command is given itself counts for that command, which says so; `status`
shows what was started, whatever it is given. The record is for the owner only, because a password may come by the
environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from conf.settings import FILE_VARIABLE, PREFIX, Settings, load
from ops.processes import ProcessFailed
from ops.templates import write_private

VAR_VARIABLE = "HONGYAN_VAR"
# The first is said by --config; by the second the record is found.
NOT_RECORDED = (FILE_VARIABLE, VAR_VARIABLE)


def our_environment() -> dict[str, str]:
    """Our own processes take settings from the environment; which file they read is said by --config."""
    kept = {name: value for name, value in os.environ.items() if name != FILE_VARIABLE}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def remember(var: Path, system: str, environment: Mapping[str, str]) -> None:
    """Record the settings that `environment` holds; `system` is "cluster" or "standalone"."""
    write_private(_record(var, system), json.dumps(_overrides(environment), sort_keys=True))


def forget(var: Path, system: str) -> None:
    """The system is not started any more."""
    _record(var, system).unlink(missing_ok=True)


def as_started(config: Path, system: str, environment: Mapping[str, str], *, tell: bool = True) -> dict[str, str]:
    """`environment`, completed by the record of the start. With `tell`, variables that change a setting are named on
    standard error. Raises BadSettings."""
    for name in changed(config, system, environment) if tell else ():
        print(f"{name} is not what the {system} was started with: it counts for this command", file=sys.stderr)
    recorded = _recorded(load(config, environment).var, system)
    return {**(recorded or {}), **environment}


def as_recorded(config: Path, system: str, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the settings of the start in place of its own, for a command that only looks at what runs; as
    it is where no start is recorded. Raises BadSettings."""
    recorded = _recorded(load(config, environment).var, system)
    if recorded is None:
        return dict(environment)
    ours = _overrides(environment)
    return {**{name: value for name, value in environment.items() if name not in ours}, **recorded}


def load_as_started(config: Path, system: str, environment: Mapping[str, str]) -> Settings:
    """The settings with which the system was started. Raises BadSettings."""
    return load(config, as_started(config, system, environment))


def changed(config: Path, system: str, environment: Mapping[str, str]) -> list[str]:
    """The variables of `environment` that give a setting another value than it had at the start; none where no start is
    recorded. Raises BadSettings."""
    recorded = _recorded(load(config, environment).var, system)
    if recorded is None:
        return []
    other = [name for name, value in _overrides(environment).items() if recorded.get(name) != value]
    given = {**recorded, **environment}
    now = load(config, given) if other else None
    return [name for name in other if load(config, _as_recorded(given, name, recorded)) != now]


def refuse_changes(config: Path, system: str, environment: Mapping[str, str], how_to_stop: str) -> None:
    """For a system that runs: raises ProcessFailed where `environment` changes a setting, and names the variables."""
    if names := changed(config, system, environment):
        verb = "is" if len(names) == 1 else "are"
        raise ProcessFailed(
            f"{', '.join(names)} {verb} not what the {system} was started with, and it runs: {how_to_stop} first."
        )


def _as_recorded(given: Mapping[str, str], name: str, recorded: Mapping[str, str]) -> dict[str, str]:
    """`given` with `name` as it is recorded."""
    kept = {other: value for other, value in given.items() if other != name}
    return {**kept, name: recorded[name]} if name in recorded else kept


def _overrides(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(PREFIX) and name not in NOT_RECORDED}


def _record(var: Path, system: str) -> Path:
    return var / "run" / f"{system}.environment.json"


def _recorded(var: Path, system: str) -> dict[str, str] | None:
    """The record of the last start; None where there is none, or none that we wrote."""
    try:
        recorded = json.loads(_record(var, system).read_text())
    except (OSError, ValueError):
        return None
    is_ours = isinstance(recorded, dict) and all(isinstance(value, str) for value in recorded.values())
    return recorded if is_ours else None
