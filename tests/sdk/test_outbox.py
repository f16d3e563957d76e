"""A conversation in which very much waits."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hongyan.connection import Connection, OnFrame
from hongyan.outbox import Outbox, SendObserver

MANY = 30_000


class Nobody(SendObserver):
    """Takes no notice."""


class Answering:
    """A connection that answers when it is told to."""

    name = "c1"

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], OnFrame]] = []

    def ask(self, op: str, data: dict[str, Any], answered: OnFrame) -> None:
        self.asked.append((data, answered))

    def answer_all(self) -> None:
        asked, self.asked = self.asked, []
        for data, answered in asked:
            answered({"op": "reply", "data": {"cid": data["cid"]}})


@pytest.mark.timeout(15)  # looking at all of them for each takes longer
@pytest.mark.parametrize("at_once", [1, 1_000_000])
async def test_a_long_lane_costs_no_more_for_each_than_a_short_one(at_once: int) -> None:
    connection = Answering()
    stored: list[str] = []
    outbox = Outbox(Nobody(), lambda data, _: stored.append(data["body"]["text"]), at_once)
    outbox.open(cast("Connection", connection))
    texts = [str(number) for number in range(MANY)]
    outcomes = [
        outbox.send({"conversation": "p:alice:bob", "cid": "", "type": "text", "body": {"text": text}})
        for text in texts
    ]
    assert (len(outbox), outbox.untried) == (MANY, MANY - min(at_once, MANY))
    while connection.asked:
        connection.answer_all()
    assert stored == texts
    assert all(outcome.done() for outcome in outcomes)
    assert len(outbox) == 0
