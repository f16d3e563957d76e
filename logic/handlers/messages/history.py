"""message.history: pages of a conversation by seq (protocol.md section 5)."""

from __future__ import annotations

from logic.handlers.access import readable
from logic.handlers.sizes import fit, fit_newest, message_bytes
from logic.outcome import Outcome, message_of, replied
from logic.services import Services
from logic.work import Work
from protocol import replies
from protocol.errors import bad_field
from store.tables import messages


def history(work: Work, services: Services) -> Outcome:
    """The last `limit` messages before the seq `before`, or the first `limit` after `after`; ascending in both cases,
    at most 96 KiB. Raises ImError not_found; bad_field for both ends at once."""
    args = work.args
    if args.before is not None and args.after is not None:
        raise bad_field("before", "not together with after")
    with services.database.reading() as tx:
        may = readable(tx, work.sender.user, args.conversation)
        if args.after is not None:
            after = max(args.after, may.first - 1)
            rows = fit(messages.after(tx, args.conversation, after, args.limit, may.last), message_bytes)
        else:
            rows = fit_newest(messages.before(tx, args.conversation, args.before, args.limit, may.first))
    return replied(replies.Messages([message_of(row) for row in rows], may.last))
