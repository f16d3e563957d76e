"""Fixtures that every test may use: the private servers, one set for the whole run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator

import pytest

from conf.secrets import generate
from tests.private_servers import CONFIGURATION, RUNS, PrivateServers, free_ports, remove_dead_runs


@pytest.fixture(scope="session")
def servers() -> Iterator[PrivateServers]:
    """The servers, started at the first test that asks for them and stopped after the last."""
    RUNS.mkdir(parents=True, exist_ok=True)
    remove_dead_runs()
    var = RUNS / f"run-{os.getpid()}"
    var.mkdir()
    with (var / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        generate(var)
        (var / "cluster.toml").write_text(CONFIGURATION.format(var=var, **free_ports()))
        private = PrivateServers(var / "cluster.toml")
        try:
            private.up()
            yield private
        finally:
            private.down()
    shutil.rmtree(var, ignore_errors=True)
