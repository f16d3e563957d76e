"""Appending to conversations within one transaction: the next seq, the running count, a time that never runs back.

Laws: seq is the tail's plus one; whoever appends owns the conversation's partition, and where it errs the primary key
refuses the row. Rows are written sorted by key, one INSERT a table.
"""

from __future__ import annotations

from collections.abc import Iterable

from logic.caches import Caches
from protocol import codec
from protocol.content import is_countable
from store import mentions, messages
from store.messages import MessageRow, Tail
from store.transaction import Transaction

NEVER_WRITTEN = Tail(seq=0, time=0, counted=0)


class Timeline:
    """The conversations that one run of commands appends to. `flush` writes what was appended."""

    def __init__(self, tx: Transaction, caches: Caches, now_ms: int) -> None:
        self._tx = tx
        self._caches = caches
        self._now_ms = now_ms
        self._rows: list[MessageRow] = []
        self._mentions: list[tuple[str, str, int]] = []

    def load(self, conversations: Iterable[str]) -> None:
        """Read the tails that are not remembered, all at once."""
        missing = sorted({c for c in conversations if c not in self._caches.of(c).tails})
        if missing:
            for conversation, tail in messages.tails(self._tx, missing).items():
                self._caches.of(conversation).tails[conversation] = tail

    def tail(self, conversation: str) -> Tail:
        """The last message of a loaded conversation; seq 0 where nothing was ever written."""
        tail: Tail = self._caches.of(conversation).tails.get(conversation, NEVER_WRITTEN)
        return tail

    def append(
        self,
        conversation: str,
        sender: str,
        cid: str,
        type_: str,
        body: str,
        digest: bytes,
        mentioned: list[str] | None = None,
        reply_to: int | None = None,
    ) -> MessageRow:
        """The next message of a loaded conversation; `body` is JSON."""
        tail = self.tail(conversation)
        seq = tail.seq + 1
        time = max(self._now_ms, tail.time)
        counted = tail.counted + is_countable(type_)
        as_json = codec.write(mentioned).decode() if mentioned else None
        row = MessageRow(conversation, seq, sender, cid, type_, body, as_json, reply_to, time, counted, digest)
        self._rows.append(row)
        self._mentions.extend((user, conversation, seq) for user in set(mentioned or ()))
        self._caches.of(conversation).tails[conversation] = Tail(seq, time, counted)
        return row

    def flush(self) -> None:
        """Write what was appended."""
        if self._rows:
            messages.insert(self._tx, sorted(self._rows))
        if self._mentions:
            mentions.insert(self._tx, sorted(self._mentions))
