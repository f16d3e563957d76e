"""What the owner of a partition remembers of its conversations between two batches.

Laws: it remembers tails, single member rows and recent messages, never a list of members and never that something does
not exist. Everything about a conversation is forgotten when a transaction that touched it fails; everything about a
partition when it is given up, or when the store connection is a new one. So it can be wrong only where another owner
has written since, and there the primary key (conversation, seq) refuses the write.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cachetools import LRUCache

from protocol import ids
from store.tables.groups import MemberRow
from store.tables.messages import MessageRow, Tail

CONVERSATIONS = 20_000
MEMBERS = 50_000
CID_BYTES = 16 * 1024 * 1024
ROW_BYTES = 400  # what a row takes in memory beside its body, about


def _row_bytes(row: MessageRow) -> int:
    return ROW_BYTES + len(row.body)


@dataclass(slots=True)
class PartitionCache:
    """`tails` {conversation: tail}, `members` {(group, user): row}, `cids` {(sender, cid): recent message}; the least
    recently used entries go first, over 20,000, 50,000 and some 16 MiB."""

    tails: LRUCache[str, Tail] = field(default_factory=lambda: LRUCache(CONVERSATIONS))
    members: LRUCache[tuple[str, str], MemberRow] = field(default_factory=lambda: LRUCache(MEMBERS))
    cids: LRUCache[tuple[str, str], MessageRow] = field(default_factory=lambda: LRUCache(CID_BYTES, _row_bytes))


class Caches:
    """A cache for each partition. For one thread."""

    def __init__(self, partitions: int) -> None:
        self._count = partitions
        self._partitions: dict[int, PartitionCache] = {}

    def __repr__(self) -> str:
        sizes = {p: len(cache.tails) for p, cache in sorted(self._partitions.items())}
        return f"Caches(conversations by partition: {sizes})"

    def of(self, conversation: str) -> PartitionCache:
        """The cache of the partition that `conversation` belongs to."""
        partition = ids.partition_of(conversation, self._count)
        cache = self._partitions.get(partition)
        if cache is None:
            cache = self._partitions[partition] = PartitionCache()
        return cache

    def forget_members(self, group: str, users: list[str]) -> None:
        """Forget the rows of `users` in `group`: the running transaction changes them."""
        members = self.of(ids.group_conversation(group)).members
        for user in users:
            members.pop((group, user), None)

    def forget(self, conversations: set[str]) -> None:
        """Forget `conversations`, which a transaction that failed has touched. Member rows have no index by group, so
        all those of their partitions go."""
        for conversation in conversations:
            cache = self.of(conversation)
            cache.tails.pop(conversation, None)
            cache.members.clear()

    def give_up(self, partition: int) -> None:
        """Forget a partition that another worker will own."""
        self._partitions.pop(partition, None)

    def clear(self) -> None:
        """Forget everything, after a new store connection or a lost broker."""
        self._partitions.clear()
