"""Fixtures that every test may use: the private servers, one set for each process of the run.

scripts/test.sh runs two processes side by side, because many tests wait for timeouts. A folder stays in one of them, so
that what it starts is started once.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

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


class FolderByFolder(LoadScopeScheduling):
    """Gives each process whole folders of tests/, the largest first.

    `--dist loadgroup` would be the plugin's own way, but it marks tests by an attribute that pytest 9.2 does not read:
    without a word each test goes to whichever process is free, and everything is started twice.
    """

    def _split_scope(self, nodeid: str) -> str:
        """`tests/e2e/test_chat.py::test_talk` belongs to `e2e`."""
        return nodeid.split("/")[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderByFolder:
    return FolderByFolder(config, log)
