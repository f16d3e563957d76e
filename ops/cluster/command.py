"""What each command for a cluster begins and ends with: which deployment is meant, and what its failure is told as.

Exit codes: 0 fine, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from conf.mistakes import BadSettings
from conf.secrets import BadSecret, generate
from conf.settings import load
from ops.cluster.deployment import SYSTEM, Deployment, UnknownComponent
from ops.processes import ProcessFailed
from ops.programs import MissingServer
from ops.run_environment import VAR_VARIABLE, as_recorded, as_started, our_environment
from ops.templates import ROOT
from process.private_files import keep_for_us_only, write_for_us_only

FAILED, USAGE = 1, 2


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option --config, which the scripts fill in from HONGYAN_CONFIG."""
    parser.add_argument("--config", type=Path, default=ROOT / "conf" / "cluster.toml", help=argparse.SUPPRESS)


def open_deployment(config: Path, verb: str = "") -> Deployment:
    """The deployment of a configuration file; its secrets are generated where they are missing. Raises BadSettings.

    Settings of the environment that differ from those of the start count for the command, which says so; but `up`
    judges them by itself, and `status` shows what was started.
    """
    write_for_us_only()
    environment = our_environment()
    try:
        var = tomllib.loads(config.read_text()).get("var", "var")
        generate(Path(environment.get(VAR_VARIABLE, var)))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, BadSecret):
        pass  # load says what is wrong
    if verb == "status":
        started = as_recorded(config, SYSTEM, environment)
    else:
        started = as_started(config, SYSTEM, environment, tell=verb != "up")
    os.environ.update(started)  # what is started now gets it, too
    settings = load(config, started)
    keep_for_us_only(settings.var)
    return Deployment(settings, config.resolve())


def exit_code(program: str, command: Callable[[], int]) -> int:
    """What `command` returns; where it fails, the reason is said and becomes an exit code."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        return command()
    except UnknownComponent as error:
        print(f"{program}: {error}", file=sys.stderr)
        return USAGE
    except (BadSettings, MissingServer, ProcessFailed, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted; scripts/cluster.sh down stops what was started", file=sys.stderr)
        return FAILED
