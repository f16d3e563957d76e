"""The handlers with a store and nothing around them: a command goes in, its outcome comes out."""

from __future__ import annotations

import itertools
import json
from typing import Any

from msgspec import Raw

from logic.caches import Caches
from logic.handlers.table import HANDLERS
from logic.outcome import Outcome
from logic.refresh_tokens import RefreshTokens
from logic.rules import Rules
from logic.services import Services
from logic.work import Work, read_work
from logic.workers.batch import BatchRunner, Result
from protocol import codec, ids
from protocol.clock import now_ms
from protocol.errors import ImError
from protocol.models import Effect, Membership, Push, ReceiveInfo, Revocation, UserInfo
from protocol.tokens import TokenSigner
from store import meta
from store.database import Database
from store.tables import users
from tests.store.rows import NOW_MS, user

PARTITIONS = 8
SECRET = "a secret of tests, long enough for HS256"
EPOCH_OF_OTHERS = "0123456789abcdef"

_numbers = itertools.count(1)
_cids = itertools.count(1)


def work(
    op: str,
    sender: str,
    data: dict[str, Any],
    *,
    session: str = "",
    connection: int = 0,
    redelivered: bool = False,
    address: str = "",
) -> Work:
    """The work of a command from `sender`; one without a cid gets a fresh one."""
    if "cid" not in data:
        data = {**data, "cid": f"c{next(_cids)}"}
    encoded, who = Raw(codec.write(data)), UserInfo(sender, "web" if sender else "")
    command = ReceiveInfo(op, next(_numbers), "g1", "e1", encoded, who, session, connection, address=address)
    read = read_work(command, redelivered=redelivered)
    if isinstance(read, ImError):
        raise read
    return read


def send(sender: str, conversation: str, text: str = "hi", **more: Any) -> Work:
    redelivered = more.pop("redelivered", False)
    connection = more.pop("connection", 0)
    data = {"conversation": conversation, "type": "text", "body": {"text": text}, **more}
    return work("message.send", sender, data, redelivered=redelivered, connection=connection)


def reply(outcome: Result) -> dict[str, Any]:
    """The data of a reply; an assertion fails where it is a refusal."""
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.reply, bytes), outcome.reply
    data: dict[str, Any] = json.loads(outcome.reply)
    return data


def code(outcome: Result) -> str:
    assert isinstance(outcome, Outcome)
    return outcome.code


def pushed(effect: Effect) -> dict[str, Any]:
    assert isinstance(effect, Push)
    frame: dict[str, Any] = json.loads(bytes(effect.frame))
    return frame


class Road:
    """One owner of all partitions and the handlers of the parallel worker, over one store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.caches = Caches(PARTITIONS)
        self.runner = self.another_owner()
        with database.reading() as tx:
            self.epoch = meta.epoch(tx)
        self.now_ms = now_ms()
        tokens = TokenSigner(SECRET, 7200), RefreshTokens(SECRET)
        self.services = Services(database, *tokens, 86_400, self.epoch, lambda: self.now_ms)

    def another_owner(self, database: Database | None = None) -> BatchRunner:
        """A worker that believes to own everything: with caches of its own."""
        is_first = not hasattr(self, "runner")
        caches = self.caches if is_first else Caches(PARTITIONS)
        return BatchRunner(database or self.database, caches, Rules(), lambda: None)

    def people(self, *names: str) -> None:
        with self.database.transaction() as tx:
            users.insert_missing(tx, [user(name) for name in names], NOW_MS)

    def group(self, owner: str, *members: str, **more: Any) -> str:
        """A new group of these people, who need not exist yet; its id."""
        self.people(owner, *members)
        data = {"name": "Team", "members": list(members), **more}
        return str(reply(self.run(work("group.create", owner, data))[0])["group"]["id"])

    def run(self, *works: Work, look_up: bool = False) -> list[Result]:
        """Carry out commands of conversations as one batch."""
        return self.runner.run(list(works), look_up=look_up)

    def do(self, op: str, sender: str, **data: Any) -> Result:
        """Carry out one command of a conversation."""
        return self.run(work(op, sender, data))[0]

    def call(self, op: str, sender: str = "", session: str = "", /, **data: Any) -> Outcome:
        """Carry out one command of the parallel worker."""
        try:
            one = work(op, sender, data, session=session)
            return HANDLERS[op].run([one], self.services)[0]
        except ImError as refusal:
            return Outcome(refusal)

    def write(self, sender: str, conversation: str, count: int, text: str = "hi") -> int:
        """Send `count` messages; the last seq."""
        outcomes = self.run(*(send(sender, conversation, text) for _ in range(count)))
        return int(reply(outcomes[-1])["seq"])


def private(one: str, other: str) -> str:
    return ids.private_conversation(one, other)


def joined(outcome: Result) -> list[Membership]:
    assert isinstance(outcome, Outcome)
    return [effect for effect in outcome.effects if isinstance(effect, Membership)]


def revoked(outcome: Result) -> list[str]:
    assert isinstance(outcome, Outcome)
    return [s for effect in outcome.effects if isinstance(effect, Revocation) for s in effect.sessions]
