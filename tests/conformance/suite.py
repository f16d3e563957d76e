"""Runs cases of the Autobahn suite (by kosoku) against a gateway that echoes, in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from kosoku import FailureError, run_fuzzingclient

from ops.templates import ROOT
from tests.conformance.verdicts import Verdict, judge
from tests.private_servers import free_ports

START_S = 30.0
AT_ONCE = 4


@asynccontextmanager
async def echo_gateway(log: Path, *, is_wide: bool = False) -> AsyncIterator[str]:
    """The address of an echoing gateway, which runs inside the block and writes its log there."""
    free = free_ports()
    words = ["-m", "tests.conformance.echo_gateway", "--port", str(free["gateway"]), "--tcp-port", str(free["tcp"])]
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, *["--wide"] * is_wide, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(START_S):
                while (line := await process.stdout.readline()) != b"ready\n":
                    assert line, log.read_text()
            yield f"ws://127.0.0.1:{free['gateway']}/ws"
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def run_cases(url: str, cases: Sequence[str], without: Sequence[str] = ()) -> list[Verdict]:
    """The verdicts on the cases, which are ids or globs."""
    try:
        results = await run_fuzzingclient(url, list(cases), list(without), concurrency=AT_ONCE)
    except FailureError as failure:
        results = failure.results
    return [judge(result, result.behavior.value) for result in results]
