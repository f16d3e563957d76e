"""The load generator: a process of its own that reads one job from standard input (bench/loads/marks.py).

python -m bench.generator
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from bench.client import NotOpened
from bench.loads import crowd, echo, group, pairs, slow, steady, storm
from bench.loads.crowd import CrowdJob
from bench.loads.echo import EchoJob
from bench.loads.group import GroupJob
from bench.loads.marks import Marks
from bench.loads.pairs import PairsJob
from bench.loads.slow import SlowJob
from bench.loads.steady import SteadyJob
from bench.loads.storm import StormJob

Job = CrowdJob | EchoJob | GroupJob | PairsJob | SlowJob | SteadyJob | StormJob

LOADS: dict[type, Callable[[Any, Marks], Coroutine[Any, Any, dict[str, Any]]]] = {
    CrowdJob: crowd.run,
    EchoJob: echo.run,
    GroupJob: group.run,
    PairsJob: pairs.run,
    SlowJob: slow.run,
    SteadyJob: steady.run,
    StormJob: storm.run,
}


def main() -> int:
    job: Job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    marks = Marks()
    # A run is short and makes no cycles worth a collection, which would only show up as latency.
    gc.disable()
    result: dict[str, Any] = {}
    try:
        result = asyncio.run(LOADS[type(job)](job, marks))
    except* (NotOpened, OSError, TimeoutError) as errors:
        print(json.dumps({"failed": f"{errors.exceptions[0]!r}"}), flush=True)
        sys.exit(1)
    print(json.dumps({"result": result | {"generator_cores": round(marks.cores, 3)}}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
