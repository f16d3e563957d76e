"""What became of a command: its answer, and everything that is sent to others because of it. Pure.

Law: every reply is made by `replied`, which keeps a page to 96 KiB (protocol.md section 5, "Reading").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import Raw

from protocol import codec, replies
from protocol.content import MAX_BODY_BYTES, shortened
from protocol.errors import ImError
from protocol.frames import MAX_LIST_BYTES, write_frame
from protocol.models import Answer, Effect
from store.tables.messages import MessageRow
from store.tables.outbox import OutboxRow

Entry = TypeVar("Entry")


@dataclass(slots=True)
class Outcome:
    """What became of a command. `reply` is the JSON of the reply's data, or the refusal; None in what a long command
    sends before its outcome. The answer is sent first, then `effects` in their order, then the `emitted` commands."""

    reply: bytes | ImError | None
    effects: list[Effect] = field(default_factory=list)
    emitted: list[OutboxRow] = field(default_factory=list)

    @property
    def code(self) -> str:
        """ "ok", or the code of the refusal: for figures and logs."""
        return self.reply.code if isinstance(self.reply, ImError) else "ok"

    def answer(self, number: int) -> Answer:
        """The answer to command `number`. Not to be called where `reply` is None."""
        assert self.reply is not None
        if isinstance(self.reply, ImError):
            return Answer(number, "error", Raw(codec.write(self.reply.data())))
        return Answer(number, "reply", Raw(self.reply))


def replied(reply: replies.Reply, *effects: Effect) -> Outcome:
    """The outcome of a command that succeeded. A page that is larger than 96 KiB is cut, and says by `next` where to go
    on."""
    data = codec.write_struct(reply)
    if len(data) > MAX_LIST_BYTES and isinstance(reply, replies.Page):
        data = codec.write_struct(_fitting(reply))
    return Outcome(data, list(effects))


def _fitting(page: replies.Page) -> replies.Page:
    entries = page.entries
    kept = len(fit(entries, lambda entry: len(codec.write_struct(entry)) + 1))
    return page if kept == len(entries) else page.first(kept)


def fit(entries: Iterable[Entry], size_of: Callable[[Entry], int]) -> list[Entry]:
    """The first entries that fit into 96 KiB, where `size_of` gives the bytes of each; at least one, so that a reader
    always gets on."""
    budget = MAX_LIST_BYTES
    kept: list[Entry] = []
    for entry in entries:
        budget -= size_of(entry)
        if budget < 0 and kept:
            break
        kept.append(entry)
    return kept


def message_of(row: MessageRow) -> replies.Message:
    """A stored message as clients see it (protocol.md section 5)."""
    body = row.body.encode()
    if len(body) > MAX_BODY_BYTES:
        body = shortened(row.body)
    return replies.Message(
        conversation=row.conversation,
        seq=row.seq,
        cid=row.cid,
        sender=row.sender,
        type=row.type,
        body=Raw(body),
        time=row.time,
        mentions=codec.read(row.mentions) if row.mentions else None,
        reply_to=row.reply_to,
        changed=row.changed,
        recalled=bool(row.recalled),
    )


def message_frame(row: MessageRow) -> Raw:
    """The bytes of the `message` frame of a stored message, encoded once for everybody who gets it."""
    return Raw(write_frame("message", codec.write_struct(message_of(row))))
