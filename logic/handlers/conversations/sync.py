"""sync: what a client lacks, given the last seq that it has of each conversation (protocol.md section 5, "sync").

Seqs have no holes, so the number of messages that a client lacks is known before one is read: each conversation that
changed gets a fair part of 500 messages, all of them are read by one query, and conversations with more to read are
named in `more`.
"""

from __future__ import annotations

from typing import NamedTuple

from logic.handlers.sizes import message_bytes
from logic.outcome import Outcome, message_of, replied
from logic.services import Services
from logic.work import Work
from protocol import args, replies
from protocol.frames import MAX_LIST_BYTES
from store.tables import conversations, messages
from store.tables.conversations import ViewRow
from store.tables.messages import MessageRow

MAX_MESSAGES = 500
MAX_CONVERSATIONS = 150
MAX_UNREAD = 1000
# A frame of the server is at most 128 KiB: messages take up to 96, names of conversations and their figures the rest.
REPLY_BYTES = 120 * 1024
# What a conversation takes beside its name: the names of the fields, three numbers of 16 digits, its place in `more`.
ENTRY_BYTES = 120


class Missing(NamedTuple):
    """A conversation and what its client lacks: the seqs from `first` to `view.max_seq`."""

    view: ViewRow
    first: int

    @property
    def number(self) -> int:
        """How many messages the client lacks."""
        return max(0, self.view.max_seq - self.first + 1)


def _missing(view: ViewRow, cursors: dict[str, int]) -> Missing:
    cursor = min(cursors.get(view.conversation, view.read_seq), view.max_seq)
    return Missing(view, max(cursor + 1, view.from_seq))


def _wanted(view: ViewRow, cursors: dict[str, int]) -> bool:
    # A user who left a group that the client still shows gets its last messages, and learns that it is `gone`.
    if view.left and view.conversation not in cursors:
        return False
    return _missing(view, cursors).number > 0 or (view.unread > 0 and not view.left)


def _portions(missing: list[Missing]) -> list[tuple[str, int, int]]:
    """[(conversation, first seq, last seq)] to read, 500 messages in all: each conversation gets a fair part; what some
    do not need is given to the others, in their order."""
    changed = [m for m in missing if m.number]
    fair = max(1, MAX_MESSAGES // max(1, len(changed)))
    spare = MAX_MESSAGES - sum(min(fair, m.number) for m in changed)
    portions = []
    for m in changed:
        extra = min(spare, max(0, m.number - fair))
        spare -= extra
        portions.append((m.view.conversation, m.first, m.first + min(fair, m.number) + extra - 1))
    return portions


def _fitting(rows: list[MessageRow], budget: int) -> list[MessageRow]:
    """The rows that fit into `budget` bytes. After the first one of a conversation that does not fit, none of it is
    taken, so that no hole comes about."""
    kept, full = [], set()
    for row in rows:
        size = message_bytes(row)
        if row.conversation in full or size > budget:
            full.add(row.conversation)
            continue
        budget -= size
        kept.append(row)
    return kept


def _frame_bytes(missing: list[Missing], gone: list[str]) -> int:
    """At most what the reply takes beside its messages. A conversation may be named twice: in its entry, in `more`."""
    entries = sum(ENTRY_BYTES + 2 * len(m.view.conversation) for m in missing)
    return entries + sum(len(name.encode()) + 4 for name in gone)


def _entry(missing: Missing) -> replies.SyncedConversation:
    view = missing.view
    return replies.SyncedConversation(
        conversation=view.conversation,
        max_seq=view.max_seq,
        read_seq=view.read_seq,
        unread=min(view.unread, MAX_UNREAD),
        from_=missing.first,
    )


def sync(work: Work, services: Services) -> Outcome:
    """A page of at most 150 conversations that changed beyond the cursors, with as many of their messages as fit into
    the frame, and where to read on. Cursors of another epoch are ignored."""
    asked: args.Sync = work.args
    cursors = asked.cursors if asked.epoch in (None, services.epoch) else {}
    with services.database.reading() as tx:
        views = conversations.views(
            tx, work.sender.user, sorted(asked.cursors) if asked.only else None, with_last=False
        )
        present = {view.conversation for view in views if not view.left}
        gone = sorted(set(asked.cursors) - present) if asked.after is None else []
        wanted = sorted((v for v in views if _wanted(v, cursors)), key=lambda view: view.conversation)
        page = [v for v in wanted if asked.after is None or v.conversation > asked.after][: MAX_CONVERSATIONS + 1]
        next_ = page[MAX_CONVERSATIONS - 1].conversation if len(page) > MAX_CONVERSATIONS else None
        missing = [_missing(view, cursors) for view in page[:MAX_CONVERSATIONS]]
        rows = messages.ranges(tx, _portions(missing))
    kept = _fitting(rows, min(MAX_LIST_BYTES, REPLY_BYTES - _frame_bytes(missing, gone)))
    reached = {row.conversation: row.seq for row in kept}
    more = [
        m.view.conversation
        for m in missing
        if not m.view.left and reached.get(m.view.conversation, m.first - 1) < m.view.max_seq
    ]
    return replied(
        replies.Synced(
            epoch=services.epoch,
            conversations=[_entry(m) for m in missing],
            messages=[message_of(row) for row in kept],
            more=more,
            gone=gone,
            next=next_,
        )
    )
