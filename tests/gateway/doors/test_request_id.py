"""The id by which the client of a failed call asks for it is the one that the logs know."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from gateway.road.road import Road
from tests.gateway.site import Site
from tests.http_calls import api


async def test_a_failed_call_has_one_id_in_its_answer_and_in_every_log(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without nginx in front (standalone) the id is ours."""
    traces: list[str] = []

    async def failing(*_: object) -> bytes:
        traces.append(str(_[-1]))
        raise ZeroDivisionError

    token = site.token("ann")
    await api(site.port, "sync", {"cursors": {}}, token)
    monkeypatch.setattr(Road, "ask", failing)
    with capture_logs() as logged:
        answer = await api(site.port, "sync", {"cursors": {}}, token)
    assert answer.status == 500
    traces += [str(line["trace"]) for line in logged if "trace" in line]
    traces += [answer.headers["x-request-id"], answer.json["error"]["trace"]]
    assert len(set(traces)) == 1
