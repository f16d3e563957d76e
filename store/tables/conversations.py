"""What a user sees of its conversations: derived from cursors, memberships and messages, stored nowhere.

Law: a member sees a group from joined_seq on, and somebody who left up to left_seq; the count of unread respects both.
A cursor of a group without a membership shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from store.tables import groups, messages
from store.transaction import Transaction

_GROUP = "g:"


class ViewRow(NamedTuple):
    """One conversation as its user sees it. It may read the seqs from `from_seq` to `max_seq` (0: none).

    `unread` counts countable messages above `read_seq`; `left`: the user is not in the group any more.
    """

    conversation: str
    read_seq: int
    from_seq: int
    max_seq: int
    unread: int
    left: bool


class _Span(NamedTuple):
    """The seqs of a group that a membership lets its user see; `left_seq` None: no end."""

    from_seq: int
    left_seq: int | None


class _Seen(NamedTuple):
    """A cursor with the newest message of its conversation, within the user's bounds. A count that is None is not known
    yet: `_completed` looks it up."""

    conversation: str
    read_seq: int
    from_seq: int
    max_seq: int
    left: bool
    max_counted: int | None
    base: int  # the last seq that does not count as unread: it was read, or is from before the user's time
    base_counted: int | None


_EVERYTHING = _Span(1, None)
_LAST = "m.conversation DESC, m.seq DESC"  # by both: by the second alone MySQL 9 sorts the whole conversation
_LAST_SEQ = f"(SELECT m.seq FROM messages m WHERE m.conversation = c.conversation ORDER BY {_LAST} LIMIT 1)"
_TAIL = f"LEFT JOIN messages t ON t.conversation = c.conversation AND t.seq = {_LAST_SEQ}"
_READ = "LEFT JOIN messages b ON b.conversation = c.conversation AND b.seq = c.read_seq"
_SELECT = f"SELECT c.conversation, c.read_seq, b.counted, t.seq, t.counted FROM cursors c {_TAIL} {_READ}"


def views(tx: Transaction, user: str, conversations: Iterable[str]) -> dict[str, ViewRow]:
    """{conversation: view} of those of `conversations` that are the user's, or were. Three queries at most for each
    400; the membership is read after what it decides on."""
    keys = [(conversation,) for conversation in conversations]
    rows = tx.rows_in(f"{_SELECT} WHERE c.user = %s AND", ("c.conversation",), keys, (user,))
    spans = _spans(tx, user, [str(row[0]) for row in rows])
    seen = [_bounded(row, span) for row in rows if (span := _span_of(str(row[0]), spans)) is not None]
    return {view.conversation: view for view in _completed(tx, seen)}


def _spans(tx: Transaction, user: str, conversations: Iterable[str]) -> dict[str, _Span]:
    pairs = [(name.removeprefix(_GROUP), user) for name in conversations if name.startswith(_GROUP)]
    rows = groups.members(tx, pairs).values()
    return {f"{_GROUP}{row.group}": _Span(row.joined_seq, row.left_seq) for row in rows}


def _span_of(conversation: str, spans: dict[str, _Span]) -> _Span | None:
    return spans.get(conversation) if conversation.startswith(_GROUP) else _EVERYTHING


def _bounded(row: tuple[Any, ...], span: _Span) -> _Seen:
    conversation, read_seq, read_counted, tail_seq, tail_counted = row
    max_seq = tail_seq or 0
    if span.left_seq is not None and span.left_seq < max_seq:
        max_seq, tail_counted = span.left_seq, None
    elif not max_seq:
        tail_counted = 0
    base = min(max(read_seq, span.from_seq - 1), max_seq)
    base_counted = 0 if base == 0 else read_counted if base == read_seq else tail_counted if base == max_seq else None
    left = span.left_seq is not None
    return _Seen(conversation, read_seq, span.from_seq, max_seq, left, tail_counted, base, base_counted)


def _completed(tx: Transaction, seen: list[_Seen]) -> list[ViewRow]:
    """The views, after looking up the rows that the first query did not have: where the bounds of a membership cut a
    group off, its last message and its base are others than the tail and the cursor."""
    wanted = {(one.conversation, one.max_seq) for one in seen if one.max_counted is None}
    wanted |= {(one.conversation, one.base) for one in seen if one.base_counted is None}
    counted = messages.counted_at(tx, sorted(wanted))
    return [_view(one, counted) for one in seen]


def _view(one: _Seen, counted: dict[tuple[str, int], int]) -> ViewRow:
    top, base = (one.conversation, one.max_seq), (one.conversation, one.base)
    newest = counted.get(top, 0) if one.max_counted is None else one.max_counted
    before = counted.get(base, 0) if one.base_counted is None else one.base_counted
    unread = max(0, newest - before) if one.base < one.max_seq else 0
    return ViewRow(one.conversation, one.read_seq, one.from_seq, one.max_seq, unread, one.left)
