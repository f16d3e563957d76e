"""What a user sees of its conversations: derived from cursors, memberships and messages, stored nowhere.

Law: a member sees a group from joined_seq on, and somebody who left up to left_seq; the count of unread respects both.
A cursor of a group without a membership shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from store.tables import messages
from store.tables.messages import MessageRow
from store.transaction import Transaction

_GROUP = "g:"
Position = tuple[int, str]
"""(time of the last message in ms, conversation): the order of a list of conversations."""


class ViewRow(NamedTuple):
    """One conversation as its user sees it. It may read the seqs from `from_seq` to `max_seq` (0: none).

    `unread` counts countable messages above `read_seq`. `last` is the message at max_seq, if it was asked for; `left`:
    the user is not in the group any more.
    """

    conversation: str
    read_seq: int
    from_seq: int
    max_seq: int
    unread: int
    last: MessageRow | None
    left: bool

    @property
    def position(self) -> Position:
        """Where the conversation stands in `page`. The time is 0 without a message, or where none was asked for."""
        return (self.last.time if self.last else 0, self.conversation)


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
    last: MessageRow | None


_EVERYTHING = _Span(1, None)
_LAST_SEQ = "(SELECT m.seq FROM messages m WHERE m.conversation = c.conversation ORDER BY m.seq DESC LIMIT 1)"
_TAIL = f"LEFT JOIN messages t ON t.conversation = c.conversation AND t.seq = {_LAST_SEQ}"
_READ = "LEFT JOIN messages b ON b.conversation = c.conversation AND b.seq = c.read_seq"
_LAST_COLUMNS = ",".join(f"t.{name}" for name in MessageRow._fields)


def views(
    tx: Transaction, user: str, conversations: Iterable[str] | None = None, with_last: bool = True
) -> list[ViewRow]:
    """All conversations of the user, or those of `conversations` that are the user's; in no order.

    Four queries at most (for each 400 of `conversations`). Without `with_last` no bodies are read and `last` is None.
    """
    columns = "c.conversation, c.read_seq, b.counted, t.seq, t.counted" + ("," + _LAST_COLUMNS if with_last else "")
    rows = _of_user(tx, f"SELECT {columns} FROM cursors c {_TAIL} {_READ}", user, conversations)
    spans = _spans(tx, user) if any(str(row[0]).startswith(_GROUP) for row in rows) else {}
    seen = [_bounded(row, span) for row in rows if (span := _span_of(str(row[0]), spans)) is not None]
    return _completed(tx, seen, with_last)


def page(tx: Transaction, user: str, after: Position | None, limit: int) -> list[ViewRow]:
    """At most `limit` conversations, the most recently active first, from behind `after` on: the `position` of the last
    row of the page before, None for the first page.

    Groups that the user left are not among them. Reads the cursors of all its conversations.
    """
    rows = _of_user(tx, f"SELECT c.conversation, t.time FROM cursors c {_TAIL}", user, None)
    positions = _times(tx, user, [(str(row[0]), int(row[1] or 0)) for row in rows])
    order = sorted((-time, conversation) for conversation, time in positions.items())
    if after is not None:
        order = [entry for entry in order if entry > (-after[0], after[1])]
    chosen = [conversation for _, conversation in order[:limit]]
    found = {view.conversation: view for view in views(tx, user, chosen)} if chosen else {}
    return [found[conversation] for conversation in chosen if conversation in found]


def _of_user(tx: Transaction, sql: str, user: str, conversations: Iterable[str] | None) -> list[tuple[Any, ...]]:
    if conversations is None:
        return tx.rows(f"{sql} WHERE c.user = %s", (user,))
    keys = [(conversation,) for conversation in conversations]
    return tx.rows_in(f"{sql} WHERE c.user = %s AND", ("c.conversation",), keys, (user,))


def _spans(tx: Transaction, user: str) -> dict[str, _Span]:
    rows = tx.rows("SELECT chat_group, joined_seq, left_seq FROM members WHERE user = %s", (user,))
    return {f"{_GROUP}{group}": _Span(joined_seq, left_seq) for group, joined_seq, left_seq in rows}


def _span_of(conversation: str, spans: dict[str, _Span]) -> _Span | None:
    return spans.get(conversation) if conversation.startswith(_GROUP) else _EVERYTHING


def _bounded(row: tuple[Any, ...], span: _Span) -> _Seen:
    conversation, read_seq, read_counted, tail_seq, tail_counted = row[:5]
    max_seq = tail_seq or 0
    last = MessageRow(*row[5:]) if len(row) > 5 and tail_seq else None
    if span.left_seq is not None and span.left_seq < max_seq:
        max_seq, tail_counted, last = span.left_seq, None, None
    elif not max_seq:
        tail_counted = 0
    base = min(max(read_seq, span.from_seq - 1), max_seq)
    base_counted = 0 if base == 0 else read_counted if base == read_seq else tail_counted if base == max_seq else None
    left = span.left_seq is not None
    return _Seen(conversation, read_seq, span.from_seq, max_seq, left, tail_counted, base, base_counted, last)


def _completed(tx: Transaction, seen: list[_Seen], with_last: bool) -> list[ViewRow]:
    """The views, after looking up the rows that the first query did not have: where the bounds of a membership cut a
    group off, its last message and its base are others than the tail and the cursor."""
    lasts = {}
    if with_last:
        lasts = messages.get(tx, [(one.conversation, one.max_seq) for one in seen if one.max_seq and not one.last])
    wanted = {(one.conversation, one.max_seq) for one in seen if one.max_counted is None}
    wanted |= {(one.conversation, one.base) for one in seen if one.base_counted is None}
    counted = messages.counted_at(tx, sorted(wanted))
    return [_view(one, counted, lasts) for one in seen]


def _view(one: _Seen, counted: dict[tuple[str, int], int], lasts: dict[tuple[str, int], MessageRow]) -> ViewRow:
    top, base = (one.conversation, one.max_seq), (one.conversation, one.base)
    newest = counted.get(top, 0) if one.max_counted is None else one.max_counted
    before = counted.get(base, 0) if one.base_counted is None else one.base_counted
    unread = max(0, newest - before) if one.base < one.max_seq else 0
    last = one.last or lasts.get(top)
    return ViewRow(one.conversation, one.read_seq, one.from_seq, one.max_seq, unread, last, one.left)


def _times(tx: Transaction, user: str, rows: list[tuple[str, int]]) -> dict[str, int]:
    """{conversation: time of its last message}, without the groups that the user left."""
    spans = _spans(tx, user) if any(row[0].startswith(_GROUP) for row in rows) else {}
    times: dict[str, int] = {}
    for conversation, time in rows:
        span = _span_of(conversation, spans)
        if span is not None and span.left_seq is None:
            times[conversation] = time
    return times
