"""What a handler works with inside a transaction: WriteScope for any write, Scope for writes of an ordered worker."""

from __future__ import annotations

from logic.caches import Caches
from logic.emitting import Emission, row_of
from logic.rules import Rules
from logic.timeline import Timeline
from logic.work import Work
from store.tables import outbox
from store.tables.messages import MessageRow
from store.tables.outbox import OutboxRow
from store.transaction import Transaction


class WriteScope:
    """One transaction, and its time in ms, which is the same for everything that is done in it."""

    __slots__ = ("_emitted", "now_ms", "tx")

    def __init__(self, tx: Transaction, now_ms: int) -> None:
        self.tx = tx
        self.now_ms = now_ms
        self._emitted: list[OutboxRow] = []

    def emit(self, work: Work, *emissions: Emission) -> None:
        """Have other commands carried out because of `work` (logic/emitting.py), unless `work` is refused after all."""
        self._emitted += [row_of(work, emission) for emission in emissions]

    def put_emitted(self) -> list[OutboxRow]:
        """Write what was emitted to the outbox; it is sent after the COMMIT. Raises ValueError where two emissions of
        one write have the same op and target, for the second would be taken for the first."""
        emitted = self.drop_emitted()
        if len({(row.sender, row.cid) for row in emitted}) < len(emitted):
            raise ValueError(f"emitted twice: {sorted({row.op for row in emitted})}")
        if emitted:
            outbox.put(self.tx, emitted)
        return emitted

    def drop_emitted(self) -> list[OutboxRow]:
        """Forget what was emitted and is not written."""
        emitted, self._emitted = self._emitted, []
        return emitted


class Scope(WriteScope):
    """One transaction over conversations that this worker owns; `timeline` appends to them.

    `look_up`: something may be committed of which this worker does not know, so a cid that is not in `caches` must be
    looked up in the store. Otherwise a cid that was used before is left to the unique key, which refuses it.
    """

    __slots__ = ("caches", "look_up", "rules", "timeline")

    def __init__(self, tx: Transaction, caches: Caches, now_ms: int, rules: Rules, *, look_up: bool) -> None:
        super().__init__(tx, now_ms)
        self.caches = caches
        self.rules = rules
        self.look_up = look_up
        self.timeline = Timeline(tx, caches, now_ms)

    def __repr__(self) -> str:
        return f"Scope({self.tx}, {self.timeline}{', looks cids up' if self.look_up else ''})"

    def append_event(self, work: Work, type_: str, body: str) -> MessageRow:
        """Append the event row of a write to the conversation of its key, and write it; `body` is JSON. Raises
        Duplicate where another owner wrote."""
        tail = self.timeline.tail(work.key)
        user, cid = work.pair
        row = self.timeline.append(tail, user, cid, type_, body, work.digest())
        self.timeline.flush()
        return row
