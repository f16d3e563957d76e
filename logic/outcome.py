"""What became of a command: an answer, and what others must be sent because of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Raw

from protocol import codec, replies
from protocol.errors import ImError
from protocol.frames import write_frame
from protocol.models import Answer, Effect
from store.messages import MessageRow
from store.outbox import OutboxRow


@dataclass(slots=True)
class Outcome:
    """`reply` is the reply's data or the refusal, None for what comes before the outcome of a long command. `effects`
    go out in their order, after the answer; then what was emitted."""

    reply: bytes | ImError | None
    effects: list[Effect] = field(default_factory=list)
    emitted: list[OutboxRow] = field(default_factory=list)

    @property
    def code(self) -> str:
        """ "ok", or the code of the refusal: for figures and logs."""
        return self.reply.code if isinstance(self.reply, ImError) else "ok"

    def answer(self, number: int) -> Answer:
        """The answer to command `number`, if there is one."""
        assert self.reply is not None
        if isinstance(self.reply, ImError):
            return Answer(number, "error", Raw(codec.write(self.reply.data())))
        return Answer(number, "reply", Raw(self.reply))


def replied(reply: replies.Reply, *effects: Effect) -> Outcome:
    return Outcome(codec.write_struct(reply), list(effects))


def message_of(row: MessageRow) -> replies.Message:
    """A stored message as clients see it."""
    return replies.Message(
        conversation=row.conversation,
        seq=row.seq,
        cid=row.cid,
        sender=row.sender,
        type=row.type,
        body=Raw(row.body.encode()),
        time=row.time,
        mentions=codec.read(row.mentions) if row.mentions else None,
        reply_to=row.reply_to,
        changed=row.changed,
        recalled=bool(row.recalled),
    )


def message_frame(row: MessageRow) -> Raw:
    """The `message` push of a stored message, encoded once for all who get it."""
    return Raw(write_frame("message", codec.write_struct(message_of(row))))
