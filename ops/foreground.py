"""`standalone.py` in the foreground of scripts/standalone.sh. At its end it forgets what it was started with."""

from __future__ import annotations

import os
import sys

import standalone
from conf.settings import load
from ops.run_environment import forget
from ops.standalone import CONFIG, SYSTEM


def main() -> int:
    var = load(CONFIG, os.environ).var
    try:
        return standalone.main()
    finally:
        forget(var, SYSTEM)


if __name__ == "__main__":
    sys.exit(main())
