"""`standalone.py` in the foreground of scripts/standalone.sh; at its end the record of its settings is removed."""

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
