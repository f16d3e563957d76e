"""An H5 page of another origin in a real browser: it registers, logs in, long-polls and uses /ws, if it is listed.

Before a gateway without nginx (standalone), and before nginx with two gateways behind it.
"""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.browser.chromium import Chromium, find_chromium
from tests.deployments import ClusterDeployment, StandaloneDeployment
from tests.private_servers import PrivateServers
from tests.through_door import ThroughDoor

PAGE = Path(__file__).parent / "page.html"
HEARTBEAT_S = 1  # of standalone, so that a silent page would be closed within seconds
SILENT_MS = 4_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not find_chromium(),
        reason="there is no Chromium on this machine: scripts/setup.sh --browser installs it as root on Debian; Chrome "
        "does as well",
    ),
]


class Place(NamedTuple):
    """A system to be used by pages: where it is, and how long a page may be silent in it (ms)."""

    at: str
    silent_ms: int


class _Page(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def pages() -> Iterator[int]:
    """The port of a web server with the page: of another origin than any gateway."""
    handler = functools.partial(_Page, directory=str(PAGE.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def _standalone(var: Path, origins: str) -> Iterator[Place]:
    deployment = StandaloneDeployment(var, f"{origins}\nheartbeat_s = {HEARTBEAT_S}")
    with deployment.running():
        yield Place(f"http://127.0.0.1:{deployment.ports[0]}", SILENT_MS)


@contextmanager
def _through_nginx(var: Path, origins: str, servers: PrivateServers) -> Iterator[Place]:
    with ClusterDeployment(var, servers, origins).running() as cluster, ThroughDoor(cluster).running() as through:
        yield Place(f"http://127.0.0.1:{through.ports[0]}", 0)


@pytest.fixture(scope="module", params=["standalone", pytest.param("through", marks=pytest.mark.servers)])
def place(request: pytest.FixtureRequest, pages: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """It lists the pages of 127.0.0.1, and not the same ones of localhost."""
    var = tmp_path_factory.mktemp("place")
    origins = f'origins = ["http://127.0.0.1:{pages}"]'
    if request.param == "standalone":
        with _standalone(var, origins) as made:
            yield made
    else:
        with _through_nginx(var, origins, request.getfixturevalue("servers")) as made:
            yield made


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Chromium]:
    async with Chromium(tmp_path) as made:
        yield made


def call(function: str, *arguments: Any) -> str:
    return f"{function}({', '.join(map(json.dumps, arguments))})"


async def test_a_page_of_a_listed_origin_registers_logs_in_polls_and_uses_a_web_socket(
    place: Place, pages: int, browser: Chromium
) -> None:
    page = await browser.open(f"http://127.0.0.1:{pages}/{PAGE.name}")
    seen = await browser.run(page, call("everything", place.at, "ann", place.silent_ms))
    mine, polled, chatted = seen["mine"], seen["polled"], seen["chatted"]
    assert (mine["registered"]["status"], mine["loggedIn"]["status"]) == (200, 200)
    assert mine["registered"]["id"], "X-Request-Id may be read"
    assert (seen["refused"]["status"], seen["refused"]["error"]["code"]) == (401, "unauthenticated")
    assert [frame["data"]["cid"] for frame in polled["received"]["frames"]] == ["to-the-poll"]
    assert [frame["id"] for frame in polled["sent"]["frames"]] == ["7"]
    assert (polled["closed"]["status"], polled["gone"]["status"]) == (200, 410)
    assert polled["gone"]["error"]["code"] == "session_gone"
    assert [(frame["op"], frame["id"]) for frame in chatted["answers"]] == [("reply", "1"), ("reply", "2")]
    assert (chatted["pushed"]["op"], chatted["pushed"]["data"]["cid"]) == ("message", "to-the-socket")
    assert (chatted["beat"]["op"], chatted["beat"]["id"], chatted["code"]) == ("heartbeat", "3", 1000)


async def test_a_page_of_an_origin_that_is_not_listed_is_refused_at_every_door(
    place: Place, pages: int, browser: Chromium
) -> None:
    page = await browser.open(f"http://localhost:{pages}/{PAGE.name}")
    assert await browser.run(page, call("nothing", place.at)) == {
        "api": "TypeError",
        "poll": "TypeError",
        "socket": 1006,
    }
