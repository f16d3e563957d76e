"""Appending to conversations within one transaction: the next seq, the running count, a time that never runs back.

Laws: seq is the tail's plus one; whoever appends owns the conversation's partition, and where it errs the primary key
refuses the row. Rows are written sorted by key, one INSERT a table.
"""

from __future__ import annotations

from collections.abc import Iterable

from logic.caches import Caches, PartitionCache
from protocol import codec
from protocol.content import is_countable
from store import mentions, messages
from store.messages import MessageRow, Tail
from store.transaction import Transaction

NEVER_WRITTEN = Tail(seq=0, time=0, counted=0)


class Log:
    """One conversation while a run appends to it: its last `seq` (0: nothing was ever written) with that message's time
    and running count, and the cache of its partition."""

    __slots__ = ("cache", "conversation", "counted", "seq", "time")

    def __init__(self, conversation: str, cache: PartitionCache, tail: Tail) -> None:
        self.conversation = conversation
        self.cache = cache
        self.seq, self.time, self.counted = tail


class Timeline:
    """The conversations that one run of commands appends to. `flush` writes what was appended."""

    def __init__(self, tx: Transaction, caches: Caches, now_ms: int) -> None:
        self._tx = tx
        self._caches = caches
        self._now_ms = now_ms
        self._rows: list[MessageRow] = []
        self._mentions: list[tuple[str, str, int]] = []

    def load(self, conversations: Iterable[str]) -> dict[str, Log]:
        """The log of each. The tails that are not remembered are read all at once."""
        caches = {conversation: self._caches.of(conversation) for conversation in dict.fromkeys(conversations)}
        found = {conversation: cache.tails.get(conversation) for conversation, cache in caches.items()}
        missing = sorted(conversation for conversation, tail in found.items() if tail is None)
        read = messages.tails(self._tx, missing) if missing else {}
        return {c: Log(c, cache, found[c] or read.get(c, NEVER_WRITTEN)) for c, cache in caches.items()}

    def append(
        self,
        log: Log,
        sender: str,
        cid: str,
        type_: str,
        body: str,
        digest: bytes,
        mentioned: list[str] | None = None,
        reply_to: int | None = None,
    ) -> MessageRow:
        """The next message of a conversation; `body` is JSON."""
        conversation = log.conversation
        seq = log.seq = log.seq + 1
        if self._now_ms > log.time:
            log.time = self._now_ms
        log.counted += is_countable(type_)
        as_json = codec.write(mentioned).decode() if mentioned else None
        row = MessageRow(conversation, seq, sender, cid, type_, body, as_json, reply_to, log.time, log.counted, digest)
        self._rows.append(row)
        if mentioned:
            self._mentions.extend((user, conversation, seq) for user in set(mentioned))
        return row

    def flush(self, logs: Iterable[Log]) -> None:
        """Write what was appended, and remember where the logs end now."""
        if self._rows:
            messages.insert(self._tx, sorted(self._rows))
        if self._mentions:
            mentions.insert(self._tx, sorted(self._mentions))
        for log in logs:
            if log.seq:
                log.cache.tails[log.conversation] = Tail(log.seq, log.time, log.counted)
