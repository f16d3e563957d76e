"""The system under attack: standalone in a process that can be asked to let go of what it does not need."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from ops.probes import answers_http
from ops.processes import Process
from ops.run_environment import our_environment
from ops.templates import ROOT
from tests.deployments import StandaloneDeployment

ENVIRONMENT = {
    "HONGYAN_GATEWAY__POLL_IDLE_S": "2.0",  # what attackers leave open is over soon
    "HONGYAN_LOGIC__THREADS": "2",  # and so few connections to the store: their number does not change for long
    # What a password's hash takes (19 MiB) goes back to the system at once, not only now and then.
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
}
STEP_S = 0.02
COUNT_S = 20.0


class Target(StandaloneDeployment):
    """Below `var`."""

    def __init__(self, var: Path) -> None:
        super().__init__(var)
        self._count = var / "blocks"
        port, tcp_port = self.ports[0], self.tcp_ports[0]
        words = [sys.executable, "-m", "tests.fuzz.watched", str(self._count), "--config", str(self.config)]
        words += ["--port", str(port), "--tcp-port", str(tcp_port), "--operations-port", str(self.operations_port)]
        self.process = Process(
            "standalone",
            lambda: words,
            var,
            lambda: answers_http(f"http://127.0.0.1:{self.operations_port}/readyz"),
            env={**our_environment(), **ENVIRONMENT},
            cwd=ROOT,
            port=port,
        )
        self.processes = [self.process]

    @property
    def pid(self) -> int:
        """Of the process, which lives."""
        pid = self.process.pid
        assert pid is not None, f"the system died: {self.process.log_tail()}"
        return pid

    async def blocks(self) -> int:
        """How many blocks of memory Python needs now; what is not needed is gone."""
        self._count.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR2)
        async with asyncio.timeout(COUNT_S):
            while not self._count.exists():
                assert self.pid
                await asyncio.sleep(STEP_S)
        return int(self._count.read_text())
