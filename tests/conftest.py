"""Fixtures that every test may use: the private servers, one set for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.private_servers import PrivateServers, private_run


@pytest.fixture(scope="session")
def servers() -> Iterator[PrivateServers]:
    """The servers, started at the first test that asks for them and stopped after the last."""
    with private_run() as private:
        yield private
