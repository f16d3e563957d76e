"""Appending to conversations within one transaction: the next seq, the running count, a time that never runs back.

Laws: the seq of a row is that of the tail plus one. A worker appends only to conversations of its partitions; where it
is wrong about that, the primary key refuses the row. Rows are written sorted by key, by one INSERT for each table. The
first message of an hour in a conversation of two, or in a user's notices, notes for these users that it is active; the
tail tells whether there was one, so that all others cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from logic.caches import Caches, KnownConversation, PartitionCache
from protocol import codec, ids
from protocol.content import is_countable
from store.tables import cursors, mentions, messages
from store.tables.cursors import HOUR_MS
from store.tables.groups import MemberRow
from store.tables.messages import MessageRow, Tail
from store.transaction import Transaction

NEVER_WRITTEN = Tail(seq=0, time=0, counted=0)


class GrowingTail:
    """The end of one conversation while rows are appended: the `seq` of its last message (0: nothing was ever written),
    its time in ms and its running count; and the cache of its partition, where it is `known` already."""

    __slots__ = ("_known", "cache", "conversation", "counted", "seq", "time")

    def __init__(self, conversation: str, cache: PartitionCache, known: KnownConversation) -> None:
        self.conversation = conversation
        self.cache = cache
        self._known = known
        self.seq, self.time, self.counted = known.tail

    def __repr__(self) -> str:
        return f"GrowingTail({self.conversation} at {self.seq})"

    def member(self, user: str) -> MemberRow | None:
        """The remembered row of a member of this group; None for one that is to be looked up."""
        return self._known.members.get(user)

    def remember_member(self, row: MemberRow) -> None:
        """Remember the row of a member, which was read after this tail."""
        self._known.members[row.user] = row
        self._remember()

    def forget_members(self, users: Iterable[str]) -> None:
        """Forget the rows of `users`: the running transaction changes them."""
        for user in users:
            self._known.members.pop(user, None)

    def remember(self) -> None:
        """Remember where the conversation ends now."""
        self._known.tail = Tail(self.seq, self.time, self.counted)
        self._remember()

    def _remember(self) -> None:
        self.cache.conversations[self.conversation] = self._known  # as large as it is now


class Timeline:
    """The conversations to which one transaction appends. `append` decides, `flush` writes. `written` are the
    conversation, sender and cid of each row, which the owner remembers once they are committed."""

    def __init__(self, tx: Transaction, caches: Caches, now_ms: int) -> None:
        self._tx = tx
        self._caches = caches
        self._now_ms = now_ms
        self._tails: dict[str, GrowingTail] = {}
        self._rows: list[MessageRow] = []
        self._mentions: list[tuple[str, str, int]] = []
        self._marks: list[tuple[str, str, int, int]] = []
        self.written: list[tuple[str, str, str]] = []

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
            known = cache.conversations.get(conversation)
            if known is None:
                missing.append(conversation)
            else:
                tails[conversation] = GrowingTail(conversation, cache, known)
        read = messages.tails(self._tx, sorted(missing)) if missing else {}
        for conversation in missing:
            known = KnownConversation(read.get(conversation, NEVER_WRITTEN))
            tails[conversation] = GrowingTail(conversation, self._caches.of(conversation), known)
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
            if self._now_ms // HOUR_MS > tail.time // HOUR_MS:
                self._note(conversation)
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

    def mark_read(self, user: str, conversation: str, seq: int) -> None:
        """`user` has read up to `seq`; `flush` writes it."""
        self._marks.append((user, conversation, seq, 0))

    def _note(self, conversation: str) -> None:
        parsed = ids.parse_conversation(conversation)
        if parsed is not None and parsed.kind != "g":
            self._marks += [(user, conversation, 0, self._now_ms) for user in parsed.users]

    def flush(self) -> None:
        """Write the rows that were appended since the last flush and what was read, and remember where their
        conversations end now.

        Raises Duplicate: "messages.seq" where another owner wrote, "messages.cid" where a cid was used before.
        """
        if not self._rows:
            return
        messages.insert(self._tx, sorted(self._rows))
        if self._mentions:
            mentions.insert(self._tx, sorted(self._mentions))
        if self._marks:
            cursors.mark(self._tx, self._marks)
        for conversation in {row.conversation for row in self._rows}:
            self._tails[conversation].remember()
        self.written += [(row.conversation, row.sender, row.cid) for row in self._rows]
        self._rows, self._mentions, self._marks = [], [], []
