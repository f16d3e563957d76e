"""message.history: pages of a conversation by seq (protocol.md section 5)."""

from __future__ import annotations

from logic.handlers.access import Readable, readable
from logic.handlers.sizes import lean_bytes
from logic.outcome import Outcome, fit, message_of, replied
from logic.services import Services
from logic.work import Work
from protocol import args, replies
from protocol.errors import bad_field
from store.tables import messages


def _seqs(asked: args.History, may: Readable) -> range:
    """The seqs to read, those that are wanted most first: conversations have no holes."""
    if asked.after is not None:
        first = max(asked.after + 1, may.first)
        return range(first, min(first + asked.limit - 1, may.last) + 1)
    last = may.last if asked.before is None else min(asked.before - 1, may.last)
    return range(last, max(last - asked.limit, may.first - 1), -1)


def history(work: Work, services: Services) -> Outcome:
    """The last `limit` messages before the seq `before`, or the first `limit` after `after`; ascending in both cases,
    at most 96 KiB. Raises ImError not_found; bad_field for both ends at once."""
    asked: args.History = work.args
    if asked.before is not None and asked.after is not None:
        raise bad_field("before", "not together with after")
    with services.database.reading() as tx:
        may = readable(tx, work.sender.user, asked.conversation)
        places = [(asked.conversation, seq) for seq in _seqs(asked, may)]
        rows = messages.whole(tx, fit(messages.lean(tx, places), lean_bytes))
    rows.sort(key=lambda row: row.seq)
    more = bool(rows) and (rows[-1].seq < may.last if asked.after is not None else rows[0].seq > may.first)
    return replied(replies.Messages([message_of(row) for row in rows], may.last, more))
