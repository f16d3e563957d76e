"""Appending to conversations within one transaction: the next seq, the running count, a time that never runs back.

Laws: the seq of a row is that of the tail plus one. A worker appends only to conversations of its partitions; where it
is wrong about that, the primary key refuses the row. Rows are written sorted by key, by one INSERT for each table.
"""

from __future__ import annotations

from collections.abc import Iterable

from logic.caches import Caches, PartitionCache
from protocol import codec
from protocol.content import is_countable
from store.tables import mentions, messages
from store.tables.messages import MessageRow, Tail
from store.transaction import Transaction

NEVER_WRITTEN = Tail(seq=0, time=0, counted=0)


class GrowingTail:
    """The end of one conversation while rows are appended: the `seq` of its last message (0: nothing was ever written),
    its time in ms and its running count; and the cache of its partition."""

    __slots__ = ("cache", "conversation", "counted", "seq", "time")

    def __init__(self, conversation: str, cache: PartitionCache, tail: Tail) -> None:
        self.conversation = conversation
        self.cache = cache
        self.seq, self.time, self.counted = tail

    def __repr__(self) -> str:
        return f"GrowingTail({self.conversation} at {self.seq})"


class Timeline:
    """The conversations to which one transaction appends. `append` decides, `flush` writes. `written` {(sender, cid):
    row} are the rows that the owner remembers once they are committed."""

    def __init__(self, tx: Transaction, caches: Caches, now_ms: int) -> None:
        self._tx = tx
        self._caches = caches
        self._now_ms = now_ms
        self._tails: dict[str, GrowingTail] = {}
        self._rows: list[MessageRow] = []
        self._mentions: list[tuple[str, str, int]] = []
        self.written: dict[tuple[str, str], MessageRow] = {}

    def __repr__(self) -> str:
        return f"Timeline({len(self._tails)} conversations, {len(self._rows)} rows to write)"

    def load(self, conversations: Iterable[str]) -> dict[str, GrowingTail]:
        """{conversation: its growing tail}. Those that are not remembered are read by one query."""
        tails = self._tails
        missing: list[str] = []
        wanted = list(dict.fromkeys(conversations))
        for conversation in wanted:
            if conversation in tails:
                continue
            cache = self._caches.of(conversation)
            tail = cache.tails.get(conversation)
            if tail is None:
                missing.append(conversation)
            else:
                tails[conversation] = GrowingTail(conversation, cache, tail)
        read = messages.tails(self._tx, sorted(missing)) if missing else {}
        for conversation in missing:
            tail = read.get(conversation, NEVER_WRITTEN)
            tails[conversation] = GrowingTail(conversation, self._caches.of(conversation), tail)
        return {conversation: tails[conversation] for conversation in wanted}

    def tail(self, conversation: str) -> GrowingTail:
        """The growing tail of one conversation."""
        return self.load([conversation])[conversation]

    def append(
        self,
        tail: GrowingTail,
        sender: str,
        cid: str,
        type_: str,
        body: str,
        digest: bytes,
        mentioned: list[str] | None = None,
        reply_to: int | None = None,
    ) -> MessageRow:
        """Make the next row of the conversation of `tail`, which moves on; `flush` writes it. `body` is JSON, `digest`
        16 bytes, `mentioned` users or "all", `reply_to` a seq."""
        conversation = tail.conversation
        seq = tail.seq = tail.seq + 1
        if self._now_ms > tail.time:
            tail.time = self._now_ms
        tail.counted += is_countable(type_)
        as_json = codec.write(mentioned).decode() if mentioned else None
        row = MessageRow(
            conversation, seq, sender, cid, type_, body, as_json, reply_to, tail.time, tail.counted, digest
        )
        self._rows.append(row)
        if mentioned:
            self._mentions.extend((user, conversation, seq) for user in set(mentioned))
        return row

    def flush(self) -> None:
        """Write the rows that were appended since the last flush, and remember where their conversations end now.

        Raises Duplicate: "messages.seq" where another owner wrote, "messages.cid" where a cid was used before.
        """
        if not self._rows:
            return
        messages.insert(self._tx, sorted(self._rows))
        if self._mentions:
            mentions.insert(self._tx, sorted(self._mentions))
        for conversation in {row.conversation for row in self._rows}:
            tail = self._tails[conversation]
            tail.cache.tails[conversation] = Tail(tail.seq, tail.time, tail.counted)
        self.written.update(((row.sender, row.cid), row) for row in self._rows)
        self._rows, self._mentions = [], []
