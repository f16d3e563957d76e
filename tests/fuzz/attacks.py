"""What one connection of an attacker sends, from a seed, a door and a number alone. Pure.

Laws: the same (seed, door, number) sends the same bytes, but for the user and its token, and at the long-poll door the
session. What is told to be framed keeps the rules of the door around the frames, so that what comes behind it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from tests.fuzz import commands, framings, requests
from tests.fuzz.commands import Cast
from tests.fuzz.large import large_text
from tests.fuzz.requests import Request
from tests.fuzz.texts import any_text, json_text, mutated_bytes

DOORS = ("ws", "tcp", "poll")
P_OTHER_OPENING, P_OTHER_LOGIN, P_LARGE = 0.04, 0.08, 0.005
FORGIVEN = 2  # bad frames in ten seconds, before the third ends a connection
MAX_IN_ARRAY = 50


class Burst(NamedTuple):
    """Bytes in one write, with so many mutated frames in them."""

    data: bytes
    frames: int
    is_framed: bool


class Attack(NamedTuple):
    """A connection: `opening` is the handshake, if the door has one. What is not right is counted as a mutation."""

    opening: bytes
    is_opening_right: bool
    login: bytes
    is_login_right: bool
    bursts: Iterator[Burst]
    ends_abruptly: bool


def dice(seed: int, door: str, number: int) -> Random:
    return Random(f"{seed}/{door}/{number}")


def _login_text(rng: Random, cast: Cast, *, is_right: bool) -> bytes:
    frame = {"op": "login", "id": "login", "data": commands.login(cast)}
    return json.dumps(frame).encode() if is_right else any_text(frame, commands.command(rng, cast), rng)


def attack(door: str, rng: Random, cast: Cast) -> Attack:
    """A connection of a door that has connections: ws or tcp."""
    frame = framings.ws_message if door == "ws" else framings.tcp_frame
    opening = requests.handshake(rng) if door == "ws" else b""
    is_opening_right = rng.random() >= P_OTHER_OPENING or not opening
    if not is_opening_right:
        opening = requests.broken_request(opening, rng)
    is_login_right = rng.random() >= P_OTHER_LOGIN
    login = frame(_login_text(rng, cast, is_right=is_login_right), rng)
    return Attack(opening, is_opening_right, login, is_login_right, _bursts(door, frame, rng, cast), rng.random() < 0.5)


Framing = Callable[[bytes, Random], bytes]


def _bursts(door: str, frame: Framing, rng: Random, cast: Cast) -> Iterator[Burst]:
    """Mostly JSON that goes far, some text that does not, and in the end frames that break the rules."""
    kind = rng.random()
    if kind < 0.2:
        for _ in range(rng.randint(2, 6)):
            texts = [_json(rng, cast) for _ in range(rng.randint(12, 40))]
            yield Burst(b"".join(frame(text, rng) for text in texts), len(texts), is_framed=True)
    if kind < 0.7:
        while True:
            texts = [_any(rng, cast) for _ in range(rng.randint(1, FORGIVEN))]
            yield Burst(b"".join(frame(text or b" ", rng) for text in texts), len(texts), is_framed=True)
    broken = framings.broken_ws if door == "ws" else framings.broken_tcp
    for _ in range(2):
        pieces = [broken(json_text(commands.command(rng, cast), rng), rng) for _ in range(rng.randint(1, 2))]
        yield Burst(b"".join(pieces), len(pieces), is_framed=False)


def _json(rng: Random, cast: Cast) -> bytes:
    return large_text(rng, cast) if rng.random() < P_LARGE else json_text(commands.command(rng, cast), rng)


def _any(rng: Random, cast: Cast) -> bytes:
    if rng.random() < P_LARGE:
        return large_text(rng, cast)
    return any_text(commands.command(rng, cast), commands.command(rng, cast), rng)


def _array(rng: Random, cast: Cast) -> Iterator[bytes]:
    return (_json(rng, cast) for _ in range(rng.randint(1, MAX_IN_ARRAY)))


def opening_request(rng: Random, cast: Cast) -> Request:
    """How a client that polls logs in."""
    body = json.dumps(commands.login(cast)).encode()
    return Request(requests.request("POST", requests.OPEN, body, requests.JSON), False, 0)


def poll_requests(session: str, rng: Random, cast: Cast) -> Iterator[Request]:
    """What follows in a session of long-poll."""
    for _ in range(rng.randint(5, 20)):
        kind = rng.random()
        if kind < 0.5:
            texts = list(_array(rng, cast))
            yield requests.poll_send(session, b"[" + b",".join(texts) + b"]", len(texts))
        elif kind < 0.7:
            yield requests.poll_send(session, _any(rng, cast), 1)
        elif kind < 0.8:
            texts = [_any(rng, cast) for _ in range(rng.randint(2, 60))]
            yield requests.poll_send(session, b"[" + b",".join(texts) + b"]", 1)
        elif kind < 0.95:
            login = mutated_bytes(json.dumps(commands.login(cast)).encode(), rng)
            text, op = rng.choice((_any(rng, cast), login)), rng.choice(("user.get", "sync", "message.send", "x"))
            yield requests.odd_request(session, text, op, cast.token, rng)
        else:
            whole = requests.poll_send(session, _any(rng, cast), 1)
            yield Request(requests.broken_request(whole.data, rng), True, 1)
    if rng.random() < 0.7:
        yield Request(requests.request("POST", f"{requests.CLOSE}?session={session}", b"{}", requests.JSON), False, 0)
