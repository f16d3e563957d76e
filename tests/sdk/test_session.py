"""The tokens of a login as a program keeps them: refreshed in time, by several at once, through lost answers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hongyan import Api, Device, Lost, Session
from hongyan import session as sessions

from tests.client import Recorder
from tests.deployments import StandaloneDeployment

LOGIN = {"terminal": "pc", "device": "laptop"}

_names = itertools.count(1)


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneDeployment]:
    with StandaloneDeployment(tmp_path_factory.mktemp("standalone")).running() as made:
        yield made


class LossyApi(Api):
    """Carries requests out, and loses as many answers as it is told to."""

    lost = 0

    async def call(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        reply = await super().call(op, data)
        if self.lost:
            self.lost -= 1
            raise ConnectionError("the answer was lost")
        return reply


@pytest.fixture
async def api(standalone: StandaloneDeployment) -> AsyncIterator[LossyApi]:
    async with LossyApi("127.0.0.1", standalone.ports[0]) as made:
        yield made


@pytest.fixture
async def tokens(api: Api) -> dict[str, Any]:
    """Of a new account; the token runs out now, as this machine sees it."""
    account = {"username": f"eve-{next(_names)}", "password": "correct horse"}
    return {**await api.call("account.register", account), "expires": 0}


async def is_good(standalone: StandaloneDeployment, token: str) -> bool:
    async with Api("127.0.0.1", standalone.ports[0], token) as api:
        return bool(await api.call("sync", {"cursors": {}}))


async def test_a_token_that_runs_out_is_refreshed_once_for_all_who_ask(
    api: Api, tokens: dict[str, Any], standalone: StandaloneDeployment
) -> None:
    kept: list[dict[str, Any]] = []
    session = Session(api, tokens, kept.append)
    (token,) = set(await asyncio.gather(*(session.token() for _ in range(10))))
    assert [pair["token"] for pair in kept] == [token]
    assert kept[0]["refresh"] != tokens["refresh"]
    assert await is_good(standalone, token)
    assert await session.token() == token


async def test_two_programs_with_the_same_tokens_both_go_on(api: Api, tokens: dict[str, Any]) -> None:
    """Two tabs of a browser, or a program that was started twice."""
    one, other = Session(api, tokens), Session(api, tokens)
    for _ in range(3):
        await asyncio.gather(one.token(), other.token())
        one.expire()
        other.expire()


async def test_an_answer_that_was_lost_is_asked_for_again(api: LossyApi, tokens: dict[str, Any]) -> None:
    session = Session(api, tokens)
    api.lost = 2
    for _ in range(2):
        with pytest.raises(Lost) as lost:
            await session.token()
        assert not lost.value.is_final
    await session.token()
    session.expire()
    await session.token()


async def test_a_token_that_is_still_good_is_used_where_no_new_one_is_to_be_had(
    api: LossyApi, tokens: dict[str, Any]
) -> None:
    api.lost = 1
    kept: list[dict[str, Any]] = []
    session = Session(api, {**tokens, "expires": (time.time() + sessions.EARLY_S / 2) * 1000}, kept.append)
    assert await session.token() == tokens["token"] and not kept
    assert await session.token() == kept[0]["token"]


async def test_a_session_that_has_ended_is_final(
    api: Api, tokens: dict[str, Any], standalone: StandaloneDeployment
) -> None:
    async with Api("127.0.0.1", standalone.ports[0], tokens["token"]) as mine:
        await mine.call("account.logout", {})
    with pytest.raises(Lost) as lost:
        await Session(api, tokens).token()
    assert lost.value.is_final


async def test_a_device_logs_in_with_a_session_whose_token_is_refused(
    api: Api, tokens: dict[str, Any], standalone: StandaloneDeployment
) -> None:
    """As with a clock that is late: the token seems to be good, and is not. Once the session has ended, it ends."""
    session = Session(api, {**tokens, "token": "run out", "expires": (time.time() + 3600) * 1000})
    device = Device([standalone.url("ws")], LOGIN, Recorder("eve", "d", []), session=session)
    running = asyncio.create_task(device.run())
    await asyncio.wait_for(device.in_step.wait(), 10)
    await device.call("account.logout", {})
    assert (await asyncio.wait_for(running, 10)).is_final
    assert (await asyncio.wait_for(device.run(), 10)).is_final


async def test_a_session_that_is_kept_is_refreshed_before_it_runs_out(
    api: Api, tokens: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PAUSE_S", 0.0)
    refreshed = asyncio.Event()
    keeping = asyncio.create_task(Session(api, tokens, lambda _: refreshed.set()).keep())
    await asyncio.wait_for(refreshed.wait(), 10)
    keeping.cancel()
