"""What the owner of a partition remembers of its conversations between two batches.

Laws: it holds tails and single member rows, never lists of members and never that something is missing; everything of
a conversation is forgotten when a transaction that touched it fails, and all of a partition when it is given up or the
store connection is a new one. It can therefore be wrong only about what another owner did since, and then the primary
key (conversation, seq) refuses the write.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cachetools import LRUCache

from protocol import ids
from store.groups import MemberRow
from store.messages import MessageRow, Tail

CONVERSATIONS = 20_000
MEMBERS = 50_000
CID_BYTES = 16 * 1024 * 1024
ROW_BYTES = 400  # of a row beside its body


def _row_bytes(row: MessageRow) -> int:
    return ROW_BYTES + len(row.body)


@dataclass(slots=True)
class PartitionCache:
    """`tails` by conversation, `members` by (group, user), `cids` the recent messages by (sender, cid)."""

    tails: LRUCache[str, Tail] = field(default_factory=lambda: LRUCache(CONVERSATIONS))
    members: LRUCache[tuple[str, str], MemberRow] = field(default_factory=lambda: LRUCache(MEMBERS))
    cids: LRUCache[tuple[str, str], MessageRow] = field(default_factory=lambda: LRUCache(CID_BYTES, _row_bytes))


class Caches:
    """One cache a partition; a conversation finds its own by its key."""

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
        """Their rows changed in the running transaction."""
        members = self.of(ids.group_conversation(group)).members
        for user in users:
            members.pop((group, user), None)

    def forget(self, conversations: set[str]) -> None:
        """A transaction that touched these failed. Member rows have no index by group, so their partition's all go."""
        for conversation in conversations:
            cache = self.of(conversation)
            cache.tails.pop(conversation, None)
            cache.members.clear()

    def give_up(self, partition: int) -> None:
        """Another worker will own it."""
        self._partitions.pop(partition, None)

    def clear(self) -> None:
        """Nothing is certain any more: a new store connection, a lost broker."""
        self._partitions.clear()
