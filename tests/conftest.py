"""Fixtures that every test may use: the private servers, one set for each process of the run.

scripts/test.sh runs two processes side by side, because many tests wait for timeouts. A folder stays in one of them, so
that what it starts is started once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.private_servers import PrivateServers, private_run


@pytest.fixture(scope="session")
def servers() -> Iterator[PrivateServers]:
    """The servers, started at the first test that asks for them and stopped after the last."""
    with private_run() as private:
        yield private


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command line that a test ran in this process set up logs for that test's standard error."""
    yield
    structlog.reset_defaults()


@pytest.hookimpl(tryfirst=True)  # before the plugin reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.relative_to(here).parts[0]))
