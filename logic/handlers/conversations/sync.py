"""sync: what a client lacks, given the last seq that it has of each conversation (protocol.md section 5, "sync").

Seqs have no holes, so the number of messages that a client lacks is known before one is read: each conversation that
changed gets a fair part of 500 messages, no more of them are read than fit, and conversations with more to read are
named in `more`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from logic.handlers.conversations import candidates
from logic.handlers.conversations.candidates import Candidate, Candidates
from logic.handlers.sizes import lean_bytes
from logic.outcome import Outcome, message_of, replied
from logic.services import Services
from logic.work import Work
from protocol import args, codec, replies
from protocol.frames import MAX_LIST_BYTES
from store.tables import messages
from store.tables.conversations import ViewRow
from store.tables.messages import LeanRow, MessageRow
from store.transaction import Transaction

MAX_MESSAGES = 500
MAX_CONVERSATIONS = 150
MAX_UNREAD = 1000
# A frame of the server is at most 128 KiB: messages take up to 96, names of conversations and their figures the rest.
REPLY_BYTES = 124 * 1024
# What a conversation takes beside its name: the names of the fields, three numbers of 16 digits, its place in `more`.
ENTRY_BYTES = 120


class Missing(NamedTuple):
    """A conversation and what its client lacks: the seqs from `first` to `view.max_seq`; `after`: see Candidate."""

    view: ViewRow
    first: int
    after: str

    @property
    def number(self) -> int:
        """How many messages the client lacks."""
        return max(0, self.view.max_seq - self.first + 1)


def _missing(candidate: Candidate, cursors: dict[str, int]) -> Missing:
    view = candidate.view
    cursor = min(cursors.get(view.conversation, view.read_seq), view.max_seq)
    return Missing(view, max(cursor + 1, view.from_seq), candidate.after)


def _is_wanted(missing: Missing, cursors: dict[str, int]) -> bool:
    # A user who left a group that the client still shows gets its last messages, and learns that it is `gone`.
    view = missing.view
    if view.left and view.conversation not in cursors:
        return False
    return missing.number > 0 or (view.unread > 0 and not view.left)


def _wanted(found: Iterable[Candidate], cursors: dict[str, int]) -> list[Missing]:
    each = (_missing(candidate, cursors) for candidate in found)
    return [missing for missing in each if _is_wanted(missing, cursors)]


def _portions(missing: list[Missing]) -> list[tuple[str, int]]:
    """The places (conversation, seq) to read, 500 in all: each conversation gets a fair part; what some do not need is
    given to the others, in their order."""
    changed = [m for m in missing if m.number]
    fair = max(1, MAX_MESSAGES // max(1, len(changed)))
    spare = MAX_MESSAGES - sum(min(fair, m.number) for m in changed)
    places: list[tuple[str, int]] = []
    for m in changed:
        extra = min(spare, max(0, m.number - fair))
        spare -= extra
        places += [(m.view.conversation, seq) for seq in range(m.first, m.first + min(fair, m.number) + extra)]
    return places


def _fitting(rows: Iterable[LeanRow], budget: int) -> list[LeanRow]:
    """The rows that fit into `budget` bytes. After the first one of a conversation that does not fit, none of it is
    taken, so that no hole comes about. It looks at no more than twice the budget."""
    kept, full = [], set()
    left, looked_at = budget, 0
    for lean in rows:
        conversation, size = lean.row.conversation, lean_bytes(lean)
        looked_at += size
        if conversation in full or size > left:
            full.add(conversation)
        else:
            left -= size
            kept.append(lean)
        if looked_at >= 2 * budget:
            break
    return kept


def _entries_bytes(missing: list[Missing]) -> int:
    """At most what these take beside their messages. A conversation may be named twice: in its entry, in `more`."""
    return sum(ENTRY_BYTES + 2 * len(m.view.conversation) for m in missing)


def _leave_room(missing: list[Missing], first: LeanRow, room: int) -> list[Missing]:
    """The first of `missing`, so many that the `first` message fits beside them into `room` bytes: a page always gets
    on."""
    kept = list(missing)
    left = room - lean_bytes(first)
    while kept[-1].view.conversation != first.row.conversation and _entries_bytes(kept) > left:
        kept.pop()
    return kept


def _read(tx: Transaction, missing: list[Missing], room: int) -> tuple[list[Missing], list[MessageRow]]:
    """As many of `missing` as there is room for, and of their messages; `room` in bytes."""
    lean = messages.lean(tx, _portions(missing))
    first = next(lean, None)
    if first is None:
        return missing, []
    shown = _leave_room(missing, first, room)
    names = {m.view.conversation for m in shown}
    rows = (row for row in itertools.chain([first], lean) if row.row.conversation in names)
    budget = min(MAX_LIST_BYTES, room - _entries_bytes(shown))
    return shown, messages.whole(tx, _fitting(rows, budget))


def _entry(missing: Missing) -> replies.SyncedConversation:
    view = missing.view
    return replies.SyncedConversation(
        conversation=view.conversation,
        max_seq=view.max_seq,
        read_seq=view.read_seq,
        unread=min(view.unread, MAX_UNREAD),
        from_=missing.first,
    )


def _more(missing: list[Missing], rows: list[MessageRow]) -> list[str]:
    """The conversations of which a part is not among `rows`."""
    reached = {row.conversation: row.seq for row in rows}
    return [
        m.view.conversation
        for m in missing
        if not m.view.left and reached.get(m.view.conversation, m.first - 1) < m.view.max_seq
    ]


def sync(work: Work, services: Services) -> Outcome:
    """A page of at most 150 conversations that changed beyond the cursors, with as many of their messages as fit into
    the frame, and where to read on. Cursors of another epoch are ignored, and so is `since`."""
    asked: args.Sync = work.args
    user, now = work.sender.user, services.now_ms()
    is_known = asked.epoch in (None, services.epoch)
    cursors = asked.cursors if is_known else {}
    since = min(asked.since or 0, now) if is_known else 0
    with services.database.reading() as tx:
        named = candidates.named(tx, user, asked)
        gone = []
        if asked.after is None:
            gone = sorted(set(asked.cursors) - {one.view.conversation for one in named if not one.view.left})
        wanted, next_ = _wanted(named, cursors), None
        if len(wanted) <= MAX_CONVERSATIONS and not asked.only:
            others: Candidates = candidates.active(tx, user, asked, since)
            wanted, next_ = wanted + _wanted(others.found, cursors), others.next
        shown, rows = _read(tx, wanted[:MAX_CONVERSATIONS], REPLY_BYTES - len(codec.write(gone)))
    if len(shown) < len(wanted):
        next_ = shown[-1].after
    return replied(
        replies.Synced(
            epoch=services.epoch,
            time=now,
            conversations=[_entry(m) for m in shown],
            messages=[message_of(row) for row in rows],
            more=_more(shown, rows),
            gone=gone,
            next=next_,
        )
    )
