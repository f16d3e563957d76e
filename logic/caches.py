"""What the owner of a partition remembers of its conversations between two batches.

Laws:
- It remembers tails, single member rows and which cids were used just now, never a list of members and never that
  something does not exist. Everything about a conversation is forgotten when a transaction that touched it fails;
  everything about a partition when it is given up, or when the store connection is a new one.
- Member rows live and go with the tail of their conversation, which was read before them. So it can be wrong only
  where another owner has written since; that left a row in the timeline, and there the primary key (conversation, seq)
  refuses the write.
- What is answered without a write has no such fence: what was sent under a known cid is read again, as it is now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cachetools import LRUCache

from protocol import ids
from store.tables.groups import MemberRow
from store.tables.messages import Tail

CONVERSATION_BYTES = 10 * 1024 * 1024
CIDS = 50_000
TAIL_BYTES = 500  # what a conversation takes in memory beside its member rows, about
MEMBER_BYTES = 200


@dataclass(slots=True)
class KnownConversation:
    """A tail, and those `members` {user: row} who wrote since it was read; in a private conversation there are none."""

    tail: Tail
    members: dict[str, MemberRow] = field(default_factory=dict)


def _conversation_bytes(known: KnownConversation) -> int:
    return min(TAIL_BYTES + MEMBER_BYTES * len(known.members), CONVERSATION_BYTES)


@dataclass(slots=True)
class PartitionCache:
    """`conversations` {conversation: what is known of it}, `cids` {(sender, cid): None} of recent messages; the least
    recently used entries go first, over some 10 MiB (20,000 private conversations) and 50,000."""

    conversations: LRUCache[str, KnownConversation] = field(
        default_factory=lambda: LRUCache(CONVERSATION_BYTES, _conversation_bytes)
    )
    cids: LRUCache[tuple[str, str], None] = field(default_factory=lambda: LRUCache(CIDS))


class Caches:
    """A cache for each partition. For one thread."""

    def __init__(self, partitions: int) -> None:
        self._count = partitions
        self._partitions: dict[int, PartitionCache] = {}

    def __repr__(self) -> str:
        sizes = {p: len(cache.conversations) for p, cache in sorted(self._partitions.items())}
        return f"Caches(conversations by partition: {sizes})"

    def of(self, conversation: str) -> PartitionCache:
        """The cache of the partition that `conversation` belongs to."""
        partition = ids.partition_of(conversation, self._count)
        cache = self._partitions.get(partition)
        if cache is None:
            cache = self._partitions[partition] = PartitionCache()
        return cache

    def forget(self, conversations: Iterable[str]) -> None:
        """Forget `conversations`, which a transaction that failed has touched."""
        for conversation in conversations:
            self.of(conversation).conversations.pop(conversation, None)

    def give_up(self, partition: int) -> None:
        """Forget a partition that another worker will own."""
        self._partitions.pop(partition, None)

    def clear(self) -> None:
        """Forget everything, after a new store connection or a lost broker."""
        self._partitions.clear()
