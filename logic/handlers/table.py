"""The table of handlers: which function carries out which op. Its keys are those of protocol/ops.py.

The handler of an op with a key gets a Scope, the transaction over its conversations; that of any other op gets the
Services, from which it begins its own. A handler that takes a list at once answers all of it by the same few
statements.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from logic.handlers.conversations import listing, read_cursors, sync
from logic.handlers.groups import changes, queries
from logic.handlers.messages import history, notices, recalls, sends, typing
from logic.handlers.people import accounts, friends, guessing, refresh, sessions, users
from logic.outcome import Outcome
from logic.work import Work
from protocol.errors import ImError
from protocol.models import Effect

COMMON, HASHING = "common", "hashing"
"""Lanes of a pool: each has threads of its own, so that slow commands in one delay none in the other."""

One = Callable[[Work, Any], Outcome]
List = Callable[[list[Work], Any], list[Outcome]]
Steps = Callable[[Work, Any], Generator[Effect, None, Outcome]]


Share = Callable[[Work], tuple[str, str]]


def _nobodys(_: Work) -> tuple[str, str]:
    return "", ""


@dataclass(frozen=True, slots=True)
class Handler:
    """`run(works, scope)` returns the outcome of each of `works`; a handler that does not take a list `at_once` is
    given one at a time.

    With `steps` the command runs by `steps(work, scope)` instead, a generator: it yields effects that are sent before
    its outcome. `function` is the function that the row names, `lane` where a pool runs it. `share(work)` says whose
    turn a command takes there: (address, account). Each has its turn, however much the others ask for.
    """

    function: Callable[..., Any]
    run: List
    at_once: bool
    lane: str = COMMON
    steps: Steps | None = None
    share: Share = _nobodys


def one(function: One, lane: str = COMMON, share: Share = _nobodys) -> Handler:
    """A handler of single commands. An ImError that it raises becomes the outcome."""

    def run(works: list[Work], scope: Any) -> list[Outcome]:
        return [_outcome(function, work, scope) for work in works]

    return Handler(function, run, at_once=False, lane=lane, share=share)


def many(function: List, lane: str = COMMON) -> Handler:
    """A handler of lists. It raises no ImError: refusals are among the outcomes that it returns."""
    return Handler(function, function, at_once=True, lane=lane)


def stepwise(function: Steps, lane: str = COMMON) -> Handler:
    """A handler, in a pool, of single commands that sends effects before its outcome. An ImError that it raises becomes
    the outcome. After a contention it runs again from its beginning, and sends again."""

    def run(works: list[Work], scope: Any) -> list[Outcome]:
        raise TypeError("it is run step by step")

    def steps(work: Work, scope: Any) -> Generator[Effect, None, Outcome]:
        try:
            return (yield from function(work, scope))
        except ImError as refusal:
            return Outcome(refusal)

    return Handler(function, run, at_once=False, lane=lane, steps=steps)


def _outcome(function: One, work: Work, scope: Any) -> Outcome:
    try:
        return function(work, scope)
    except ImError as refusal:
        return Outcome(refusal)


HANDLERS: dict[str, Handler] = {
    "account.register": one(accounts.register, HASHING, guessing.share),
    "account.login": one(accounts.login, HASHING, guessing.share),
    "account.password": one(accounts.change_password, HASHING, guessing.share),
    "account.logout": one(accounts.logout),
    "token.refresh": one(refresh.refresh_token),
    "session.open": many(sessions.open_all),
    "session.refresh": one(sessions.refresh),
    "session.check": one(sessions.check),
    "user.get": one(users.get),
    "user.update": one(users.update),
    "message.send": many(sends.send_all),
    "message.recall": one(recalls.recall),
    "message.history": one(history.history),
    "message.read": many(read_cursors.read_all),
    "typing": one(typing.tell),
    "notice.append": one(notices.append),
    "sync": one(sync.sync),
    "conversation.list": one(listing.list_conversations),
    "friend.request": one(friends.request),
    "group.create": one(changes.create),
    "group.get": one(queries.get),
    "group.list": one(queries.list_groups),
    "group.members": one(queries.list_members),
    "group.invite": one(changes.invite),
    "group.leave": one(changes.leave),
    "group.remove": one(changes.remove),
}
