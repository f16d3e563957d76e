"""Fixtures that every test may use: the private servers, one set for each process of the run.

scripts/test.sh runs several processes side by side, because many tests wait for timeouts (tests/distribution.py).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator

import hypothesis
import pytest
import structlog
from xdist.remote import Producer

from tests.distribution import Shares, longest_first
from tests.private_servers import PrivateServers, private_run

# Times say nothing on a shared machine, and in a fresh clone the first text waits for a table of all of Unicode.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("shared")


# As in a terminal, also where the run is started in the background or by nohup, which have both ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def servers() -> Iterator[PrivateServers]:
    """The servers, started at the first test that asks for them and stopped after the last."""
    with private_run() as private:
        yield private


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command line that a test ran in this process set up logs for that test's standard error, and a umask."""
    said, crashed, thread_crashed = sys.stderr, sys.excepthook, threading.excepthook
    umask = os.umask(0o077)
    os.umask(umask)
    yield
    structlog.reset_defaults()
    os.umask(umask)
    sys.stderr, sys.excepthook, threading.excepthook = said, crashed, thread_crashed


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before -m reads the marks, and after all who choose and order
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker("servers")
    yield
    if hasattr(config, "workerinput"):  # one of several processes
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    config.option.loadscopereorder = False  # by the number of their tests, which says little
    return Shares(config, log)
