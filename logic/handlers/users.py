"""user.get and user.update."""

from __future__ import annotations

from logic.handlers.accounts import user_reply
from logic.outcome import Outcome, replied
from logic.services import Services, once
from logic.work import Work
from protocol import replies
from protocol.errors import not_found
from store import users


def get(work: Work, services: Services) -> Outcome:
    """The users that exist among `ids`, in the order asked for."""
    with services.database.reading() as tx:
        found = users.get(tx, work.args.ids)
    return replied(replies.Users([user_reply(found[i]) for i in dict.fromkeys(work.args.ids) if i in found]))


def update(work: Work, services: Services) -> Outcome:
    """Change one's own name, avatar or bio."""
    args, sender, now = work.args, work.sender.user, services.now_ms()

    with services.database.transaction() as tx:

        def decide() -> Outcome:
            users.update(tx, sender, name=args.name, avatar=args.avatar, bio=args.bio)
            row = users.get(tx, [sender]).get(sender)
            if row is None:
                raise not_found()
            return replied(replies.OneUser(user_reply(row)))

        return once(tx, work, now, decide)
