"""token.refresh: families of refresh tokens, by their laws and through the store, on both engines."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from logic.handlers.people import refresh
from logic.refresh_tokens import GRACE_MS, MAX_ROTATIONS, Family, RefreshTokens, hashed
from store import meta
from store.database import Database
from store.errors import Contention, Duplicate
from store.migrate import SCHEMA, migrate
from tests.logic.road import SECRET, Road, code, reply, revoked, work
from tests.logic.test_accounts import opens, register, session_of
from tests.store.engines import blank

__all__ = ["blank"]


def refreshed(road: Road, token: str, **more: Any) -> dict[str, Any]:
    return reply(road.call("token.refresh", refresh=token, **more))


def is_refused(road: Road, token: str, **more: Any) -> bool:
    return code(road.call("token.refresh", refresh=token, **more)) == "unauthenticated"


def test_each_use_of_a_refresh_token_gives_the_same_successor(road: Road) -> None:
    """With a cid or without, and however late, until the successor was used."""
    made = register(road)
    first = refreshed(road, made["refresh"])
    assert opens(road, first["token"]) and session_of(road, first["token"]) == session_of(road, made["token"])
    for more in ({}, {"cid": "c"}, {"cid": "c"}, {"cid": "d"}, {"cid": "~e1.1"}):
        road.now_ms += 3_600_000
        again = refreshed(road, made["refresh"], **more)
        assert again["refresh"] == first["refresh"] != made["refresh"]


def test_a_refresh_under_a_cid_of_another_token_is_a_conflict(road: Road) -> None:
    made = register(road)
    successor = refreshed(road, made["refresh"], cid="c")["refresh"]
    assert code(road.call("token.refresh", refresh=successor, cid="c")) == "conflict"
    assert refreshed(road, made["refresh"], cid="c")["refresh"] == successor


def test_a_refresh_token_is_good_for_60_s_after_its_successor_was_used(road: Road) -> None:
    made = register(road)
    successor = refreshed(road, made["refresh"])["refresh"]
    newest = refreshed(road, successor)["refresh"]
    road.now_ms += GRACE_MS
    assert refreshed(road, made["refresh"])["refresh"] == successor
    assert refreshed(road, successor)["refresh"] == newest
    road.now_ms += 1
    assert is_refused(road, made["refresh"])


@pytest.mark.parametrize("generations", [2, 5])
def test_a_refresh_token_that_is_used_too_late_ends_its_whole_family(road: Road, generations: int) -> None:
    """However old it is; gateways are told, also by a redelivery of the same command."""
    made = register(road)
    other = register(road, "bob")
    session, token = session_of(road, made["token"]), made["refresh"]
    for _ in range(generations):
        token = refreshed(road, token)["refresh"]
        road.now_ms += GRACE_MS + 1
    for _ in range(2):
        late = road.call("token.refresh", refresh=made["refresh"])
        assert code(late) == "unauthenticated" and revoked(late) == [session]
    road.now_ms += GRACE_MS + 1
    last = road.call("token.refresh", refresh=token)
    assert code(last) == "unauthenticated" and revoked(last) == []
    assert not opens(road, made["token"])
    assert opens(road, other["token"])


def test_what_is_no_refresh_token_ends_nothing(road: Road) -> None:
    made = register(road)
    for text in ("made up", session_of(road, made["token"]), f"made-up.{made['refresh']}", hashed(made["refresh"])):
        assert is_refused(road, text)
    assert opens(road, made["token"])


def test_a_token_that_only_begins_like_one_of_a_family_ends_it(road: Road) -> None:
    """Nobody knows how it begins but who had one."""
    made = register(road)
    assert is_refused(road, f"{made['refresh']}.made-up")
    assert not opens(road, made["token"])


def test_a_refresh_token_ends_with_its_session(road: Road) -> None:
    made = register(road)
    road.now_ms += 86_400 * 1000 + 1
    assert code(road.call("token.refresh", refresh=made["refresh"])) == "unauthenticated"
    assert not opens(road, made["token"])


@pytest.mark.parametrize("cid", ["", "c", "~e1.1"])
def test_two_tabs_that_refresh_at_once_both_go_on(road: Road, cid: str) -> None:
    """Whoever comes second begins anew and finds the successor that the first has got."""
    made = register(road)
    data = {"refresh": made["refresh"]}

    def rotate(number: int) -> dict[str, Any]:
        one = work("token.refresh", "", {**data, "cid": cid or f"c{number}"})
        for _ in range(20):
            try:
                return reply(refresh.refresh_token(one, road.services))
            except (Contention, Duplicate):
                continue
        raise AssertionError("twenty times were not enough")

    with ThreadPoolExecutor(4) as pool:
        tabs = list(pool.map(rotate, range(8)))
    assert len({tab["refresh"] for tab in tabs}) == 1
    assert all(opens(road, tab["token"]) for tab in tabs)
    assert len({refreshed(road, tab["refresh"])["refresh"] for tab in tabs}) == 1


def test_a_session_gets_so_many_new_refresh_tokens_a_minute(road: Road) -> None:
    token = register(road)["refresh"]
    for _ in range(MAX_ROTATIONS):
        token = refreshed(road, token)["refresh"]
        road.now_ms += 10
    refused = road.call("token.refresh", refresh=token)
    assert code(refused) == "rate_limited"
    road.now_ms += GRACE_MS
    assert refreshed(road, token)


def test_no_refresh_token_is_in_the_store(road: Road) -> None:
    made = register(road, cid="r")
    tokens = [made["refresh"], refreshed(road, made["refresh"], cid="c")["refresh"], made["token"]]
    with road.database.reading() as tx:
        rows = [*tx.rows("SELECT * FROM sessions"), *tx.rows("SELECT * FROM messages"), *tx.rows("SELECT * FROM users")]
    assert rows and not [token for token in tokens if token in repr(rows)]


def test_a_session_of_the_version_before_goes_on(blank: Database, tmp_path: Path) -> None:
    """Its refresh token was random, and only its hash is known: it is the first of a family now."""
    for path in SCHEMA.iterdir():
        if int(path.name[:3]) < 5:
            (tmp_path / path.name).write_text(path.read_text())
    migrate(blank, tmp_path)
    token = "AmXYm_8tQpQGu8QCkQ8yEtUcMkV-8JtvQJsXfNnqP4c"
    with blank.transaction() as tx:
        names = "id, user, terminal, device, refresh_hash, previous_hash, refresh_cid, issued, expires"
        values = ("s1", "ann", "web", "d", hashlib.sha256(token.encode()).hexdigest(), "x", "", 1, 2**50)
        tx.execute(f"INSERT INTO sessions ({names}) VALUES ({','.join(['%s'] * 9)})", values)
    meta.initialise(blank, 8)
    road = Road(blank)
    road.people("ann")
    successor = refreshed(road, token)["refresh"]
    assert refreshed(road, token)["refresh"] == successor
    assert refreshed(road, successor)["refresh"] != successor
    road.now_ms += GRACE_MS + 1
    assert is_refused(road, token) and is_refused(road, successor)


class Families(RuleBasedStateMachine):
    """A family against what protocol.md section 5 says of it, word by word: everything is remembered here."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = RefreshTokens(SECRET)
        self.tokens = [self.maker.first("s1")]
        self.family = Family(hashed(self.tokens[0]), ())
        self.first_shown: dict[int, int] = {}
        self.now_ms = 1_000_000
        self.is_over = False

    @rule(ms=st.sampled_from([1, 1_000, 20_000, 59_999, 60_000, 60_001, 7_200_000]))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @precondition(lambda self: not self.is_over)
    @rule(back=st.integers(0, 6), times=st.integers(1, 3))
    def show(self, back: int, times: int) -> None:
        """One of the newest tokens is shown, maybe by several at once: each finds what the one before it has left."""
        place = max(0, len(self.tokens) - 1 - back)
        for _ in range(times):
            shown = self.maker.show(self.tokens[place], self.family, self.now_ms)
            successor_shown = self.first_shown.get(place + 1)
            if successor_shown is not None and self.now_ms - successor_shown > GRACE_MS:
                assert shown is None
                self.is_over = True
                return
            assert shown is not None
            if place == len(self.tokens) - 1:
                self.tokens.append(shown.successor)
            assert shown.successor == self.tokens[place + 1]
            self.first_shown.setdefault(place, self.now_ms)
            self.family = shown.family

    @invariant()
    def tokens_differ_and_only_a_minute_is_remembered(self) -> None:
        assert len(set(self.tokens)) == len(self.tokens)
        assert self.family.newest_hash == hashed(self.tokens[-1])
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]{43,87}", token) for token in self.tokens)
        assert len(self.family.rotated) <= len(self.tokens)


def test_a_family_does_what_the_protocol_says() -> None:
    run_state_machine_as_test(Families, settings=settings(max_examples=300, stateful_step_count=30, deadline=None))
