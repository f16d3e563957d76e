"""The bare Tornado server, running for as long as a run needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.load_process import LoadFailed
from ops.templates import ROOT


@contextmanager
def echo_server(port: int) -> Iterator[int]:
    """Its pid, once it listens on 127.0.0.1:`port`."""
    words = [sys.executable, "-m", "bench.echo_server", "--port", str(port)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise LoadFailed("the echo server did not start (see above)")
            yield process.pid
        finally:
            process.kill()
