from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.site import Site

NewSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def new_site(tmp_path: Path) -> AsyncIterator[NewSite]:
    """Starts gateways with the limits given; they are stopped when the test ends."""
    sites: list[Site] = []

    async def start(**limits: Any) -> Site:
        sites.append(Site(tmp_path, **limits))
        return await sites[-1].start()

    yield start
    for site in sites:
        await site.stop()


@pytest.fixture
async def site(new_site: NewSite) -> Site:
    return await new_site()
