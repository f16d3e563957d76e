"""One cluster for all fault tests, over servers of its own: what is killed and flushed here is used by nobody else."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.cluster import FaultCluster
from tests.faults.figures import FIGURES
from tests.faults.fleet import Fleet, Size
from tests.private_servers import PrivateServers, private_run

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[PrivateServers]:
    with private_run("-faults") as private:
        yield private


@pytest.fixture(scope="session")
def running_cluster(servers: PrivateServers) -> Iterator[FaultCluster]:
    cluster = FaultCluster(servers)
    try:
        cluster.heal()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def cluster(running_cluster: FaultCluster) -> FaultCluster:
    """Everything runs and serves, whatever the test before left behind."""
    running_cluster.heal()
    return running_cluster


@pytest.fixture
async def fleet(cluster: FaultCluster) -> AsyncIterator[Fleet]:
    """Clients of users whom nobody knew before, in step, under a steady load."""
    async with _started(Fleet(cluster, f"f{next(_numbers)}")) as fleet:
        yield fleet


@pytest.fixture
async def fleet_at_the_door(request: pytest.FixtureRequest, cluster: FaultCluster, doors: None) -> AsyncIterator[Fleet]:
    """The same through nginx: a third each by WebSocket, TCP and long-poll. The test's parameter is the size."""
    size: Size = request.param
    async with _started(Fleet(cluster, f"f{next(_numbers)}", size, cluster.ways_in())) as fleet:
        yield fleet


@pytest.fixture
def doors(cluster: FaultCluster) -> Iterator[None]:
    """Both doors are open, and newly so."""
    cluster.open_doors()
    yield
    cluster.through_door.stop()


@asynccontextmanager
async def _started(fleet: Fleet) -> AsyncIterator[Fleet]:
    try:
        await fleet.start()
        yield fleet
    finally:
        await fleet.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.write_sep("-", "faults: how long things took")
        for line in FIGURES:
            terminalreporter.write_line(line)
