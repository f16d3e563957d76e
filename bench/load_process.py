"""The bench's end of a generator: start it with a job, see its marks, take its result."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, cast

import msgspec

from ops.templates import ROOT

EXIT_S = 20.0


class LoadFailed(Exception):
    """The generator could not do its job; the message says why."""


class LoadProcess:
    """One generator at work. A context manager: whatever happens, it ends."""

    def __init__(self, job: msgspec.Struct) -> None:
        self._job = job
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.generator"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the bench, which ends it
        )
        self._write(msgspec.json.encode(job).decode())

    def __repr__(self) -> str:
        return f"LoadProcess({type(self._job).__name__}, pid={self._process.pid})"

    def __enter__(self) -> LoadProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._process.kill()
        self._process.wait(EXIT_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_mark(self, mark: str) -> None:
        """Return when the load says that it got there. Raises LoadFailed."""
        said = self._read()
        if said.get("mark") != mark:
            raise LoadFailed(f"{self!r} said {said} where {mark!r} was due")

    def go(self) -> None:
        """Let a load that waits go on."""
        self._write("go")

    def result(self) -> dict[str, Any]:
        """What the load found. Raises LoadFailed."""
        said = self._read()
        if "result" not in said:
            raise LoadFailed(f"{self!r} said {said} where its result was due")
        return cast("dict[str, Any]", said["result"])

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise LoadFailed(f"{self!r} ended without a word (see above)")
        said: dict[str, Any] = json.loads(line)
        if "failed" in said:
            raise LoadFailed(f"{self!r}: {said['failed']}")
        return said

    def _write(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
